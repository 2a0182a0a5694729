//! What stories about faults play on: a [scene](Scene) whose loaders and server processes reach their engines through a bad network, while
//! the test looks on past it.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use paystats_core::config::{Config, Secret};
use paystats_loader::LoaderConfig;
use paystats_standalone::engines::{Mongod, NatsServer};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    EngineUrls, LoaderProcess, Proxy, Round, Scene, ServerProcess, TestBed, Traffic, fresh_config, oracle::History,
};

/// How long each piece of data is under way between a loader and MongoDB, so that a load takes long enough to be disturbed.
const DELAY: Duration = Duration::from_millis(6);
/// mongod's cache in GB.
const CACHE_GB: f64 = 0.25;

/// A [scene](Scene) and a bad network. What the scene's server and the test see does not pass through the network.
#[derive(Debug)]
pub struct Stage {
    scene: Scene,
    /// Between loaders and engines.
    pub network: Network,
    engines: Option<OwnEngines>,
}

/// The network between loaders and engines.
#[derive(Debug)]
pub struct Network {
    /// Before MongoDB.
    pub mongodb: Proxy,
    /// Before NATS.
    pub nats: Proxy,
}

/// Engines that can be killed, and what the test sees them through: they may move to another port.
#[derive(Debug)]
struct OwnEngines {
    mongod: Option<Mongod>,
    nats_server: Option<NatsServer>,
    mongodb_view: Proxy,
    nats_view: Proxy,
    folder: TempDir,
}

impl Stage {
    /// A stage on the engines that all tests of this process share.
    pub async fn new() -> Self {
        Self::on(EngineUrls::shared().clone(), None).await
    }

    /// A stage on engines of its own.
    pub async fn with_own_engines() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mongod = Mongod::start_with_cache(&folder.path().join("mongod"), None, CACHE_GB).await.unwrap();
        let nats_server = NatsServer::start(&folder.path().join("nats"), None).await.unwrap();
        let mongodb_view = Proxy::start(mongod.port(), Duration::ZERO);
        let nats_view = Proxy::start(nats_server.port(), Duration::ZERO);
        let urls = EngineUrls {
            mongodb_uri: format!("mongodb://127.0.0.1:{}/?directConnection=true", mongodb_view.port()),
            nats_url: format!("nats://127.0.0.1:{}", nats_view.port()),
        };
        let (mongod, nats_server) = (Some(mongod), Some(nats_server));
        Self::on(urls, Some(OwnEngines { mongod, nats_server, mongodb_view, nats_view, folder })).await
    }

    async fn on(urls: EngineUrls, engines: Option<OwnEngines>) -> Self {
        let (config, folder) = fresh_config(&urls);
        let network = Network {
            mongodb: Proxy::start(port_of(&urls.mongodb_uri), DELAY),
            nats: Proxy::start(port_of(&urls.nats_url), Duration::ZERO),
        };
        let scene = Scene::on(TestBed::with_config(config, folder).await).await;
        Self { scene, network, engines }
    }

    /// The configuration of whoever reaches the engines through the bad network.
    pub fn config(&self) -> Config {
        let mut config = self.bed.config().clone();
        let Network { mongodb, nats } = &self.network;
        // The replica set's own configuration would lead past the network.
        let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", mongodb.port());
        (config.store.uri, config.bus.url) =
            (Secret::new(uri), Secret::new(format!("nats://127.0.0.1:{}", nats.port())));
        config
    }

    /// A loader behind the bad network.
    pub async fn start_loader(&self, concurrency: usize, chunk_bytes: u64) -> LoaderProcess {
        LoaderProcess::start(&self.config(), &loader_config(concurrency, chunk_bytes)).await
    }

    /// A server behind the bad network.
    pub async fn start_server_process(&self) -> ServerProcess {
        ServerProcess::start(&self.config()).await
    }

    /// Heals the network and ends the story, as [`Scene::close`] does.
    pub async fn close(self, expected: &History) {
        self.network.mongodb.heal();
        self.network.nats.heal();
        self.scene.close(expected).await;
    }

    /// SIGKILL for mongod, and a new start on its data.
    pub async fn kill_mongod(&mut self, away: Duration) {
        let Self { engines: Some(engines), network, .. } = self else { panic!("the engines belong to all tests") };
        engines.mongod.take().expect("mongod runs").kill().await.unwrap();
        sleep(away).await;
        let mongod = Mongod::start_with_cache(&engines.folder.path().join("mongod"), None, CACHE_GB).await.unwrap();
        engines.mongodb_view.follow(mongod.port());
        network.mongodb.follow(mongod.port());
        engines.mongod = Some(mongod);
    }

    /// SIGKILL for nats-server, and a new start on its data.
    pub async fn kill_nats_server(&mut self, away: Duration) {
        let Self { engines: Some(engines), network, .. } = self else { panic!("the engines belong to all tests") };
        engines.nats_server.take().expect("nats-server runs").kill().await.unwrap();
        sleep(away).await;
        let nats_server = NatsServer::start(&engines.folder.path().join("nats"), None).await.unwrap();
        engines.nats_view.follow(nats_server.port());
        network.nats.follow(nats_server.port());
        engines.nats_server = Some(nats_server);
    }
}

impl Deref for Stage {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }
}

impl Network {
    /// Disturbs the way to one engine for at most two seconds, in a random way, and heals it.
    pub async fn disturb(&self, round: &mut Round) {
        let (proxy, faults) = if round.random.bool() {
            (&self.mongodb, ["MongoDB cut off", "MongoDB refused", "MongoDB stalled", "MongoDB's answers lost"])
        } else {
            (&self.nats, ["NATS cut off", "NATS refused", "NATS stalled", "NATS's answers lost"])
        };
        let fault = round.random.usize(0..4);
        match fault {
            0 => proxy.cut(),
            1 => proxy.refuse(),
            2 => proxy.set_traffic(Traffic::Stalls),
            _ => proxy.set_traffic(Traffic::LosesAnswers),
        }
        sleep(Duration::from_millis(round.random.u64(10..2_000))).await;
        if fault == 3 {
            // An answer that comes late is no lost answer.
            proxy.cut();
        }
        proxy.heal();
        round.did(faults[fault]);
    }
}

pub(crate) fn loader_config(concurrency: usize, chunk_bytes: u64) -> LoaderConfig {
    LoaderConfig { concurrency, chunk_bytes, chunks_in_flight: 16 }
}

/// The port of a URL of an engine on 127.0.0.1.
fn port_of(url: &str) -> u16 {
    let rest = url.split_once("127.0.0.1:").expect("the engines are on this machine").1;
    rest.split_once('/').map_or(rest, |(port, _)| port).parse().expect("a port")
}
