//! What a broken or hostile pool says.

use rminer_stratum::rng::Rng;
use serde_json::{Map, Value, json};

use crate::dice::Dice;

/// A job with something odd about it.
pub(crate) struct Spoiled {
    /// Its parameters as JSON.
    pub(crate) params: String,
    /// Whether it can be mined all the same.
    pub(crate) usable: bool,
    /// Its target, when that is another one and good.
    pub(crate) target: Option<String>,
    /// Its id, when that is another one and good.
    pub(crate) id: Option<Value>,
}

/// Changes a good job. Some of the changes do no harm.
pub(crate) fn spoil(rng: &mut Rng, mut fields: Map<String, Value>) -> Spoiled {
    let mut good = Spoiled { params: String::new(), usable: true, target: None, id: None };
    let done = match rng.below(4) {
        0 => odd(rng, &mut fields, &mut good),
        1 => bad_blob(rng, &mut fields),
        2 => bad_target(rng, &mut fields),
        _ => bad_field(rng, &mut fields),
    };
    match done {
        Some(params) => Spoiled { params, usable: false, ..good },
        None => {
            good.params = Value::Object(fields).to_string();
            good
        }
    }
}

/// Odd, and good. Always `None`: nothing is broken.
fn odd(rng: &mut Rng, fields: &mut Map<String, Value>, good: &mut Spoiled) -> Option<String> {
    match rng.below(9) {
        0 => drop(fields.insert("target".into(), target("ffffffff", good))),
        1 => drop(fields.insert("target".into(), target("01000000", good))),
        2 => drop(fields.insert("target".into(), target("0100000000000000", good))),
        3 => drop(fields.insert("target".into(), target("3789", good))),
        4 => drop(fields.insert("target".into(), target("0000003789", good))),
        5 => drop(fields.insert("next_seed_hash".into(), json!(rng.pick(&["", "xyz", "00"])))),
        6 => drop(fields.insert("height".into(), rng.pick(&[-1.0, 1e300, 0.5]).into())),
        7 => {
            let id = json!("\"quoted\" and \\ \u{202e} id");
            good.id = Some(id.clone());
            fields.insert("job_id".into(), id);
        }
        _ => {
            for field in 0..rng.below(300) {
                // Behind the ones that matter.
                fields.insert(format!("z{field}"), json!({"a": [1, 2, {}]}));
            }
        }
    }
    None
}

fn target(text: &str, good: &mut Spoiled) -> Value {
    good.target = Some(text.into());
    text.into()
}

fn bad_target(rng: &mut Rng, fields: &mut Map<String, Value>) -> Option<String> {
    let zeros = "0".repeat(64);
    let long = "f".repeat(65);
    let low_half = format!("{}{}", "f".repeat(48), "0".repeat(16));
    let texts = [
        "00000000",
        "0000000000000000",
        &zeros,
        &low_half,
        "",
        "0",
        &long[..63],
        &long,
        "ffffffffffffffffff",
        "zzzzzzzz",
        "-1",
        "ffff ffff",
    ];
    let value = match rng.below(16) {
        0 => json!(5),
        1 => json!(1.5e300),
        2 => json!({"a": 1}),
        _ => json!(rng.pick(&texts)),
    };
    spoiled(fields, "target", value)
}

fn bad_blob(rng: &mut Rng, fields: &mut Map<String, Value>) -> Option<String> {
    let blob = fields["blob"].as_str().unwrap_or_default().to_owned();
    let value = match rng.below(10) {
        0 => json!(blob[..150]),
        1 => json!(format!("{blob}{}", "00".repeat(340))),
        2 => json!(blob[1..]),
        3 => json!(blob.replace('1', "g")),
        4 => json!(""),
        5 => json!("00".repeat(25_000)),
        // The nonce elsewhere: a time of four and one of six bytes, and numbers without end.
        6 => json!(format!("1010d8f58a06{}", &blob[14..])),
        7 => json!(format!("1010d8f58ad88006{}", &blob[14..])),
        8 => json!("ff".repeat(76)),
        _ => json!([blob]),
    };
    spoiled(fields, "blob", value)
}

fn bad_field(rng: &mut Rng, fields: &mut Map<String, Value>) -> Option<String> {
    let name = rng.pick(&["blob", "target", "seed_hash", "job_id"]);
    match rng.below(10) {
        0 | 1 => {
            fields.remove(name);
            Some(Value::Object(fields.clone()).to_string())
        }
        2 | 3 => spoiled(fields, name, Value::Null),
        4 => spoiled(fields, name, json!(true)),
        5 => spoiled(fields, "job_id", json!("x".repeat(300))),
        6 => spoiled(fields, "seed_hash", json!(rng.pick(&["", "00", "zz", "0123456789abcdef"]))),
        7 => spoiled(fields, "seed_hash", json!("00".repeat(33))),
        8 => Some(rng.pick(&["null", "[]", "{}", "7", "\"job\"", "[[[[]]]]", "true"]).into()),
        _ => Some(format!("[{}]", Value::Object(fields.clone()))),
    }
}

fn spoiled(fields: &mut Map<String, Value>, name: &str, value: Value) -> Option<String> {
    fields.insert(name.into(), value);
    Some(Value::Object(fields.clone()).to_string())
}

/// A message that means nothing but is well formed.
pub(crate) fn unknown_method(rng: &mut Rng) -> String {
    let id = rng.pick(&["null", "7", "\"7\"", "[]"]);
    let method = rng.pick(&["mining.notify", "getjob", "client.get_version", "", "\\u0000"]);
    format!("{{\"id\":{id},\"method\":\"{method}\",\"params\":[1,{{\"a\":null}}]}}\n")
}

/// An answer to nothing.
pub(crate) fn unknown_reply(rng: &mut Rng) -> String {
    let id = rng.pick(&[
        "4000000000",
        "-1",
        "18446744073709551616",
        "1.5",
        "null",
        "\"x\"",
        "[1]",
        "{}",
        "true",
        "0",
    ]);
    let rest = rng.pick(&[
        "\"result\":{\"status\":\"OK\"}",
        "\"error\":{\"message\":\"banned\"}",
        "\"result\":null",
    ]);
    format!("{{\"id\":{id},{rest}}}\n")
}

/// A line that is no JSON.
pub(crate) fn garbage(rng: &mut Rng) -> Vec<u8> {
    match rng.below(6) {
        0 => b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
        1 => b"<html>\x1b[2J\x07</html>\n".to_vec(),
        2 => b"\xff\xfe{\"id\":1}\xc3\x28\n".to_vec(),
        3 => b"{\"id\":\n".to_vec(),
        4 => [&rng.bytes::<40>()[..], b"\n"].concat(),
        _ => b"{\"method\":\"client.show_message\",\"params\":[\"\xf0\x28\x8c\x28\"]}\n".to_vec(),
    }
}

/// JSON, and not what it should be.
pub(crate) fn wrong_shape(rng: &mut Rng) -> String {
    let lines = [
        "[]",
        "7",
        "null",
        "\"job\"",
        "{\"method\":7,\"params\":{}}",
        "{\"method\":\"job\"}",
        "{\"method\":\"job\",\"params\":\"x\"}",
        "{\"method\":null,\"id\":{},\"result\":[],\"error\":[[]]}",
        "{\"id\":1,\"result\":{\"id\":\"again\",\"job\":7}}",
        "{\"id\":2,\"result\":false,\"result\":true,\"error\":{\"message\":{\"a\":[null]}}}",
    ];
    format!("{}\n", rng.pick(&lines))
}

/// Deep or wide JSON within the length of a line.
pub(crate) fn bomb(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => format!("{}\n", "[".repeat(30_000)),
        1 => format!("{{\"method\":\"job\",\"params\":{}1{}}}\n", "{\"a\":".repeat(5000), "}".repeat(5000)),
        2 => format!("{{\"method\":\"job\",\"params\":[{}0]}}\n", "0,".repeat(30_000)),
        _ => format!("{}\n", "{\"id\":99999999}".repeat(2000)),
    }
}

/// Words meant for a terminal.
pub(crate) fn show_message(rng: &mut Rng) -> String {
    let text = rng.pick(&["hello", "\u{1b}[31m\u{7}\r\u{202e}", ""]);
    let text = Value::from(text.repeat(usize::try_from(rng.scale(1, 2000)).unwrap()));
    format!("{{\"method\":\"client.show_message\",\"params\":[{text}]}}\n")
}

/// Why a good share is refused.
pub(crate) const REFUSALS: [&str; 10] = [
    "Stale share",
    "Block expired",
    "Invalid job id",
    "Low difficulty share",
    "Duplicate share",
    "Bad hash",
    "Throttled down share submission",
    "no \u{1b}[2J reason",
    "",
    "stale",
];
