//! In which condition the server is, for those who operate it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use paystats_core::{
    bus::{BusError, WorkKind},
    operations::{Missing, Operated, Readiness},
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

const FIRST_TOTALS: Missing = Missing { what: "totals", reason: "they are read for the first time" };
const OLD_TOTALS: Missing = Missing { what: "totals", reason: "they may be older than the database's" };
const EVENTS: Missing = Missing { what: "events", reason: "what loads tell is not heard" };

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
    async fn readiness(&self) -> Readiness {
        let is_connected = self.started.engines.get().map(|engines| engines.bus.is_connected());
        let missing = Missing::for_engines(&self.store, is_connected).await;
        let Some(Actions { memory, watch, .. }) = self.started.actions() else {
            let waiting_for = if missing.is_empty() { vec![FIRST_TOTALS] } else { missing };
            return Readiness { waiting_for, without: Vec::new() };
        };
        // Questions are answered without NATS, and mostly all servers miss it at once.
        let (mut without, mut waiting_for): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|missing| missing.what == Missing::NATS.what);
        // Where NATS is away that is said already.
        if without.is_empty() && !watch.is_reading() {
            without.push(EVENTS);
        }
        if memory.age() >= OLD {
            waiting_for.push(OLD_TOTALS);
        }
        Readiness { waiting_for, without }
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
        // What cannot be asked stays as it was: that an engine is away is told by `paystats_ready` and `paystats_degraded`.
        let (queues, loads) = tokio::join!(timeout(PATIENCE, queues), timeout(PATIENCE, loads));
        if let Ok(Err(error)) = queues {
            debug!(%error, "the queues were not measured");
        }
        if let Ok(Err(error)) = loads {
            debug!(%error, "unpublished loads were not counted");
        }
    }
}
