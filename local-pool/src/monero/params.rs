//! Params of the dialect's requests.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Algorithms that a login may list.
const MAX_ALGORITHMS: usize = 64;

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
    pub(crate) commitment: Option<String>,
    #[serde(default)]
    pub(crate) algo: Option<String>,
}

/// Params of `keepalived` and `getjob`.
#[derive(Deserialize)]
pub(crate) struct SessionParams {
    pub(crate) id: String,
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
    use crate::wire::Request;

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
}
