//! What the owner of the GraphQL endpoint decides: limits, patience, per-request data, and when to stop.

use std::{fmt, sync::Arc, time::Duration};

use async_graphql::{Request, parser::types::OperationType};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Limits, PersistedDocuments, Types};
use crate::{
    access::{Access, Right},
    metrics::Metrics,
};

/// Object types, each with the names of some of its fields; `*` stands for all of them.
pub type FieldTable = &'static [(&'static str, &'static [&'static str])];

/// The right that a field of a root takes.
pub type Rights = fn(OperationType, &str) -> Right;

/// Subscriptions whose watchers share what comes from now on. Their resolvers give the parts that [`Feed`](super::Feed) asks for, and depend on
/// nothing but their arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared {
    /// The fields.
    pub fields: FieldTable,
    /// The argument in which a client says which event it saw last: it has no part in what comes from now on.
    pub resumed_by: &'static str,
}

/// Settings of the endpoint that [`graphql_routes`](super::graphql_routes) builds. [`Default`] is meant for production, but for
/// `access` and `rights`, which it leaves open.
#[derive(Clone)]
pub struct GraphqlOptions {
    /// Who may call, and how often. Default: everybody, as often as they like.
    pub access: Access,
    /// What it takes to select the fields of the roots. Default: the least.
    pub rights: Rights,
    /// The largest document that is looked at.
    pub limits: Limits,
    /// Documents that are known by their hash. Default: those that clients have told.
    pub persisted: Arc<PersistedDocuments>,
    /// Where operations are counted. Default: where nobody looks.
    pub metrics: Metrics,
    /// The largest body of a POST request, in bytes; a larger one is answered with 413. Default: 1 MiB.
    pub max_body_bytes: usize,
    /// How long a WebSocket may stay open without `connection_init` before it is closed with 4408. Default: 10 s.
    pub connection_init_timeout: Duration,
    /// How often a WebSocket is pinged. A client that says nothing from one ping to the next is dropped. Default: 25 s.
    pub keep_alive: Duration,
    /// How long the client of a WebSocket may take nothing while there is something for it. It is then closed, and has half as long again to read
    /// why. Default: 30 s.
    pub write_timeout: Duration,
    /// The largest message a WebSocket client may send, in bytes; a larger one closes the socket with 1009. Default: 1 MiB.
    pub max_message_bytes: usize,
    /// How long a stream over plain HTTP may be silent before it says that it is alive, so that neither a proxy nor the client takes it for
    /// dead, and we notice that the client is. Default: 12 s.
    pub heartbeat: Duration,
    /// The types of the executor's schema. With them an answer is in the query's order and null only where it may be; without, which is
    /// the default, it is in that order.
    pub types: Arc<Types>,
    /// Called once for each operation before it runs, to attach what lives as long as one request: data loaders, the caller.
    pub prepare: Arc<dyn Fn(Request) -> Request + Send + Sync>,
    /// The fields whose values depend on nothing but their arguments and the version of the data. Default: none.
    pub versioned: FieldTable,
    /// The version of the data that versioned fields are answered from, if it is known; `None`, which is the default, is always right. An
    /// answer to GET that consists of versioned fields gets a tag made of its question and the version, so a client that holds it is told
    /// so without asking the executor. This relies on three things:
    ///
    /// - One number is one state of the data, on every server and for ever: also when the data was restored, or starts over from nothing.
    /// - What a field is answered from is not older or newer than the number that is told at that moment.
    /// - Numbers do not come back. The number is asked for before an operation runs and after it; where both are the same, all of it was
    ///   answered from that version.
    pub version: Arc<dyn Fn() -> Option<u64> + Send + Sync>,
    /// The subscriptions whose watchers share what comes from now on. Default: none.
    pub shared: Shared,
    /// Cancelled when the server stops. Every WebSocket is then closed with 1001, and every subscription over plain HTTP broken off in
    /// a way that its client can see, which makes clients reconnect elsewhere.
    pub shutdown: CancellationToken,
    /// Counts the open WebSockets. They outlive the HTTP connections they came from, so a graceful stop has to wait for them:
    /// after `shutdown` call [`TaskTracker::close`], then [`TaskTracker::wait`], which takes a second at most.
    pub sockets: TaskTracker,
}

impl Default for GraphqlOptions {
    fn default() -> Self {
        Self {
            access: Access::open(),
            rights: |_, _| Right::Read,
            limits: Limits::default(),
            persisted: Arc::default(),
            metrics: Metrics::default(),
            max_body_bytes: 1024 * 1024,
            connection_init_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(25),
            write_timeout: Duration::from_secs(30),
            max_message_bytes: 1024 * 1024,
            heartbeat: Duration::from_secs(12),
            types: Arc::default(),
            prepare: Arc::new(|request| request),
            versioned: &[],
            shared: Shared::default(),
            version: Arc::new(|| None),
            shutdown: CancellationToken::new(),
            sockets: TaskTracker::new(),
        }
    }
}

impl fmt::Debug for GraphqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphqlOptions")
            .field("max_body_bytes", &self.max_body_bytes)
            .field("connection_init_timeout", &self.connection_init_timeout)
            .field("keep_alive", &self.keep_alive)
            .field("write_timeout", &self.write_timeout)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("heartbeat", &self.heartbeat)
            .finish_non_exhaustive()
    }
}
