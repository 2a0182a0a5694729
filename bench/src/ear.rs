//! What the bus says of loads, heard without a server: when each event was published, and when loads began and ended.

use std::{collections::HashMap, time::SystemTime};

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, stream::BoxStream};
use paystats_core::{
    bus::{Bus, BusError},
    load::{LoadEvent, LoadId, LoadState, Numbered},
};

/// Hears every event that is published from now on.
pub struct Ear {
    events: BoxStream<'static, Result<(LoadId, Numbered), BusError>>,
}

/// What was heard of loads, from the first word to the last.
pub struct Heard {
    /// When the bus took each event, by its number.
    pub published: HashMap<u64, SystemTime>,
    /// When the first load was taken by a loader.
    pub begin: SystemTime,
    /// When the last load ended.
    pub end: SystemTime,
}

impl Ear {
    pub async fn open(bus: &Bus) -> Result<Self> {
        let events = bus.load_events(None).await?;
        Ok(Self { events: events.events.skip(usize::try_from(events.backlog)?).boxed() })
    }

    /// Hears until this many loads have succeeded.
    pub async fn until_ended(mut self, loads: usize) -> Result<Heard> {
        let mut published = HashMap::new();
        let (mut begin, mut ended) = (None, 0);
        while let Some(event) = self.events.next().await {
            let (load, Numbered { seq, at, event }) = event?;
            let at = SystemTime::from(at);
            published.insert(seq, at);
            match event {
                LoadEvent::Planning { .. } => begin = begin.or(Some(at)),
                LoadEvent::Finished { progress } => {
                    if progress.state != LoadState::Succeeded {
                        bail!("load {load}: {}", progress.error.unwrap_or_default());
                    }
                    ended += 1;
                    if ended == loads {
                        return Ok(Heard { published, begin: begin.context("a load ended without a begin")?, end: at });
                    }
                }
                _ => {}
            }
        }
        bail!("the events ended before the loads")
    }
}

impl Heard {
    /// From the first load's begin to the last one's end.
    pub fn seconds(&self) -> Result<f64> {
        Ok(self.end.duration_since(self.begin)?.as_secs_f64())
    }
}
