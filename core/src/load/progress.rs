//! How far a load is.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{Load, LoadState, Reverted};

/// Rows of a chunk or a load, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New to the store.
    pub inserted: u64,
    /// Known, and changed.
    pub updated: u64,
    /// Known, and the same.
    pub unchanged: u64,
    /// Refused.
    pub rejected: u64,
}

impl Counts {
    /// All rows.
    pub fn read(&self) -> u64 {
        self.inserted + self.updated + self.unchanged + self.rejected
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.rejected += other.rejected;
    }
}

/// How far a chunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkProgress {
    /// Its place in the source, from 0.
    pub chunk: u32,
    /// Bytes of the source behind it.
    pub bytes_read: u64,
    /// Its rows so far.
    pub counts: Counts,
    /// Whether it is done.
    pub done: bool,
}

/// How far a load is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of the newest event in it; 0 before the first.
    pub seq: u64,
    /// Where the load stands.
    pub state: LoadState,
    /// Why it failed.
    pub error: Option<String>,
    /// Rows so far.
    pub counts: Counts,
    /// Rows in all, known once all of the source is planned.
    pub rows_total: Option<u64>,
    /// Bytes of the source that are done.
    pub bytes_read: u64,
    /// Size of the source; of a compressed one that is planned, of its text.
    pub bytes_total: u64,
    /// Chunks that are done.
    pub chunks_done: u32,
    /// Chunks in all, known once all of the source is planned.
    pub chunks_total: Option<u32>,
    /// Rows a second since a worker took the load.
    pub rows_per_second: Option<f64>,
    /// Seconds to go at this speed.
    pub eta_seconds: Option<f64>,
    /// Rows that were taken back.
    #[serde(default)]
    pub reverted: Reverted,
}

impl Progress {
    /// The progress of a load that no worker has spoken of.
    pub fn queued(bytes_total: u64) -> Self {
        Self { bytes_total, ..Self::default() }
    }

    /// The progress of a load whose chunks do not go on, `seconds` after a worker took it. `done` is the sum of its chunks.
    pub fn stopped(load: &Load, state: LoadState, done: ChunkProgress, chunks_done: u32, seconds: f64) -> Self {
        let bytes_total = load.plan.map_or(load.source_size_bytes, |plan| plan.bytes_total);
        Self {
            state,
            error: load.error.clone(),
            counts: done.counts,
            rows_total: load.plan.map(|plan| plan.rows_total),
            bytes_read: if state == LoadState::Succeeded { bytes_total } else { done.bytes_read },
            bytes_total,
            chunks_done,
            chunks_total: load.plan.map(|plan| plan.chunks_total),
            rows_per_second: (seconds > 0.0).then(|| done.counts.read() as f64 / seconds),
            ..Self::default()
        }
    }

    /// The same rows in another state, told by no event yet.
    #[must_use]
    pub fn in_state(&self, state: LoadState, reverted: Reverted) -> Self {
        Self { seq: 0, state, reverted, eta_seconds: None, ..self.clone() }
    }

    /// Share of the source that is done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        match self.state {
            LoadState::Succeeded => 1.0,
            _ if self.bytes_total == 0 => 0.0,
            _ => (self.bytes_read as f64 / self.bytes_total as f64).min(1.0),
        }
    }
}
