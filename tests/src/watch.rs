//! What workers say, as a listener hears it.

use futures_util::{StreamExt, TryStreamExt};
use paystats_core::{
    bus::{Bus, LoadEvents},
    load::{LoadEvent, LoadId, Numbered, ProgressFold},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::PATIENCE;

/// A listener to all loads.
pub struct Watch {
    bus: Bus,
    events: LoadEvents,
    heard: Vec<(LoadId, Numbered)>,
}

impl Watch {
    pub(crate) async fn start(bus: Bus) -> Self {
        let events = bus.load_events(None).await.unwrap();
        Self { bus, events, heard: Vec::new() }
    }

    /// The next event of any load.
    pub async fn next(&mut self) -> (LoadId, Numbered) {
        let next = timeout(PATIENCE, self.events.events.next()).await.expect("an event comes");
        let heard = next.expect("events do not end").unwrap();
        self.heard.push(heard.clone());
        heard
    }

    /// Waits for an event of `load`.
    pub async fn hears(&mut self, load: LoadId, wanted: impl Fn(&LoadEvent) -> bool) {
        loop {
            let (of, heard) = self.next().await;
            if of == load && wanted(&heard.event) {
                return;
            }
        }
    }

    /// All events of `load` since the start, up to this moment: an event is said after them, and whatever was heard before it is all.
    pub async fn events_of(&mut self, load: LoadId) -> Vec<Numbered> {
        let mark = LoadId::new();
        self.bus.publish_event(mark, &LoadEvent::Planning { started_at_millis: 0, bytes_total: 0 }).await.unwrap();
        self.hears(mark, |_| true).await;
        self.heard.iter().filter(|(of, _)| *of == load).map(|(_, event)| event.clone()).collect()
    }
}

/// What a watcher who is told every change of a load is told of it, by the events that the bus keeps, for the selection
/// `{ seq state rowsRead missed }`.
pub async fn every_change(bus: &Bus, load: LoadId) -> Vec<Value> {
    let mut events = bus.events_of(load).await.unwrap().events;
    let (mut fold, mut changes) = (ProgressFold::default(), Vec::new());
    while let Some(event) = events.try_next().await.unwrap() {
        if fold.apply(&event) {
            let now = fold.now();
            let (state, rows) = (now.state.name(), now.counts.read());
            changes.push(json!({ "seq": now.seq, "state": state, "rowsRead": rows, "missed": false }));
        }
    }
    changes
}
