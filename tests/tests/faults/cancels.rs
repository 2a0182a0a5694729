//! Loads that are cancelled in the middle: what they wrote is taken back, whoever dies meanwhile, and they can be loaded anew.

use paystats_tests::{Accepted, Stage, oracle::History, rounds};
use serde_json::json;

const CHECKED: &str =
    "rows, provenance, sums and months are as before the load, one end a watcher; the retry loads every row";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_is_cancelled_in_the_middle_leaves_the_store_as_it_was_and_can_be_retried() {
    rounds("a load is cancelled, its loaders are killed, and it is retried", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..2_001);
        stage.load_in_peace(&mut rows, &base).await;

        let text = stage.random_source(round, 1_001..6_001);
        let load = stage.start(&text, json!({})).await;
        let (accepted, path) = (load.accepted.clone(), load.path.clone());
        let mut loader = stage.start_loader(2, 20_000).await;
        let moment = round.random.u64(1..4_000);
        stage.server.load_reaches(&accepted.id, moment).await;
        let is_in_time = stage.cancel(&accepted).await;
        for _ in 0..round.random.usize(0..3) {
            stage.moment(round, 0..100).await;
            loader.kill().await;
            round.did("loader killed while rows were taken back");
            loader = stage.start_loader(2, 20_000).await;
        }
        if is_in_time {
            stage.ends_unsuccessfully(load, "CANCELLED").await;
            stage.assert_holds(&rows, "after the load was cancelled").await;
            let retry = stage.server.retry_load(&accepted, false).await;
            let retry = Accepted::of(&retry.data()["retryLoad"]["load"]);
            assert!(retry.number > accepted.number);
            let load = stage.watch(retry.clone(), path, &text).await;
            let outcome = rows.load(retry.number, &load.source);
            stage.succeeds(load, Some(outcome)).await;
            assert_eq!(stage.server.cancel_load(&retry).await.code(), "CONFLICT");
        } else {
            let outcome = rows.load(accepted.number, &load.source);
            stage.succeeds(load, Some(outcome)).await;
        }
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_nobody_has_begun_can_be_cancelled() {
    let mut stage = Stage::new().await;
    let load =
        stage.start("amount,p_month,p_age,p_gender,postal_code_id,id\n1,2015-01-01,25-34,F,1,1\n", json!({})).await;
    assert!(stage.cancel(&load.accepted).await);
    // Whoever would have worked on it comes late.
    let _loader = stage.start_loader(1, 20_000).await;
    let accepted = load.accepted.clone();
    stage.ends_unsuccessfully(load, "CANCELLED").await;
    assert_eq!(stage.server.undo_load(&accepted).await.code(), "CONFLICT");
    stage.close(&History::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_wakes_after_its_load_was_cancelled_changes_nothing() {
    let checked = "the woken loader changes nothing: rows, provenance, sums, one end a watcher";
    rounds("a loader is paused until its load is cancelled", checked, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..2_001);
        stage.load_in_peace(&mut rows, &base).await;

        let text = stage.random_source(round, 1_001..12_001);
        let (load, sleeper) = super::pauses::paused_in_the_middle(&mut stage, round, &text).await;
        let other = stage.start_loader(2, 300_000).await;
        assert!(stage.cancel(&load.accepted).await);
        stage.ends_unsuccessfully(load, "CANCELLED").await;
        other.stop().await;
        stage.assert_holds(&rows, "after the load was cancelled").await;

        super::pauses::wakes_and_works(&mut stage, &mut rows, sleeper, 20_001..20_501, round).await;
        stage.close(&rows).await;
    })
    .await;
}
