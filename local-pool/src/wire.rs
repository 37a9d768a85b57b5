//! Requests of the Monero dialect as they are read, replies as they are written.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Reject;

/// Longest request id that is repeated in a reply, in bytes.
const MAX_ID_BYTES: usize = 64;
/// Algorithms that a login may list.
const MAX_ALGORITHMS: usize = 64;

/// One request line.
pub(crate) struct Request<'a> {
    /// The id as it was written, or `null`.
    pub(crate) id: String,
    pub(crate) method: String,
    params: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// `None` for anything but a JSON object with a method and a short id.
    pub(crate) fn read(line: &'a str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            #[serde(borrow)]
            id: Option<&'a RawValue>,
            method: String,
            #[serde(borrow)]
            params: Option<&'a RawValue>,
        }
        let Envelope { id, method, params } = object(line)?;
        let id = id.map_or("null", RawValue::get);
        (id.len() <= MAX_ID_BYTES).then(|| Self { id: id.to_owned(), method, params })
    }

    /// Whether the id is a plain unsigned number, as strict pools demand.
    pub(crate) fn id_is_unsigned(&self) -> bool {
        self.id.parse::<u32>().is_ok()
    }

    /// The params of the method; `None` when something that it needs is missing or of the wrong type.
    pub(crate) fn params<T: Deserialize<'a>>(&self) -> Option<T> {
        object(self.params?.get())
    }
}

/// Reads an object. Serde would take a list of the fields' values as well.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Params of `login`.
#[derive(Deserialize)]
pub(crate) struct LoginParams {
    pub(crate) login: String,
    #[serde(default)]
    pub(crate) agent: Option<String>,
    #[serde(default, deserialize_with = "algorithms")]
    pub(crate) algo: Option<Vec<String>>,
}

/// Params of `submit`.
#[derive(Deserialize)]
pub(crate) struct SubmitParams {
    pub(crate) id: String,
    #[serde(deserialize_with = "text_or_number")]
    pub(crate) job_id: String,
    pub(crate) nonce: String,
    pub(crate) result: String,
    #[serde(default)]
    pub(crate) algo: Option<String>,
}

/// Params of `keepalived` and `getjob`.
#[derive(Deserialize)]
pub(crate) struct SessionParams {
    pub(crate) id: String,
}

/// What an error object looks like; pools differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"code":-1,"message":"text"}`
    Object,
    /// `{"message":"text"}`
    NoCode,
    /// `"text"`
    Text,
    /// `[-1,"text",null]`
    Array,
    /// `{"code":"-1","message":{"message":"text"}}`: nested, and the code is a text.
    Nested,
    /// `-1` without any text.
    Number,
}

impl ErrorShape {
    /// Every shape with its name.
    pub const ALL: [(&'static str, Self); 6] = [
        ("object", Self::Object),
        ("no_code", Self::NoCode),
        ("text", Self::Text),
        ("array", Self::Array),
        ("nested", Self::Nested),
        ("number", Self::Number),
    ];

    fn value(self, text: &str) -> Value {
        match self {
            Self::Object => serde_json::json!({"code": -1, "message": text}),
            Self::NoCode => serde_json::json!({"message": text}),
            Self::Text => text.into(),
            Self::Array => serde_json::json!([-1, text, null]),
            Self::Nested => serde_json::json!({"code": "-1", "message": {"message": text}}),
            Self::Number => (-1).into(),
        }
    }
}

/// A reply before faults have been at it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// The request's id as JSON text.
    pub(crate) id: String,
    /// It answers a share, which is what several faults are about.
    pub(crate) to_share: bool,
    pub(crate) body: Result<Value, String>,
    /// The connection ends behind it.
    pub(crate) then_close: bool,
}

impl Reply {
    pub(crate) fn ok(id: &str, result: Value) -> Self {
        Self { id: id.to_owned(), to_share: false, body: Ok(result), then_close: false }
    }

    pub(crate) fn status(id: &str, status: &str) -> Self {
        Self::ok(id, serde_json::json!({ "status": status }))
    }

    pub(crate) fn refuse(id: &str, reject: Reject) -> Self {
        Self { id: id.to_owned(), to_share: false, body: Err(reject.text().to_owned()), then_close: false }
    }

    pub(crate) fn for_share(self) -> Self {
        Self { to_share: true, ..self }
    }

    pub(crate) fn then_close(self, close: bool) -> Self {
        Self { then_close: close, ..self }
    }

    /// The line with its newline; `id` stands in for the reply's own.
    pub(crate) fn line(&self, id: &str, shape: ErrorShape) -> String {
        match &self.body {
            Ok(result) => format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{result}}}\n"),
            Err(text) => format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"error\":{}}}\n", shape.value(text)),
        }
    }
}

/// A line that answers nothing.
pub(crate) fn notification(method: &str, params: &Value) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":{},\"params\":{params}}}\n", Value::from(method))
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(u64),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Text(text) => text,
        Either::Number(number) => number.to_string(),
    })
}

/// The first [`MAX_ALGORITHMS`] texts of a list; whatever is no list of texts counts as absent.
fn algorithms<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Lenient {
        List(Vec<String>),
        Other(IgnoredAny),
    }
    Ok(match Lenient::deserialize(deserializer)? {
        Lenient::List(mut list) => {
            list.truncate(MAX_ALGORITHMS);
            Some(list)
        }
        Lenient::Other(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_repeated_as_written() {
        for (line, id, unsigned) in [
            (r#"{"id":7,"method":"x"}"#, "7", true),
            (r#"{"id":"7","method":"x"}"#, "\"7\"", false),
            (r#"{"id":-7,"method":"x"}"#, "-7", false),
            (r#"{"id":1.5,"method":"x"}"#, "1.5", false),
            (r#"{"method":"x"}"#, "null", false),
        ] {
            let request = Request::read(line).unwrap();
            assert_eq!((request.id.as_str(), request.id_is_unsigned()), (id, unsigned), "{line}");
        }
        for line in [
            "",
            "[]",
            "[1,\"x\",null]",
            "7",
            "{}",
            r#"{"method":7}"#,
            &format!(r#"{{"id":"{}","method":"x"}}"#, "i".repeat(80)),
        ] {
            assert!(Request::read(line).is_none(), "{line}");
        }
    }

    #[test]
    fn job_ids_are_text_or_number() {
        for (job_id, want) in [("\"0f2c\"", "0f2c"), ("17", "17")] {
            let line = format!(
                r#"{{"id":1,"method":"submit","params":{{"id":"s","job_id":{job_id},"nonce":"","result":"","more":[]}}}}"#
            );
            let request = Request::read(&line).unwrap();
            assert_eq!(request.params::<SubmitParams>().unwrap().job_id, want);
        }
    }

    #[test]
    fn replies_as_real_pools_write_them() {
        let ok = Reply::status("3", "KEEPALIVED");
        assert_eq!(
            ok.line("3", ErrorShape::Object),
            "{\"id\":3,\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{\"status\":\"KEEPALIVED\"}}\n"
        );
        let refused = Reply::refuse("2", Reject::Duplicate);
        assert_eq!(
            refused.line("2", ErrorShape::Object),
            "{\"id\":2,\"jsonrpc\":\"2.0\",\"error\":{\"code\":-1,\"message\":\"Duplicate share\"}}\n"
        );
        for (name, shape) in ErrorShape::ALL {
            let line = refused.line("2", shape);
            let value: Value = serde_json::from_str(&line).unwrap();
            assert!(!value["error"].is_null(), "{name}");
        }
    }
}
