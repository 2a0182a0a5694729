//! `paystats run`: everything in one process, until Ctrl-C.
//!
//! Starts what is missing (engines), then the server and the loader as tasks under one token. Ends the other way round: the server and the
//! loader drain while the engines still run, then NATS stops, and MongoDB last. A part that ends by itself ends the whole.

use std::{
    fmt::Display,
    fs,
    future::pending,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use paystats_core::{
    config::{BusConfig, Config, DatalakeConfig, Secret, StoreConfig, secret},
    datalake::DatalakeRoot,
};
use paystats_loader::LoaderConfig;
use paystats_server::ServerConfig;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::Client,
    data_folder::DataFolder,
    demo,
    engines::{Mongod, NatsServer},
    probe,
    settings::Settings,
    signals::StopSignals,
    terminal::say,
};

/// How long the server and the loader may take to finish what they hold.
const DRAINING: Duration = Duration::from_secs(15);

/// After this time a server that is not ready is mentioned.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run() -> Result<ExitCode> {
    let settings = Settings::from_env()?;
    let mut signals = StopSignals::listen()?;
    let mut house = tokio::select! {
        house = House::open(settings) => house?,
        _ = signals.next() => {
            say("Stopped before everything was started.");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let outcome = tokio::select! {
        reason = house.broken() => Err(reason),
        _ = signals.next() => Ok(ExitCode::SUCCESS),
    };
    if let Err(reason) = &outcome {
        say(format_args!("Something ended by itself: {reason:#}"));
    }
    tokio::select! {
        closed = house.close() => outcome.and_then(|code| closed.map(|()| code)),
        // The engines die with this process; what they acknowledged is on disk.
        _ = signals.next() => {
            say("Forced to stop.");
            Ok(ExitCode::from(130))
        }
    }
}

/// What runs.
struct House {
    mongod: Option<Mongod>,
    nats_server: Option<NatsServer>,
    /// The server and the loader, each with its name.
    parts: JoinSet<(&'static str, Result<()>)>,
    shutdown: CancellationToken,
    welcome: JoinHandle<()>,
    /// Held until the engines are gone.
    _data_folder: Option<DataFolder>,
}

impl House {
    async fn open(settings: Settings) -> Result<Self> {
        // First what can fail at once.
        let server_config = ServerConfig::from_env()?;
        let loader_config = LoaderConfig::from_env()?;
        let listener = TcpListener::bind(server_config.address)
            .await
            .with_context(|| format!("PAYSTATS_HTTP_ADDR: cannot listen on {}", server_config.address))?;
        let operators = paystats_loader::listen_for_operators().await?;
        let address = listener.local_addr().context("asking for the address that was bound")?;
        let needs_engines = settings.mongodb_uri.is_none() || settings.nats_url.is_none();
        let data_folder = match needs_engines {
            true => Some(DataFolder::take(&settings.data_dir).await?),
            false => None,
        };
        let datalake = open_datalake(&settings)?;

        let folder = data_folder.as_ref().map(DataFolder::path);
        if needs_engines {
            say("Starting the engines.");
        }
        let start_mongod = async {
            match folder.filter(|_| settings.mongodb_uri.is_none()) {
                Some(folder) => Mongod::start(&folder.join("mongod"), None).await.map(Some),
                None => Ok(None),
            }
        };
        let start_nats_server = async {
            match folder.filter(|_| settings.nats_url.is_none()) {
                Some(folder) => NatsServer::start(&folder.join("nats"), None).await.map(Some),
                None => Ok(None),
            }
        };
        let (mongod, nats_server) = tokio::try_join!(start_mongod, start_nats_server)?;

        let mongodb_uri = mongod.as_ref().map(|mongod| Secret::new(mongod.uri())).or(settings.mongodb_uri);
        let nats_url = nats_server.as_ref().map(|nats_server| Secret::new(nats_server.url())).or(settings.nats_url);
        let config = Config {
            store: StoreConfig::at(mongodb_uri.context("no MongoDB")?)?,
            bus: BusConfig::at(nats_url.context("no NATS")?)?,
            datalake: datalake.clone(),
        };
        let shutdown = CancellationToken::new();
        let mut parts = JoinSet::new();
        let server = paystats_server::run(listener, config.clone(), server_config, shutdown.clone());
        parts.spawn(async { ("the server", server.await) });
        let loader = paystats_loader::run(config, loader_config, operators, shutdown.clone());
        parts.spawn(async { ("the loader", loader.await) });

        let addresses = Addresses {
            server: from_here(address),
            data_folder: folder.map(Path::to_owned),
            datalake: datalake.root,
            mongodb: mongod.as_ref().map(Mongod::uri),
            nats: nats_server.as_ref().map(NatsServer::url),
        };
        let welcome = tokio::spawn(addresses.welcome(settings.demo));
        Ok(Self { mongod, nats_server, parts, shutdown, welcome, _data_folder: data_folder })
    }

    /// Completes when something has ended by itself, with the reason.
    async fn broken(&mut self) -> anyhow::Error {
        let mongod = async {
            match &mut self.mongod {
                Some(mongod) => mongod.ended().await,
                None => pending().await,
            }
        };
        let nats_server = async {
            match &mut self.nats_server {
                Some(nats_server) => nats_server.ended().await,
                None => pending().await,
            }
        };
        tokio::select! {
            Some(part) = self.parts.join_next() => match part {
                Ok((name, Ok(()))) => anyhow!("{name} ended by itself"),
                Ok((name, Err(error))) => error.context(format!("{name} failed")),
                Err(panic) => anyhow!(panic).context("the server or the loader panicked"),
            },
            error = mongod => error,
            error = nats_server => error,
        }
    }

    /// Drains, then stops the engines.
    async fn close(mut self) -> Result<()> {
        self.welcome.abort();
        say("Stopping: the server and the loader finish what they hold. Ctrl-C again forces.");
        self.shutdown.cancel();
        let drained = timeout(DRAINING, async {
            while let Some(part) = self.parts.join_next().await {
                match part {
                    Ok((_, Ok(()))) => {}
                    Ok((name, Err(error))) => say(format_args!("While stopping, {name} failed: {error:#}")),
                    Err(panic) => say(format_args!("While stopping: {panic}")),
                }
            }
        });
        if drained.await.is_err() {
            say(format_args!("Not finished after {} s; they are stopped as they are.", DRAINING.as_secs()));
            self.parts.shutdown().await;
        }
        if let Some(nats_server) = self.nats_server {
            say("Stopping NATS.");
            nats_server.stop().await?;
        }
        if let Some(mongod) = self.mongod {
            say("Stopping MongoDB.");
            mongod.stop().await?;
        }
        say("Stopped.");
        Ok(())
    }
}

/// What a person has to know to use what was started.
struct Addresses {
    server: SocketAddr,
    data_folder: Option<PathBuf>,
    datalake: DatalakeRoot,
    /// Only of engines that were started here: others' addresses may carry a password.
    mongodb: Option<String>,
    nats: Option<String>,
}

impl Addresses {
    /// Says where everything is once it can be used; then loads the demo.
    async fn welcome(self, demo: bool) {
        if timeout(PATIENCE, probe::until_ready(self.server)).await.is_err() {
            say(format_args!("Still waiting for http://{}/readyz: the log says why.", self.server));
            probe::until_ready(self.server).await;
        }
        say(self.banner(probe::has_pages(self.server).await));
        if demo && let Err(error) = self.load_demo().await {
            say(format_args!("The demo data set was not loaded: {error:#}"));
        }
    }

    fn banner(&self, has_pages: bool) -> String {
        let server = self.server;
        let mut lines = vec!["paystats is ready; Ctrl-C stops it.".to_owned()];
        let mut line = |name: &str, value: &dyn Display| lines.push(format!("  {name:<12} {value}"));
        if has_pages {
            line("dashboard", &format_args!("http://{server}/"));
            line("GraphiQL", &format_args!("http://{server}/graphiql"));
        } else {
            line("pages", &"not built (dashboard and GraphiQL): that needs Node.js, and then `make web`");
        }
        line("GraphQL", &format_args!("http://{server}/graphql and ws://{server}/graphql"));
        line("data lake", &self.datalake);
        if let Some(folder) = &self.data_folder {
            line("data folder", &folder.display());
        }
        if let Some(uri) = &self.mongodb {
            line("MongoDB", uri);
        }
        if let Some(url) = &self.nats {
            line("NATS", url);
        }
        lines.join("\n")
    }

    async fn load_demo(&self) -> Result<()> {
        let DatalakeRoot::Folder(datalake) = &self.datalake else {
            bail!(
                "it is written into a data lake that is a folder, and this one is not; PAYSTATS_DEMO=off keeps quiet about it"
            );
        };
        let client = Client::new(&format!("ws://{}/graphql", self.server))?.with_key(secret("PAYSTATS_API_KEY")?);
        demo::fill_empty_store(&client, datalake).await
    }
}

/// The data lake and the sources beside it. A folder is made absolute, and created if it is missing.
fn open_datalake(settings: &Settings) -> Result<DatalakeConfig> {
    let mut config = match &settings.datalake {
        Some(root) => DatalakeConfig::at(root)?,
        None => DatalakeConfig::at(&settings.data_dir.join("datalake").to_string_lossy())?,
    };
    if let DatalakeRoot::Folder(folder) = &mut config.root {
        let open = || fs::create_dir_all(&*folder).and_then(|()| folder.canonicalize());
        *folder = open().with_context(|| format!("PAYSTATS_DATALAKE: opening {}", folder.display()))?;
    }
    Ok(config)
}

/// Where this machine finds what listens on `address`: a server that listens on every interface does so on loopback too.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_interface_is_found_on_loopback() {
        assert_eq!(from_here("0.0.0.0:80".parse().unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(from_here("[::]:80".parse().unwrap()), "[::1]:80".parse().unwrap());
        assert_eq!(from_here("10.0.0.1:80".parse().unwrap()), "10.0.0.1:80".parse().unwrap());
    }

    #[test]
    fn the_banner_names_the_engines_that_were_started_here_only() {
        let addresses = Addresses {
            server: "127.0.0.1:8080".parse().unwrap(),
            data_folder: None,
            datalake: DatalakeRoot::Folder("/lake".into()),
            mongodb: None,
            nats: Some("nats://127.0.0.1:4222".to_owned()),
        };
        let banner = addresses.banner(true);
        assert!(
            banner.contains("http://127.0.0.1:8080/graphiql") && banner.contains("nats://127.0.0.1:4222"),
            "{banner}"
        );
        assert!(!banner.contains("MongoDB"), "{banner}");
        assert!(addresses.banner(false).contains("`make web`"));
    }
}
