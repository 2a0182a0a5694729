//! paystats-standalone: one process for one machine.
//!
//! The `paystats` command starts mongod and nats-server, runs the server and the loader beside them, and fills an empty store with a demo
//! data set. The end-to-end tests use [`engines`] from here, so they run against the same engines as `make run`.

pub mod client;
pub mod commands;
mod data_folder;
pub mod demo;
pub mod engines;
pub mod lifeline;
mod loads;
mod probe;
mod progress;
mod settings;
mod signals;
mod terminal;
