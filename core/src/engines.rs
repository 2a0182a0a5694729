//! Both engines behind one door: the store and the bus, waited for until they answer.

use std::{fmt::Display, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use tracing::{info, warn};

use crate::{
    bus::{Bus, BusError},
    config::Config,
    store::{Store, StoreError},
};

/// The store and the bus, ready for use.
#[derive(Clone, Debug)]
pub struct Engines {
    /// The store.
    pub store: Store,
    /// The bus.
    pub bus: Bus,
}

/// An error of either engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Of the bus.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl Engines {
    /// Waits until MongoDB and NATS answer and makes sure that indexes and streams exist. It never gives up: a log line a
    /// try says what it waits for. That goes for a database of a newer release too: an end would only be followed by the next start, and as soon as
    /// a backup of before is restored, or the newer release takes this one's place, there is nothing left to do here.
    pub async fn connect(store: Store, config: &Config) -> Self {
        wait_for("MongoDB", || store.prepare()).await;
        let bus = wait_for("NATS", || connect_bus(&store, config)).await;
        Self { store, bus }
    }

    /// Makes the streams of the bus anew where they are gone.
    pub async fn prepare_bus(&self) -> Result<(), EngineError> {
        prepare_bus(&self.store, &self.bus).await
    }
}

async fn connect_bus(store: &Store, config: &Config) -> Result<Bus, EngineError> {
    let bus = Bus::connect(&config.bus).await?;
    prepare_bus(store, &bus).await?;
    Ok(bus)
}

/// More than the events that were told since the last load ended. Where the bus is lost with all it held, the new stream starts so far behind
/// the number that the store knows: an event whose number was given before would be taken for that one.
const EVENTS_OF_OPEN_LOADS: u64 = 1_000_000;

async fn prepare_bus(store: &Store, bus: &Bus) -> Result<(), EngineError> {
    let told = store.loads.greatest_event().await?;
    let next_event = match store.loads.last_number().await? {
        0 => 1,
        _ => told + EVENTS_OF_OPEN_LOADS,
    };
    if bus.has_lost_work().await? {
        // Before there is a new stream, so that whoever dies in between does not hide the loss. Servers then publish the loads
        // under way again.
        store.loads.set_unpublished().await?;
    }
    Ok(bus.prepare(told, next_event).await?)
}

/// Pauses between tries: from a quarter of a second, doubling up to eight seconds, each varied so that many processes do
/// not come back at the same moment.
pub fn backoff() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(8))
        .without_max_times()
        .with_jitter()
        .build()
}

/// Tries `attempt` until it succeeds.
pub async fn wait_for<T, E: Display, F>(what: &str, mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, E>>,
{
    let mut pauses = backoff();
    let mut tries = 1;
    loop {
        match attempt().await {
            Ok(value) => {
                info!(tries, "{what} is ready");
                return value;
            }
            Err(error) => {
                let pause = pauses.next().unwrap_or(Duration::from_secs(8));
                let pause_seconds = pause.as_secs_f32();
                warn!(tries, pause_seconds, %error, "waiting for {what}");
                tokio::time::sleep(pause).await;
                tries += 1;
            }
        }
    }
}
