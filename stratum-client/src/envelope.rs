//! The tolerant JSON envelope that all line dialects share.
//!
//! Pools speak something that looks like JSON-RPC and is not: replies without `error`, notifications with ids,
//! ids as text, errors in five shapes, numbers as text. So: `method` decides first, ids second, every field is
//! read by a lenient reader, and what is not needed is never parsed. Payloads stay [`RawValue`], which keeps job
//! ids and decimals exactly as they were written.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::text::clean;

/// Objects on one line that are read; broken proxies glue a few.
pub const MAX_OBJECTS: usize = 16;
/// Fields of one object and items of one array that are looked at.
pub const MAX_ITEMS: usize = 256;

/// One message of a peer.
#[derive(Debug, Default)]
pub struct Envelope<'a> {
    /// Present on requests and notifications; decides what the message is.
    pub method: Option<Cow<'a, str>>,
    /// Our request's number, if it can be read as one.
    pub id: Option<u64>,
    /// The id as it was written, for answers to the peer's questions.
    pub raw_id: Option<&'a RawValue>,
    /// Parameters of a request or notification.
    pub params: Option<&'a RawValue>,
    /// Result of a reply; absent for `null`.
    pub result: Option<&'a RawValue>,
    /// Error of a reply; absent for `null`, `false` and empty ones.
    pub error: Option<PeerError>,
}

/// An error that a peer reported, whatever shape it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerError {
    /// Numeric code where there is one.
    pub code: Option<i64>,
    /// Text, already safe to show.
    pub text: String,
}

/// The messages of one line. An item is an error when the rest of the line is no JSON object.
pub fn parse_line(line: &str) -> impl Iterator<Item = Result<Envelope<'_>, serde_json::Error>> {
    serde_json::Deserializer::from_str(line).into_iter::<Envelope<'_>>().take(MAX_OBJECTS)
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
                let mut envelope = Envelope::default();
                let mut reason = None;
                while let Some(Key(key)) = map.next_key()? {
                    // A repeated key replaces the earlier one.
                    match &*key {
                        "method" => envelope.method = text(map.next_value()?),
                        "id" => {
                            let raw: &RawValue = map.next_value()?;
                            envelope.raw_id = (raw.get() != "null").then_some(raw);
                            envelope.id = number(raw);
                        }
                        "params" => envelope.params = present(map.next_value()?),
                        "result" => envelope.result = present(map.next_value()?),
                        "error" => envelope.error = PeerError::read(map.next_value()?),
                        "reject-reason" => reason = PeerError::read(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                envelope.error = envelope.error.or(reason);
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl PeerError {
    /// Reads `[code, text, …]`, `{"code", "message"}`, a text or a number; `None` for `null`, `false`, `[]`.
    pub fn read(raw: &RawValue) -> Option<Self> {
        let written = raw.get();
        match written.as_bytes().first()? {
            b'[' => {
                let items = items(raw)?;
                let code = items.iter().find_map(|item| signed(item));
                let text = items.iter().find_map(|item| quoted(item));
                if code.is_none() && text.is_none() {
                    return None;
                }
                Some(Self { code, text: clean(&text.unwrap_or_default()) })
            }
            b'{' => {
                let fields = Fields::read(raw)?;
                let code = fields.get("code").and_then(signed);
                let message = fields.get("message").or_else(|| fields.get("reason")).and_then(text);
                // An object that says neither is shown as it is: it is an error all the same.
                Some(Self { code, text: clean(message.as_deref().unwrap_or(written)) })
            }
            b'"' => Some(Self { code: None, text: clean(&text(raw)?) }),
            b'n' | b'f' => None,
            _ => Some(Self { code: signed(raw), text: clean(written) }),
        }
    }
}

/// Fields of an object by name, in lenient form. At most [`MAX_ITEMS`] are kept; what is beyond does not exist.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// `None` when `raw` is no object.
    pub fn read(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// The value of `name`; the last one of several, and none for `null`.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).and_then(|(_, raw)| present(raw))
    }

    /// All values, in the order in which they were written.
    pub fn values(&self) -> impl Iterator<Item = &'a RawValue> {
        self.0.iter().map(|(_, raw)| *raw)
    }

    /// The value of `name` as text, also when it is a number.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(text)
    }

    /// The value of `name` as a whole number, also when it is text.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(number)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    let value: &'de RawValue = map.next_value()?;
                    if fields.len() < MAX_ITEMS {
                        fields.push((key, value));
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// Items of an array, at most [`MAX_ITEMS`]; `None` when `raw` is no array.
pub fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    struct Items<'a>(Vec<&'a RawValue>);
    impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct All;
            impl<'de> Visitor<'de> for All {
                type Value = Items<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a JSON array")
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
                    let mut items = Vec::new();
                    while items.len() < MAX_ITEMS {
                        let Some(item) = seq.next_element()? else { return Ok(Items(items)) };
                        items.push(item);
                    }
                    while seq.next_element::<IgnoredAny>()?.is_some() {}
                    Ok(Items(items))
                }
            }
            deserializer.deserialize_seq(All)
        }
    }
    serde_json::from_str::<Items<'_>>(raw.get()).ok().map(|items| items.0)
}

/// A text, or the digits of a number as they were written.
pub fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first()? {
        b'"' => quoted(raw),
        b'0'..=b'9' | b'-' => Some(Cow::Borrowed(raw.get())),
        _ => None,
    }
}

/// A whole number from `4`, `4.0` or `"4"`.
pub fn number(raw: &RawValue) -> Option<u64> {
    let written = text(raw)?;
    let written = written.trim();
    let whole = written.split_once('.').map_or(written, |(whole, fraction)| {
        if fraction.bytes().all(|digit| digit == b'0') { whole } else { "" }
    });
    whole.parse().ok()
}

/// `true`, `1` or `"true"`; none when it is no truth value.
pub fn truth(raw: &RawValue) -> Option<bool> {
    match raw.get() {
        "true" | "1" | "\"true\"" | "\"1\"" => Some(true),
        "false" | "0" | "\"false\"" | "\"0\"" => Some(false),
        _ => None,
    }
}

fn signed(raw: &RawValue) -> Option<i64> {
    text(raw)?.trim().parse().ok()
}

fn quoted(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Key<'_>>(raw.get()).ok().map(|key| key.0)
}

fn present(raw: &RawValue) -> Option<&RawValue> {
    (raw.get() != "null").then_some(raw)
}

/// A text that borrows where it holds no escapes; `Cow`'s own implementation always copies.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(value.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// Fuzz entry: any bytes parse or fail, and every reader takes what comes out.
#[doc(hidden)]
pub fn fuzz_envelope(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    for envelope in parse_line(&line) {
        let Ok(envelope) = envelope else { break };
        for raw in [envelope.params, envelope.result, envelope.raw_id].into_iter().flatten() {
            let _ = (text(raw), number(raw), truth(raw), PeerError::read(raw));
            if let Some(fields) = Fields::read(raw) {
                assert!(fields.0.len() <= MAX_ITEMS);
                for (name, value) in &fields.0 {
                    let _ = (fields.text(name), fields.number(name), items(value));
                }
            }
            assert!(items(raw).is_none_or(|items| items.len() <= MAX_ITEMS));
        }
        if let Some(error) = envelope.error {
            assert!(!error.text.contains('\x1b'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(line: &str) -> Envelope<'_> {
        parse_line(line).next().unwrap().unwrap()
    }

    fn error(written: &str) -> Option<(Option<i64>, String)> {
        one(&format!("{{\"id\":1,\"error\":{written}}}")).error.map(|error| (error.code, error.text))
    }

    #[test]
    fn ids_in_every_shape() {
        for (written, id) in [
            ("1", Some(1)),
            ("\"1\"", Some(1)),
            ("1.0", Some(1)),
            ("null", None),
            ("-1", None),
            ("1.5", None),
            ("18446744073709551616", None),
            ("[1]", None),
            ("\"abc\"", None),
        ] {
            assert_eq!(one(&format!("{{\"id\":{written}}}")).id, id, "{written}");
        }
    }

    #[test]
    fn errors_in_five_shapes() {
        assert_eq!(error("[21,\"Job not found\",null]"), Some((Some(21), "Job not found".into())));
        assert_eq!(error("{\"code\":-1,\"message\":\"Low diff\"}"), Some((Some(-1), "Low diff".into())));
        assert_eq!(error("{\"message\":\"Stale\"}"), Some((None, "Stale".into())));
        assert_eq!(error("\"nope\""), Some((None, "nope".into())));
        assert_eq!(error("20"), Some((Some(20), "20".into())));
        assert_eq!(error("{\"x\":1}"), Some((None, "{\"x\":1}".into())));
        for none in ["null", "false", "[]"] {
            assert_eq!(error(none), None, "{none}");
        }
        let rejected = one("{\"result\":false,\"error\":null,\"reject-reason\":\"Above target\"}");
        assert_eq!(rejected.error.unwrap().text, "Above target");
    }

    #[test]
    fn glued_objects_and_repeated_keys() {
        let line = "{\"id\":1,\"id\":2}{\"method\":\"job\",\"params\":{\"a\":1,\"a\":\"2\"}} {";
        let mut objects = parse_line(line);
        assert_eq!(objects.next().unwrap().unwrap().id, Some(2));
        let job = objects.next().unwrap().unwrap();
        assert_eq!(job.method.as_deref(), Some("job"));
        assert_eq!(Fields::read(job.params.unwrap()).unwrap().number("a"), Some(2));
        assert!(objects.next().unwrap().is_err());
        assert_eq!(parse_line(&"{}".repeat(1000)).count(), MAX_OBJECTS);
    }

    #[test]
    fn raw_text_is_kept() {
        let envelope = one("{\"params\":[\"0f2c\",1e-3,\"a\\u0062\",null]}");
        let params = items(envelope.params.unwrap()).unwrap();
        assert_eq!(params[1].get(), "1e-3");
        assert_eq!(text(params[1]).unwrap(), "1e-3");
        assert_eq!(text(params[2]).unwrap(), "ab");
        assert_eq!(text(params[3]), None);
    }

    #[test]
    fn bombs_are_harmless() {
        assert!(parse_line(&"[".repeat(100_000)).next().unwrap().is_err());
        let deep = format!("{{\"params\":{}", "[".repeat(100_000));
        assert!(parse_line(&deep).next().unwrap().is_err());
        let wide = format!("{{\"params\":[{}1]}}", "1,".repeat(1_000_000));
        assert_eq!(items(one(&wide).params.unwrap()).unwrap().len(), MAX_ITEMS);
        assert!(parse_line("HTTP/1.1 400 Bad Request").next().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn any_line_is_handled(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz_envelope(&data);
        }

        #[test]
        fn json_like_lines_are_handled(pieces in proptest::collection::vec(
            proptest::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"id\"", "\"params\"", "\"error\"", "\"method\"",
                "null", "1", "-1.5e9", "\"x\"", "true"]), 0..40)) {
            fuzz_envelope(pieces.concat().as_bytes());
        }
    }
}
