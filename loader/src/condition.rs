//! In which condition the loader is, for those who operate it.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use paystats_core::{
    bus::{Bus, WorkKind},
    operations::{Missing, Operated, Readiness},
    store::Store,
};

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
    async fn readiness(&self) -> Readiness {
        let is_connected = self.bus.get().map(Bus::is_connected);
        let mut waiting_for = Missing::for_engines(&self.store, is_connected).await;
        let is_idle = |workers: &AtomicUsize| workers.load(Ordering::Relaxed) == 0;
        if is_connected == Some(true) && self.listening.iter().any(is_idle) {
            waiting_for.push(Missing { what: "work", reason: "a queue of work is not open" });
        }
        Readiness { waiting_for, without: Vec::new() }
    }
}
