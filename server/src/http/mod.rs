//! What the server says over HTTP, and the only code that knows HTTP: the GraphQL endpoint, files of rejections, uploads,
//! the web pages and the probes.
//!
//! `run` merges their routers into one and serves it. The GraphQL endpoint is our own transport, written from the specifications:
//! [GraphQL over HTTP] for POST and GET; [graphql-transport-ws] for WebSockets; [GraphQL over SSE] and Apollo's multipart subscriptions
//! for streams over plain HTTP. It knows no schema: anything that is an [`Executor`](async_graphql::Executor) can stand behind it, and
//! [`Types`] tell what its answers may look like.
//!
//! [GraphQL over HTTP]: https://graphql.github.io/graphql-over-http/draft/
//! [GraphQL over SSE]: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
//! [graphql-transport-ws]: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

mod accept;
mod callers;
mod completion;
mod compression;
mod conditional;
mod connections;
mod dashboard;
mod document;
mod etag;
mod fan_out;
mod feed;
mod graphql;
mod observed;
mod options;
mod origins;
mod pages;
mod persisted;
mod refusal;
mod rejection;
mod rejections_csv;
mod request;
mod response;
mod results;
mod size;
mod streaming;
#[cfg(test)]
mod toy;
mod uploads;
mod websocket;

pub(crate) use callers::shown_to_readers;
pub use completion::Types;
pub(crate) use completion::{is_added, stands_alone};
pub use connections::{Connections, Peer, raise_limit};
pub use dashboard::dashboard_routes;
pub use feed::{EventId, Feed, Part};
pub use graphql::graphql_routes;
pub(crate) use observed::observed;
pub use options::{FieldTable, GraphqlOptions, Rights, Shared};
pub use origins::{Origins, guarded};
pub use pages::page_routes;
pub use persisted::PersistedDocuments;
pub use refusal::refusal;
pub use rejections_csv::rejections_csv_routes;
pub(crate) use response::code_of;
pub use size::Limits;
pub use uploads::upload_routes;
pub use websocket::ConnectionPayload;
