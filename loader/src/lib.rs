//! paystats-loader: takes loads from the bus, reads their sources, and writes good rows to the store.
//!
//! A load is work in steps. *Plan*: one worker reads the source once, refuses what cannot be loaded at all, and cuts the
//! rest into chunks. *Chunk*: any worker of any loader writes a chunk: take, open, parse, store, report; acknowledge last.
//! *Revert*: one worker takes back what a load wrote that failed, was cancelled or is undone.
//! All may be done twice, by the same worker or another, and leave the same store.

mod batches;
mod chunk;
mod columns;
mod condition;
mod error;
mod finish;
mod keep_alive;
mod metrics;
mod plan;
pub mod records;
mod report;
mod revert;
mod roll_up;
pub mod rows;
mod source;
mod worker;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use paystats_core::{
    bus::WorkKind,
    config::{Config, ConfigError, number, optional},
    datalake::Datalake,
    engines::Engines,
    operations::Operations,
    store::Store,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{condition::Condition, metrics::Metrics, report::Reports};

/// What a loader needs beyond the engines. Its variables:
///
/// | variable | meaning | default |
/// |---|---|---|
/// | `PAYSTATS_LOADER_CONCURRENCY` | chunks that this process works on at once | the number of cores |
/// | `PAYSTATS_CHUNK_BYTES` | size of a chunk, in bytes; of a source with less than 32 such chunks a 32nd of it, if that is 1 MiB or more | `8388608` (8 MiB) |
/// | `PAYSTATS_LOADER_HTTP_ADDR` | where `/healthz`, `/readyz` and `/metrics` are served, to whoever asks: [`http_address`] | nowhere |
/// | `PAYSTATS_CHUNKS_IN_FLIGHT` | chunks of one load that are on the queue at once, so that loads take turns | `16` |
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    /// Chunks at once, at least 1.
    pub concurrency: usize,
    /// Size of a chunk in bytes, at least 1: a chunk ends with the record that reaches it. Smaller sources are cut smaller, down to 1 MiB.
    pub chunk_bytes: u64,
    /// Chunks of one load that are on the queue at once, at least 1.
    pub chunks_in_flight: u32,
}

impl LoaderConfig {
    /// Reads the variables above.
    pub fn from_env() -> Result<Self, ConfigError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            // Each keeps a connection busy: what it writes next is read meanwhile.
            concurrency: number("PAYSTATS_LOADER_CONCURRENCY", cores as u64, 1..=1_024)? as usize,
            chunk_bytes: number("PAYSTATS_CHUNK_BYTES", 8 << 20, 1..=1 << 40)?,
            chunks_in_flight: number("PAYSTATS_CHUNKS_IN_FLIGHT", 16, 1..=1 << 20)? as u32,
        })
    }
}

/// Where a loader is asked how it is, from the environment; `None`: nowhere. `127.0.0.1:8081` for one.
pub fn http_address() -> Result<Option<SocketAddr>, ConfigError> {
    const VARIABLE: &str = "PAYSTATS_LOADER_HTTP_ADDR";
    let invalid = |text: String| {
        move |_| ConfigError::Invalid {
            variable: VARIABLE,
            reason: format!("'{text}' is no address such as 127.0.0.1:8081"),
        }
    };
    optional(VARIABLE).map(|text| text.parse().map_err(invalid(text))).transpose()
}

/// Listens there.
pub async fn listen_for_operators() -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = http_address()? else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    Ok(Some(listener.with_context(|| format!("PAYSTATS_LOADER_HTTP_ADDR: {address} cannot be listened on"))?))
}

/// Everything that a worker uses.
struct Loader {
    engines: Engines,
    datalake: Datalake,
    config: LoaderConfig,
    reports: Reports,
    metrics: Metrics,
    condition: Arc<Condition>,
}

/// Waits for the engines and works until `shutdown` is cancelled. Work in hand is then given back, for another loader or
/// the next start. Meanwhile it tells on `operators`, if there is one, how it is.
pub async fn run(
    config: Config,
    loader: LoaderConfig,
    operators: Option<TcpListener>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let store = Store::new(&config.store).await?;
    let (metrics, condition) = (Metrics::default(), Arc::new(Condition::new(store.clone())));
    let operations = Operations::new(condition.clone(), metrics.registry(), env!("CARGO_PKG_VERSION"));
    let told = async {
        match operators {
            Some(listener) => operations.serve(listener).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = work_until(store, config, loader, (metrics, condition), shutdown) => ended,
        failed = told => Ok(failed?),
    }
}

async fn work_until(
    store: Store,
    config: Config,
    loader: LoaderConfig,
    (metrics, condition): (Metrics, Arc<Condition>),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let engines = tokio::select! {
        engines = Engines::connect(store, &config) => engines,
        () = shutdown.cancelled() => return Ok(()),
    };
    let concurrency = loader.concurrency;
    let reports = Reports::new(engines.bus.clone());
    condition.connected(engines.bus.clone());
    let datalake = Datalake::new(&config.datalake);
    let loader = Arc::new(Loader { engines, datalake, config: loader, reports, metrics, condition });
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
