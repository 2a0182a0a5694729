//! What workers say about loads, numbered by JetStream: an event's sequence in the stream is its number everywhere.
//!
//! The subject names the part of the load that an event tells the whole state of, so "the last message of each subject" is
//! the state now, and what follows is every change.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{DeliverPolicy, pull},
    message::PublishMessage,
    stream::{self, DiscardPolicy},
};
use futures_util::{StreamExt, stream::BoxStream};

use super::{Bus, BusError};
use crate::load::{LoadEvent, LoadId, Numbered};

/// How long events are kept, for clients that come back.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// What they may take on disk before the oldest go.
const MAX_BYTES: i64 = 1 << 30;

pub(super) async fn create_stream(bus: &Bus, next_event: u64) -> Result<(), BusError> {
    let config = stream::Config {
        name: stream_name(bus),
        description: Some("What paystats loaders say about loads".to_owned()),
        subjects: vec![format!("{}.events.>", bus.prefix)],
        max_age: KEPT,
        max_bytes: MAX_BYTES,
        discard: DiscardPolicy::Old,
        duplicate_window: Duration::from_secs(120),
        first_sequence: Some(next_event),
        ..Default::default()
    };
    bus.jetstream
        .get_or_create_stream(config)
        .await
        .map(drop)
        .map_err(|error| BusError::new("creating the event stream", error))
}

fn stream_name(bus: &Bus) -> String {
    format!("{}-events", bus.prefix)
}

impl Bus {
    /// Says something about a load, and returns the event's number once JetStream has it.
    pub async fn publish_event(&self, load: LoadId, event: &LoadEvent) -> Result<u64, BusError> {
        self.check_connected()?;
        let subject = format!("{}.events.{load}.{}", self.prefix, event.part());
        let payload = serde_json::to_vec(event).map_err(|error| BusError::new("encoding an event", error))?;
        let mut message = PublishMessage::build().payload(payload.into());
        if let LoadEvent::Finished { progress } = event {
            // A worker that died before it acknowledged its work makes another one say this again.
            message = message.message_id(format!("{subject}.{}", progress.state.name()));
        }
        let acknowledged = async { self.jetstream.send_publish(subject.clone(), message).await?.await };
        acknowledged.await.map(|ack| ack.sequence).map_err(|error| BusError::new("publishing an event", error))
    }

    /// The last event of each part of every load, then every event as it comes. Ends with an error when the bus loses the
    /// place; a new call then starts over with the last events.
    pub async fn load_events(&self) -> Result<LoadEvents, BusError> {
        let stream = self
            .jetstream
            .get_stream(stream_name(self))
            .await
            .map_err(|error| BusError::new("finding the event stream", error))?;
        let consumer = stream
            .create_consumer(pull::OrderedConfig {
                deliver_policy: DeliverPolicy::LastPerSubject,
                filter_subject: format!("{}.events.>", self.prefix),
                ..Default::default()
            })
            .await
            .map_err(|error| BusError::new("creating a consumer", error))?;
        let backlog = consumer.cached_info().num_pending;
        let messages = consumer.messages().await.map_err(|error| BusError::new("reading events", error))?;
        Ok(LoadEvents {
            backlog,
            events: messages
                .map(|message| decode(message.map_err(|error| BusError::new("reading events", error))?))
                .boxed(),
        })
    }
}

/// Events of all loads.
pub struct LoadEvents {
    /// How many of them are old: the state at the time of the call.
    pub backlog: u64,
    /// The events, the old ones first.
    pub events: BoxStream<'static, Result<(LoadId, Numbered), BusError>>,
}

fn decode(message: async_nats::jetstream::Message) -> Result<(LoadId, Numbered), BusError> {
    let failed = |error: &dyn std::fmt::Display| BusError::new("decoding an event", error);
    let info = message.info().map_err(|error| failed(&error))?;
    // `<prefix>.events.<load>.<part>`; the prefix is one token.
    let load = message.subject.split('.').nth(2).unwrap_or_default();
    let load = load.parse().map_err(|error: uuid::Error| failed(&error))?;
    let event = serde_json::from_slice(&message.payload).map_err(|error| failed(&error))?;
    Ok((load, Numbered { seq: info.stream_sequence, at: info.published, event }))
}
