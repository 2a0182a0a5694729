//! What workers say, as a listener hears it.

use futures_util::StreamExt;
use paystats_core::{
    bus::{Bus, LoadEvents},
    load::{LoadEvent, LoadId, Numbered},
};
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
