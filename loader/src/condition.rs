//! In which condition the loader is, for those who operate it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use paystats_core::{
    bus::{Bus, WorkKind},
    operations::{Operated, Waiting},
    store::{Store, StoreError},
};
use tokio::time::timeout;

/// Longest that an engine is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What there is to look at.
pub struct Condition {
    store: Store,
    /// The bus, once it is there.
    bus: OnceLock<Bus>,
    /// How many workers wait for work, or do it, by its kind.
    listening: [AtomicUsize; WorkKind::ALL.len()],
}

impl Condition {
    /// Of a loader that begins.
    pub fn new(store: Store) -> Self {
        Self { store, bus: OnceLock::new(), listening: Default::default() }
    }

    /// The bus is there.
    pub fn connected(&self, bus: Bus) {
        // Set once: a loader connects once.
        let _ = self.bus.set(bus);
    }

    /// A worker listens for this kind of work as long as what this returns is held.
    pub fn listens(&self, kind: WorkKind) -> Listening<'_> {
        let workers = &self.listening[kind as usize];
        workers.fetch_add(1, Ordering::Relaxed);
        Listening(workers)
    }
}

/// A worker that listens.
pub struct Listening<'a>(&'a AtomicUsize);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Operated for Condition {
    async fn waiting_for(&self) -> Vec<Waiting> {
        let mut waiting_for = Vec::new();
        match timeout(PATIENCE, self.store.check()).await {
            Ok(Ok(())) => {}
            Ok(Err(StoreError::Schema(_))) => {
                let reason = "the database is not for this release, or not yet";
                waiting_for.push(Waiting { what: "schema", reason });
            }
            Ok(Err(_)) | Err(_) => waiting_for.push(Waiting { what: "mongodb", reason: "it does not answer" }),
        }
        if !self.bus.get().is_some_and(Bus::is_connected) {
            waiting_for.push(Waiting { what: "nats", reason: "it is not connected" });
        } else if self.listening.iter().any(|workers| workers.load(Ordering::Relaxed) == 0) {
            waiting_for.push(Waiting { what: "work", reason: "a queue of work is not open" });
        }
        waiting_for
    }
}
