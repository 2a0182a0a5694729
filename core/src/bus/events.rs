//! What is said about loads, numbered by JetStream: an event's sequence in the stream is its number everywhere.
//!
//! The subject names the part of the load that an event tells the whole state of, so "the last message of each subject" is
//! the state now, and what follows is every change.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    message::PublishMessage,
    stream::{self, DiscardPolicy},
};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use tracing::warn;

use super::{Bus, BusError, ask};
use crate::load::{LoadEvent, LoadId, Numbered};

/// How long events are kept, for clients that come back.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// What they may take on disk before the oldest go.
const MAX_BYTES: i64 = 1 << 30;
/// How often a consumer that has nothing new says so. One that has said nothing for twice as long is taken for dead: as long as NATS takes
/// to see that the leader of a stream is gone.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long a request for events stands before the next.
const PULL: Duration = Duration::from_secs(30);
/// How long NATS keeps a consumer that nobody asks.
const LEFT_BEHIND: Duration = Duration::from_secs(30);

pub(super) async fn create_stream(bus: &Bus, told: u64, next_event: u64) -> Result<(), BusError> {
    let config = stream::Config {
        name: stream_name(bus),
        description: Some("What is said about paystats loads".to_owned()),
        subjects: vec![format!("{}.events.>", bus.prefix)],
        max_age: KEPT,
        max_bytes: MAX_BYTES,
        discard: DiscardPolicy::Old,
        duplicate_window: Duration::from_secs(120),
        first_sequence: Some(next_event),
        ..Default::default()
    };
    let failed = |error: &dyn std::fmt::Display| BusError::new("creating the event stream", error);
    bus.create_stream(config.clone()).await.map_err(|error| failed(&error))?;
    let last = bus.event_stream().await?.cached_info().state.last_sequence;
    if last < told {
        warn!(last, told, "the stream of events is older than the database; it is made anew");
        bus.jetstream.delete_stream(&config.name).await.map_err(|error| failed(&error))?;
        bus.create_stream(config).await.map_err(|error| failed(&error))?;
    }
    Ok(())
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
        // What may be said twice, by a server that publishes a load again, or because a worker died before it acknowledged its work.
        match event {
            LoadEvent::Accepted { .. } => message = message.message_id(&subject),
            LoadEvent::Finished { progress } => {
                message = message.message_id(format!("{subject}.{}", progress.state.name()));
            }
            _ => {}
        }
        let acknowledged = async { self.jetstream.send_publish(subject.clone(), message).await?.await };
        acknowledged.await.map(|ack| ack.sequence).map_err(|error| BusError::new("publishing an event", error))
    }

    /// Every event after the one with the number `heard`; where the stream does not have all of them, or nothing was heard yet, the last
    /// event of each part of every load, then every event as it comes. Ends with an error when the bus loses the place.
    pub async fn load_events(&self, heard: Option<u64>) -> Result<LoadEvents, BusError> {
        let stream = self.event_stream().await?;
        let kept = &stream.cached_info().state;
        let goes_on = heard.filter(|&heard| (kept.first_sequence..=kept.last_sequence + 1).contains(&(heard + 1)));
        let deliver_policy = match goes_on {
            Some(heard) => DeliverPolicy::ByStartSequence { start_sequence: heard + 1 },
            None => DeliverPolicy::LastPerSubject,
        };
        let (count, events) = self.consume(&stream, format!("{}.events.>", self.prefix), deliver_policy).await?;
        let backlog = if goes_on.is_some() { 0 } else { count };
        Ok(LoadEvents { backlog, events })
    }

    /// The events of one load up to now.
    pub async fn events_of(&self, load: LoadId) -> Result<PastEvents, BusError> {
        let stream = self.event_stream().await?;
        let kept_from = stream.cached_info().state.first_sequence;
        let subjects = format!("{}.events.{load}.>", self.prefix);
        let (count, events) = self.consume(&stream, subjects, DeliverPolicy::All).await?;
        // Nothing comes of a load of which nothing is kept.
        let events = events.map_ok(|(_, event)| event).take(usize::try_from(count).unwrap_or(usize::MAX)).boxed();
        Ok(PastEvents { kept_from, events })
    }

    async fn event_stream(&self) -> Result<stream::Stream, BusError> {
        let found = ask(|| self.jetstream.get_stream(stream_name(self))).await;
        found.map_err(|error| BusError::new("finding the event stream", error))
    }

    /// The messages of a new consumer, and how many of them are there already. They end with an error where one is missing, or where the
    /// consumer gives no sign of life: it is kept in the memory of one server, so it goes with that.
    ///
    /// async-nats' own consumers of this kind make themselves anew, but notice a server that is gone only after half a minute, and our readers
    /// have to know how to go on anyway.
    async fn consume(
        &self,
        stream: &stream::Stream,
        filter_subject: String,
        deliver_policy: DeliverPolicy,
    ) -> Result<(u64, BoxStream<'static, Result<(LoadId, Numbered), BusError>>), BusError> {
        let config = pull::Config {
            deliver_policy,
            filter_subject,
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: LEFT_BEHIND,
            ..Default::default()
        };
        let consumer = ask(|| stream.create_consumer(config.clone())).await;
        let consumer = consumer.map_err(|error| BusError::new("creating a consumer", error))?;
        let count = consumer.cached_info().num_pending;
        let messages = consumer.stream().expires(PULL).heartbeat(HEARTBEAT).messages().await;
        let messages = messages.map_err(|error| BusError::new("reading events", error))?;
        let mut read = 0;
        let events = messages.map(move |message| {
            let message = message.map_err(|error| BusError::new("reading events", error))?;
            let (place, event) = decode(message)?;
            read += 1;
            if place == read { Ok(event) } else { Err(BusError::new("reading events", "some are missing")) }
        });
        Ok((count, events.boxed()))
    }
}

/// Events of all loads.
pub struct LoadEvents {
    /// How many of them are the last events of parts, and not every event: the state at the time of the call.
    pub backlog: u64,
    /// The events, in order. Behind the backlog each has the next number, unless some are gone.
    pub events: BoxStream<'static, Result<(LoadId, Numbered), BusError>>,
}

/// Events of one load that have been.
pub struct PastEvents {
    /// Of this number is the oldest event that is kept of any load. Older ones are gone.
    pub kept_from: u64,
    /// The events, in order; they end with the newest at the time of the call.
    pub events: BoxStream<'static, Result<Numbered, BusError>>,
}

/// An event, and its place among all that its consumer has given, from 1.
fn decode(message: async_nats::jetstream::Message) -> Result<(u64, (LoadId, Numbered)), BusError> {
    let failed = |error: &dyn std::fmt::Display| BusError::new("decoding an event", error);
    let info = message.info().map_err(|error| failed(&error))?;
    // `<prefix>.events.<load>.<part>`; the prefix is one token.
    let load = message.subject.split('.').nth(2).and_then(|load| load.parse().ok());
    let event = serde_json::from_slice(&message.payload).unwrap_or_else(|error| {
        // It must not keep those behind it from being heard.
        warn!(subject = %message.subject, %error, "an event cannot be read");
        LoadEvent::Unknown
    });
    // Where the subject names no load, it is of one that nobody knows.
    let load = load.unwrap_or_else(LoadId::new);
    Ok((info.consumer_sequence, (load, Numbered { seq: info.stream_sequence, at: info.published, event })))
}
