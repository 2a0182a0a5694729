//! What a load is told to do about bad rows, dry runs and retries, while loaders are killed.

use paystats_tests::{Accepted, Round, Stage, WatchedLoad, oracle::History, rounds};
use serde_json::{Value, json};

/// Starts a load and kills loaders in the middle of it; one is left.
async fn start_and_kill(stage: &mut Stage, round: &mut Round, text: &str, more: Value) -> WatchedLoad {
    let load = stage.start(text, more).await;
    for _ in 0..round.random.usize(1..3) {
        let loader = stage.start_loader(2, 10_000).await;
        stage.moment(round, 50..500).await;
        loader.kill().await;
        round.did("loader killed");
    }
    load
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_with_more_bad_rows_than_it_may_have_fails_and_leaves_the_store_as_it_was() {
    let checked = "rows, provenance, sums and months are as before; one row more and it succeeds; one end a watcher";
    rounds("loads meet bad rows and killed loaders", checked, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;
        let text = stage.random_source(round, 501..3_001);
        let bad = stage.read(&text).refused.len() as u64;
        assert!(bad > 1);
        let share = bad as f64 / stage.read(&text).len() as f64;
        let policies = [
            json!({ "onReject": "ABORT" }),
            json!({ "maxRejected": bad - 1 }),
            json!({ "maxRejectedRatio": share * 0.9 }),
        ];
        let policy = round.random.choice(policies).unwrap();
        let load = start_and_kill(&mut stage, round, &text, policy).await;
        let loader = stage.start_loader(2, 10_000).await;
        stage.ends_unsuccessfully(load, "FAILED").await;
        loader.stop().await;
        stage.assert_holds(&rows, "after a load with too many bad rows").await;
        let enough = json!({ "maxRejected": bad, "maxRejectedRatio": share * 1.1 });
        let load = start_and_kill(&mut stage, round, &text, enough).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        let _loader = stage.start_loader(2, 10_000).await;
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_changes_nothing_and_tells_what_a_load_would_do() {
    let checked = "rows, provenance, sums and months are as before; counts and rejections of a load; one end a watcher";
    rounds("loaders are killed during a dry run", checked, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;
        let text = stage.random_source(round, 501..3_001);
        let load = start_and_kill(&mut stage, round, &text, json!({ "dryRun": true })).await;
        let outcome = rows.clone().load(load.accepted.number, &load.source);
        let _loader = stage.start_loader(2, 10_000).await;
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_the_rejected_rows_loads_those_that_are_good_by_now() {
    let checked =
        "only the rejected lines are read; rows, provenance, sums, counts, rejections of both, one end a watcher";
    rounds("rejected rows are retried while loaders are killed", checked, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let text = stage.random_source(round, 1..3_001);
        let first = stage.load_in_peace(&mut rows, &text).await;
        let refused: Vec<u64> = stage.read(&text).refused.iter().map(|refused| refused.line).collect();

        stage.create_postal_code(999).await;
        let retry = stage.server.retry_load(&first, true).await;
        let retry = Accepted::of(&retry.data()["retryLoad"]["load"]);
        let mut load = stage.watch(retry, String::new(), &text).await;
        load.source = load.source.only_lines(&refused);
        let outcome = rows.load(load.accepted.number, &load.source);
        assert!(outcome.inserted > 0);
        let loader = stage.start_loader(1, 10_000).await;
        stage.moment(round, 10..200).await;
        loader.kill().await;
        round.did("loader killed");
        let _loader = stage.start_loader(2, 10_000).await;
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}
