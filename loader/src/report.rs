//! Tells how far the chunks of this loader are: one event a load, ten times a second at most, and one more for each chunk that is done.
//!
//! Progress that does not get through is not an error: every event tells the whole state of its chunks, so the next one makes up for it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use paystats_core::{
    bus::Bus,
    load::{ChunkProgress, LoadEvent, LoadId},
};
use tracing::debug;
use uuid::Uuid;

/// Time between two events of a load.
const INTERVAL: Duration = Duration::from_millis(100);

/// What this loader has to tell.
pub struct Reports {
    bus: Bus,
    /// Names this process.
    loader: Uuid,
    loads: Mutex<HashMap<LoadId, Report>>,
}

#[derive(Default)]
struct Report {
    /// Chunks that are under way, or were given up here.
    chunks: BTreeMap<u32, ChunkProgress>,
    is_told: bool,
}

impl Reports {
    /// Nothing to tell yet.
    pub fn new(bus: Bus) -> Self {
        Self { bus, loader: Uuid::new_v4(), loads: Mutex::default() }
    }

    /// Tells what there is to tell, for ever.
    pub async fn tell(&self) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let news: Vec<(LoadId, Vec<ChunkProgress>)> = self
                .lock()
                .iter_mut()
                .filter(|(_, report)| !report.is_told)
                .map(|(load, report)| {
                    report.is_told = true;
                    (*load, report.chunks.values().copied().collect())
                })
                .collect();
            for (load, chunks) in news {
                self.say(load, &LoadEvent::Working { loader: self.loader, chunks }).await;
            }
        }
    }

    /// A chunk is this far; told at the next turn.
    pub fn advance(&self, load: LoadId, chunk: ChunkProgress) {
        let mut loads = self.lock();
        let report = loads.entry(load).or_default();
        report.chunks.insert(chunk.chunk, chunk);
        report.is_told = false;
    }

    /// A chunk is done; told at once.
    pub async fn done(&self, load: LoadId, chunk: ChunkProgress) {
        self.say(load, &LoadEvent::Chunk(chunk)).await;
        let mut loads = self.lock();
        if let Some(report) = loads.get_mut(&load) {
            report.chunks.remove(&chunk.chunk);
            if report.chunks.is_empty() {
                loads.remove(&load);
            }
        }
    }

    /// A load has ended.
    pub fn forget(&self, load: LoadId) {
        self.lock().remove(&load);
    }

    /// Says something about a load.
    pub async fn say(&self, load: LoadId, event: &LoadEvent) {
        if let Err(error) = self.bus.publish_event(load, event).await {
            debug!(load.id = %load, %error, "progress was not told");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LoadId, Report>> {
        // A report behind is no danger.
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
