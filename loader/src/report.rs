//! Tells how far a chunk is, at most a few times a second. Progress that does not get through is not an error: every event
//! tells the whole state of its chunk, so the next one makes up for it.

use std::time::Duration;

use paystats_core::{
    bus::Bus,
    load::{Counts, LoadEvent, LoadId},
};
use tokio::time::Instant;
use tracing::debug;

/// Least time between two reports of one worker.
const INTERVAL: Duration = Duration::from_millis(100);

/// Reports on one chunk.
pub struct Reporter<'a> {
    bus: &'a Bus,
    load: LoadId,
    chunk: u32,
    last: Option<Instant>,
}

impl<'a> Reporter<'a> {
    /// For one chunk of a load.
    pub fn new(bus: &'a Bus, load: LoadId, chunk: u32) -> Self {
        Self { bus, load, chunk, last: None }
    }

    /// The chunk is this far. Says nothing if it spoke a moment ago.
    pub async fn advance(&mut self, bytes_read: u64, counts: Counts) {
        if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.say(bytes_read, counts, false).await;
            self.last = Some(Instant::now());
        }
    }

    /// The chunk is done.
    pub async fn done(&self, bytes_read: u64, counts: Counts) {
        self.say(bytes_read, counts, true).await;
    }

    async fn say(&self, bytes_read: u64, counts: Counts, done: bool) {
        let event = LoadEvent::Chunk { chunk: self.chunk, bytes_read, counts, done };
        if let Err(error) = self.bus.publish_event(self.load, &event).await {
            debug!(load.id = %self.load, %error, "progress was not told");
        }
    }
}
