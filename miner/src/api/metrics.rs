//! `/metrics` for Prometheus and all that read its format. Made anew for each scrape from the latest snapshot; nothing is
//! counted here.

mod families;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::routing::get;
use axum::{Extension, Router};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use super::ApiState;
use crate::engine::{BOUNDS_S, Histogram};
use crate::records::{ShareKey, Statistics};

/// Samples of one metric at one moment.
#[derive(Debug, Clone, PartialEq)]
struct Family {
    /// As it is scraped: counters end with `_total`.
    name: &'static str,
    help: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    samples: Vec<Sample>,
}

/// Kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of what was not above each bound.
    Histogram,
}

/// One line, or the lines of one histogram.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    /// One for each label of the family.
    labels: Vec<String>,
    value: Value,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Count(u64),
    Number(f64),
    Times(Box<Histogram>),
}

/// The two text formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// What every reader knows.
    Prometheus,
    /// Its successor.
    OpenMetrics,
}

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/metrics", get(metrics)).layer(Extension(Arc::new(Highest::default())))
}

async fn metrics(
    State(state): State<ApiState>,
    Extension(highest): Extension<Arc<Highest>>,
    headers: HeaderMap,
) -> ([(HeaderName, &'static str); 1], String) {
    let format = Format::accepted(&headers);
    let statistics = highest.raise(state.records.statistics());
    let families = families::families(&state.about, &state.board.snapshot(), &statistics);
    ([(CONTENT_TYPE, format.content_type())], encode(families, format))
}

/// Counts of shares as they were scraped. The records take a count back when an answer comes after all; a counter that
/// goes back looks like a new start of the miner to Prometheus, so what was once told stays told.
#[derive(Debug, Default)]
struct Highest(Mutex<BTreeMap<ShareKey, u64>>);

impl Highest {
    fn raise(&self, mut statistics: Statistics) -> Statistics {
        let mut highest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, count) in &mut statistics.shares {
            match highest.get_mut(key) {
                Some(known) => {
                    *known = (*known).max(*count);
                    *count = *known;
                }
                None => drop(highest.insert(key.clone(), *count)),
            }
        }
        statistics
    }
}

impl Format {
    /// OpenMetrics for who asks for it.
    fn accepted(headers: &HeaderMap) -> Self {
        let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepted.any(|value| value.contains("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

fn encode(families: Vec<Family>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(families)));
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _never = match format {
        Format::Prometheus => prometheus_text::encode(&mut out, &registry),
        Format::OpenMetrics => text::encode(&mut out, &registry),
    };
    out
}

/// Hands families to the encoder.
#[derive(Debug)]
struct Scrape(Vec<Family>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.0.iter().filter(|family| !family.samples.is_empty()) {
            // The encoders put the ending of counters where each format has it.
            let name = family.name.strip_suffix("_total").unwrap_or(family.name);
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(name, family.help, None, kind)?;
            for sample in &family.samples {
                if family.labels.is_empty() {
                    sample.value.encode(family.kind, &mut metric)?;
                } else {
                    let labels: Vec<(&str, &str)> =
                        family.labels.iter().copied().zip(sample.labels.iter().map(String::as_str)).collect();
                    sample.value.encode(family.kind, &mut metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

/// Samples here point at no example.
const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

impl Value {
    fn encode(&self, kind: Kind, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match (self, kind) {
            (Self::Count(value), Kind::Counter) => metric.encode_counter(value, NO_EXEMPLAR),
            (Self::Number(value), Kind::Counter) => metric.encode_counter(value, NO_EXEMPLAR),
            (Self::Count(value), _) => metric.encode_gauge(value),
            (Self::Number(value), _) => metric.encode_gauge(value),
            (Self::Times(histogram), _) => {
                let bounds = BOUNDS_S.into_iter().chain([f64::INFINITY]);
                let steps: Vec<(f64, u64)> = bounds.zip(histogram.counts).collect();
                metric.encode_histogram::<NoLabelSet>(histogram.sum_s, histogram.count(), &steps, None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
