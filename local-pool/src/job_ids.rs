//! Names of jobs.

use serde_json::Value;

/// How job ids look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobIds {
    /// Text of hex digits.
    Hex,
    /// Text of decimal digits.
    Decimal,
    /// JSON numbers.
    Number,
    /// Text of more decimal digits than 64 bits hold.
    HugeDecimal,
    /// Text that is no number.
    Words,
}

impl JobIds {
    /// The text of a job id.
    pub(crate) fn text(self, number: u64) -> String {
        match self {
            Self::Hex => format!("{number:x}"),
            Self::Decimal | Self::Number => number.to_string(),
            Self::HugeDecimal => format!("{number}000000000000000000000000000000"),
            Self::Words => format!("job/{number} éä"),
        }
    }

    /// The same as it stands in a job.
    pub(crate) fn json(self, id: &str) -> Value {
        match self {
            Self::Number => id.parse::<u64>().map_or_else(|_| id.into(), Value::from),
            _ => id.into(),
        }
    }

    /// The number behind a job id, if it can be one of ours.
    pub(crate) fn number(self, id: &str) -> Option<u64> {
        match self {
            Self::Hex => u64::from_str_radix(id, 16).ok(),
            Self::Decimal | Self::Number => id.parse().ok(),
            Self::HugeDecimal => id.strip_suffix("000000000000000000000000000000")?.parse().ok(),
            Self::Words => id.strip_prefix("job/")?.strip_suffix(" éä")?.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for ids in [JobIds::Hex, JobIds::Decimal, JobIds::Number, JobIds::HugeDecimal, JobIds::Words] {
            for number in [0, 1, 0xABCD, u64::MAX] {
                let text = ids.text(number);
                assert_eq!(ids.number(&text), Some(number), "{ids:?}");
                assert_eq!(ids.json(&text).is_u64(), ids == JobIds::Number, "{ids:?}");
            }
            assert_eq!(ids.number("x"), None);
        }
    }
}
