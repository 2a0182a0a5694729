//! What workers say about a load while they work on it.
//!
//! Every event tells the whole state of its part (a chunk says how far it is, not how much was added), so an event heard
//! twice, or the last event of a part heard alone, gives the same progress.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Counts, Progress};

/// One thing that happened to a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LoadEvent {
    /// A worker reads the source once.
    Planning {
        /// Size of the source.
        bytes_total: u64,
    },
    /// The source was cut into chunks, and their work starts.
    Planned {
        /// Size of the source.
        bytes_total: u64,
        /// Records in it, the header left out.
        rows_total: u64,
        /// Number of chunks.
        chunks: u32,
    },
    /// A chunk is this far.
    Chunk {
        /// Its place in the source, from 0.
        chunk: u32,
        /// Bytes of the source behind it.
        bytes_read: u64,
        /// Its rows so far.
        counts: Counts,
        /// Whether it is done.
        done: bool,
    },
    /// The load is final.
    Finished {
        /// Its last progress, the same that the store keeps.
        progress: Progress,
    },
}

impl LoadEvent {
    /// The part of the load that the event tells the whole state of. Of each part, the last event is enough.
    pub fn part(&self) -> String {
        match self {
            Self::Planning { .. } => "planning".to_owned(),
            Self::Planned { .. } => "planned".to_owned(),
            Self::Chunk { chunk, .. } => format!("chunk.{chunk}"),
            Self::Finished { .. } => "finished".to_owned(),
        }
    }
}

/// An event with its place in the order of all events, and its time, both given by the bus.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// Grows from event to event; one event of one load has it.
    pub seq: u64,
    /// When the bus took it.
    pub at: OffsetDateTime,
    /// What happened.
    pub event: LoadEvent,
}
