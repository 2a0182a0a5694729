//! Loads that are undone while others run, and after others have changed their rows.

use paystats_core::{
    bus::Work,
    domain::Paystat,
    load::{LoadEntity, LoadState},
};
use paystats_tests::{
    Accepted, Stage, TestBed,
    oracle::History,
    rounds,
    sources::{amount, paystat, paystat_row, paystats},
};
use serde_json::json;

const CHECKED: &str =
    "rows, provenance, sums and months as if it had never been loaded; rows reverted and kept; one end a watcher";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_is_undone_while_a_newer_one_replaces_its_rows() {
    rounds("a load is undone while another runs and loaders are killed", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..2_001);
        stage.load_in_peace(&mut rows, &base).await;
        let old = stage.random_source(round, 1_001..5_001);
        let old = stage.load_in_peace(&mut rows, &old).await;

        let text = stage.random_source(round, 2_501..6_001);
        let new = stage.start(&text, json!({})).await;
        rows.load(new.accepted.number, &new.source);
        let mut loader = stage.start_loader(2, 20_000).await;
        let moment = round.random.u64(0..3_000);
        stage.server.load_reaches(&new.accepted.id, moment).await;
        let undoing = stage.start_undo(&old).await;
        for _ in 0..round.random.usize(1..3) {
            stage.moment(round, 0..300).await;
            loader.kill().await;
            round.did("loader killed");
            loader = stage.start_loader(2, 20_000).await;
        }
        let found = stage.ends_undone(&old, undoing).await;
        let expected = rows.take_back(old.number);
        // The newer load may have replaced a row before or after it went back.
        assert_eq!(found.reverted + found.kept, expected.reverted + expected.kept);
        assert!(found.reverted >= expected.reverted, "{found:?} {expected:?}");
        stage.succeeds(new, None).await;
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_replaced_or_edited_since_stay_when_their_load_is_undone() {
    rounds("a load is undone after others have changed its rows", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;
        let old = stage.random_source(round, 501..2_001);
        let old = stage.load_in_peace(&mut rows, &old).await;
        let newer = stage.random_source(round, 701..1_201);
        stage.load_in_peace(&mut rows, &newer).await;
        // Rows of the undone load that were inserted by it, replaced by it, or replaced since.
        for range in [510..600, 1_300..1_400, 800..900] {
            let ids: Vec<i64> = rows.rows().0.range(range).take(3).map(|(id, _)| *id).collect();
            for id in ids {
                stage.server.edit_amount(id, "0.0000000000000001").await;
                rows.edit_amount(id, "0.0000000000000001");
            }
        }
        stage.assert_holds(&rows, "before the load is undone").await;

        let mut loader = stage.start_loader(2, 20_000).await;
        let undoing = stage.start_undo(&old).await;
        for _ in 0..round.random.usize(1..3) {
            stage.moment(round, 0..60).await;
            loader.kill().await;
            round.did("loader killed while rows were taken back");
            loader = stage.start_loader(2, 20_000).await;
        }
        let found = stage.ends_undone(&old, undoing).await;
        assert_eq!(found, rows.take_back(old.number));
        assert_eq!(stage.server.cancel_load(&old).await.code(), "CONFLICT");
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_removed_since_do_not_come_back_when_their_load_is_undone() {
    let mut stage = Stage::new().await;
    let mut rows = History::default();
    let source = |amount: &str, ids: std::ops::RangeInclusive<i64>| {
        paystats(ids.map(|id| paystat_row(&Paystat { amount: amount.parse().unwrap(), ..paystat(id) })))
    };
    stage.load_in_peace(&mut rows, &source("1", 1..=3)).await;
    let old = stage.load_in_peace(&mut rows, &source("2", 2..=5)).await;
    // One that it had replaced, and one that it had inserted.
    for id in [2, 4] {
        stage.server.delete_paystat(id).await;
        rows.delete(id);
    }
    let _loader = stage.start_loader(1, 20_000).await;
    let undoing = stage.start_undo(&old).await;
    let found = stage.ends_undone(&old, undoing).await;
    rows.take_back(old.number);
    assert_eq!(found.reverted, 2);
    stage.close(&rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_wakes_when_others_have_undone_the_load_changes_nothing() {
    rounds("a loader is paused while it undoes a load, until others have done so", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..2_001);
        stage.load_in_peace(&mut rows, &base).await;
        let old = stage.random_source(round, 1_001..5_001);
        let old = stage.load_in_peace(&mut rows, &old).await;
        let last = stage.random_source(round, 10_001..10_201);
        let last = stage.load_in_peace(&mut rows, &last).await;

        let sleeper = stage.start_loader(1, 20_000).await;
        let undoing = stage.start_undo(&old).await;
        stage.moment(round, 0..150).await;
        sleeper.pause();
        round.did("loader paused");
        let other = stage.start_loader(2, 20_000).await;
        let found = stage.ends_undone(&old, undoing).await;
        assert_eq!(found, rows.take_back(old.number));
        other.stop().await;
        let newer = stage.random_source(round, 1_501..3_001);
        stage.load_in_peace(&mut rows, &newer).await;

        // It undoes one load after the other: when the next is undone, it has nothing in mind any more.
        sleeper.wake();
        let undoing = stage.start_undo(&last).await;
        let found = stage.ends_undone(&last, undoing).await;
        assert_eq!(found, rows.take_back(last.number));
        sleeper.stop().await;
        stage.close(&rows).await;
    })
    .await;
}

/// Whoever replaced a row keeps the version from before, which may be of a load that is undone first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_that_are_undone_in_any_order_leave_nothing_of_their_own() {
    rounds("overlapping loads are undone in any order", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..801);
        stage.load_in_peace(&mut rows, &base).await;
        let mut loads = Vec::new();
        for _ in 0..3 {
            let (first, count) = (round.random.i64(1..800), round.random.i64(300..800));
            let text = stage.random_source(round, first..first + count);
            loads.push(stage.load_in_peace(&mut rows, &text).await);
        }
        round.random.shuffle(&mut loads);
        let _loader = stage.start_loader(2, 20_000).await;
        for load in loads {
            let undoing = stage.start_undo(&load).await;
            let found = stage.ends_undone(&load, undoing).await;
            assert_eq!(found, rows.take_back(load.number), "load #{}", load.number);
            stage.assert_holds(&rows, &format!("after load #{} was undone", load.number)).await;
            round.did("load undone");
        }
        stage.close(&rows).await;
    })
    .await;
}

/// The older one is cancelled after the newer one has replaced some of its rows, and then the newer one is undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_cancelled_load_do_not_come_back_when_the_load_that_replaced_them_is_undone() {
    rounds("of two overlapping loads the older is cancelled, the newer undone", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;
        let older = stage.random_source(round, 501..5_001);
        let older = stage.start(&older, json!({})).await;
        let newer = stage.random_source(round, 501..1_501);
        let newer = stage.start(&newer, json!({})).await;
        let _loaders = [stage.start_loader(2, 10_000).await, stage.start_loader(2, 10_000).await];
        let moment = round.random.u64(1..4_000);
        stage.server.load_reaches(&older.accepted.id, moment).await;
        if stage.cancel(&older.accepted).await {
            stage.ends_unsuccessfully(older, "CANCELLED").await;
            round.did("load cancelled");
        } else {
            rows.load(older.accepted.number, &older.source);
            stage.succeeds(older, None).await;
        }
        let undone: Accepted = newer.accepted.clone();
        stage.succeeds(newer, None).await;
        let undoing = stage.start_undo(&undone).await;
        stage.ends_undone(&undone, undoing).await;
        round.did("load undone");
        stage.close(&rows).await;
    })
    .await;
}

/// An older load that came late left its rows out, since the newer one had them. When the newer one is undone, the older one has the last
/// word: it succeeded, and nobody has told its owner that its rows are missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_an_older_load_left_to_a_newer_one_are_the_older_ones_when_the_newer_is_undone() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(1).await;
    let _loader = bed.start_plain_loader();
    let source = |paid: &str| paystats((1..=3).map(|id| paystat_row(&Paystat { amount: amount(paid), ..paystat(id) })));
    bed.load(LoadEntity::Paystats, source("1")).await;
    bed.put("older.csv", source("2"));
    let older = bed.accept_unpublished(LoadEntity::Paystats, "older.csv").await;
    let newer = bed.load(LoadEntity::Paystats, source("3")).await;
    bed.bus().publish_work(Work::Plan { load: older.id }).await.unwrap();
    assert_eq!(bed.finished(older.id).await.state, LoadState::Succeeded);

    let newer = Accepted { id: newer.number.to_string(), number: newer.number };
    server.undo_load(&newer).await.data();
    server.load_becomes(&newer.id, |load| load["state"] == "UNDONE").await;
    let rows = server.rows().await;
    assert!(rows.0.values().all(|row| row.load == Some(older.number)), "{rows:?}");
}
