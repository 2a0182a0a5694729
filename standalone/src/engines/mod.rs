//! The real engines as child processes: mongod (a replica set of one) and nats-server (with JetStream), on 127.0.0.1.
//!
//! Used by `paystats run`, by `paystats engines exec` and by the end-to-end tests. Promises:
//! - An engine is handed out when it can be used: mongod is a writable primary, nats-server answers with JetStream on.
//! - What was acknowledged survives `stop`, `kill` and the next start in the same folder, also when the port has changed.
//! - An engine ends with this process, however that ends ([`crate::lifeline`]); it has its own process group, so Ctrl-C in a terminal
//!   reaches this process only, which drains before it stops its engines.
//! - A folder belongs to one engine at a time; nothing stale is left after SIGKILL.
//!
//! Each engine keeps in its folder: its data, `<engine>.log` (and the log of the run before as `<engine>.log.1`) and `<engine>.pid`.

mod claim;
pub mod locate;
mod mongod;
mod nats_server;
mod process;
mod replica_set;

use std::path::Path;

use anyhow::Result;

pub use self::{
    mongod::{DEFAULT_CACHE_GB, Mongod},
    nats_server::NatsServer,
};

/// Both engines, as the tests need them.
#[derive(Debug)]
pub struct LocalEngines {
    /// MongoDB.
    pub mongod: Mongod,
    /// NATS.
    pub nats_server: NatsServer,
}

impl LocalEngines {
    /// Starts both at the same time on free ports, in `mongod/` and `nats/` under `dir`. mongod's cache gets `cache_gb` GB (at least 0.25).
    pub async fn start(dir: &Path, cache_gb: f64) -> Result<Self> {
        let (mongod_dir, nats_dir) = (dir.join("mongod"), dir.join("nats"));
        let (mongod, nats_server) = tokio::try_join!(
            Mongod::start_with_cache(&mongod_dir, None, cache_gb),
            NatsServer::start(&nats_dir, None)
        )?;
        Ok(Self { mongod, nats_server })
    }

    /// Stops both cleanly: MongoDB last, so that whoever still drains can write.
    pub async fn stop(self) -> Result<()> {
        self.nats_server.stop().await?;
        self.mongod.stop().await
    }
}
