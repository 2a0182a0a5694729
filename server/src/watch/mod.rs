//! The progress of all loads in this process: one reader of the bus's events, one fold, any number of watchers.
//!
//! The reader writes on a [board](board::Board) and waits for nobody. Watchers look at the board whenever they like: it holds the last
//! states of each load, so who is a little behind sees every change, and who is far behind the newest state. After a lost connection
//! the reader goes on behind the last event that it has heard. Where the bus does not have what follows any more, it starts over with the last
//! event of each part, and watchers see that as a gap.

mod board;
mod history;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use paystats_core::{
    bus::{BusError, LoadEvents},
    engines::{EngineError, Engines, wait_for},
    load::{LoadEvent, LoadId, Progress},
};
use tokio::sync::{Mutex as AsyncMutex, broadcast, watch};
use tracing::{info, warn};

use self::{board::Board, history::History};
use crate::memory::Memory;

/// The board, who writes on it, and who looks at it.
pub struct LoadWatch {
    board: Mutex<Board>,
    changes: broadcast::Sender<(LoadId, Arc<Progress>)>,
    /// Events of the past are read for one watcher at a time; others often find then what they need.
    reading_past: AsyncMutex<()>,
    is_reading: AtomicBool,
}

/// Changes that a watcher of all loads may be behind before it is told so.
const CHANGES_KEPT: usize = 1_024;
/// Longest that reading the past of a load may take.
const READING_PAST: Duration = Duration::from_secs(10);

impl LoadWatch {
    /// An empty board.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            board: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            reading_past: AsyncMutex::default(),
            is_reading: AtomicBool::new(false),
        })
    }

    /// Reads the bus's events for ever.
    pub async fn read(&self, engines: &Engines, memory: &Memory) {
        let mut heard = None;
        loop {
            let connects = engines.bus.connects();
            self.is_reading.store(false, Ordering::Relaxed);
            let events = wait_for("the stream of load events", || open(engines, heard)).await;
            self.is_reading.store(true, Ordering::Relaxed);
            tokio::select! {
                taken = self.take_in(memory, events, &mut heard) => if let Err(error) = taken {
                    warn!(%error, "load events were lost");
                },
                () = reconnected(engines, connects) => info!("load events are read on"),
            }
        }
    }

    /// Whether the bus's events are read, or were a moment ago.
    pub fn is_reading(&self) -> bool {
        self.is_reading.load(Ordering::Relaxed)
    }

    async fn take_in(&self, memory: &Memory, mut events: LoadEvents, heard: &mut Option<u64>) -> Result<(), BusError> {
        // What happened before the start is no news to anybody; what happened while the reader was cut off is.
        let mut before_start = if heard.is_none() { events.backlog } else { 0 };
        while let Some(event) = events.events.next().await {
            let (load, event) = event?;
            let is_news = before_start == 0;
            before_start = before_start.saturating_sub(1);
            if is_news && matches!(event.event, LoadEvent::Finished { .. }) {
                // Who hears that a load has ended finds it in the next total.
                if let Err(error) = memory.catch_up().await {
                    warn!(%error, "the end of a load is told before its totals are there");
                }
            }
            // Of a backlog, once: at its end.
            if before_start == 0 && heard.is_none_or(|heard| event.seq > heard + 1) {
                self.lock().lose(event.seq - 1);
            }
            let changed = self.lock().apply(load, &event);
            if before_start == 0 {
                *heard = Some(event.seq);
            }
            if let Some(progress) = changed.filter(|_| is_news) {
                // Nobody listening is no error.
                let _ = self.changes.send((load, progress));
            }
        }
        Ok(())
    }

    /// How far a load is, as far as its events tell.
    pub fn now(&self, id: LoadId) -> Option<Arc<Progress>> {
        self.lock().now(id)
    }

    /// Watches one load.
    pub fn watch(self: &Arc<Self>, id: LoadId) -> Watching {
        let bell = self.lock().watch(id);
        Watching { watch: self.clone(), id, bell: Some(bell) }
    }

    /// Watches all loads.
    pub fn watch_all(&self) -> broadcast::Receiver<(LoadId, Arc<Progress>)> {
        self.changes.subscribe()
    }

    /// The number of the newest event of any load.
    pub fn heard(&self) -> u64 {
        self.lock().heard()
    }

    /// The loads that are under way, and the number of the newest event up to which that is so.
    pub fn under_way(&self) -> (HashMap<LoadId, Arc<Progress>>, u64) {
        let board = self.lock();
        (board.under_way(), board.heard())
    }

    /// Every state of a load after the event of this number, read from the bus where that was before this server's time; `None` if
    /// that is not known any more.
    pub async fn states_after(
        &self,
        engines: &Engines,
        id: LoadId,
        seq: u64,
    ) -> Result<Option<Vec<Arc<Progress>>>, BusError> {
        if let known @ Some(_) = self.lock().states_after(id, seq) {
            return Ok(known);
        }
        let _reading = self.reading_past.lock().await;
        if let known @ Some(_) = self.lock().states_after(id, seq) {
            return Ok(known);
        }
        let read = async { History::read(engines.bus.events_of(id).await?).await };
        let read = tokio::time::timeout(READING_PAST, read).await.map_err(|_| BusError::late("reading past events"))?;
        if let Some(past) = read? {
            self.lock().remember(id, past);
        }
        Ok(self.lock().states_after(id, seq))
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // The fold does not panic, and a state behind is no danger.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events after those that were heard; their stream is made anew where the bus lost it.
async fn open(engines: &Engines, heard: Option<u64>) -> Result<LoadEvents, EngineError> {
    match engines.bus.load_events(heard).await {
        Ok(events) => Ok(events),
        Err(_) => {
            engines.prepare_bus().await?;
            Ok(engines.bus.load_events(heard).await?)
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
    watch: Arc<LoadWatch>,
    id: LoadId,
    /// Taken when the watcher goes.
    bell: Option<watch::Receiver<()>>,
}

impl Watching {
    /// The load now, as far as its events tell.
    pub fn now(&self) -> Option<Arc<Progress>> {
        self.watch.now(self.id)
    }

    /// The first state after the event of this number, and whether there may have been others before it that are not known any more.
    pub fn next_after(&self, seq: u64) -> Option<(Arc<Progress>, bool)> {
        self.watch.lock().next_after(self.id, seq)
    }

    /// Waits for a change since the last call. `false` if there was none within `patience`.
    pub async fn changed(&mut self, patience: Duration) -> bool {
        match &mut self.bell {
            Some(bell) => matches!(tokio::time::timeout(patience, bell.changed()).await, Ok(Ok(()))),
            None => false,
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.bell = None;
        self.watch.lock().leave(self.id);
    }
}
