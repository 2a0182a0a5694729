//! paystats-loader: takes loads from the bus, reads their sources, and writes good rows to the store.
//!
//! A load is work in steps. *Plan*: one worker reads the source once, refuses what cannot be loaded at all, and cuts the
//! rest into chunks. *Chunk*: any worker of any loader writes a chunk: take, open, parse, store, report; acknowledge last.
//! *Revert*: one worker takes back what a load wrote that failed, was cancelled or is undone.
//! All may be done twice, by the same worker or another, and leave the same store.

mod chunk;
mod columns;
mod error;
mod finish;
mod keep_alive;
mod plan;
mod records;
mod report;
mod revert;
mod roll_up;
mod rows;
mod source;
mod worker;

use std::sync::Arc;

use paystats_core::{
    bus::WorkKind,
    config::{Config, ConfigError, number},
    datalake::Datalake,
    engines::Engines,
    store::Store,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::report::Reports;

/// What a loader needs beyond the engines. Its variables:
///
/// | variable | meaning | default |
/// |---|---|---|
/// | `PAYSTATS_LOADER_CONCURRENCY` | chunks that this process works on at once | twice the number of cores |
/// | `PAYSTATS_CHUNK_BYTES` | least size of a chunk, in bytes | `8388608` (8 MiB) |
/// | `PAYSTATS_CHUNKS_IN_FLIGHT` | chunks of one load that are on the queue at once, so that loads take turns | `16` |
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    /// Chunks at once, at least 1.
    pub concurrency: usize,
    /// Least size of a chunk in bytes, at least 1.
    pub chunk_bytes: u64,
    /// Chunks of one load that are on the queue at once, at least 1.
    pub chunks_in_flight: u32,
}

impl LoaderConfig {
    /// Reads the variables above.
    pub fn from_env() -> Result<Self, ConfigError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            // While one worker waits for MongoDB another one parses.
            concurrency: number("PAYSTATS_LOADER_CONCURRENCY", 2 * cores as u64, 1..=1_024)? as usize,
            chunk_bytes: number("PAYSTATS_CHUNK_BYTES", 8 << 20, 1..=1 << 40)?,
            chunks_in_flight: number("PAYSTATS_CHUNKS_IN_FLIGHT", 16, 1..=1 << 20)? as u32,
        })
    }
}

/// Everything that a worker uses.
struct Loader {
    engines: Engines,
    datalake: Datalake,
    config: LoaderConfig,
    reports: Reports,
}

/// Waits for the engines and works until `shutdown` is cancelled. Work in hand is then given back, for another loader or
/// the next start.
pub async fn run(config: Config, loader: LoaderConfig, shutdown: CancellationToken) -> anyhow::Result<()> {
    let store = Store::new(&config.store).await?;
    let engines = tokio::select! {
        engines = Engines::connect(store, &config) => engines,
        () = shutdown.cancelled() => return Ok(()),
    };
    let concurrency = loader.concurrency;
    let reports = Reports::new(engines.bus.clone());
    let loader = Arc::new(Loader { engines, datalake: Datalake::new(&config.datalake), config: loader, reports });
    info!(concurrency, "loader takes work");
    let mut workers = JoinSet::new();
    for kind in [WorkKind::Plan, WorkKind::Revert] {
        workers.spawn(worker::work(loader.clone(), kind, shutdown.clone()));
    }
    for _ in 0..concurrency {
        workers.spawn(worker::work(loader.clone(), WorkKind::Chunk, shutdown.clone()));
    }
    let work = async {
        while let Some(ended) = workers.join_next().await {
            ended?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = work => ended?,
        () = loader.reports.tell() => {}
    }
    info!("loader has stopped");
    Ok(())
}
