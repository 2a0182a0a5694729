//! Watchers whose connections are cut: what they are told in all is every change, each once, as the bus has it.

use std::net::Ipv4Addr;

use fastrand::Rng;
use paystats_core::load::LoadId;
use paystats_loader::LoaderConfig;
use paystats_tests::{
    Api, Proxy, RunningServer, Stream, Subscription, TestBed, every_change,
    sources::{paystat, paystat_row, paystats},
};
use serde_json::{Value, json};

const WATCH: &str = "subscription($id: ID!, $afterSeq: Int) {
    loadProgress(id: $id, afterSeq: $afterSeq) { seq state rowsRead missed }
}";
const CUTS: usize = 100;
const ROWS: i64 = 50_000;

/// A server behind a network that can be cut.
struct Replica {
    server: RunningServer,
    proxy: Proxy,
}

impl Replica {
    async fn start(bed: &TestBed) -> Self {
        let server = bed.start_server().await;
        let port = server.url("").rsplit(':').next().unwrap().parse().unwrap();
        Self { server, proxy: Proxy::start(port, Default::default()) }
    }

    /// Goes on after the event that was seen last, if any was.
    async fn watch(&self, id: &str, last_seen: Option<u64>, by_events: bool) -> Connection {
        let api = Api::at((Ipv4Addr::LOCALHOST, self.proxy.port()).into());
        if by_events {
            return Connection::Events(api.events(WATCH, json!({ "id": id }), last_seen).await);
        }
        Connection::Socket(Box::new(api.subscribe(WATCH, json!({ "id": id, "afterSeq": last_seen })).await))
    }
}

enum Connection {
    Socket(Box<Subscription>),
    Events(Stream),
}

enum Heard {
    Progress(Value),
    Complete,
    Cut,
}

impl Connection {
    async fn next(&mut self) -> Heard {
        let told = match self {
            Self::Socket(socket) => match socket.try_next().await {
                Ok(Some(told)) => told,
                Ok(None) => return Heard::Complete,
                Err(_) => return Heard::Cut,
            },
            Self::Events(events) => match events.event().await {
                Some(event) if event.event == "complete" => return Heard::Complete,
                Some(event) => event.data["data"].clone(),
                None => return Heard::Cut,
            },
        };
        Heard::Progress(told["loadProgress"].clone())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_cut_a_hundred_times_misses_nothing_and_hears_nothing_twice() {
    let mut random = Rng::with_seed(7);
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", paystats((1..=ROWS).map(|id| paystat_row(&paystat(id)))));
    let mut replicas = [Replica::start(&bed).await, Replica::start(&bed).await];
    let load = replicas[0].server.start_load("rows.csv", json!({})).await;
    let id = load.id.as_str();

    let (mut told, mut cuts, mut here) = (Vec::<Value>::new(), 0, 0);
    let mut connection = replicas[here].watch(id, None, false).await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 1, chunk_bytes: 6_000, chunks_in_flight: 16 });
    let mut until_cut = 1;
    loop {
        match connection.next().await {
            Heard::Progress(progress) => told.push(progress),
            Heard::Complete => break,
            Heard::Cut => {
                // Half of the time the other server goes on, and now and then one that has not heard anything of the load before.
                here = random.usize(..2);
                if random.usize(..20) == 0 {
                    let new = Replica::start(&bed).await;
                    std::mem::replace(&mut replicas[here], new).server.stop().await;
                }
                let last_seen = told.last().and_then(|last| last["seq"].as_u64());
                connection = replicas[here].watch(id, last_seen, random.bool()).await;
                until_cut = random.usize(..3);
            }
        }
        if until_cut == 0 && cuts < CUTS {
            replicas[here].proxy.cut();
            cuts += 1;
        }
        until_cut = until_cut.wrapping_sub(1);
    }
    assert_eq!(cuts, CUTS, "the load was over too soon");

    let load: LoadId = id["Load:".len()..].parse().unwrap();
    assert_eq!(told, every_change(bed.bus(), load).await);
}
