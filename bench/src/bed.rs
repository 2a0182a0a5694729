//! What a benchmark runs on: engines of its own, a data lake, and a fresh database and fresh streams for each part.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use paystats_core::{
    bus::Work,
    config::{BusConfig, Config, DatalakeConfig, Secret, StoreConfig},
    datalake::Datalake,
    engines::Engines,
    load::{Load, LoadEntity},
    store::{NewLoad, Store},
};
use paystats_standalone::{demo::Dataset, engines::LocalEngines};
use tempfile::TempDir;

/// What mongod may cache, in GB.
const CACHE_GB: f64 = 4.0;

const DATALAKE: &str = "datalake";
const ENGINES: &str = "engines";

const MONTHS: u32 = 76;
const ROWS_A_POSTAL_CODE: u64 = MONTHS as u64 * 12;

/// Engines and a data lake.
pub struct Bed {
    pub engines: LocalEngines,
    folder: TempDir,
    places: AtomicU32,
}

/// A database and streams that nothing else uses.
pub struct Place {
    pub config: Config,
    pub engines: Engines,
    client: mongodb::Client,
}

impl Bed {
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("paystats-bench-").tempdir()?;
        fs::create_dir(folder.path().join(DATALAKE))?;
        Self::on(folder).await
    }

    /// With the data lake that is in a folder.
    pub async fn on(folder: TempDir) -> Result<Self> {
        let engines = LocalEngines::start(&folder.path().join(ENGINES), CACHE_GB).await?;
        Ok(Self { engines, folder, places: AtomicU32::new(0) })
    }

    pub fn datalake(&self) -> PathBuf {
        self.folder.path().join(DATALAKE)
    }

    /// Writes `postal_codes.csv` and `paystats.csv` with about this many rows. Gives the number of postal codes and the exact one of rows.
    pub fn generate(&self, rows: u64) -> Result<(u32, u64)> {
        let postal_codes = u32::try_from(rows.div_ceil(ROWS_A_POSTAL_CODE)).context("--rows is too large")?;
        Dataset::new(1, postal_codes, MONTHS)?.write_postal_codes(self.create("postal_codes.csv")?)?;
        self.generate_paystats("paystats.csv", 1, postal_codes)?;
        Ok((postal_codes, u64::from(postal_codes) * ROWS_A_POSTAL_CODE))
    }

    /// Writes a file of paystats; of another seed, every amount is another one.
    pub fn generate_paystats(&self, name: &str, seed: u64, postal_codes: u32) -> Result<()> {
        Dataset::new(seed, postal_codes, MONTHS)?.write_paystats(self.create(name)?)?;
        Ok(())
    }

    /// A file of the data lake, to be written.
    pub fn create(&self, name: &str) -> Result<BufWriter<File>> {
        Ok(BufWriter::with_capacity(1 << 20, File::create(self.datalake().join(name))?))
    }

    pub async fn place(&self) -> Result<Place> {
        let name = format!("bench{}", self.places.fetch_add(1, Ordering::Relaxed));
        let uri = self.engines.mongod.uri();
        let config = Config {
            store: StoreConfig { uri: Secret::new(&uri), database: name.clone(), undo_days: 30 },
            bus: BusConfig {
                url: Secret::new(self.engines.nats_server.url()),
                ca: None,
                prefix: name,
                ack_wait: Duration::from_secs(10),
                replicas: None,
            },
            datalake: DatalakeConfig::folder(self.datalake()),
        };
        let engines = Engines::connect(Store::new(&config.store).await?, &config).await;
        Ok(Place { engines, client: mongodb::Client::with_uri_str(uri).await?, config })
    }

    /// Stops the engines, and gives the folder of the data lake: on it others can start that have done nothing yet.
    pub async fn stop(self) -> Result<TempDir> {
        self.engines.stop().await?;
        fs::remove_dir_all(self.folder.path().join(ENGINES))?;
        Ok(self.folder)
    }
}

impl Place {
    /// Accepts a load, as a server does: it lies on the queue until a loader takes it.
    pub async fn accept(&self, entity: LoadEntity, source: &str) -> Result<Load> {
        let Engines { store, bus } = &self.engines;
        let found = Datalake::new(&self.config.datalake).head(source).await?;
        let load = store.loads.insert(NewLoad::of(entity, found)).await?;
        bus.publish_work(Work::Plan { load: load.id }).await?;
        store.loads.set_published(load.id).await?;
        Ok(load)
    }

    pub async fn remove(self) -> Result<()> {
        self.client.database(&self.config.store.database).drop().await.context("removing a database")?;
        self.client.shutdown().await;
        Ok(())
    }
}
