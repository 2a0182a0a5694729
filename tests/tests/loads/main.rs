//! Loads, from a source to the store.

mod chunks;
mod loading;
mod real_files;
mod sources;
