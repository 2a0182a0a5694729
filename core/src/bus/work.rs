//! Work for loaders: a JetStream work queue. A message is delivered to one worker, again to another when the first one
//! neither acknowledges it nor keeps it alive for `ack_wait`, and goes away once it is acknowledged.

use std::time::Duration;

use async_nats::jetstream::{
    AckKind, ErrorCode, Message,
    consumer::{AckPolicy, PullConsumer, pull},
    context::{GetStreamErrorKind, PublishErrorKind},
    message::PublishMessage,
    stream::{self, RetentionPolicy},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tracing::Span;

use super::{Bus, BusError, ask};
use crate::{load::LoadId, telemetry::traces};

/// One piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Check a load's source and cut it into chunks.
    Plan {
        /// The load.
        load: LoadId,
    },
    /// Take back what a load wrote.
    Revert {
        /// The load.
        load: LoadId,
    },
    /// Write a chunk's rows.
    Chunk {
        /// The load.
        load: LoadId,
        /// The chunk's place in the source, from 0.
        index: u32,
    },
}

/// Kinds of work; each has a consumer of its own, so that planning a load or taking one back never waits behind another load's chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// [`Work::Plan`].
    Plan,
    /// [`Work::Revert`].
    Revert,
    /// [`Work::Chunk`].
    Chunk,
}

impl Work {
    /// The load that it is for.
    pub fn load(self) -> LoadId {
        match self {
            Self::Plan { load } | Self::Revert { load } | Self::Chunk { load, .. } => load,
        }
    }

    fn subject(self) -> String {
        match self {
            Self::Plan { load } => format!("plan.{load}"),
            Self::Revert { load } => format!("revert.{load}"),
            Self::Chunk { load, index } => format!("chunk.{load}.{index}"),
        }
    }
}

impl WorkKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plan, Self::Revert, Self::Chunk];

    /// The name in metrics: `plan`, `revert`, `chunk`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Revert => "revert",
            Self::Chunk => "chunk",
        }
    }

    fn consumer(self) -> &'static str {
        match self {
            Self::Plan => "planners",
            Self::Revert => "reverters",
            Self::Chunk => "chunks",
        }
    }

    fn config(self, bus: &Bus) -> pull::Config {
        pull::Config {
            durable_name: Some(self.consumer().to_owned()),
            filter_subject: self.subjects(&bus.prefix),
            ack_policy: AckPolicy::Explicit,
            ack_wait: bus.ack_wait,
            max_ack_pending: 10_000,
            ..Default::default()
        }
    }

    fn subjects(self, prefix: &str) -> String {
        match self {
            Self::Plan => format!("{prefix}.work.plan.*"),
            Self::Revert => format!("{prefix}.work.revert.*"),
            Self::Chunk => format!("{prefix}.work.chunk.*.*"),
        }
    }
}

/// Makes the stream, and its consumers: who starts loaders by what waits for them looks at those also where no loader ever ran.
pub(super) async fn create_stream(bus: &Bus) -> Result<(), BusError> {
    let config = stream::Config {
        name: stream_name(bus),
        description: Some("Work for paystats loaders".to_owned()),
        subjects: vec![format!("{}.work.>", bus.prefix)],
        retention: RetentionPolicy::WorkQueue,
        duplicate_window: Duration::from_secs(120),
        ..Default::default()
    };
    bus.create_stream(config).await.map_err(|error| BusError::new("creating the work stream", error))?;
    let stream = bus.work_stream().await?;
    for kind in WorkKind::ALL {
        // One that is there stays as loaders have set it.
        let consumer = ask(|| stream.get_or_create_consumer(kind.consumer(), kind.config(bus))).await;
        consumer.map_err(|error| BusError::new("creating a consumer", error))?;
    }
    Ok(())
}

fn stream_name(bus: &Bus) -> String {
    format!("{}-work", bus.prefix)
}

impl Bus {
    async fn work_stream(&self) -> Result<stream::Stream<()>, BusError> {
        let stream = self.jetstream.get_stream_no_info(stream_name(self)).await;
        stream.map_err(|error| BusError::new("finding the work stream", error))
    }

    /// Whether there is no work stream, so that all work that was on it is lost.
    pub async fn has_lost_work(&self) -> Result<bool, BusError> {
        match ask(|| self.jetstream.get_stream(stream_name(self))).await {
            Ok(_) => Ok(false),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(true),
                _ => Err(BusError::new("finding the work stream", error)),
            },
        }
    }

    /// Puts work on the queue, and returns once JetStream has it on disk. The same work within two minutes counts once. It goes on with the trace
    /// of whoever publishes it.
    pub async fn publish_work(&self, work: Work) -> Result<(), BusError> {
        self.check_connected()?;
        let subject = format!("{}.work.{}", self.prefix, work.subject());
        let payload = serde_json::to_vec(&work).map_err(|error| BusError::new("encoding work", error))?;
        let mut message = PublishMessage::build().message_id(&subject).payload(payload.into());
        if let Some(traceparent) = traces::traceparent(&Span::current()) {
            message = message.header(traces::TRACEPARENT, traceparent);
        }
        let acknowledged = async { self.jetstream.send_publish(subject.clone(), message).await?.await };
        match acknowledged.await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == PublishErrorKind::TimedOut => {
                Err(BusError::new("publishing work", "no acknowledgement in time"))
            }
            Err(error) => Err(BusError::new("publishing work", error)),
        }
    }

    /// How much work of one kind there is.
    pub async fn queue_depth(&self, kind: WorkKind) -> Result<QueueDepth, BusError> {
        self.check_connected()?;
        let stream = self.work_stream().await?;
        let info = ask(|| stream.consumer_info(kind.consumer())).await;
        let info = info.map_err(|error| BusError::new("asking a consumer", error))?;
        Ok(QueueDepth { waiting: info.num_pending, in_hand: info.num_ack_pending as u64 })
    }

    /// The queue of one kind of work.
    pub async fn work_queue(&self, kind: WorkKind) -> Result<WorkQueue, BusError> {
        let stream = self.work_stream().await?;
        let consumer = ask(|| stream.create_consumer(kind.config(self))).await;
        let consumer = consumer.map_err(|error| BusError::new("creating a consumer", error))?;
        Ok(WorkQueue { consumer, ack_wait: self.ack_wait })
    }
}

/// How much work of one kind there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages that no worker has yet.
    pub waiting: u64,
    /// Messages that a worker has and has not acknowledged.
    pub in_hand: u64,
}

/// Work of one kind, shared by all loaders.
#[derive(Debug)]
pub struct WorkQueue {
    consumer: PullConsumer,
    ack_wait: Duration,
}

impl WorkQueue {
    /// How long one request for work stands before the next. A server that was restarted does not know the requests of before,
    /// so work may wait as long after that, and five seconds more, which async-nats adds.
    const PATIENCE: Duration = Duration::from_secs(4);

    /// The next piece of work; `None` if there was none for a while. Fails when the bus or the consumer is gone.
    pub async fn next(&self) -> Result<Option<Delivery>, BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::new("taking work", error);
        // One message at a time: what waits in a buffer here would not be kept alive, and other workers could not have it.
        // Without idle heartbeats: async-nats 0.51 does not wake a batch again that has heard one.
        let mut batch = self
            .consumer
            .batch()
            .max_messages(1)
            .expires(Self::PATIENCE)
            .messages()
            .await
            .map_err(|error| failed(&error))?;
        match batch.next().await {
            None => Ok(None),
            Some(Err(error)) => Err(failed(&error)),
            Some(Ok(message)) => Ok(Some(Delivery { message, ack_wait: self.ack_wait })),
        }
    }
}

/// A piece of work in this worker's hands.
#[derive(Debug)]
pub struct Delivery {
    message: Message,
    ack_wait: Duration,
}

impl Delivery {
    /// What to do.
    pub fn work(&self) -> Result<Work, BusError> {
        serde_json::from_slice(&self.message.payload).map_err(|error| BusError::new("decoding work", error))
    }

    /// What the work is a part of, if whoever published it kept traces.
    pub fn traceparent(&self) -> Option<&str> {
        Some(self.message.headers.as_ref()?.get(traces::TRACEPARENT)?.as_str())
    }

    /// How often this work was given out, this time included.
    pub fn attempt(&self) -> i64 {
        self.message.info().map_or(1, |info| info.delivered)
    }

    /// How long the bus waits for a sign of life.
    pub fn ack_wait(&self) -> Duration {
        self.ack_wait
    }

    /// Tells the bus that the work goes on, and does not wait until the bus knows.
    pub async fn keep_alive(&self) -> Result<(), BusError> {
        self.message.ack_with(AckKind::Progress).await.map_err(|error| BusError::new("answering", error))
    }

    /// The work is done.
    pub async fn ack(&self) -> Result<(), BusError> {
        self.answer(AckKind::Ack).await
    }

    /// Somebody should try again, after `delay`.
    pub async fn nak(&self, delay: Duration) -> Result<(), BusError> {
        self.answer(AckKind::Nak(Some(delay))).await
    }

    /// Nobody should try again.
    pub async fn term(&self) -> Result<(), BusError> {
        self.answer(AckKind::Term).await
    }

    /// Returns once the bus knows: what a process that ends has not yet sent is lost.
    async fn answer(&self, kind: AckKind) -> Result<(), BusError> {
        self.message.double_ack_with(kind).await.map_err(|error| BusError::new("answering", error))
    }
}
