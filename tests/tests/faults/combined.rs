//! Everything at once: random faults of all kinds, on one load or several.

use std::time::Duration;

use paystats_tests::{Accepted, LoaderProcess, Round, ServerProcess, Stage, oracle::History, rounds, until_available};
use serde_json::json;
use tokio::time::sleep;

/// Who works on a stage, and may be killed or paused.
struct Crew {
    loaders: Vec<LoaderProcess>,
    server: ServerProcess,
}

impl Crew {
    async fn hire(stage: &Stage, round: &mut Round) -> Self {
        let mut loaders = Vec::new();
        for _ in 0..3 {
            loaders.push(start_loader(stage, round).await);
        }
        Self { loaders, server: stage.start_server_process().await }
    }

    /// One fault of any kind, from its start to its end.
    async fn suffer(&mut self, stage: &mut Stage, round: &mut Round) {
        stage.moment(round, 0..200).await;
        let away = Duration::from_millis(round.random.u64(0..800));
        let one = round.random.usize(..self.loaders.len());
        match round.random.u8(0..8) {
            0 | 1 => {
                self.loaders.swap_remove(one).kill().await;
                round.did("loader killed");
                self.loaders.push(start_loader(stage, round).await);
            }
            2 => {
                self.loaders[one].pause();
                // From shorter than the ack wait of a second to longer.
                sleep(Duration::from_millis(round.random.u64(500..2_500))).await;
                self.loaders[one].wake();
                round.did("loader paused");
            }
            3 | 4 => stage.network.disturb(round).await,
            5 => {
                stage.kill_mongod(away).await;
                round.did("mongod killed");
            }
            6 => {
                stage.kill_nats_server(away).await;
                round.did("nats-server killed");
            }
            _ => {
                let server = stage.start_server_process().await;
                std::mem::replace(&mut self.server, server).kill().await;
                round.did("server killed");
            }
        }
    }
}

/// A loader that cuts as it likes.
async fn start_loader(stage: &Stage, round: &mut Round) -> LoaderProcess {
    stage.start_loader(round.random.usize(1..3), round.random.u64(5_000..40_000)).await
}

/// Starts a load by a server that may be killed or cut off meanwhile, and asks again until it answers.
async fn start_stubbornly(stage: &Stage, crew: &Crew, path: &str) -> Accepted {
    let key = json!({ "idempotencyKey": path });
    if let Ok(answer) = crew.server.try_start_load(path, key.clone()).await
        && answer.body["errors"].is_null()
    {
        return Accepted::of(&answer.data()["startLoad"]["load"]);
    }
    let ask = async || stage.server.try_start_load(path, key.clone()).await.unwrap();
    Accepted::of(&until_available(ask).await.data()["startLoad"]["load"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_survive_faults_of_all_kinds() {
    let checked = "rows of the newest load, provenance, sums, months, rejections, one end a watcher and load";
    rounds("all faults at once, on one to three overlapping loads", checked, async |round| {
        let mut stage = Stage::with_own_engines().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;

        let mut crew = Crew::hire(&stage, round).await;
        let mut loads = Vec::new();
        for _ in 0..round.random.usize(1..4) {
            let (first, count) = (round.random.i64(1..4_000), round.random.i64(2_000..6_000));
            let text = stage.random_source(round, first..first + count);
            let path = stage.put(&text);
            let accepted = start_stubbornly(&stage, &crew, &path).await;
            let load = stage.watch(accepted, path, &text).await;
            rows.load(load.accepted.number, &load.source);
            loads.push(load);
            for _ in 0..round.random.usize(1..4) {
                crew.suffer(&mut stage, round).await;
            }
        }
        for load in loads {
            stage.succeeds(load, None).await;
        }
        stage.close(&rows).await;
    })
    .await;
}

/// Overlapping loads of which the newer one is taken back are another story ([`undos`](super::undos)); these overlap with what was there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_that_are_cancelled_undone_and_retried_survive_faults_of_all_kinds() {
    let checked =
        "rows of the loads that succeeded alone, provenance, sums, months, rejections, one end a watcher and load";
    rounds("all faults at once, while loads are cancelled, undone and retried", checked, async |round| {
        let mut stage = Stage::with_own_engines().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..3_001);
        stage.load_in_peace(&mut rows, &base).await;

        let mut crew = Crew::hire(&stage, round).await;
        let mut loads = Vec::new();
        for place in 0..round.random.i64(1..4) {
            let text = stage.random_source(round, place * 2_000 + 1..place * 2_000 + 2_001);
            let path = stage.put(&text);
            let accepted = start_stubbornly(&stage, &crew, &path).await;
            let load = stage.watch(accepted, path, &text).await;
            crew.suffer(&mut stage, round).await;
            let is_cancelled = round.random.bool() && stage.cancel(&load.accepted).await;
            crew.suffer(&mut stage, round).await;
            loads.push((load, text, is_cancelled));
        }
        for (load, text, is_cancelled) in loads {
            let (accepted, path) = (load.accepted.clone(), load.path.clone());
            if is_cancelled {
                stage.ends_unsuccessfully(load, "CANCELLED").await;
                round.did("load cancelled");
                let retry = until_available(async || stage.server.retry_load(&accepted, false).await).await;
                let retry = Accepted::of(&retry.data()["retryLoad"]["load"]);
                let load = stage.watch(retry, path, &text).await;
                crew.suffer(&mut stage, round).await;
                rows.load(load.accepted.number, &load.source);
                stage.succeeds(load, None).await;
                round.did("load retried");
            } else {
                rows.load(accepted.number, &load.source);
                stage.succeeds(load, None).await;
                if round.random.bool() {
                    let undoing = stage.start_undo(&accepted).await;
                    crew.suffer(&mut stage, round).await;
                    stage.ends_undone(&accepted, undoing).await;
                    rows.take_back(accepted.number);
                    round.did("load undone");
                }
            }
        }
        stage.close(&rows).await;
    })
    .await;
}
