//! What one test works on: a database, streams and a data lake that no other test sees, removed at the end.

use std::{
    fs,
    path::Path,
    sync::{Mutex, Once},
    thread,
    time::Duration,
};

use async_nats::jetstream::stream;
use paystats_core::{
    bus::{Bus, Work},
    config::{BusConfig, Config, DatalakeConfig, Secret, StoreConfig},
    datalake::{Datalake, DatalakeRoot},
    domain::{Paystat, PaystatScope, PostalCodeId, Total},
    engines::Engines,
    load::{Load, LoadEntity, LoadId, LoadState, RejectPolicy, Rejection, TotalChanges},
    store::{
        BatchOutcome, ChunkState, Direction, LoadBatch, LoadChunk, LoadRow, LoadSession, NewLoad, PageRequest,
        PaystatOrderField, RowOutcome, Settled, Store, StoreError, StoredPaystat,
    },
};
use paystats_loader::LoaderConfig;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::{EngineUrls, LoaderProcess, RunningLoader, Watch, eventually, sources};

/// A database, streams and a data lake for one test. Dropped, it removes them all, whether the test passed or not.
#[derive(Debug)]
pub struct TestBed {
    config: Config,
    engines: Engines,
    folder: TempDir,
    raw_nats: async_nats::Client,
}

/// A configuration for engines at `urls` that shares nothing with any other, and its folder, which holds the data lake.
pub fn fresh_config(urls: &EngineUrls) -> (Config, TempDir) {
    let folder = tempfile::Builder::new().prefix("paystats-test-").tempdir().unwrap();
    let datalake = folder.path().join("lake");
    fs::create_dir(&datalake).unwrap();
    // The folder's name is like no other, and is a good name for the rest too.
    let name = folder.path().file_name().and_then(|name| name.to_str()).unwrap().to_owned();
    let store = StoreConfig { uri: Secret::new(&urls.mongodb_uri), database: name.clone(), undo_days: 30 };
    let url = Secret::new(&urls.nats_url);
    let bus = BusConfig { url, ca: None, prefix: name, ack_wait: Duration::from_secs(1), replicas: None };
    (Config { store, bus, datalake: DatalakeConfig::folder(datalake) }, folder)
}

/// The database of a configuration, which need not be there yet.
pub async fn raw_database(config: &Config) -> mongodb::Database {
    mongodb::Client::with_uri_str(config.store.uri.expose()).await.unwrap().database(&config.store.database)
}

impl TestBed {
    /// A bed on the engines that all tests of this process share.
    pub async fn new() -> Self {
        let (config, folder) = fresh_config(EngineUrls::shared());
        Self::with_config(config, folder).await
    }

    /// A bed on what [`fresh_config`] gave; waits until its engines answer.
    pub async fn with_config(config: Config, folder: TempDir) -> Self {
        show_logs();
        let store = Store::new(&config.store).await.unwrap();
        let engines = Engines::connect(store, &config).await;
        let raw_nats = connect_to_nats(&config).await;
        Self { config, engines, folder, raw_nats }
    }

    /// The configuration, for whatever is to run on this bed.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.engines.store
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.engines.bus
    }

    /// Store and bus.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// The folder of the data lake.
    pub fn datalake(&self) -> &Path {
        match &self.config.datalake.root {
            DatalakeRoot::Folder(folder) => folder,
            DatalakeRoot::Store(url) => panic!("the data lake is {url}"),
        }
    }

    /// A folder of the bed outside the data lake.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the data lake.
    pub fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.datalake().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Runs a loader with one worker and chunks of the default size in this process.
    pub fn start_plain_loader(&self) -> RunningLoader {
        self.start_loader(LoaderConfig { concurrency: 1, chunk_bytes: 8 << 20, chunks_in_flight: 16 })
    }

    /// Runs a loader in this process.
    pub fn start_loader(&self, loader: LoaderConfig) -> RunningLoader {
        RunningLoader::start(self.config.clone(), loader)
    }

    /// Runs a loader as a process of its own, which can be killed.
    pub async fn start_loader_process(&self, loader: &LoaderConfig) -> LoaderProcess {
        LoaderProcess::start(&self.config, loader).await
    }

    /// Accepts a load as the server does: written to the store, then put on the queue.
    pub async fn accept(&self, entity: LoadEntity, source: &str) -> Load {
        let load = self.accept_unpublished(entity, source).await;
        self.bus().publish_work(Work::Plan { load: load.id }).await.unwrap();
        self.store().loads.set_published(load.id).await.unwrap();
        load
    }

    /// Accepts a load and stops before the bus hears of it.
    pub async fn accept_unpublished(&self, entity: LoadEntity, source: &str) -> Load {
        let found = Datalake::new(&self.config.datalake).head(source).await.unwrap();
        self.store().loads.insert(NewLoad::of(entity, found)).await.unwrap()
    }

    /// Waits until a load has ended and its end was told on the bus.
    pub async fn finished(&self, id: LoadId) -> Load {
        eventually("the end of a load", async || {
            let load = self.store().loads.by_id(id).await.unwrap().expect("the load is in the store");
            if load.progress.as_ref().is_some_and(|progress| progress.seq > 0) { Ok(load) } else { Err(load) }
        })
        .await
    }

    /// Writes a source, loads it, and waits for the end. A loader has to run.
    pub async fn load(&self, entity: LoadEntity, source: impl AsRef<[u8]>) -> Load {
        let path = format!("{}.csv", LoadId::new());
        self.put(&path, source);
        let load = self.accept(entity, &path).await;
        self.finished(load.id).await
    }

    /// Writes `count` postal codes with the numbers 1, 2, … ([`sources::postal_code`]) to the store, past any load.
    pub async fn insert_postal_codes(&self, count: i32) -> Vec<PostalCodeId> {
        let codes: Vec<_> = (1..=count).map(|id| (1, sources::postal_code(id))).collect();
        self.write_rows(0, &codes, false).await;
        self.store().rollups.postal_codes_changed().await.unwrap();
        codes.into_iter().map(|(_, code)| code.id).collect()
    }

    /// Writes these paystats to the store, past any load, and adds them up.
    pub async fn insert_paystats(&self, rows: &[Paystat]) {
        let rows: Vec<_> = rows.iter().cloned().map(|row| (1, row)).collect();
        self.write_rows(0, &rows, false).await;
        self.store().rollups.verify(true, |_| ()).await.unwrap();
    }

    /// Writes rows, each with its line, as load number `number` would, and tells what became of each.
    pub async fn write_rows<R: LoadRow>(&self, number: i64, rows: &[(u64, R)], likely_new: bool) -> Vec<RowOutcome> {
        write_batch(self.store(), &load_numbered(number), rows, likely_new, &[]).await
    }

    /// Keeps refused rows as a load would.
    pub async fn write_rejections(&self, load: &Load, rejections: &[Rejection]) {
        write_batch::<Paystat>(self.store(), load, &[], false, rejections).await;
    }

    /// All paystats of the store, by number.
    pub async fn paystats(&self) -> Vec<StoredPaystat> {
        let all = PageRequest::first(1_000_000);
        let (order, direction) = (PaystatOrderField::Id, Direction::Ascending);
        self.store().paystats.page(&PaystatScope::default(), order, direction, all).await.unwrap().items
    }

    /// Sum and number of all paystats.
    pub async fn total(&self) -> Total {
        let groups = self.store().totals.by(&PaystatScope::default(), &[]).await.unwrap();
        groups.first().map_or_else(Total::default, |all| all.total)
    }

    /// The database, for what the store has no words for.
    pub async fn database(&self) -> mongodb::Database {
        raw_database(&self.config).await
    }

    /// Lets the time in which a load can be undone be over.
    pub async fn let_undo_expire(&self, number: i64) {
        let loads = self.database().await.collection::<mongodb::bson::Document>("loads");
        let set = mongodb::bson::doc! { "$set": { "undo_until": mongodb::bson::DateTime::from_millis(1) } };
        assert_eq!(loads.update_one(mongodb::bson::doc! { "number": number }, set).await.unwrap().modified_count, 1);
    }

    /// The refused rows of a load, by line.
    pub async fn rejections(&self, id: LoadId) -> Vec<Rejection> {
        self.store().rejections.page(id, PageRequest::first(1_000_000)).await.unwrap().items
    }

    /// Hears every event from now on.
    pub async fn watch(&self) -> Watch {
        Watch::start(self.bus().clone()).await
    }

    /// Messages on the work queue, those in the hands of workers included.
    pub async fn work_left(&self) -> u64 {
        let jetstream = async_nats::jetstream::new(self.raw_nats.clone());
        let stream = jetstream.get_stream(format!("{}-work", self.config.bus.prefix)).await.unwrap();
        stream.cached_info().state.messages
    }

    /// Makes a stream of the bus, `work` or `events`, as full as if its disk were: it takes nothing until its old limits come back.
    /// Returns them.
    pub async fn fill_stream(&self, name: &str) -> stream::Config {
        let jetstream = async_nats::jetstream::new(self.raw_nats.clone());
        let stream = jetstream.get_stream(format!("{}-{name}", self.config.bus.prefix)).await.unwrap();
        let limits = stream.cached_info().config.clone();
        let full = stream::Config { max_bytes: 1, discard: stream::DiscardPolicy::New, ..limits.clone() };
        self.set_stream_limits(full).await;
        limits
    }

    /// Gives a stream its limits back.
    pub async fn set_stream_limits(&self, limits: stream::Config) {
        async_nats::jetstream::new(self.raw_nats.clone()).update_stream(limits).await.unwrap();
    }

    /// Takes from the bus all that it holds, and makes its streams anew.
    pub async fn lose_bus(&self) {
        delete_streams(&self.config).await;
        self.engines.prepare_bus().await.unwrap();
    }

    /// Puts work on the queue once more. [`Bus::publish_work`] would not: JetStream knows it by its message id.
    pub async fn publish_work_again(&self, work: Work) {
        let subject = match work {
            Work::Plan { load } => format!("plan.{load}"),
            Work::Revert { load } => format!("revert.{load}"),
            Work::Chunk { load, index } => format!("chunk.{load}.{index}"),
        };
        self.publish_raw_work(&subject, &serde_json::to_string(&work).unwrap()).await;
    }

    /// Says something about a load that nobody understands.
    pub async fn publish_raw_event(&self, load: LoadId, message: &str) {
        let jetstream = async_nats::jetstream::new(self.raw_nats.clone());
        let subject = format!("{}.events.{load}.unheard_of", self.config.bus.prefix);
        jetstream.publish(subject, message.to_owned().into()).await.unwrap().await.unwrap();
    }

    /// Puts any text on the work queue.
    pub async fn publish_raw_work(&self, subject: &str, message: &str) {
        let jetstream = async_nats::jetstream::new(self.raw_nats.clone());
        let subject = format!("{}.work.{subject}", self.config.bus.prefix);
        jetstream.publish(subject, message.to_owned().into()).await.unwrap().await.unwrap();
    }
}

/// Writes a batch as the only one of its chunk, and tells what became of each row.
pub async fn write_batch<R: LoadRow>(
    store: &Store,
    load: &Load,
    rows: &[(u64, R)],
    likely_new: bool,
    rejections: &[Rejection],
) -> Vec<RowOutcome> {
    // Some tests write more than one batch of the same load.
    let chunk = new_chunk(store, load).await;
    let mut session = store.start_session().await.unwrap();
    let (written, outcomes) =
        write_chunk(store, load, &chunk, rows, likely_new, rejections, &mut session).await.unwrap();
    assert!(matches!(written, BatchOutcome::Written { .. }), "{written:?}");
    outcomes
}

/// A chunk of a load that nobody has taken yet.
pub async fn new_chunk(store: &Store, load: &Load) -> LoadChunk {
    let chunk = LoadChunk { index: fastrand::u32(..), ..LoadChunk::start(0, 2, &[]) };
    store.load_chunks.insert(load, &chunk).await.unwrap();
    chunk
}

/// Writes a chunk in one batch: what came of it, and of each row when it was looked at last.
pub async fn write_chunk<R: LoadRow>(
    store: &Store,
    load: &Load,
    chunk: &LoadChunk,
    rows: &[(u64, R)],
    likely_new: bool,
    rejections: &[Rejection],
    session: &mut LoadSession,
) -> Result<(BatchOutcome, Vec<RowOutcome>), StoreError> {
    let new_rows = store.new_rows().await?;
    let outcomes = Mutex::new(Vec::new());
    let settle = |of_rows: &[RowOutcome], changes: &TotalChanges| {
        *outcomes.lock().unwrap() = of_rows.to_vec();
        let all_new = of_rows.iter().all(|outcome| *outcome == RowOutcome::Inserted);
        let sums =
            if all_new { new_rows.add_up(rows.iter().filter_map(|(_, row)| row.paystat()))? } else { Vec::new() };
        let summed_to = all_new.then_some(chunk.end);
        let state = ChunkState { done: true, changes: changes.clone(), summed_to, ..chunk.state.clone() };
        Ok(Settled { rejections: rejections.to_vec(), sums, state })
    };
    let batch = LoadBatch { load, chunk, from_byte: 0, rows, likely_new, claims_unchanged: false };
    let written = store.write_batch(session, &batch, settle).await?;
    Ok((written, outcomes.into_inner().unwrap()))
}

/// A load that is nowhere but here.
pub fn load_numbered(number: i64) -> Load {
    Load {
        id: LoadId::new(),
        number,
        entity: LoadEntity::Paystats,
        source: String::new(),
        source_size_bytes: 0,
        source_fingerprint: String::new(),
        policy: RejectPolicy::default(),
        dry_run: false,
        retry_of: None,
        only_rejected_of: None,
        state: LoadState::Loading,
        ends_as: None,
        error: None,
        progress: None,
        cut: None,
        plan: None,
        undo_until: OffsetDateTime::UNIX_EPOCH + time::Duration::days(365_000),
        created_at: OffsetDateTime::UNIX_EPOCH,
        started_at: None,
        finished_at: None,
    }
}

impl Drop for TestBed {
    /// A drop cannot be awaited, so a thread with a runtime of its own cleans up.
    fn drop(&mut self) {
        let config = self.config.clone();
        let cleaning = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), remove(&config)).await.is_ok() })
        });
        if !cleaning.join().unwrap_or(false) {
            eprintln!("the database and the streams {} were not removed", self.config.store.database);
        }
    }
}

async fn remove(config: &Config) {
    let client = mongodb::Client::with_uri_str(config.store.uri.expose()).await.unwrap();
    client.database(&config.store.database).drop().await.unwrap();
    delete_streams(config).await;
}

async fn delete_streams(config: &Config) {
    let jetstream = async_nats::jetstream::new(connect_to_nats(config).await);
    for stream in ["work", "events"] {
        jetstream.delete_stream(format!("{}-{stream}", config.bus.prefix)).await.unwrap();
    }
}

/// Past the product, and as the product does it: to any of several addresses.
async fn connect_to_nats(config: &Config) -> async_nats::Client {
    async_nats::connect(config.bus.url.expose().split(',').collect::<Vec<_>>()).await.unwrap()
}

/// Sends logs where the test runner shows them for failed tests only.
pub(crate) fn show_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = std::env::var("PAYSTATS_LOG").unwrap_or_else(|_| "warn".to_owned());
        tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().init();
    });
}
