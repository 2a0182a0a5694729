//! The progress of all loads in this process: one reader of the bus's events, one fold, any number of watchers.
//!
//! A watcher gets the newest state, never a backlog, and costs the reader nothing. After a lost connection the reader starts
//! over with the last event of each part; the fold drops what it has heard.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use paystats_core::{
    bus::{BusError, LoadEvents},
    engines::{EngineError, Engines, wait_for},
    load::{LoadId, Numbered, Progress},
};
use tokio::sync::{broadcast, watch};
use tracing::warn;

/// The board that the reader writes on and watchers look at.
pub struct LoadWatch {
    loads: Mutex<HashMap<LoadId, watch::Sender<Progress>>>,
    changes: broadcast::Sender<(LoadId, Progress)>,
}

/// Changes that a watcher of all loads may be behind before it skips.
const CHANGES_KEPT: usize = 1_024;

impl LoadWatch {
    /// An empty board.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { loads: Mutex::default(), changes: broadcast::Sender::new(CHANGES_KEPT) })
    }

    /// Reads the bus's events for ever.
    pub async fn read(&self, engines: &Engines) {
        loop {
            let mut events = wait_for("the stream of load events", || open(engines)).await;
            if let Err(error) = self.take_in(&mut events.events).await {
                warn!(%error, "load events were lost");
            }
        }
    }

    async fn take_in(
        &self,
        events: &mut (impl futures_util::Stream<Item = Result<(LoadId, Numbered), BusError>> + Unpin),
    ) -> Result<(), BusError> {
        while let Some(event) = events.next().await {
            let (load, event) = event?;
            self.apply(load, &event);
        }
        Ok(())
    }

    fn apply(&self, id: LoadId, event: &Numbered) {
        let mut loads = self.lock();
        let progress = loads.entry(id).or_default();
        let mut changed = None;
        progress.send_if_modified(|progress| {
            let modified = progress.apply(event);
            changed = modified.then(|| progress.clone());
            modified
        });
        if progress.borrow().state.is_final() && progress.receiver_count() == 0 {
            // The store holds its end.
            loads.remove(&id);
        }
        drop(loads);
        if let Some(progress) = changed {
            // Nobody listening is no error.
            let _ = self.changes.send((id, progress));
        }
    }

    /// How far a load is, as far as its events tell.
    pub fn now(&self, id: LoadId) -> Option<Progress> {
        self.lock().get(&id).map(|progress| progress.borrow().clone()).filter(|progress| progress.seq > 0)
    }

    /// Watches one load.
    pub fn watch(self: &Arc<Self>, id: LoadId) -> Watching {
        let receiver = self.lock().entry(id).or_default().subscribe();
        Watching { board: self.clone(), id, receiver: Some(receiver) }
    }

    /// Watches all loads.
    pub fn watch_all(&self) -> broadcast::Receiver<(LoadId, Progress)> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LoadId, watch::Sender<Progress>>> {
        // The fold does not panic, and a state behind is no danger.
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events; their stream is made anew where the bus lost it.
async fn open(engines: &Engines) -> Result<LoadEvents, EngineError> {
    match engines.bus.load_events().await {
        Ok(events) => Ok(events),
        Err(_) => {
            engines.prepare_bus().await?;
            Ok(engines.bus.load_events().await?)
        }
    }
}

/// A place in front of the board.
pub struct Watching {
    board: Arc<LoadWatch>,
    id: LoadId,
    /// Taken when the watcher goes.
    receiver: Option<watch::Receiver<Progress>>,
}

impl Watching {
    /// The load now, as far as its events tell.
    pub fn now(&mut self) -> Option<Progress> {
        let receiver = self.receiver.as_mut()?;
        Some(receiver.borrow_and_update().clone()).filter(|progress| progress.seq > 0)
    }

    /// Waits for a change. `false` if there was none within `patience`.
    pub async fn changed(&mut self, patience: Duration) -> bool {
        match &mut self.receiver {
            Some(receiver) => matches!(tokio::time::timeout(patience, receiver.changed()).await, Ok(Ok(()))),
            None => false,
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.receiver = None;
        let mut loads = self.board.lock();
        let idle = |progress: &watch::Sender<Progress>| {
            let now = progress.borrow();
            progress.receiver_count() == 0 && (now.seq == 0 || now.state.is_final())
        };
        if loads.get(&self.id).is_some_and(idle) {
            loads.remove(&self.id);
        }
    }
}
