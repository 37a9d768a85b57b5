//! Requests as they are read and replies as they are written, in what the dialects have in common.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Reject;

/// Longest request id that is repeated in a reply, in bytes.
const MAX_ID_BYTES: usize = 64;

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

    /// The params when they are a list, as single values.
    pub(crate) fn list(&self) -> Option<Vec<&'a RawValue>> {
        let text = self.params?.get();
        text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// The params of the method when they are an object; `None` when something that it needs is missing or of the wrong type.
    pub(crate) fn params<T: Deserialize<'a>>(&self) -> Option<T> {
        object(self.params?.get())
    }
}

/// Reads an object. Serde would take a list of the fields' values as well.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// What a refusal looks like; pools differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `"error":{"code":-1,"message":"text"}`
    Object,
    /// `"error":{"message":"text"}`
    NoCode,
    /// `"error":"text"`
    Text,
    /// `"error":[-1,"text",null]`
    Array,
    /// `"error":{"code":"-1","message":{"message":"text"}}`: nested, and the code is a text.
    Nested,
    /// `"error":-1` without any text.
    Number,
    /// `"error":null,"result":false,"reject-reason":"text"`
    RejectReason,
    /// `"error":null,"result":false` and no reason at all.
    Bare,
}

impl ErrorShape {
    /// Every shape with its name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("object", Self::Object),
        ("no_code", Self::NoCode),
        ("text", Self::Text),
        ("array", Self::Array),
        ("nested", Self::Nested),
        ("number", Self::Number),
        ("reject_reason", Self::RejectReason),
        ("bare", Self::Bare),
    ];

    /// The fields of the reply besides its id; `result` is what stands there besides an error.
    fn fields(self, code: i64, text: &str, result: Option<&str>) -> String {
        let error = match self {
            Self::Object => json!({"code": code, "message": text}),
            Self::NoCode => json!({"message": text}),
            Self::Text => text.into(),
            Self::Array => json!([code, text, null]),
            Self::Nested => json!({"code": code.to_string(), "message": {"message": text}}),
            Self::Number => code.into(),
            Self::RejectReason => {
                return format!("\"error\":null,\"result\":false,\"reject-reason\":{}", Value::from(text));
            }
            Self::Bare => return "\"error\":null,\"result\":false".to_owned(),
        };
        match result {
            Some(result) => format!("\"error\":{error},\"result\":{result}"),
            None => format!("\"error\":{error}"),
        }
    }
}

/// How one pool speaks, as far as that is the same in every dialect.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    /// Fields in front of every message's own.
    pub(crate) prefix: &'static str,
    /// Code and text of a refusal.
    pub(crate) words: fn(Reject) -> (i64, &'static str),
    pub(crate) error_shape: ErrorShape,
    /// Replies of success say `"error":null`.
    pub(crate) ok_error: bool,
    /// What `result` says in a refusal; `None` leaves it away.
    pub(crate) refused_result: Option<&'static str>,
    /// Verdicts of shares come this much later than everything else.
    pub(crate) late_result: Option<Duration>,
    /// Lines are held for a moment and sent in one piece.
    pub(crate) glue: bool,
    /// Everything is cut into pieces of this many bytes.
    pub(crate) split_bytes: Option<usize>,
    pub(crate) close_on_bad_line: bool,
    /// NULs are taken out of lines, and other control characters read as blanks.
    pub(crate) cleans_lines: bool,
    /// Who breaks the rules is kept out for this long.
    pub(crate) strict_ban: Option<Duration>,
    pub(crate) min_line_bytes: usize,
    pub(crate) max_line_bytes: usize,
}

/// A reply before faults have been at it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// The request's id as JSON text.
    pub(crate) id: String,
    /// It answers a share, which is what several faults are about.
    pub(crate) to_share: bool,
    pub(crate) body: Result<Value, Reject>,
    /// Fields of its own, as JSON with a comma behind each.
    pub(crate) extra: &'static str,
    /// The connection ends behind it.
    pub(crate) then_close: bool,
}

impl Reply {
    pub(crate) fn ok(id: &str, result: Value) -> Self {
        Self { id: id.to_owned(), to_share: false, body: Ok(result), extra: "", then_close: false }
    }

    pub(crate) fn refuse(id: &str, reject: Reject) -> Self {
        Self { id: id.to_owned(), to_share: false, body: Err(reject), extra: "", then_close: false }
    }

    pub(crate) fn for_share(self) -> Self {
        Self { to_share: true, ..self }
    }

    pub(crate) fn with(self, extra: &'static str) -> Self {
        Self { extra, ..self }
    }

    pub(crate) fn then_close(self, close: bool) -> Self {
        Self { then_close: close, ..self }
    }

    /// The line with its newline; `id` stands in for the reply's own, `tail` follows the text of a refusal.
    pub(crate) fn line(&self, id: &str, shape: ErrorShape, style: &Style, tail: &str) -> String {
        let (prefix, extra) = (style.prefix, self.extra);
        match self.body {
            Ok(ref result) => {
                let error = if style.ok_error { "\"error\":null," } else { "" };
                format!("{{\"id\":{id},{prefix}{extra}{error}\"result\":{result}}}\n")
            }
            Err(reject) => {
                let (code, text) = (style.words)(reject);
                let fields = shape.fields(code, &format!("{text}{tail}"), style.refused_result);
                format!("{{\"id\":{id},{prefix}{extra}{fields}}}\n")
            }
        }
    }
}

/// A text, or a number as it was written.
pub(crate) fn text(value: &RawValue) -> Option<String> {
    match serde_json::from_str::<Value>(value.get()).ok()? {
        Value::String(text) => Some(text),
        Value::Number(_) => Some(value.get().to_owned()),
        _ => None,
    }
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
    fn replies_as_real_pools_write_them() {
        let monero = crate::monero::Profile::default().style();
        let bitcoin = crate::bitcoin::Profile::default().style();
        let ok = Reply::ok("3", json!({"status": "KEEPALIVED"}));
        assert_eq!(
            ok.line("3", ErrorShape::Object, &monero, ""),
            "{\"id\":3,\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{\"status\":\"KEEPALIVED\"}}\n"
        );
        let refused = Reply::refuse("2", Reject::Duplicate);
        assert_eq!(
            refused.line("2", ErrorShape::Object, &monero, ""),
            "{\"id\":2,\"jsonrpc\":\"2.0\",\"error\":{\"code\":-1,\"message\":\"Duplicate share\"}}\n"
        );
        assert_eq!(
            refused.line("2", ErrorShape::Array, &bitcoin, "!"),
            "{\"id\":2,\"error\":[22,\"Duplicate share!\",null],\"result\":null}\n"
        );
        assert_eq!(
            refused.line("2", ErrorShape::RejectReason, &bitcoin, ""),
            "{\"id\":2,\"error\":null,\"result\":false,\"reject-reason\":\"Duplicate share\"}\n"
        );
        for (name, shape) in ErrorShape::ALL {
            for style in [&monero, &bitcoin] {
                let value: Value = serde_json::from_str(&refused.line("2", shape, style, "")).unwrap();
                assert!(!value["error"].is_null() || value["result"] == false, "{name}");
            }
        }
    }
}
