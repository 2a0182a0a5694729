//! A cluster in which one process after the other is killed and brought back, while loads run, questions are asked, and watchers watch: three
//! mongod, three nats-server, two servers, two loaders.
//!
//! How long a question about MongoDB may take while there is no primary depends on the driver's server selection timeout: the product's
//! own is 3 s, after which the answer is `UNAVAILABLE`. The second server is told another one by its connection string
//! (`serverSelectionTimeoutMS`), which is longer than an election takes: its questions wait, and are all answered. How long an election takes
//! is the replica set's matter: the timeout after which a secondary stands for it, and a moment for the votes. Questions about totals are
//! answered from memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use paystats_core::{
    bus::{Bus, Work, WorkKind},
    config::{BusConfig, Config, Secret},
    load::LoadId,
};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    Accepted, Api, EngineUrls, LOAD_PATIENCE, LoaderProcess, NatsCluster, ReplicaSet, Scene, ServerProcess, TestBed,
    eventually, fresh_config, is_final,
    oracle::{History, Sum, units},
    rounds,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Rows of a load.
const ROWS: i64 = 12_000;
/// What a machine with two cores, on which all of this runs, may take longer than it should.
const SLACK: Duration = Duration::from_secs(2);
/// How long the first server looks for a primary: the store's own server selection timeout.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the second one does.
const LONG_SELECTION_TIMEOUT: Duration = Duration::from_secs(20);
/// How long there may be no primary: the timeout, the 15 % by which the members' timeouts differ, and the time of the votes.
const FAILOVER: Duration = Duration::from_millis(ReplicaSet::ELECTION_TIMEOUT.as_millis() as u64 * 115 / 100 + 2_000);

/// How long after the end of a load each watcher knows it.
const TOLD: Duration = Duration::from_secs(10);

/// What is asked all the time, and whether MongoDB is asked for the answer.
const QUESTIONS: [(&str, bool); 3] = [
    ("{ total { amount count } }", false),
    ("{ paystats(first: 5) { nodes { id amount } } }", true),
    ("{ loads(first: 5) { nodes { id state } } }", true),
];

/// The streams, and what it is called when the leader of one dies.
const STREAMS: [(&str, &str); 2] =
    [("work", "leader of the work stream killed"), ("events", "leader of the event stream killed")];

#[derive(Clone, Copy, Debug)]
enum Victim {
    Primary,
    /// Of this one of [`STREAMS`].
    Leader(usize),
    Server,
    Loader,
}

/// Where each of the two servers is; `None` while it is gone.
type Doors = Arc<Mutex<[Option<Api>; 2]>>;

/// One question and its answer.
#[derive(Debug)]
struct Asked {
    server: usize,
    asks_mongodb: bool,
    start: Instant,
    took: Duration,
    /// Or else `UNAVAILABLE`.
    is_answered: bool,
}

/// All who ask, each one question of one server again and again.
struct Askers {
    tasks: Vec<AbortOnDropHandle<Vec<Asked>>>,
    end: CancellationToken,
}

impl Askers {
    /// `totals`: all that the total was, is, and may be next.
    fn start(doors: &Doors, totals: &Arc<Mutex<Vec<Sum>>>) -> Self {
        let end = CancellationToken::new();
        let tasks = [0, 1].into_iter().flat_map(|server| {
            let end = end.clone();
            QUESTIONS.map(move |(query, asks_mongodb)| (server, query, asks_mongodb, end.clone()))
        });
        let tasks = tasks.map(|(server, query, asks_mongodb, end)| {
            let asking = ask_on(doors.clone(), server, query, asks_mongodb, totals.clone(), end);
            AbortOnDropHandle::new(tokio::spawn(asking))
        });
        Self { tasks: tasks.collect(), end }
    }

    /// All that was asked.
    async fn stop(self) -> Vec<Asked> {
        self.end.cancel();
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(task.await.expect("who asks is answered as it should be"));
        }
        all
    }
}

async fn ask_on(
    doors: Doors,
    server: usize,
    query: &'static str,
    asks_mongodb: bool,
    totals: Arc<Mutex<Vec<Sum>>>,
    end: CancellationToken,
) -> Vec<Asked> {
    let door = || doors.lock().unwrap()[server];
    let mut asked = Vec::new();
    let mut newest_total = 0;
    while !end.is_cancelled() {
        sleep(Duration::from_millis(30)).await;
        let Some(api) = door() else { continue };
        let start = Instant::now();
        let Ok(answer) = api.try_graphql(query, json!({})).await else {
            let is_gone = door().is_none_or(|now| now.url("") != api.url(""));
            assert!(is_gone, "a server that nobody killed answers");
            continue;
        };
        let is_answered = answer.body["errors"].is_null();
        if !is_answered {
            assert_eq!((answer.code(), asks_mongodb), ("UNAVAILABLE", true), "{query}: {answer:?}");
        } else if !asks_mongodb {
            let total = &answer.data()["total"];
            let (amount, count) = (total["amount"].as_str().unwrap(), total["count"].as_u64().unwrap());
            let told = Sum { units: units(amount).expect("an amount"), count };
            let totals = totals.lock().unwrap();
            let place = totals[newest_total..].iter().position(|total| *total == told);
            newest_total += place.unwrap_or_else(|| {
                panic!("server {server} said {told:?} after number {newest_total} of {:?}", *totals)
            });
        }
        asked.push(Asked { server, asks_mongodb, start, took: start.elapsed(), is_answered });
    }
    asked
}

/// Starts a load at either server, however often it takes.
async fn start_stubbornly(doors: &Doors, path: &str) -> Accepted {
    let start = Instant::now();
    loop {
        let apis = *doors.lock().unwrap();
        for api in apis.into_iter().flatten() {
            match api.try_start_load(path, json!({ "idempotencyKey": path })).await {
                Ok(answer) if answer.body["errors"].is_null() => {
                    return Accepted::of(&answer.data()["startLoad"]["load"]);
                }
                Ok(refused) => assert_eq!(refused.code(), "UNAVAILABLE", "{refused:?}"),
                Err(_) => {}
            }
        }
        assert!(start.elapsed() < LOAD_PATIENCE, "a load is accepted");
        sleep(Duration::from_millis(50)).await;
    }
}

/// One load by its number, or all, of which only one is under way. Neither asks MongoDB for what it is told.
#[derive(Clone, Copy, Debug)]
enum Watched {
    One,
    All,
}

/// What a watcher was told, and when that was all.
struct Told {
    watched: Watched,
    progress: Vec<Value>,
    end: Instant,
}

/// Watches a load at one server up to its end, and goes on at the other server where that breaks off.
async fn follow(doors: Doors, mut server: usize, watched: Watched, load: Accepted) -> Told {
    let (field, query) = match watched {
        Watched::One => (
            "loadProgress",
            "subscription($id: ID!, $seq: Int) { loadProgress(id: $id, afterSeq: $seq) { seq state rowsRead } }",
        ),
        Watched::All => ("loads", "subscription($seq: Int) { loads(afterSeq: $seq) { seq state rowsRead } }"),
    };
    let mut progress = Vec::<Value>::new();
    let start = Instant::now();
    while start.elapsed() < 2 * LOAD_PATIENCE {
        let door = doors.lock().unwrap()[server];
        let seen = progress.last().map(|progress| progress["seq"].clone());
        if let Some(api) = door
            && let Ok(mut watching) = api.try_subscribe(query, json!({ "id": load.id, "seq": seen })).await
        {
            while let Ok(next) = watching.next_within(LOAD_PATIENCE).await {
                let is_over = match next {
                    Some(mut next) => {
                        progress.push(next[field].take());
                        matches!(watched, Watched::All) && is_final(&progress.last().unwrap()["state"])
                    }
                    None => true,
                };
                if is_over {
                    return Told { watched, progress, end: Instant::now() };
                }
            }
        }
        server = 1 - server;
        sleep(Duration::from_millis(50)).await;
    }
    panic!("a watcher is told the end of load #{}: {progress:?}", load.number)
}

impl Told {
    fn assert_is_right(&self, load: &Accepted, ended: Instant) {
        let (told, late) = (&self.progress, self.end.saturating_duration_since(ended));
        let which = format!("load #{}, {:?}", load.number, self.watched);
        for (before, after) in told.iter().zip(&told[1..]) {
            assert!(before["seq"].as_u64() < after["seq"].as_u64(), "{which}: {before} then {after}");
            assert!(before["rowsRead"].as_u64() <= after["rowsRead"].as_u64(), "{which}: {before} then {after}");
        }
        let ends: Vec<_> = told.iter().filter(|progress| is_final(&progress["state"])).collect();
        assert_eq!(ends.len(), 1, "{which}: {told:?}");
        assert_eq!((ends[0], &ends[0]["state"]), (told.last().unwrap(), &json!("SUCCEEDED")), "{which}");
        assert!(late < TOLD, "{which}: its end was told {late:?} after it");
    }
}

fn loader_config() -> LoaderConfig {
    LoaderConfig { concurrency: 2, chunk_bytes: 10_000, chunks_in_flight: 16 }
}

/// The same engines, for who waits for a primary.
fn patient(config: &Config) -> Config {
    let timeout = LONG_SELECTION_TIMEOUT.as_millis();
    let mut config = config.clone();
    config.store.uri = Secret::new(format!("{}&serverSelectionTimeoutMS={timeout}", config.store.uri.expose()));
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_goes_on_when_one_of_its_processes_after_the_other_is_killed() {
    let checked = "rows, provenance, sums, months, counts, rejections, one end a watcher and load, also over other servers; totals only of whole \
                   loads and never back; questions answered in time";
    rounds("the processes of a cluster are killed in turn", checked, async |round| {
        let (mut mongodb, mut nats) = tokio::join!(ReplicaSet::start(), NatsCluster::start());
        let (mut config, folder) = fresh_config(&EngineUrls { mongodb_uri: mongodb.uri(), nats_url: nats.url() });
        config.bus.replicas = Some(3);
        // What its watchers are told says which load it is, for which MongoDB is asked.
        let mut scene = Scene::on(TestBed::with_config(patient(&config), folder).await).await;
        let server_configs = [config.clone(), patient(&config)];
        let streams = STREAMS.map(|(name, _)| format!("{}-{name}", config.bus.prefix));
        let mut rows = History::default();
        let base = scene.random_source(round, 1..2_001);
        scene.load_in_peace(&mut rows, &base).await;
        let totals = Arc::new(Mutex::new(vec![rows.rows().total()]));

        let mut loaders = Vec::new();
        let mut servers = Vec::new();
        for server_config in &server_configs {
            loaders.push(LoaderProcess::start(&config, &loader_config()).await);
            servers.push(ServerProcess::start(server_config).await);
        }
        let doors: Doors = Arc::new(Mutex::new([Some(*servers[0]), Some(*servers[1])]));
        let askers = Askers::start(&doors, &totals);

        let mut victims = [Victim::Primary, Victim::Leader(0), Victim::Leader(1), Victim::Server, Victim::Loader];
        round.random.shuffle(&mut victims);
        let mut elections = Vec::new();
        for (place, victim) in (0..).zip(victims) {
            let first = place * 4_000 + 1_001;
            let text = scene.random_source(round, first..first + ROWS);
            let path = scene.put(&text);
            let mut after = rows.clone();
            after.load(0, &scene.read(&text));
            totals.lock().unwrap().push(after.rows().total());
            let accepted = start_stubbornly(&doors, &path).await;
            let load = scene.watch(accepted.clone(), path, &text).await;
            let outcome = rows.load(accepted.number, &load.source);
            let followers = [(0, Watched::One), (0, Watched::All), (1, Watched::One), (1, Watched::All)];
            let followers = followers.map(|(server, watched)| {
                AbortOnDropHandle::new(tokio::spawn(follow(doors.clone(), server, watched, accepted.clone())))
            });
            let ended = {
                let (observer, id) = (*scene.server, accepted.id.clone());
                AbortOnDropHandle::new(tokio::spawn(async move {
                    observer.ended(&id).await;
                    Instant::now()
                }))
            };

            let moment = round.random.u64(1..ROWS as u64);
            round.is_late = !scene.server.load_reaches(&accepted.id, moment).await;
            let away = Duration::from_millis(round.random.u64(0..2_000));
            let one = round.random.usize(0..2);
            let killed = Instant::now();
            match victim {
                Victim::Primary => {
                    let member = mongodb.kill_primary().await;
                    elections.push(Instant::now());
                    round.did("primary killed");
                    sleep(away).await;
                    mongodb.bring_back(member).await;
                }
                Victim::Leader(stream) => {
                    let member = nats.kill_leader_of(&streams[stream]).await;
                    round.did(STREAMS[stream].1);
                    sleep(away).await;
                    nats.bring_back(member, &streams).await;
                }
                Victim::Server => {
                    doors.lock().unwrap()[one] = None;
                    servers.remove(one).kill().await;
                    round.did("server killed");
                    sleep(away).await;
                    servers.insert(one, ServerProcess::start(&server_configs[one]).await);
                    doors.lock().unwrap()[one] = Some(*servers[one]);
                }
                Victim::Loader => {
                    loaders.swap_remove(one).kill().await;
                    round.did("loader killed");
                    sleep(away).await;
                    loaders.push(LoaderProcess::start(&config, &loader_config()).await);
                }
            }
            let back = killed.elapsed();
            let ended = ended.await.unwrap();
            let mut late = Vec::new();
            for follower in followers {
                let told = follower.await.unwrap();
                told.assert_is_right(&accepted, ended);
                late.push(told.end.saturating_duration_since(ended));
            }
            scene.succeeds(load, Some(outcome)).await;
            let ended = ended.saturating_duration_since(killed);
            eprintln!(
                "{victim:?}: back after {back:.1?}, the load ended after {ended:.1?}, watchers knew {late:.1?} later"
            );
        }

        let asked = askers.stop().await;
        assert_answered_in_time(&asked, &elections);
        for server in &servers {
            let expected = rows.rows();
            assert_eq!(server.sums().await, (expected.total(), expected.by_month()));
            server.rows().await.assert_are(&expected, "at the end, by a server that may have been killed");
        }
        scene.close(&rows).await;
    })
    .await;
}

/// Every question was answered in the time that the module's documentation says, and after each election all were.
fn assert_answered_in_time(asked: &[Asked], elections: &[Instant]) {
    let longest = |wanted: &dyn Fn(&Asked) -> bool| {
        asked.iter().filter(|asked| wanted(asked)).map(|asked| asked.took).max().unwrap_or_default()
    };
    let total = longest(&|asked| !asked.asks_mongodb);
    let [first, second] = [0, 1].map(|server| longest(&|asked: &Asked| asked.asks_mongodb && asked.server == server));
    let refused = asked.iter().filter(|asked| !asked.is_answered).count();
    let outages = elections.iter().flat_map(|election| {
        [0, 1].map(|server| {
            let after = asked.iter().filter(|asked| asked.asks_mongodb && asked.server == server);
            let answered = after.filter(|asked| asked.is_answered && asked.start > *election);
            answered.map(|asked| asked.start + asked.took - *election).min()
        })
    });
    let outages: Vec<_> = outages.collect();
    eprintln!(
        "{} questions, {refused} of them UNAVAILABLE; longest: total {total:.1?}, of MongoDB by the first server {first:.1?}, by the second \
         {second:.1?}; from the death of the primary to the first answer: {outages:.1?}",
        asked.len()
    );
    assert!(total < SLACK, "a total took {total:?}");
    assert!(first < SELECTION_TIMEOUT + SLACK, "a question took {first:?}");
    assert!(second < FAILOVER + SLACK, "a question that waits for a primary took {second:?}");
    for asked in asked.iter().filter(|asked| !asked.is_answered) {
        assert_eq!(asked.server, 0, "a question that waits for a primary is answered");
        let since = elections.iter().filter(|election| **election <= asked.start + asked.took);
        let since = since.map(|election| asked.start.saturating_duration_since(*election)).min();
        assert!(since.is_some_and(|since| since < FAILOVER), "UNAVAILABLE {since:?} after a primary had died");
    }
    for outage in outages {
        assert!(outage.is_some_and(|outage| outage < FAILOVER + SLACK), "{outage:?} without a primary");
    }
}

#[tokio::test]
async fn streams_get_the_replicas_that_are_asked_for_and_keep_them_where_nobody_asks() {
    let nats = NatsCluster::start().await;
    // Nobody is at the first address.
    let nats_url = format!("nats://127.0.0.1:1,{}", nats.url());
    let (config, _folder) = fresh_config(&EngineUrls { mongodb_uri: "mongodb://127.0.0.1:1".to_owned(), nats_url });
    let work = Work::Plan { load: LoadId::new() };
    for (asked, kept) in [(None, 1), (Some(3), 3), (None, 3)] {
        let bus = Bus::connect(&BusConfig { replicas: asked, ..config.bus.clone() }).await.unwrap();
        eventually("the streams", async || bus.prepare(0, 1).await).await;
        for stream in ["work", "events"] {
            nats.is_kept_by(kept, &format!("{}-{stream}", config.bus.prefix)).await;
        }
        bus.publish_work(work).await.unwrap();
    }
    let bus = Bus::connect(&config.bus).await.unwrap();
    let delivery = eventually("what was put on the queue first", async || {
        let queue = bus.work_queue(WorkKind::Plan).await.map_err(|error| error.to_string())?;
        queue.next().await.map_err(|error| error.to_string())?.ok_or("nothing yet".to_owned())
    })
    .await;
    assert_eq!(delivery.work().unwrap(), work);
}
