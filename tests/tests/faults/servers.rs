//! SIGKILL for servers while they accept loads: what was written is published by another, and nothing twice.

use std::time::Duration;

use paystats_tests::{Accepted, LOAD_PATIENCE, Stage, Traffic, eventually, is_final, oracle::History, rounds};
use serde_json::{Value, json};
use tokio::time::sleep;

const CHECKED: &str = "one load a request, rows, sums, counts, rejections, one end a watcher";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_a_killed_server_had_written_and_not_published_is_published_by_another() {
    rounds("a server is killed between writing a load and publishing it", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let text = stage.random_source(round, 1..2_001);
        let path = stage.put(&text);
        let server = stage.start_server_process().await;
        stage.network.nats.set_traffic(Traffic::Stalls);
        let asked = {
            let (server, path) = (*server, path.clone());
            tokio::spawn(async move { server.try_start_load(&path, json!({ "idempotencyKey": "one" })).await })
        };
        let accepted = eventually("a load that was written", async || {
            let found = stage.server.graphql("{ loads { nodes { id number } } }", json!({})).await;
            let loads = found.data()["loads"]["nodes"].as_array().unwrap().clone();
            if loads.len() == 1 { Ok(Accepted::of(&loads[0])) } else { Err(loads) }
        })
        .await;
        server.kill().await;
        round.did("server killed");
        assert!(asked.await.unwrap().is_err(), "a server that was killed does not answer");
        assert_eq!(stage.bed.work_left().await, 0, "nothing was published");
        // What the killed server had said arrives with its connection's end, or never.
        stage.network.nats.cut();
        stage.network.nats.heal();

        let load = stage.watch(accepted.clone(), path.clone(), &text).await;
        let _restarted = stage.start_server_process().await;
        let _loader = stage.start_loader(2, 20_000).await;
        // Whoever asks again because there was no answer, gets the same load.
        let again = stage.server.start_load(&path, json!({ "idempotencyKey": "one" })).await;
        assert_eq!(again, accepted);
        let outcome = rows.load(accepted.number, &load.source);
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_killed_servers_did_not_answer_are_asked_again_and_make_one_load_each() {
    rounds("servers are killed while they accept loads", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let _loader = stage.start_loader(2, 20_000).await;
        let mut loads = Vec::new();
        for request in 0..round.random.usize(3..6) {
            let first = request as i64 * 500 + 1;
            let text = stage.random_source(round, first..first + 500);
            let path = stage.put(&text);
            let key = json!({ "idempotencyKey": format!("request {request}") });
            let server = stage.start_server_process().await;
            let asked = {
                let (server, path, key) = (*server, path.clone(), key.clone());
                tokio::spawn(async move { server.try_start_load(&path, key).await })
            };
            sleep(Duration::from_micros(round.random.u64(0..25_000))).await;
            server.kill().await;
            round.did("server killed");
            let answered = asked.await.unwrap().ok().map(|answer| Accepted::of(&answer.data()["startLoad"]["load"]));
            let accepted = stage.server.start_load(&path, key).await;
            assert!(answered.is_none_or(|answered| answered == accepted));
            loads.push(stage.watch(accepted, path, &text).await);
        }
        let number = stage.server.graphql("{ loads { totalCount } }", json!({})).await;
        assert_eq!(number.data()["loads"]["totalCount"], Value::from(loads.len()));
        for load in loads {
            let outcome = rows.load(load.accepted.number, &load.source);
            stage.succeeds(load, Some(outcome)).await;
        }
        stage.close(&rows).await;
    })
    .await;
}

/// A watcher goes from server to server as they die, and hands on what it saw last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_whose_servers_are_killed_is_told_everything_once_by_the_others() {
    let checked = "numbers only grow from server to server; the end is told once; rows, sums, counts, rejections";
    rounds("servers are killed under their watchers", checked, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let text = stage.random_source(round, 1..6_001);
        let load = stage.start(&text, json!({})).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        let _loader = stage.start_loader(2, 10_000).await;
        let (mut told, mut kills) = (Vec::<Value>::new(), round.random.usize(2..5));
        loop {
            let server = stage.start_server_process().await;
            let query = "subscription($id: ID!, $seq: Int) { loadProgress(id: $id, afterSeq: $seq) { seq state } }";
            let seen = told.last().map(|progress| progress["seq"].clone());
            let mut watching = server.subscribe(query, json!({ "id": load.accepted.id, "seq": seen })).await;
            let listening = tokio::spawn(async move {
                let mut told = Vec::new();
                loop {
                    match watching.next_within(LOAD_PATIENCE).await {
                        Ok(Some(mut next)) => told.push(next["loadProgress"].take()),
                        Ok(None) => return (told, true),
                        Err(_) => return (told, false),
                    }
                }
            });
            if kills > 0 {
                kills -= 1;
                stage.moment(round, 10..250).await;
                server.kill().await;
                round.did("server killed");
            }
            let (more, is_complete) = listening.await.unwrap();
            told.extend(more);
            if is_complete {
                break;
            }
        }
        assert!(
            told.iter().zip(&told[1..]).all(|(before, after)| before["seq"].as_u64() < after["seq"].as_u64()),
            "{told:?}"
        );
        assert_eq!(told.iter().filter(|progress| is_final(&progress["state"])).count(), 1, "{told:?}");
        assert_eq!(told.last().unwrap()["state"], "SUCCEEDED");
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}
