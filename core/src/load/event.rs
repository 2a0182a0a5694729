//! What is said about a load: by the server that accepts it, and by workers while they work on it.
//!
//! Every event tells the whole state of its part (a chunk says how far it is, not how much was added), so an event heard
//! twice, or the last event of a part heard alone, gives the same progress.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ChunkProgress, Plan, Progress};

/// One thing that happened to a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LoadEvent {
    /// It waits for a worker.
    Accepted {
        /// Size of the source.
        bytes_total: u64,
    },
    /// A worker reads the source once.
    Planning {
        /// When a worker first took the load: milliseconds since 1970.
        started_at_millis: i64,
        /// Size of the source.
        bytes_total: u64,
    },
    /// All of the source was cut into chunks, of which the first may be done already.
    Planned(Plan),
    /// The chunks that one loader works on are this far.
    Working {
        /// The loader: a name of its process.
        loader: Uuid,
        /// Its chunks.
        chunks: Vec<ChunkProgress>,
    },
    /// A chunk is done.
    Chunk(ChunkProgress),
    /// All rows are written; the totals are added up anew.
    RollingUp,
    /// The load is being taken back.
    Reverting {
        /// Its progress up to here.
        progress: Progress,
    },
    /// The load is final.
    Finished {
        /// Its last progress, the same that the store keeps.
        progress: Progress,
    },
    /// Of a later release, or broken: it changes nothing.
    #[serde(other)]
    Unknown,
}

impl LoadEvent {
    /// The part of the load that the event tells the whole state of. Of each part, the last event is enough.
    pub fn part(&self) -> String {
        match self {
            Self::Accepted { .. } => "accepted".to_owned(),
            Self::Planning { .. } => "planning".to_owned(),
            Self::Planned(_) => "planned".to_owned(),
            Self::Working { loader, .. } => format!("loader.{loader}"),
            Self::Chunk(chunk) => format!("chunk.{}", chunk.chunk),
            Self::RollingUp => "rolling_up".to_owned(),
            Self::Reverting { .. } => "reverting".to_owned(),
            Self::Finished { .. } => "finished".to_owned(),
            Self::Unknown => "unknown".to_owned(),
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
