//! paystats-server: HTTP -> GraphQL -> actions -> core.
//!
//! `http` is the transport and knows no schema, `graphql` the schema and knows no rules, `actions` the rules.

pub mod access;
mod actions;
mod choropleth;
mod condition;
mod config;
mod cube;
pub mod graphql;
pub mod http;
mod memory;
mod metrics;
mod outbox;
mod serve;
mod watch;

pub use config::{BaseMap, DashboardConfig, DocumentsConfig, ServerConfig};
pub use http::raise_limit;
pub use metrics::Metrics;
pub use serve::{run, run_on};
