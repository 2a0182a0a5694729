//! Publishes loads that were accepted while the bus was away, or by a server that died before it published them, and again those
//! under way when the bus lost all it held. Every server does this; the bus drops what it has already, and planning a load twice
//! is harmless.

use std::time::Duration;

use time::OffsetDateTime;
use tracing::{info, warn};

use crate::actions::{ActionError, Actions};

const INTERVAL: Duration = Duration::from_secs(2);
/// Younger loads are still in the hands of the request that accepted them.
pub const LEAST_AGE: Duration = Duration::from_secs(5);

/// Looks for unpublished loads for ever.
pub async fn publish_forgotten(actions: &Actions) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if !actions.engines.bus.is_connected() {
            continue;
        }
        if let Err(error) = publish_once(actions).await {
            warn!(%error, "accepted loads could not be published; trying again");
        }
    }
}

async fn publish_once(actions: &Actions) -> Result<(), ActionError> {
    for load in actions.engines.store.loads.unpublished(OffsetDateTime::now_utc() - LEAST_AGE).await? {
        actions.publish(&load).await?;
        info!(load.id = %load.id, load.number = load.number, "a load that was left behind is published");
    }
    Ok(())
}
