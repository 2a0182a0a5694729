//! Engines that demand TLS and a password, as in production: the programs work there with no more rights than they need, and tell nobody the
//! password.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use mongodb::{Client, bson::doc};
use nix::sys::signal::Signal;
use paystats_core::{
    config::{Config, Secret},
    domain::PaystatScope,
    store::Store,
};
use paystats_loader::LoaderConfig;
use paystats_standalone::{engines::locate, lifeline};
use paystats_tests::{
    At, EngineUrls, HeldUp, RunningLoader, RunningServer, eventually, fresh_config, load_numbered,
    sources::{paystat, paystat_row, paystats, postal_code, postal_code_row, postal_codes},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead},
    process::Child,
};

const PASSWORD: &str = "hunter2-and-more";

/// Both engines with certificates of an authority of their own. Dropped, they are killed.
struct Secured {
    folder: TempDir,
    mongod_port: u16,
    nats_port: u16,
    _engines: [Child; 2],
}

impl Secured {
    async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("paystats-test-").tempdir().unwrap();
        let (mongod_port, nats_port) = (free_port(), free_port());
        write_certificates(folder.path());
        let mongod = start_mongod(folder.path(), mongod_port).await;
        let nats_server = start_nats_server(folder.path(), nats_port).await;
        let secured = Self { folder, mongod_port, nats_port, _engines: [mongod, nats_server] };
        secured.found().await;
        secured
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn uri(&self, credentials: &str, options: &str) -> String {
        format!("mongodb://{credentials}127.0.0.1:{}/?{options}", self.mongod_port)
    }

    /// Makes mongod a primary with one user, who may do nothing outside of one database.
    async fn found(&self) {
        let options = format!("directConnection=true&tls=true&tlsCAFile={}", self.file("ca.pem"));
        let client = Client::with_uri_str(self.uri("", &options)).await.unwrap();
        let admin = client.database("admin");
        let set = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": format!("127.0.0.1:{}", self.mongod_port) }] };
        eventually("mongod takes its configuration", async || {
            admin.run_command(doc! { "replSetInitiate": set.clone() }).await.map_err(|error| error.to_string())
        })
        .await;
        // Before there is a user, whoever comes from this machine may make the first one.
        eventually("mongod has its administrator", async || {
            let user = doc! { "createUser": "root", "pwd": "root", "roles": ["root"] };
            admin.run_command(user).await.map_err(|error| error.to_string())
        })
        .await;
        let client = Client::with_uri_str(self.uri("root:root@", &options)).await.unwrap();
        let roles = [doc! { "role": "readWrite", "db": "paystats" }];
        let user = doc! { "createUser": "paystats", "pwd": PASSWORD, "roles": roles.to_vec() };
        client.database("admin").run_command(user).await.unwrap();
    }

    /// How the programs get there, with this password.
    fn config(&self, password: &str) -> (Config, TempDir) {
        let options = format!("replicaSet=rs0&authSource=admin&tls=true&tlsCAFile={}", self.file("ca.pem"));
        let urls = EngineUrls {
            mongodb_uri: self.uri(&format!("paystats:{password}@"), &options),
            nats_url: format!("tls://paystats:{password}@127.0.0.1:{}", self.nats_port),
        };
        let (mut config, folder) = fresh_config(&urls);
        config.store.database = "paystats".to_owned();
        config.bus.ca = Some(self.folder.path().join("ca.pem"));
        (config, folder)
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `ca.pem`, and `server.pem` with the key of the engines.
fn write_certificates(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    fs::write(folder.join("server.pem"), certificate.pem() + &key.serialize_pem()).unwrap();
}

async fn start_mongod(folder: &Path, port: u16) -> Child {
    fs::create_dir(folder.join("db")).unwrap();
    let key_file = folder.join("members.key");
    fs::write(&key_file, "secret of the members").unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(locate::mongod().unwrap());
    command.args(["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--nounixsocket", "--port", &port.to_string()]);
    command.args(["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"]);
    command.arg("--dbpath").arg(folder.join("db")).arg("--keyFile").arg(key_file);
    command.args(["--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"]);
    command.arg("--tlsCertificateKeyFile").arg(folder.join("server.pem"));
    command.arg("--tlsCAFile").arg(folder.join("ca.pem"));
    command.stdout(fs::File::create(folder.join("mongod.log")).unwrap());
    lifeline::spawn(command, Signal::SIGKILL).await.unwrap()
}

async fn start_nats_server(folder: &Path, port: u16) -> Child {
    let pem = folder.join("server.pem").display().to_string();
    let store = folder.join("streams").display().to_string();
    let configuration = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{store}\" }}\n\
         tls {{ cert_file: \"{pem}\", key_file: \"{pem}\" }}\n\
         authorization {{ user: paystats, password: \"{PASSWORD}\" }}\n"
    );
    let file = folder.join("nats.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new(locate::nats_server().unwrap());
    command.arg("--config").arg(file).stderr(fs::File::create(folder.join("nats.log")).unwrap());
    lifeline::spawn(command, Signal::SIGKILL).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_and_its_totals_go_over_tls_with_a_password() {
    let secured = Secured::start().await;
    let (config, folder) = secured.config(PASSWORD);
    let lake = folder.path().join("lake");
    fs::write(lake.join("codes.csv"), postal_codes([postal_code_row(&postal_code(1))])).unwrap();
    fs::write(lake.join("rows.csv"), paystats((1..=1_000).map(|id| paystat_row(&paystat(id))))).unwrap();
    let server = RunningServer::start(config.clone(), Duration::from_secs(30)).await;
    server.ready().await;
    let loader = LoaderConfig { concurrency: 2, chunk_bytes: 4 << 10, chunks_in_flight: 16 };
    let _loader = RunningLoader::start(config, loader);
    for (entity, source) in [("POSTAL_CODES", "codes.csv"), ("PAYSTATS", "rows.csv")] {
        let start =
            format!("mutation {{ startLoad(input: {{entity: {entity}, source: \"{source}\"}}) {{ load {{ id }} }} }}");
        let load = server.graphql(&start, json!({})).await.data()["startLoad"]["load"]["id"].clone();
        let watch = "subscription($id: ID!) { loadProgress(id: $id) { state } }";
        let told = server.subscribe(watch, json!({ "id": load })).await.rest().await;
        assert_eq!(told.last().unwrap()["loadProgress"]["state"], json!("SUCCEEDED"), "{source}");
    }
    eventually("the total of all rows", async || {
        match server.graphql("{ total { count } }", json!({})).await.data()["total"]["count"] == json!(1_000) {
            true => Ok(()),
            false => Err("not yet"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_dead_worker_has_under_way_is_taken_back_with_no_more_rights() {
    let secured = Secured::start().await;
    let (config, _folder) = secured.config(PASSWORD);
    let store = Store::new(&config.store).await.unwrap();
    store.prepare().await.unwrap();
    let load = load_numbered(1);
    let rows = (1..=10).map(|id| (id as u64 + 1, paystat(id))).collect();
    let _dead = HeldUp::at(At::Transaction, &config, &load, rows).await;
    assert_eq!(store.paystats.count(&PaystatScope::default()).await.unwrap(), 10);
    store.load_chunks.revoke(load.id).await.unwrap();
    assert_eq!(store.paystats.count(&PaystatScope::default()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_by_the_engines_waits_and_tells_no_password() {
    let secured = Secured::start().await;
    let (wrong, _folder) = secured.config("wrong-secret-word");
    let server = RunningServer::start(wrong.clone(), Duration::from_secs(30)).await;
    server.waits_for(&["mongodb", "nats"]).await;
    let answer = server.graphql("{ total { count } }", json!({})).await;
    assert_eq!((answer.status, answer.code()), (503, "UNAVAILABLE"));
    assert!(!format!("{answer:?}").contains("secret-word"), "{answer:?}");

    // As a program of its own, whose log is all that it says.
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("server-under-test");
    let uri = secured.folder.path().join("uri");
    fs::write(&uri, format!("{}\n", wrong.store.uri.expose())).unwrap();
    let mut command = Command::new(program);
    command
        .env("PAYSTATS_HTTP_ADDR", "127.0.0.1:0")
        .env("PAYSTATS_MONGODB_URI_FILE", uri)
        .env("PAYSTATS_NATS_URL", wrong.bus.url.expose())
        .env("PAYSTATS_NATS_CA", secured.file("ca.pem"))
        .env("PAYSTATS_DATALAKE", wrong.datalake.root.to_string())
        .env("PAYSTATS_LOG", "debug")
        .stderr(Stdio::piped());
    let mut child = lifeline::spawn(command, Signal::SIGKILL).await.unwrap();
    let log = until_it_waits(child.stderr.take().unwrap()).await;
    assert!(!log.contains("secret-word"), "{log}");
    assert!(log.contains("MongoDB") && log.to_lowercase().contains("authentication"), "an operator is told why: {log}");
    child.kill().await.unwrap();
}

/// What it says until it has tried twice.
async fn until_it_waits(log: impl AsyncRead + Unpin) -> String {
    let mut lines = tokio::io::BufReader::new(log).lines();
    let mut said = String::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            said += &format!("{line}\n");
            if said.matches("waiting for MongoDB").count() == 2 {
                return;
            }
        }
        panic!("the program ended: {said}");
    };
    tokio::time::timeout(paystats_tests::PATIENCE, reading).await.expect("it waits");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_certificate_nobody_vouches_for_is_not_spoken_to() {
    let secured = Secured::start().await;
    let (mut config, _folder) = secured.config(PASSWORD);
    // An authority that signed nothing here.
    let others = tempfile::tempdir().unwrap();
    write_certificates(others.path());
    config.bus.ca = Some(others.path().join("ca.pem"));
    let server = RunningServer::start(config.clone(), Duration::from_secs(30)).await;
    server.waits_for(&["nats"]).await;

    let uri =
        config.store.uri.expose().replace(&secured.file("ca.pem"), &others.path().join("ca.pem").display().to_string());
    config.store.uri = Secret::new(uri);
    let server = RunningServer::start(config, Duration::from_secs(30)).await;
    server.waits_for(&["mongodb", "nats"]).await;
}
