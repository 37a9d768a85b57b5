//! Jobs that are wrong, or merely unusual, in one way each.

use rminer_algos::encode_hex;
use serde_json::{Value, json};

use super::Template;
use super::jobs::{text_payload, words};
use crate::malformed::malformed_kinds;

/// The smallest number that does not fit 64 bits.
const TOO_WIDE: &str = "18446744073709551616";

malformed_kinds! {
    /// One way in which a job of a Kaspa pool is wrong, or merely unusual.
    MalformedTemplate, "template":

    /// `params` is `null`.
    ParamsNull = "params_null";
    /// `params` is a text.
    ParamsText = "params_text";
    /// `params` is `[]`.
    ParamsEmpty = "params_empty";
    /// `params` is an object of the values.
    ParamsObject = "params_object";
    /// Only the job id.
    ParamsShort = "params_short";
    /// The job id is `null`.
    IdNull = "id_null";
    /// The job id is a list.
    IdArray = "id_array";
    /// A job id of 4,000 characters.
    IdHuge = "id_huge";
    /// Three words.
    WordsThree = "words_three";
    /// Five words.
    WordsFive = "words_five";
    /// No words.
    WordsEmpty = "words_empty";
    /// `null` instead of words.
    WordsNull = "words_null";
    /// An object of words.
    WordsObject = "words_object";
    /// A thousand words.
    WordsEndless = "words_endless";
    /// A word below zero.
    WordNegative = "word_negative";
    /// A word with a fraction.
    WordFraction = "word_fraction";
    /// A word with an exponent, as a program writes it that has doubles for numbers.
    WordExponent = "word_exponent";
    /// A word of more than 64 bits.
    WordWide = "word_wide";
    /// A word that is `null`.
    WordNull = "word_null";
    /// A word as a text that is no decimal number.
    WordNotDecimal = "word_not_decimal";
    /// No timestamp behind the words.
    TimestampMissing = "timestamp_missing";
    /// A timestamp that is `null`.
    TimestampNull = "timestamp_null";
    /// A timestamp below zero.
    TimestampNegative = "timestamp_negative";
    /// A timestamp with a fraction.
    TimestampFraction = "timestamp_fraction";
    /// A timestamp of more than 64 bits.
    TimestampWide = "timestamp_wide";
    /// A timestamp that is a list.
    TimestampArray = "timestamp_array";
    /// 78 digits.
    HexShort = "hex_short";
    /// 82 digits.
    HexLong = "hex_long";
    /// 79 digits.
    HexOdd = "hex_odd";
    /// No digits.
    HexEmpty = "hex_empty";
    /// A letter that is no digit.
    HexNotHex = "hex_not_hex";
    /// Characters beyond ASCII.
    HexNotAscii = "hex_not_ascii";
    /// The hash alone, without the timestamp.
    HexHashOnly = "hex_hash_only";
    /// The whole of a job of an Ethash pool.
    OtherAlgorithm = "other_algorithm";
    /// Words as decimal texts.
    WordsAsText = "words_as_text", usable: true;
    /// The timestamp as a decimal text.
    TimestampAsText = "timestamp_as_text", usable: true;
    /// Upper-case hex digits.
    HexUpper = "hex_upper", usable: true;
    /// Items behind the timestamp.
    ExtraItems = "extra_items", usable: true;
}

impl MalformedTemplate {
    /// The params of a job, spoiled; as JSON text, since some are nothing that a JSON library writes.
    pub(super) fn apply(self, id: &Value, template: &Template) -> String {
        let timestamp = template.timestamp_ms;
        let good = words(template).map(Value::from);
        let hex = text_payload(template);
        let array = |words: Value| json!([id, words, timestamp]);
        let first = |word: Value| {
            let mut words = good.to_vec();
            words[0] = word;
            array(words.into())
        };
        let at = |timestamp: Value| json!([id, good, timestamp]);
        let text = |hex: String| json!([id, hex]);
        let params = match self {
            Self::ParamsNull => Value::Null,
            Self::ParamsText => at(timestamp.into()).to_string().into(),
            Self::ParamsEmpty => json!([]),
            Self::ParamsObject => json!({"0": id, "1": good, "2": timestamp}),
            Self::ParamsShort => json!([id]),
            Self::IdNull => json!([null, good, timestamp]),
            Self::IdArray => json!([[id], good, timestamp]),
            Self::IdHuge => json!(["9".repeat(4000), good, timestamp]),
            Self::WordsThree => array(good[..3].to_vec().into()),
            Self::WordsFive => array([&good[..], &good[..1]].concat().into()),
            Self::WordsEmpty => array(json!([])),
            Self::WordsNull => array(Value::Null),
            Self::WordsObject => array(json!({"0": good[0], "1": good[1], "2": good[2], "3": good[3]})),
            Self::WordsEndless => array(vec![5; 1000].into()),
            Self::WordNegative => first((-5).into()),
            Self::WordFraction => first(5.5.into()),
            Self::WordExponent => first(1.5e19.into()),
            Self::WordWide => return first("@".into()).to_string().replace("\"@\"", TOO_WIDE),
            Self::WordNull => first(Value::Null),
            Self::WordNotDecimal => first("12x4".into()),
            Self::TimestampMissing => json!([id, good]),
            Self::TimestampNull => at(Value::Null),
            Self::TimestampNegative => at((-1).into()),
            Self::TimestampFraction => at(1.5.into()),
            Self::TimestampWide => return at("@".into()).to_string().replace("\"@\"", TOO_WIDE),
            Self::TimestampArray => at(json!([timestamp])),
            Self::HexShort => text(hex.get(..78).unwrap_or_default().into()),
            Self::HexLong => text(format!("{hex}00")),
            Self::HexOdd => text(hex.get(..79).unwrap_or_default().into()),
            Self::HexEmpty => text(String::new()),
            Self::HexNotHex => text(format!("g{}", hex.get(1..).unwrap_or_default())),
            Self::HexNotAscii => text(format!("é{}", hex.get(2..).unwrap_or_default())),
            Self::HexHashOnly => text(encode_hex(&template.pre_pow_hash)),
            Self::OtherAlgorithm => json!([id, "5a".repeat(32), encode_hex(&template.pre_pow_hash), true]),
            Self::WordsAsText => array(good.iter().map(Value::to_string).collect()),
            Self::TimestampAsText => at(timestamp.to_string().into()),
            Self::HexUpper => text(hex.to_uppercase()),
            Self::ExtraItems => json!([id, good, timestamp, true, "more", {}]),
        };
        params.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_changes_the_job_and_has_a_name() {
        let template = Template { pre_pow_hash: [0xAB; 32], timestamp_ms: 1_787_225_600_123 };
        let id = json!("7");
        let goods = [
            json!([id, words(&template), template.timestamp_ms]).to_string(),
            json!([id, text_payload(&template)]).to_string(),
        ];
        let mut seen = Vec::new();
        for kind in MalformedTemplate::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
            let bad = kind.apply(&id, &template);
            assert!(serde_json::from_str::<Value>(&bad).is_ok(), "{kind}: a line of JSON all the same");
            assert!(!goods.contains(&bad), "{kind}");
            assert!(!seen.contains(&bad), "{kind} repeats another kind");
            seen.push(bad);
        }
        assert!(MalformedTemplate::ALL.iter().filter(|kind| !kind.usable()).count() >= 30);
    }
}
