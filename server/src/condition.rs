//! In which condition the server is, for those who operate it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use paystats_core::{
    bus::{BusError, WorkKind},
    operations::{Operated, Waiting},
    store::{Store, StoreError},
};
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::debug;

use crate::{actions::Actions, metrics::Metrics, outbox, serve::Started};

/// Longest that an engine is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Totals that were not seen to be those of the store for so long are old.
const OLD: Duration = Duration::from_secs(60);

/// What there is to look at.
pub struct Condition {
    /// The store, which is there from the beginning.
    pub store: Store,
    /// All else, as far as it is there.
    pub started: Arc<Started>,
    /// Where measurements go.
    pub metrics: Metrics,
}

#[async_trait]
impl Operated for Condition {
    async fn waiting_for(&self) -> Vec<Waiting> {
        let waiting = |what, reason| Some(Waiting { what, reason });
        let mongodb = match timeout(PATIENCE, self.store.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(StoreError::Schema(_))) => waiting("schema", "the database is not for this release, or not yet"),
            Ok(Err(_)) | Err(_) => waiting("mongodb", "it does not answer"),
        };
        // It is connected to after MongoDB has answered for the first time.
        let nats = match self.started.engines.get() {
            Some(engines) if engines.bus.is_connected() => None,
            // Nobody has tried yet.
            None if mongodb.is_some_and(|waiting| waiting.what == "schema") => None,
            Some(_) | None => waiting("nats", "it is not connected"),
        };
        let (totals, events) = match self.started.actions() {
            None if mongodb.is_none() && nats.is_none() => {
                (waiting("totals", "they are read for the first time"), None)
            }
            None => (None, None),
            Some(Actions { memory, watch, .. }) => (
                if memory.age() < OLD { None } else { waiting("totals", "they may be older than the database's") },
                // Where NATS is away that is said already.
                if nats.is_some() || watch.is_reading() {
                    None
                } else {
                    waiting("events", "what loads tell is not heard")
                },
            ),
        };
        [mongodb, nats, totals, events].into_iter().flatten().collect()
    }

    async fn measure(&self) {
        let Some(actions) = self.started.actions() else { return };
        let Metrics { cube_version, cube_age, unpublished, .. } = &self.metrics;
        cube_version.set(actions.memory.now().versions.data as i64);
        cube_age.set(actions.memory.age().as_secs_f64());
        let queues = async {
            for kind in WorkKind::ALL {
                let depth = actions.engines.bus.queue_depth(kind).await?;
                self.metrics.queue(kind, depth.waiting, depth.in_hand);
            }
            Ok::<_, BusError>(())
        };
        let loads = async {
            let accepted_before = OffsetDateTime::now_utc() - outbox::LEAST_AGE;
            unpublished.set(actions.engines.store.loads.count_unpublished(accepted_before).await? as i64);
            Ok::<_, StoreError>(())
        };
        // What cannot be asked stays as it was: that an engine is away is told by `paystats_ready`.
        let (queues, loads) = tokio::join!(timeout(PATIENCE, queues), timeout(PATIENCE, loads));
        if let Ok(Err(error)) = queues {
            debug!(%error, "the queues were not measured");
        }
        if let Ok(Err(error)) = loads {
            debug!(%error, "unpublished loads were not counted");
        }
    }
}
