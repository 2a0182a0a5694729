//! The progress of all loads in this process: one reader of the bus's events, one fold, any number of watchers.
//!
//! A watcher gets the newest state, never a backlog, and costs the reader nothing. After a lost connection the reader starts
//! over with the last event of each part; what it has heard is dropped: by the fold, and for loads that have ended by the board.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use paystats_core::{
    bus::{BusError, LoadEvents},
    engines::{EngineError, Engines, wait_for},
    load::{LoadEvent, LoadId, Numbered, Progress},
};
use tokio::sync::{broadcast, watch};
use tracing::{info, warn};

use crate::memory::Memory;

/// The board that the reader writes on and watchers look at.
pub struct LoadWatch {
    board: Mutex<Board>,
    changes: broadcast::Sender<(LoadId, Progress)>,
}

#[derive(Default)]
struct Board {
    /// Loads that are under way or watched.
    loads: HashMap<LoadId, watch::Sender<Progress>>,
    /// Loads whose end was heard, and its number: what is said of them late, or again, is no news. Only a success that is taken back is
    /// under way once more. Twenty-four bytes each, never forgotten.
    ended: HashMap<LoadId, u64>,
}

/// Changes that a watcher of all loads may be behind before it skips.
const CHANGES_KEPT: usize = 1_024;

impl LoadWatch {
    /// An empty board.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { board: Mutex::default(), changes: broadcast::Sender::new(CHANGES_KEPT) })
    }

    /// Reads the bus's events for ever.
    pub async fn read(&self, engines: &Engines, memory: &Memory) {
        let mut started = false;
        loop {
            let connects = engines.bus.connects();
            let events = wait_for("the stream of load events", || open(engines)).await;
            // What happened before the start is no news to anybody; what happened while the reader was cut off is.
            let history = if started { 0 } else { events.backlog };
            started = true;
            tokio::select! {
                taken = self.take_in(memory, events, history) => if let Err(error) = taken {
                    warn!(%error, "load events were lost");
                },
                () = reconnected(engines, connects) => info!("load events are read anew"),
            }
        }
    }

    async fn take_in(&self, memory: &Memory, mut events: LoadEvents, history: u64) -> Result<(), BusError> {
        let mut taken = 0;
        while let Some(event) = events.events.next().await {
            let (load, event) = event?;
            taken += 1;
            if taken > history && matches!(event.event, LoadEvent::Finished { .. }) {
                // Who hears that a load has ended finds it in the next total.
                if let Err(error) = memory.catch_up().await {
                    warn!(%error, "the end of a load is told before its totals are there");
                }
            }
            if let Some(progress) = self.apply(load, &event)
                && taken > history
            {
                // Nobody listening is no error.
                let _ = self.changes.send((load, progress));
            }
        }
        Ok(())
    }

    /// The progress of the event's load, if the event changes it.
    fn apply(&self, id: LoadId, event: &Numbered) -> Option<Progress> {
        let mut board = self.lock();
        let Board { loads, ended } = &mut *board;
        if let Some(&end) = ended.get(&id) {
            if event.seq <= end || !matches!(event.event, LoadEvent::Reverting { .. }) {
                return None;
            }
            ended.remove(&id);
        }
        let progress = loads.entry(id).or_default();
        let mut changed = None;
        progress.send_if_modified(|progress| {
            let modified = progress.apply(event);
            changed = modified.then(|| progress.clone());
            modified
        });
        if progress.borrow().state.is_final() {
            ended.insert(id, event.seq);
            if progress.receiver_count() == 0 {
                // The store holds its end.
                loads.remove(&id);
            }
        }
        changed
    }

    /// How far a load is, as far as its events tell.
    pub fn now(&self, id: LoadId) -> Option<Progress> {
        self.lock().loads.get(&id).map(|progress| progress.borrow().clone()).filter(|progress| progress.seq > 0)
    }

    /// Watches one load.
    pub fn watch(self: &Arc<Self>, id: LoadId) -> Watching {
        let receiver = self.lock().loads.entry(id).or_default().subscribe();
        Watching { board: self.clone(), id, receiver: Some(receiver) }
    }

    /// Watches all loads.
    pub fn watch_all(&self) -> broadcast::Receiver<(LoadId, Progress)> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // The fold does not panic, and a state behind is no danger.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Completes when the bus was away and is back since it was connected for the `connects`th time. It does not know its readers
/// any more then, and they would not hear of that before they miss two heartbeats.
async fn reconnected(engines: &Engines, connects: u64) {
    const INTERVAL: Duration = Duration::from_millis(250);
    while engines.bus.connects() == connects {
        tokio::time::sleep(INTERVAL).await;
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
        let loads = &mut self.board.lock().loads;
        let idle = |progress: &watch::Sender<Progress>| {
            let now = progress.borrow();
            progress.receiver_count() == 0 && (now.seq == 0 || now.state.is_final())
        };
        if loads.get(&self.id).is_some_and(idle) {
            loads.remove(&self.id);
        }
    }
}
