//! The support bundle: one JSON file with what others need to help, without secrets. Sections are gathered by the
//! command; here they are made harmless, listed and written.

mod scrub;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

pub use scrub::Scrubber;

/// Longest section as text, in bytes; longer ones are replaced by a word on that.
const MAX_SECTION_BYTES: usize = 2 << 20;

/// All sections, scrubbed.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    sections: Vec<(&'static str, Value)>,
}

impl Bundle {
    /// A section more. What is in it is scrubbed here, whoever made it.
    pub fn add(&mut self, name: &'static str, value: &Value, scrubber: &Scrubber) {
        let value = scrubber.value(value);
        let length = value.to_string().len();
        let value = if length > MAX_SECTION_BYTES {
            json!({ "left_out": format!("{length} bytes are more than a report holds") })
        } else {
            value
        };
        self.sections.push((name, value));
    }

    /// What is inside, for a look before it is written: a name and so many bytes each.
    pub fn contents(&self) -> Vec<(&'static str, usize)> {
        self.sections.iter().map(|(name, value)| (*name, value.to_string().len())).collect()
    }

    /// As it is written.
    pub fn text(&self) -> String {
        let fields: Map<String, Value> =
            self.sections.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut text = serde_json::to_string_pretty(&fields).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Writes a new file that only this user can read; one that exists stays as it is.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_written_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let mut scrubber = Scrubber::new(None);
        scrubber.hide("secret-word");
        let mut bundle = Bundle::default();
        bundle.add("about", &json!({ "pass": "secret-word" }), &scrubber);
        bundle.add("long", &Value::from("x ".repeat(MAX_SECTION_BYTES)), &scrubber);
        bundle.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["about"]["pass"], "***");
        assert!(read["long"]["left_out"].is_string() && text.len() < 500, "{text}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bundle.write(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(bundle.contents().iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["about", "long"]);
    }
}
