//! Loaders that are stopped by SIGSTOP until their work has gone to another, and then go on as if nothing had happened.

use paystats_tests::{LoaderProcess, Round, Stage, WatchedLoad, oracle::History, rounds};
use serde_json::json;

const CHECKED: &str = "the woken loader changes nothing: rows, provenance, sums, rejections, one end a watcher";

/// A chunk of several batches.
const LARGE_CHUNK: u64 = 300_000;

/// Starts a load and a loader with one worker, and pauses the loader somewhere in the middle of a chunk.
pub async fn paused_in_the_middle(stage: &mut Stage, round: &mut Round, text: &str) -> (WatchedLoad, LoaderProcess) {
    let load = stage.start(text, json!({})).await;
    let loader = stage.start_loader(1, LARGE_CHUNK).await;
    stage.server.load_becomes(&load.accepted.id, |load| load["state"] != "QUEUED" && load["state"] != "PLANNING").await;
    stage.moment(round, 0..150).await;
    loader.pause();
    round.did("loader paused");
    (load, loader)
}

/// Wakes a loader and waits until it has done all that it still had in mind: its one worker takes no new work before that.
pub async fn wakes_and_works(
    stage: &mut Stage,
    rows: &mut History,
    loader: LoaderProcess,
    ids: std::ops::Range<i64>,
    round: &mut Round,
) {
    loader.wake();
    let text = stage.random_source(round, ids);
    let load = stage.start(&text, json!({})).await;
    let outcome = rows.load(load.accepted.number, &load.source);
    stage.succeeds(load, Some(outcome)).await;
    loader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_wakes_when_others_have_done_its_work_changes_nothing() {
    rounds("a loader is paused until others have ended its load", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..2_001);
        stage.load_in_peace(&mut rows, &base).await;

        let text = stage.random_source(round, 1_001..12_001);
        let (load, sleeper) = paused_in_the_middle(&mut stage, round, &text).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        let other = stage.start_loader(2, LARGE_CHUNK).await;
        stage.succeeds(load, Some(outcome)).await;
        other.stop().await;
        stage.assert_holds(&rows, "after the others have ended the load").await;

        // Some of its rows are replaced, edited and removed before it wakes.
        let newer = stage.random_source(round, 5_001..6_001);
        stage.load_in_peace(&mut rows, &newer).await;
        let edited: Vec<i64> = rows.rows().0.range(8_000..).take(2).map(|(id, _)| *id).collect();
        stage.server.edit_amount(edited[0], "12.25").await;
        stage.server.delete_paystat(edited[1]).await;
        rows.edit_amount(edited[0], "12.25");
        rows.delete(edited[1]);

        wakes_and_works(&mut stage, &mut rows, sleeper, 20_001..20_501, round).await;
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_wakes_after_its_load_has_failed_changes_nothing() {
    rounds("a loader is paused until its load has failed", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..2_001);
        stage.load_in_peace(&mut rows, &base).await;

        let text = stage.random_source(round, 1_001..12_001);
        let (load, sleeper) = paused_in_the_middle(&mut stage, round, &text).await;
        stage.remove(&load);
        let other = stage.start_loader(2, LARGE_CHUNK).await;
        stage.ends_unsuccessfully(load, "FAILED").await;
        other.stop().await;
        stage.assert_holds(&rows, "after the load has failed").await;

        wakes_and_works(&mut stage, &mut rows, sleeper, 20_001..20_501, round).await;
        stage.close(&rows).await;
    })
    .await;
}
