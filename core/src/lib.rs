//! paystats-core: what `server` and `loader` must agree on.
//!
//! `domain` and `load` are words and rules and know no driver; `store` is the only code that speaks to MongoDB, `bus` the
//! only one that speaks to NATS, `datalake` the only one that opens sources.

pub mod bus;
pub mod config;
pub mod datalake;
pub mod domain;
pub mod engines;
pub mod load;
pub mod metrics;
pub mod operations;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod tls;
