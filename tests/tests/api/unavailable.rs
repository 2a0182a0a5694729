//! Engines go away, hang, come late or come back empty: clients are told so in time and in our words, and what was accepted still runs.
//!
//! Each test has engines of its own.

use std::{fs, net::TcpListener, path::Path, time::Duration};

use futures_util::future::join_all;
use mongodb::bson::{DateTime, doc};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use paystats_core::{bus::Bus, config::Config, load::LoadEntity};
use paystats_loader::LoaderConfig;
use paystats_standalone::engines::{Mongod, NatsServer};
use paystats_tests::{
    Answer, EngineUrls, RunningLoader, RunningServer, TestBed, every_change, fresh_config,
    sources::{paystat, paystat_row, paystats, postal_code, postal_code_row, postal_codes},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

const CACHE_GB: f64 = 0.25;
const DEADLINE: Duration = Duration::from_secs(30);
/// Each asks for something else of MongoDB.
const QUESTIONS: [&str; 9] = [
    "{ postalCodes { totalCount } }",
    "{ postalCode(id: 1) { code } }",
    "{ paystats { nodes { id } } }",
    r#"{ paystat(id: "1") { id } }"#,
    "{ paystats { totalCount } }",
    "{ loads { nodes { id } } }",
    "mutation { deletePaystat(input: { id: 1 }) { deletedId } }",
    r#"mutation { updatePaystat(input: { id: 1, amount: "1" }) { paystat { id } } }"#,
    r#"mutation { createPaystat(input: { amount: "1", month: "2015-01", age: FROM_65, gender: F, postalCodeId: 1 }) {
        paystat { id }
    } }"#,
];

/// Engines for one test, and what is to run on them.
struct Own {
    mongod: Mongod,
    nats_server: Option<NatsServer>,
    nats_port: u16,
    engines: TempDir,
    config: Config,
    _data: TempDir,
}

impl Own {
    async fn start() -> Self {
        let engines = tempfile::tempdir().unwrap();
        let (mongod, nats_server) = tokio::join!(start_mongod(engines.path(), None), start_nats(engines.path(), None));
        let urls = EngineUrls { mongodb_uri: mongod.uri(), nats_url: nats_server.url() };
        let (config, data) = fresh_config(&urls);
        let nats_port = nats_server.port();
        let own = Self { mongod, nats_server: Some(nats_server), nats_port, engines, config, _data: data };
        own.put("codes.csv", &postal_codes([postal_code_row(&postal_code(1))]));
        own.put("rows.csv", &paystats((1..=100).map(|id| paystat_row(&paystat(id)))));
        own
    }

    fn put(&self, path: &str, text: &str) {
        fs::write(Path::new(&self.config.datalake.root.to_string()).join(path), text).unwrap();
    }

    async fn start_server(&self) -> RunningServer {
        let server = RunningServer::start(self.config.clone(), DEADLINE).await;
        server.ready().await;
        server
    }

    fn start_loader(&self) -> RunningLoader {
        RunningLoader::start(
            self.config.clone(),
            LoaderConfig { concurrency: 1, chunk_bytes: 1_000, chunks_in_flight: 16 },
        )
    }

    async fn kill_nats(&mut self) {
        self.nats_server.take().expect("it runs").kill().await.unwrap();
    }

    /// Starts NATS again, where it was before.
    async fn restart_nats(&mut self) {
        self.nats_server = Some(start_nats(self.engines.path(), Some(self.nats_port)).await);
    }
}

async fn start_mongod(folder: &Path, port: Option<u16>) -> Mongod {
    Mongod::start_with_cache(&folder.join("mongod"), port, CACHE_GB).await.unwrap()
}

async fn start_nats(folder: &Path, port: Option<u16>) -> NatsServer {
    NatsServer::start(&folder.join("nats"), port).await.unwrap()
}

async fn ask(server: &RunningServer, query: &str) -> Answer {
    server.graphql(query, json!({})).await
}

async fn start_load(server: &RunningServer, source: &str) -> Answer {
    let query = "mutation($source: String!, $entity: LoadEntity!) {
        startLoad(input: { entity: $entity, source: $source }) { load { id } }
    }";
    let entity = if source == "codes.csv" { "POSTAL_CODES" } else { "PAYSTATS" };
    server.graphql(query, json!({ "source": source, "entity": entity })).await
}

/// Starts a load, watches it, and returns its last progress.
async fn load(server: &RunningServer, source: &str) -> Value {
    let started = start_load(server, source).await;
    last_progress(server, &started.data()["startLoad"]["load"]["id"]).await
}

async fn last_progress(server: &RunningServer, id: &Value) -> Value {
    let query = "subscription($id: ID!) { loadProgress(id: $id) { seq state rowsInserted rowsUnchanged } }";
    let told = server.subscribe(query, json!({ "id": id })).await.rest().await;
    told.last().expect("the load ends")["loadProgress"].clone()
}

/// Asks and measures.
async fn timed<T>(asking: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    (asking.await, start.elapsed())
}

/// Asks everything at once.
async fn ask_all(server: &RunningServer) -> impl Iterator<Item = (&'static str, (Answer, Duration))> {
    let answers = join_all(QUESTIONS.map(|question| timed(ask(server, question)))).await;
    QUESTIONS.into_iter().zip(answers)
}

#[tokio::test]
async fn without_nats_questions_are_answered_and_loads_are_refused_at_once() {
    let mut own = Own::start().await;
    let server = own.start_server().await;
    own.kill_nats().await;
    server.goes_without(&["nats"]).await;
    let metrics = server.metrics().await;
    assert_eq!((metrics.get("paystats_ready"), metrics.get("paystats_degraded")), (Some(1.0), Some(1.0)));

    let (refused, time) = timed(start_load(&server, "rows.csv")).await;
    assert_eq!(refused.refusal(), "UNAVAILABLE: the message bus is away: the load was not accepted; try again");
    assert!(time < Duration::from_secs(1), "{time:?}");
    assert_eq!(ask(&server, "{ loads { totalCount } }").await.data()["loads"]["totalCount"], 0);
    assert_eq!(ask(&server, "{ paystats { totalCount } }").await.data()["paystats"]["totalCount"], 0);
    assert_eq!(server.get("/healthz").await.status, 200);

    own.restart_nats().await;
    server.ready().await;
    start_load(&server, "rows.csv").await.data();
}

#[tokio::test]
async fn without_mongodb_every_question_is_unavailable_within_seconds_and_in_our_words() {
    let mut own = Own::start().await;
    let server = own.start_server().await;
    drop(ask_all(&server).await);
    let port = own.mongod.port();
    own.mongod.kill().await.unwrap();
    let watch = async {
        let query = "subscription { loadProgress(id: \"1\") { seq } }";
        server.subscribe(query, json!({})).await.refusal().await
    };
    let (answers, load, watch) = tokio::join!(ask_all(&server), start_load(&server, "rows.csv"), watch);
    assert_eq!(load.refusal(), "UNAVAILABLE: the database is away; try again in a moment");
    assert_eq!(watch, "the database is away; try again in a moment (UNAVAILABLE)");
    for (question, (refused, time)) in answers {
        assert_eq!(refused.refusal(), "UNAVAILABLE: the database is away; try again in a moment", "{question}");
        assert_eq!(refused.body["errors"].as_array().unwrap().len(), 1);
        assert!(time < Duration::from_secs(6), "{time:?} for {question}");
    }
    server.waits_for(&["mongodb"]).await;

    own.mongod = start_mongod(own.engines.path(), Some(port)).await;
    server.ready().await;
    for (question, (answer, _)) in ask_all(&server).await {
        let code = answer.body["errors"][0]["extensions"]["code"].clone();
        assert_ne!(code, "UNAVAILABLE", "{question}");
    }
}

#[tokio::test]
async fn a_server_that_starts_first_says_so_until_its_engines_are_there() {
    let engines = tempfile::tempdir().unwrap();
    let (mongodb_port, nats_port) = (free_port(), free_port());
    let urls = EngineUrls {
        mongodb_uri: format!("mongodb://127.0.0.1:{mongodb_port}/?replicaSet=rs0"),
        nats_url: format!("nats://127.0.0.1:{nats_port}"),
    };
    let (config, _data) = fresh_config(&urls);
    let server = RunningServer::start(config, DEADLINE).await;

    assert_eq!(server.get("/healthz").await.status, 200);
    server.waits_for(&["mongodb", "nats"]).await;
    let refused = ask(&server, "{ paystats { totalCount } }").await;
    assert_eq!((refused.status, refused.code()), (503, "UNAVAILABLE"));
    assert_eq!(refused.headers["retry-after"], "2");
    assert_eq!(
        refused.refusal(),
        "UNAVAILABLE: the server is starting: the database or the message bus is not there yet"
    );

    let _mongod = start_mongod(engines.path(), Some(mongodb_port)).await;
    server.waits_for(&["nats"]).await;
    let _nats_server = start_nats(engines.path(), Some(nats_port)).await;
    server.ready().await;
    assert_eq!(ask(&server, "{ paystats { totalCount } }").await.data()["paystats"]["totalCount"], 0);
}

#[tokio::test]
async fn a_load_that_was_written_but_not_published_is_published_and_runs() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.put("codes.csv", postal_codes([postal_code_row(&postal_code(1))]));
    let load = bed.accept_unpublished(LoadEntity::PostalCodes, "codes.csv").await;
    // As if its server had died a while ago.
    let client = mongodb::Client::with_uri_str(bed.config().store.uri.expose()).await.unwrap();
    let loads = client.database(&bed.config().store.database).collection::<mongodb::bson::Document>("loads");
    let long_ago = DateTime::from_millis(DateTime::now().timestamp_millis() - 60_000);
    loads.update_one(doc! {}, doc! { "$set": { "created_at": long_ago } }).await.unwrap();

    let end = last_progress(&server, &json!(load.id.to_string())).await;
    assert_eq!((&end["state"], &end["rowsInserted"]), (&json!("SUCCEEDED"), &json!(1)));
}

#[tokio::test]
async fn a_database_that_hangs_makes_nobody_wait_longer_than_the_deadline() {
    let own = Own::start().await;
    let deadline = Duration::from_secs(1);
    let server = RunningServer::start(own.config.clone(), deadline).await;
    server.ready().await;
    start_load(&server, "rows.csv").await.data();

    let mongod = Pid::from_raw(own.mongod.pid() as i32);
    kill(mongod, Signal::SIGSTOP).unwrap();
    for (question, (refused, time)) in ask_all(&server).await {
        let next = match question.starts_with("mutation") {
            false => "try again",
            true => "look whether it was done before you try again",
        };
        let refusal = format!("UNAVAILABLE: no answer within 1 s: {next}");
        assert_eq!(refused.refusal(), refusal, "{question}");
        assert!(time < deadline + Duration::from_secs(2), "{time:?} for {question}");
    }
    let watch = server.subscribe("subscription { loadProgress(id: \"1\") { seq } }", json!({}));
    let (refused, time) = timed(async { watch.await.refusal().await }).await;
    assert_eq!(refused, "no answer within 1 s: try again (UNAVAILABLE)");
    assert!(time < deadline + Duration::from_secs(2), "{time:?}");
    server.waits_for(&["mongodb"]).await;

    kill(mongod, Signal::SIGCONT).unwrap();
    server.ready().await;
    ask(&server, "{ paystats { totalCount } }").await.data();
}

#[tokio::test]
async fn a_load_that_hanging_nats_did_not_confirm_is_accepted_and_runs() {
    let own = Own::start().await;
    let server = own.start_server().await;
    let _loader = own.start_loader();
    let nats_server = Pid::from_raw(own.nats_server.as_ref().unwrap().pid() as i32);
    kill(nats_server, Signal::SIGSTOP).unwrap();
    let (refused, time) = timed(start_load(&server, "codes.csv")).await;
    assert_eq!(refused.refusal(), "UNAVAILABLE: load #1 is accepted and starts once the message bus is back");
    assert!(time < Duration::from_secs(6), "{time:?}");
    // The connection stands, and nothing comes over it.
    server.goes_without(&["events"]).await;

    kill(nats_server, Signal::SIGCONT).unwrap();
    let end = last_progress(&server, &json!(1)).await;
    server.ready().await;
    assert_eq!((&end["state"], &end["rowsInserted"]), (&json!("SUCCEEDED"), &json!(1)));
}

#[tokio::test]
async fn where_nats_comes_back_without_its_streams_they_are_made_anew() {
    let mut own = Own::start().await;
    let server = own.start_server().await;
    let loader = own.start_loader();
    let first = load(&server, "codes.csv").await;
    assert_eq!(first["state"], "SUCCEEDED");
    loader.stop().await;

    own.kill_nats().await;
    server.goes_without(&["nats"]).await;
    fs::remove_dir_all(own.engines.path().join("nats")).unwrap();
    own.restart_nats().await;
    server.ready().await;
    // No loader has made them yet.
    let started = start_load(&server, "rows.csv").await;
    let _loader = own.start_loader();
    let end = last_progress(&server, &started.data()["startLoad"]["load"]["id"]).await;
    assert_eq!((&end["state"], &end["rowsInserted"]), (&json!("SUCCEEDED"), &json!(100)));
    // The numbers of events go on where clients know them to be.
    assert!(end["seq"].as_u64() > first["seq"].as_u64(), "{first} then {end}");
    assert_eq!(load(&server, "rows.csv").await["rowsUnchanged"], 100);
}

#[tokio::test]
async fn watchers_go_on_when_nats_comes_back_and_hear_nothing_again() {
    let mut own = Own::start().await;
    let server = own.start_server().await;
    let loader = own.start_loader();
    load(&server, "codes.csv").await;
    let mut all = server.subscribe("subscription { loads { state load { source } } }", json!({})).await;
    load(&server, "rows.csv").await;
    while all.next().await.unwrap()["loads"]["state"] != "SUCCEEDED" {}

    loader.stop().await;
    own.kill_nats().await;
    server.goes_without(&["nats"]).await;
    own.restart_nats().await;
    server.ready().await;
    own.put("more.csv", &paystats((1..=200).map(|id| paystat_row(&paystat(id)))));
    let _loader = own.start_loader();
    start_load(&server, "more.csv").await.data();
    let (heard, time) = timed(all.next()).await;
    assert_eq!(heard.unwrap()["loads"]["load"]["source"], "more.csv");
    assert!(time < Duration::from_secs(4), "{time:?}");
    while all.next().await.unwrap()["loads"]["state"] != "SUCCEEDED" {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_misses_nothing_although_all_servers_and_the_bus_were_restarted() {
    let mut own = Own::start().await;
    let server = own.start_server().await;
    let loader = own.start_loader();
    load(&server, "codes.csv").await;
    loader.stop().await;
    own.put("more.csv", &paystats((1..=20_000).map(|id| paystat_row(&paystat(id)))));
    let id = start_load(&server, "more.csv").await.data()["startLoad"]["load"]["id"].clone();
    const WATCH: &str = "subscription($id: ID!, $afterSeq: Int) {
        loadProgress(id: $id, afterSeq: $afterSeq) { seq state rowsRead missed }
    }";
    let mut watch = server.subscribe(WATCH, json!({ "id": id })).await;
    let _loader = own.start_loader();
    let mut told = Vec::new();
    while told.last().is_none_or(|last: &Value| last["rowsRead"].as_u64() < Some(2_000)) {
        told.push(watch.next().await.unwrap()["loadProgress"].take());
    }
    // Its connection is gone before the server is, which goes on and then is stopped without NATS.
    drop(watch);
    own.kill_nats().await;
    server.goes_without(&["nats"]).await;
    server.stop().await;
    own.restart_nats().await;

    let server = own.start_server().await;
    let after_seq = told.last().unwrap()["seq"].clone();
    let mut watch = server.subscribe(WATCH, json!({ "id": id, "afterSeq": after_seq })).await;
    while let Some(mut next) = watch.next().await {
        told.push(next["loadProgress"].take());
    }
    let bus = Bus::connect(&own.config.bus).await.unwrap();
    let load = id.as_str().unwrap()["Load:".len()..].parse().unwrap();
    assert_eq!(told, every_change(&bus, load).await);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_says_what_it_waits_for_and_goes_on_by_itself() {
    let mut own = Own::start().await;
    let settings = LoaderConfig { concurrency: 1, chunk_bytes: 1_000, chunks_in_flight: 16 };
    let (_loader, loader) = RunningLoader::start_observed(own.config.clone(), settings).await;
    loader.ready().await;
    own.kill_nats().await;
    loader.waits_for(&["nats"]).await;
    assert_eq!(loader.get("/healthz").await.status, 200);
    assert_eq!(loader.get("/readyz").await.body["reasons"], json!({ "nats": "it is not connected" }));
    assert_eq!(loader.metrics().await.get("paystats_ready"), Some(0.0));
    own.restart_nats().await;
    loader.ready().await;
    let server = own.start_server().await;
    load(&server, "codes.csv").await;
    assert_eq!(load(&server, "rows.csv").await["rowsInserted"], 100);
}
