//! Jobs that are wrong in one way each.

use rminer_algos::{decode_hex, encode_hex};
use serde_json::{Value, json};

use crate::malformed::malformed_kinds;

malformed_kinds! {
    /// One way in which a job is wrong, or merely unusual.
    MalformedJob, "job":

    /// `params` is `null`.
    ParamsNull = "params_null";
    /// `params` is a list of the values.
    ParamsArray = "params_array";
    /// `params` is a text.
    ParamsText = "params_text";
    /// `params` is `{}`.
    ParamsEmpty = "params_empty";
    /// No blob.
    BlobMissing = "blob_missing";
    /// The blob is `null`.
    BlobNull = "blob_null";
    /// The blob is a number.
    BlobNumber = "blob_number";
    /// The blob is a list of bytes.
    BlobArray = "blob_array";
    /// The blob is an empty text.
    BlobEmpty = "blob_empty";
    /// An odd number of digits.
    BlobOddHex = "blob_odd_hex";
    /// A letter that is no digit.
    BlobNotHex = "blob_not_hex";
    /// Characters beyond ASCII, of the right length in bytes.
    BlobNotAscii = "blob_not_ascii";
    /// 75 bytes: one less than the shortest Monero blob.
    BlobShort = "blob_short";
    /// 42 bytes: the nonce sticks out.
    BlobInNonce = "blob_in_nonce";
    /// 513 bytes.
    BlobLong = "blob_long";
    /// 20,000 bytes.
    BlobHuge = "blob_huge";
    /// An 80-byte Bitcoin header.
    BlobBitcoin = "blob_bitcoin";
    /// A blob with a one-byte timestamp, so that the nonce lies at 35.
    BlobEarlyNonce = "blob_early_nonce";
    /// A blob with a two-byte version, so that the nonce lies at 40.
    BlobLateNonce = "blob_late_nonce";
    /// Numbers that never end.
    BlobEndlessVarint = "blob_endless_varint";
    /// No job id.
    IdMissing = "id_missing";
    /// The job id is `null`.
    IdNull = "id_null";
    /// The job id is an object.
    IdObject = "id_object";
    /// The job id is an empty text.
    IdEmpty = "id_empty";
    /// A job id of 4,000 characters.
    IdHuge = "id_huge";
    /// No target.
    TargetMissing = "target_missing";
    /// The target is `null`.
    TargetNull = "target_null";
    /// The target is an object.
    TargetObject = "target_object";
    /// The target is a negative number.
    TargetNegative = "target_negative";
    /// The target is an empty text.
    TargetEmpty = "target_empty";
    /// Compact zero, the trap of a difficulty beyond 2^32.
    TargetZero4 = "target_zero4";
    /// 64-bit zero.
    TargetZero8 = "target_zero8";
    /// 256-bit zero.
    TargetZero32 = "target_zero32";
    /// Seven digits.
    TargetOdd = "target_odd";
    /// 63 digits.
    Target63 = "target_63";
    /// 65 digits.
    Target65 = "target_65";
    /// 18 digits, a width that no pool uses.
    Target18 = "target_18";
    /// A letter that is no digit.
    TargetNotHex = "target_not_hex";
    /// No seed.
    SeedMissing = "seed_missing";
    /// The seed is `null`.
    SeedNull = "seed_null";
    /// The seed is a number.
    SeedNumber = "seed_number";
    /// The seed is an empty text.
    SeedEmpty = "seed_empty";
    /// 62 digits.
    SeedShort = "seed_short";
    /// 66 digits.
    SeedLong = "seed_long";
    /// A letter that is no digit.
    SeedNotHex = "seed_not_hex";
    /// A variant that hashes otherwise.
    AlgorithmOther = "algo_other";
    /// An algorithm that does not exist.
    AlgorithmUnknown = "algo_unknown";
    /// The algorithm is a list.
    AlgorithmArray = "algo_array";
    /// No algorithm: the one of the login is meant.
    AlgorithmMissing = "algo_missing", usable: true;
    /// Fields that nobody knows.
    ExtraFields = "extra_fields", usable: true;
    /// No height.
    HeightMissing = "height_missing", usable: true;
    /// The height is a text.
    HeightText = "height_text", usable: true;
    /// The height is negative.
    HeightNegative = "height_negative", usable: true;
    /// Upper-case hex everywhere.
    UpperCase = "upper_case", usable: true;
    /// An empty announcement of the next seed.
    NextSeedEmpty = "next_seed_empty", usable: true;
    /// An announcement of the next seed that is no hex; only a hint, so the job stands.
    NextSeedBad = "next_seed_bad", usable: true;
}

impl MalformedJob {
    /// The params of a good job, spoiled.
    pub(crate) fn apply(self, mut job: Value) -> Value {
        match self {
            Self::ParamsNull => return Value::Null,
            Self::ParamsText => return job.to_string().into(),
            Self::ParamsEmpty => return json!({}),
            Self::ParamsArray => {
                let values = job.as_object().map(|fields| fields.values().cloned().collect());
                return Value::Array(values.unwrap_or_default());
            }
            _ => {}
        }
        let Some(fields) = job.as_object_mut() else { return job };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (blob, target, seed) = (text("blob"), text("target"), text("seed_hash"));
        let cut = |text: &str, digits: usize| text.chars().take(digits).collect::<String>();
        let padded = |bytes: usize| format!("{blob:0<digits$}", digits = 2 * bytes);
        let (name, value) = match self {
            Self::BlobNull => ("blob", Value::Null),
            Self::BlobNumber => ("blob", 1010.into()),
            Self::BlobArray => ("blob", json!([16, 16, 0, 1])),
            Self::BlobEmpty => ("blob", "".into()),
            Self::BlobOddHex => ("blob", format!("{blob}0").into()),
            Self::BlobNotHex => ("blob", blob.replacen(|_: char| true, "g", 1).into()),
            Self::BlobNotAscii => ("blob", format!("é{}", blob.chars().skip(2).collect::<String>()).into()),
            Self::BlobShort => ("blob", cut(&blob, 150).into()),
            Self::BlobInNonce => ("blob", cut(&blob, 84).into()),
            Self::BlobLong => ("blob", padded(513).into()),
            Self::BlobHuge => ("blob", padded(20_000).into()),
            Self::BlobBitcoin => ("blob", format!("{}{}", "00000020", "5a".repeat(76)).into()),
            Self::BlobEarlyNonce => ("blob", relaid(&blob, &[16, 16, 1]).into()),
            Self::BlobLateNonce => ("blob", relaid(&blob, &[0x90, 1, 16, 0x80, 0x80, 0x80, 0x80, 6]).into()),
            Self::BlobEndlessVarint => ("blob", "ff".repeat(blob.len() / 2).into()),
            Self::IdNull => ("job_id", Value::Null),
            Self::IdObject => ("job_id", json!({"id": 1})),
            Self::IdEmpty => ("job_id", "".into()),
            Self::IdHuge => ("job_id", "9".repeat(4000).into()),
            Self::TargetNull => ("target", Value::Null),
            Self::TargetObject => ("target", json!({"value": target})),
            Self::TargetNegative => ("target", (-1).into()),
            Self::TargetEmpty => ("target", "".into()),
            Self::TargetZero4 => ("target", "0".repeat(8).into()),
            Self::TargetZero8 => ("target", "0".repeat(16).into()),
            Self::TargetZero32 => ("target", "0".repeat(64).into()),
            Self::TargetOdd => ("target", cut(&target, 7).into()),
            Self::Target63 => ("target", "f".repeat(63).into()),
            Self::Target65 => ("target", "f".repeat(65).into()),
            Self::Target18 => ("target", format!("{target:f<18}").into()),
            Self::TargetNotHex => ("target", "zzzzzzzz".into()),
            Self::SeedNull => ("seed_hash", Value::Null),
            Self::SeedNumber => ("seed_hash", 4.into()),
            Self::SeedEmpty => ("seed_hash", "".into()),
            Self::SeedShort => ("seed_hash", cut(&seed, 62).into()),
            Self::SeedLong => ("seed_hash", format!("{seed}00").into()),
            Self::SeedNotHex => ("seed_hash", format!("xx{}", cut(&seed, 62)).into()),
            Self::AlgorithmOther => ("algo", "rx/wow".into()),
            Self::AlgorithmUnknown => ("algo", "nosuch/9".into()),
            Self::AlgorithmArray => ("algo", json!(["rx/0"])),
            Self::HeightText => ("height", "3000000".into()),
            Self::HeightNegative => ("height", (-1).into()),
            Self::NextSeedEmpty => ("next_seed_hash", "".into()),
            Self::NextSeedBad => ("next_seed_hash", "soon".into()),
            Self::ExtraFields => ("coin", json!({"name": ["XMR", null, 1.5]})),
            Self::UpperCase => {
                for (name, digits) in [("blob", &blob), ("target", &target), ("seed_hash", &seed)] {
                    fields.insert(name.into(), digits.to_uppercase().into());
                }
                return job;
            }
            missing => {
                fields.remove(match missing {
                    Self::BlobMissing => "blob",
                    Self::IdMissing => "job_id",
                    Self::TargetMissing => "target",
                    Self::SeedMissing => "seed_hash",
                    Self::AlgorithmMissing => "algo",
                    _ => "height",
                });
                return job;
            }
        };
        fields.insert(name.into(), value);
        job
    }
}

/// The blob with other numbers before the previous id.
fn relaid(blob: &str, numbers: &[u8]) -> String {
    let bytes = decode_hex(blob).unwrap_or_default();
    encode_hex(&[numbers, bytes.get(7..).unwrap_or_default()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_changes_the_job_and_has_a_name() {
        let good = json!({
            "algo": "rx/0", "blob": "10".repeat(76), "height": 3, "job_id": "1f",
            "seed_hash": "ab".repeat(32), "target": "37894100",
        });
        let mut seen = Vec::new();
        for kind in MalformedJob::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
            let bad = kind.apply(good.clone());
            assert_ne!(bad, good, "{kind}");
            assert!(!seen.contains(&bad), "{kind} repeats another kind");
            seen.push(bad);
        }
        assert!(MalformedJob::ALL.iter().filter(|kind| !kind.usable()).count() >= 40);
    }

    #[test]
    fn layouts_move_the_nonce() {
        let good = json!({"blob": "1010d8f58ad806".to_owned() + &"22".repeat(69)});
        for (kind, bytes) in [(MalformedJob::BlobEarlyNonce, 72), (MalformedJob::BlobLateNonce, 77)] {
            assert_eq!(kind.apply(good.clone())["blob"].as_str().unwrap().len(), 2 * bytes);
        }
    }
}
