//! `make bench-watch`: how soon those who watch loads are told, what watching takes, and what the loads notice of it.
//!
//! *Many watchers of one load*: each run loads a file twice, without watchers and with so many, each one on a WebSocket of its own. Both
//! times the load is accepted first, and then a loader is started; the time runs from the load's first event to its last one, as the bus
//! dates them. The ceiling is `broadcast-under-bench`, which sends the same bytes to the same clients and does nothing else.
//!
//! *Many loads*: the same rows in many files, all of them accepted before a loader is started, with one watcher each.
//!
//! Clients, server, loader and engines share the machine. Shown are medians over the runs.

mod bare;
mod bed;
mod cpu;
mod descriptors;
mod ear;
mod many_loads;
mod median;
mod one_load;
mod process;
mod resident;
mod server;
mod watchers;

use anyhow::{Result, ensure};
use clap::Parser;
use paystats_core::load::LoadEntity;

use crate::{
    bed::{Bed, Place},
    ear::Ear,
    process::Process,
};

/// Measures how loads are watched.
#[derive(Parser)]
struct Options {
    /// Watchers of one load.
    #[arg(long, default_value_t = 10_000)]
    watchers: usize,
    /// Rows of the file, about: whole postal codes of 76 months.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Runs with one load; medians are shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Loads with a watcher each.
    #[arg(long, default_value_t = 1_000)]
    loads: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { watchers, rows, runs, loads } = Options::parse();
    ensure!(watchers > 0 && runs > 0 && loads > 0, "there is nothing to measure");
    descriptors::allow(watchers.max(loads))?;
    let bed = Bed::start().await?;
    let (_, rows) = bed.generate(rows)?;
    println!("{rows} rows");
    one_load::measure(&bed, watchers, runs).await?;
    many_loads::measure(&bed, rows, loads).await?;
    bed.stop().await?;
    Ok(())
}

/// A place where a load of paystats finds its postal codes, and no loader works.
async fn place_with_postal_codes(bed: &Bed) -> Result<Place> {
    let place = bed.place().await?;
    let ear = Ear::open(&place.engines.bus).await?;
    place.accept(LoadEntity::PostalCodes, "postal_codes.csv").await?;
    let _loader = Process::loader(&place.config)?;
    ear.until_ended(1).await?;
    Ok(place)
}
