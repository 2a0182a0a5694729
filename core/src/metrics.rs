//! How metrics are made that both programs have.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, histogram::Histogram},
};

/// Histograms of seconds, one for each set of labels.
pub type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// From a millisecond, which is quick for an answer, to minutes, which a chunk may take.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// None measured yet.
pub fn durations<L>() -> Durations<L>
where
    L: EncodeLabelSet + Clone + std::hash::Hash + Eq,
{
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}
