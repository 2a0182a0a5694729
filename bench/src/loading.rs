//! A load from its acceptance to its end, while loaders are there.

use std::time::Instant;

use anyhow::{Result, bail};
use futures_util::StreamExt;
use paystats_core::load::{Counts, LoadEntity, LoadEvent, LoadState};

use crate::bed::Place;

/// A load that has succeeded.
pub struct Loaded {
    pub counts: Counts,
    pub seconds: f64,
    /// The part of it in which its totals were added up.
    pub roll_up_seconds: f64,
}

impl Place {
    /// Loads a source; the time runs from its acceptance to its end.
    pub async fn load(&self, entity: LoadEntity, source: &str) -> Result<Loaded> {
        let mut events = self.engines.bus.load_events(None).await?.events;
        let start = Instant::now();
        let load = self.accept(entity, source).await?;
        let mut roll_up = None;
        while let Some(event) = events.next().await {
            let (id, event) = event?;
            match event.event {
                LoadEvent::RollingUp if id == load.id => roll_up = Some(Instant::now()),
                LoadEvent::Finished { progress } if id == load.id => {
                    if progress.state != LoadState::Succeeded {
                        bail!("{source}: {}", progress.error.unwrap_or_default());
                    }
                    return Ok(Loaded {
                        counts: progress.counts,
                        seconds: start.elapsed().as_secs_f64(),
                        roll_up_seconds: roll_up.map_or(0.0, |start| start.elapsed().as_secs_f64()),
                    });
                }
                _ => {}
            }
        }
        bail!("the events ended before the load of {source}")
    }
}
