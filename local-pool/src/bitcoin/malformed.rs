//! Jobs that are wrong, or merely unusual, in one way each.

use serde_json::{Value, json};

use crate::malformed::malformed_kinds;

malformed_kinds! {
    /// One way in which a `mining.notify` is wrong, or merely unusual.
    MalformedNotify, "notify":

    /// `params` is `null`.
    ParamsNull = "params_null";
    /// `params` is a text.
    ParamsText = "params_text";
    /// `params` is `[]`.
    ParamsEmpty = "params_empty";
    /// `params` is an object of the values.
    ParamsObject = "params_object";
    /// Only the first four.
    ParamsShort = "params_short";
    /// The job id is `null`.
    IdNull = "id_null";
    /// The job id is a list.
    IdArray = "id_array";
    /// A job id of 4,000 characters.
    IdHuge = "id_huge";
    /// A previous hash of 62 digits.
    PreviousShort = "previous_short";
    /// A previous hash of 66 digits.
    PreviousLong = "previous_long";
    /// A letter that is no digit.
    PreviousNotHex = "previous_not_hex";
    /// A number instead of the previous hash.
    PreviousNumber = "previous_number";
    /// An odd number of digits in the first part of the coinbase.
    Coinbase1Odd = "coinbase1_odd";
    /// A letter that is no digit.
    Coinbase1NotHex = "coinbase1_not_hex";
    /// Characters beyond ASCII.
    Coinbase1NotAscii = "coinbase1_not_ascii";
    /// `null`.
    Coinbase1Null = "coinbase1_null";
    /// An odd number of digits in the second part.
    Coinbase2Odd = "coinbase2_odd";
    /// A letter that is no digit.
    Coinbase2NotHex = "coinbase2_not_hex";
    /// A number.
    Coinbase2Number = "coinbase2_number";
    /// A branch that is `null`.
    BranchNull = "branch_null";
    /// A branch that is one text.
    BranchText = "branch_text";
    /// A hash of 62 digits in the branch.
    BranchShortHash = "branch_short_hash";
    /// A number in the branch.
    BranchNumber = "branch_number";
    /// A branch of 1,000 hashes.
    BranchEndless = "branch_endless";
    /// A version that is no hex.
    VersionNotHex = "version_not_hex";
    /// A version of nine digits.
    VersionWide = "version_wide";
    /// A version that is `null`.
    VersionNull = "version_null";
    /// Compact target that is no hex.
    BitsNotHex = "bits_not_hex";
    /// An empty compact target.
    BitsEmpty = "bits_empty";
    /// A time that is no hex.
    TimeNotHex = "time_not_hex";
    /// A time of nine digits.
    TimeWide = "time_wide";
    /// The order that KawPow pools have.
    OtherAlgorithm = "other_algorithm";
    /// No clean flag.
    CleanMissing = "clean_missing", usable: true;
    /// The clean flag is a number.
    CleanNumber = "clean_number", usable: true;
    /// The clean flag is `null`.
    CleanNull = "clean_null", usable: true;
    /// Items behind the clean flag.
    ExtraItems = "extra_items", usable: true;
    /// Upper-case hex everywhere.
    UpperCase = "upper_case", usable: true;
    /// Numbers without leading zeros.
    Unpadded = "unpadded", usable: true;
}

impl MalformedNotify {
    /// The params of a good job, spoiled.
    pub(super) fn apply(self, mut params: Vec<Value>) -> Value {
        let text = |index: usize| params.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (previous, first, second) = (text(1), text(2), text(3));
        let not_hex = |text: &str| Value::from(format!("g{}", text.get(1..).unwrap_or_default()));
        let (index, value) = match self {
            Self::ParamsNull => return Value::Null,
            Self::ParamsText => return Value::Array(params).to_string().into(),
            Self::ParamsEmpty => return json!([]),
            Self::ParamsObject => {
                return params
                    .into_iter()
                    .enumerate()
                    .map(|(index, value)| (index.to_string(), value))
                    .collect();
            }
            Self::ParamsShort => {
                params.truncate(4);
                return params.into();
            }
            Self::CleanMissing => {
                params.truncate(8);
                return params.into();
            }
            Self::ExtraItems => {
                params.extend([json!(true), json!("more"), json!({})]);
                return params.into();
            }
            Self::OtherAlgorithm => {
                let id = params.into_iter().next();
                return json!([
                    id,
                    previous,
                    "5a".repeat(32),
                    "00000000ffff0000",
                    true,
                    1_300_000,
                    "1d00ffff"
                ]);
            }
            Self::UpperCase => {
                params.iter_mut().skip(1).for_each(upper_case);
                return params.into();
            }
            Self::Unpadded => {
                for value in params.iter_mut().skip(5).take(3) {
                    if let Some(digits) = value.as_str() {
                        *value = digits.trim_start_matches('0').into();
                    }
                }
                return params.into();
            }
            Self::IdNull => (0, Value::Null),
            Self::IdArray => (0, json!(["1"])),
            Self::IdHuge => (0, "9".repeat(4000).into()),
            Self::PreviousShort => (1, previous.get(2..).unwrap_or_default().into()),
            Self::PreviousLong => (1, format!("{previous}00").into()),
            Self::PreviousNotHex => (1, not_hex(&previous)),
            Self::PreviousNumber => (1, 7.into()),
            Self::Coinbase1Odd => (2, format!("{first}0").into()),
            Self::Coinbase1NotHex => (2, not_hex(&first)),
            Self::Coinbase1NotAscii => (2, format!("é{}", first.get(2..).unwrap_or_default()).into()),
            Self::Coinbase1Null => (2, Value::Null),
            Self::Coinbase2Odd => (3, format!("{second}0").into()),
            Self::Coinbase2NotHex => (3, not_hex(&second)),
            Self::Coinbase2Number => (3, 1.5.into()),
            Self::BranchNull => (4, Value::Null),
            Self::BranchText => (4, "5a".repeat(32).into()),
            Self::BranchShortHash => (4, json!(["5a".repeat(32), "5a".repeat(31)])),
            Self::BranchNumber => (4, json!([5])),
            Self::BranchEndless => (4, vec!["5a".repeat(32); 1000].into()),
            Self::VersionNotHex => (5, "version1".into()),
            Self::VersionWide => (5, "120000000".into()),
            Self::VersionNull => (5, Value::Null),
            Self::BitsNotHex => (6, "1d00fffg".into()),
            Self::BitsEmpty => (6, "".into()),
            Self::TimeNotHex => (7, "tomorrow".into()),
            Self::TimeWide => (7, "1ffffffff".into()),
            Self::CleanNumber => (8, i32::from(params.get(8) == Some(&true.into())).into()),
            Self::CleanNull => (8, Value::Null),
        };
        if let Some(place) = params.get_mut(index) {
            *place = value;
        }
        params.into()
    }
}

fn upper_case(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.to_uppercase(),
        Value::Array(values) => values.iter_mut().for_each(upper_case),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_changes_the_job_and_has_a_name() {
        let hash = "5b".repeat(32);
        let params = vec![
            json!("1f"),
            json!(hash),
            json!("01ab"),
            json!("ff00"),
            json!([hash]),
            json!("00000002"),
            json!("0d00ffff"),
            json!("0966bc61"),
            json!(false),
        ];
        let good = Value::Array(params.clone());
        let mut seen = Vec::new();
        for kind in MalformedNotify::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
            let bad = kind.apply(params.clone());
            assert_ne!(bad, good, "{kind}");
            assert!(!seen.contains(&bad), "{kind} repeats another kind");
            seen.push(bad);
        }
        assert!(MalformedNotify::ALL.iter().filter(|kind| !kind.usable()).count() >= 30);
    }
}
