//! The bus: the only code that speaks to NATS. Streams and subjects, by the prefix of the installation (`paystats`):
//!
//! | stream | subjects | keeps |
//! |---|---|---|
//! | `paystats-work` | `paystats.work.plan.<load>`, `paystats.work.chunk.<load>.<index>`, `paystats.work.revert.<load>` | work until it is acknowledged |
//! | `paystats-events` | `paystats.events.<load>.<part>` | what was said about loads, for seven days |
//!
//! Work is taken by three durable consumers, `planners`, `chunks` and `reverters`, that all loaders share. [`Bus`] reconnects by itself;
//! while NATS is away calls fail within seconds. In a cluster each stream, and with it its durable consumers, is kept by as many servers as
//! `PAYSTATS_NATS_REPLICAS` says.

mod error;
mod events;
mod work;

use std::{io, sync::atomic::Ordering, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    connection::State,
    jetstream::{self, Context, context::CreateStreamError, stream},
};
use futures_util::future::select_all;
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
    replicas: Option<usize>,
}

impl Bus {
    /// How long a request waits for its answer.
    const TIMEOUT: Duration = Duration::from_secs(5);
    /// After how long without an answer what may be asked twice is asked once more.
    const ASK_AGAIN: Duration = Duration::from_millis(500);

    /// Connects once, and reconnects by itself from then on: to any of the addresses, and to the other servers of their cluster, which
    /// tell their addresses themselves.
    pub async fn connect(config: &BusConfig) -> Result<Self, BusError> {
        let options = match &config.ca {
            Some(ca) => ConnectOptions::new().add_root_certificates(ca.clone()),
            None => ConnectOptions::new(),
        };
        let addresses = addresses(config.url.expose()).map_err(|error| BusError::new("connecting", error))?;
        let client = authenticated(options, &addresses)
            .name("paystats")
            .connection_timeout(Self::TIMEOUT)
            .request_timeout(Some(Self::TIMEOUT))
            .event_callback(async |event| match event {
                Event::Connected => info!("NATS is connected"),
                Event::Disconnected => warn!("NATS is away; reconnecting"),
                Event::ClientError(_) | Event::Draining | Event::Closed => {}
                other => warn!(event = %other, "NATS says"),
            })
            .connect(addresses)
            .await
            .map_err(|error| BusError::new("connecting", error))?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(Self::TIMEOUT);
        let (ack_wait, replicas) = (config.ack_wait, config.replicas);
        Ok(Self { client, jetstream, prefix: config.prefix.clone(), ack_wait, replicas })
    }

    /// Makes the streams and the consumers of work. Safe to call again, and from several processes at once.
    ///
    /// `told` is the greatest number of an event that the store knows, and `next_event` the number of the first event of a new stream: where the bus
    /// was lost with all it held, events start anew behind the numbers that were given before. A stream that has not come so far as the store
    /// knows is of before a restore: it is made anew too.
    pub async fn prepare(&self, told: u64, next_event: u64) -> Result<(), BusError> {
        events::create_stream(self, told, next_event).await?;
        work::create_stream(self).await
    }

    /// Makes a stream, or takes the one that is there with all its settings: an operator may have changed its limits. Only the number of its
    /// replicas is changed to what is configured, if anything is.
    async fn create_stream(&self, mut config: stream::Config) -> Result<(), CreateStreamError> {
        config.num_replicas = self.replicas.unwrap_or(1);
        let found = ask(|| self.jetstream.get_or_create_stream(config.clone())).await?.cached_info().config.clone();
        match self.replicas {
            Some(replicas) if replicas != found.num_replicas => {
                info!(
                    stream = found.name,
                    from = found.num_replicas,
                    to = replicas,
                    "replicas of a stream are changed"
                );
                self.jetstream.update_stream(stream::Config { num_replicas: replicas, ..found }).await.map(drop)
            }
            _ => Ok(()),
        }
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

/// Asks about a stream, and asks again every half second until somebody answers: while a stream, or a cluster, changes its leader nobody
/// does, and what was asked then is not answered later. The first answer counts, and the first question to time out.
async fn ask<T, E, F>(question: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let questions = (0..).map(|place| place * Bus::ASK_AGAIN).take_while(|&at| at < Bus::TIMEOUT).map(|at| {
        let question = &question;
        Box::pin(async move {
            tokio::time::sleep(at).await;
            question().await
        })
    });
    select_all(questions).await.0
}

/// The servers that a URL names, with commas between them.
fn addresses(url: &str) -> io::Result<Vec<ServerAddr>> {
    let address = |text: &str| match text.trim() {
        "" => Err(io::Error::new(io::ErrorKind::InvalidInput, "an address is empty")),
        text => text.parse(),
    };
    url.split(',').map(address).collect()
}

/// With the user and the password, or the token, of the first address that has any: the library reads them there and does not show them.
fn authenticated(options: ConnectOptions, addresses: &[ServerAddr]) -> ConnectOptions {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let credentials = addresses.iter().find_map(|address| Some((address.username()?, address.password())));
    match credentials {
        Some((user, Some(password))) => options.user_and_password(decoded(user), decoded(password)),
        Some((token, None)) => options.token(decoded(token)),
        None => options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_several_servers() {
        let hosts =
            |url| addresses(url).unwrap().iter().map(|at| (at.host().to_owned(), at.port())).collect::<Vec<_>>();
        assert_eq!(hosts("nats://one"), [("one".to_owned(), 4222)]);
        assert_eq!(hosts("nats://one:1, tls://two:2"), [("one".to_owned(), 1), ("two".to_owned(), 2)]);
        assert!(addresses("nats://one:1,").is_err(), "a comma too many names nothing");
    }
}
