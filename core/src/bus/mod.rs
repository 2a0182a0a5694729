//! The bus: the only code that speaks to NATS. Streams and subjects, by the prefix of the installation (`paystats`):
//!
//! | stream | subjects | keeps |
//! |---|---|---|
//! | `paystats-work` | `paystats.work.plan.<load>`, `paystats.work.chunk.<load>.<index>`, `paystats.work.revert.<load>` | work until it is acknowledged |
//! | `paystats-events` | `paystats.events.<load>.<part>` | what was said about loads, for seven days |
//!
//! Work is taken by three durable consumers, `planners`, `chunks` and `reverters`, that all loaders share. [`Bus`] reconnects by itself;
//! while NATS is away calls fail within seconds.

mod error;
mod events;
mod work;

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    connection::State,
    jetstream::{self, Context},
};
use percent_encoding::percent_decode_str;
use tracing::{info, warn};

pub use error::BusError;
pub use events::{LoadEvents, PastEvents};
pub use work::{Delivery, QueueDepth, Work, WorkKind, WorkQueue};

use crate::config::BusConfig;

/// A connection to the bus.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    jetstream: Context,
    prefix: String,
    ack_wait: Duration,
}

impl Bus {
    /// How long a request waits for its answer.
    const TIMEOUT: Duration = Duration::from_secs(5);

    /// Connects once, and reconnects by itself from then on.
    pub async fn connect(config: &BusConfig) -> Result<Self, BusError> {
        let options = match &config.ca {
            Some(ca) => ConnectOptions::new().add_root_certificates(ca.clone()),
            None => ConnectOptions::new(),
        };
        let client = authenticated(options, config.url.expose())
            .name("paystats")
            .connection_timeout(Self::TIMEOUT)
            .request_timeout(Some(Self::TIMEOUT))
            .event_callback(async |event| match event {
                Event::Connected => info!("NATS is connected"),
                Event::Disconnected => warn!("NATS is away; reconnecting"),
                Event::ClientError(_) | Event::Draining | Event::Closed => {}
                other => warn!(event = %other, "NATS says"),
            })
            .connect(config.url.expose())
            .await
            .map_err(|error| BusError::new("connecting", error))?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(Self::TIMEOUT);
        Ok(Self { client, jetstream, prefix: config.prefix.clone(), ack_wait: config.ack_wait })
    }

    /// Makes the streams and the consumers of work. Safe to call again, and from several processes at once.
    ///
    /// `next_event` is the least number that the next event may have: where the bus was lost with all it held, the stream of
    /// events starts anew behind the numbers that it gave before.
    pub async fn prepare(&self, next_event: u64) -> Result<(), BusError> {
        events::create_stream(self, next_event).await?;
        work::create_stream(self).await
    }

    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// How often the connection was made: more than before where NATS was away and is back.
    pub fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// Fails at once while NATS is away, instead of after the time that a request waits.
    fn check_connected(&self) -> Result<(), BusError> {
        if self.is_connected() { Ok(()) } else { Err(BusError::disconnected()) }
    }
}

/// With the user and the password, or the token, of the URL: the library reads them there and does not show them.
fn authenticated(options: ConnectOptions, url: &str) -> ConnectOptions {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let first = url.split(',').next().and_then(|url| url.trim().parse::<ServerAddr>().ok());
    match first.as_ref().map(|address| (address.username(), address.password())) {
        Some((Some(user), Some(password))) => options.user_and_password(decoded(user), decoded(password)),
        Some((Some(token), None)) => options.token(decoded(token)),
        _ => options,
    }
}
