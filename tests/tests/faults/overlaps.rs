//! Loads of the same ids at the same time: the newer load wins, whatever comes first.

use paystats_core::{bus::Work, load::LoadEntity};
use paystats_tests::{
    Stage, TestBed,
    oracle::{Content, History, Stored, units},
    rounds,
    sources::{amount, paystat, paystat_row, paystats},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_loads_with_the_same_ids_at_the_same_time_the_newer_one_wins() {
    let checked = "the newer load's rows, provenance, sums, months, rejections of each, one end a watcher and load";
    rounds("two or three loads overlap while loaders are killed and cut off", checked, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..2_001);
        stage.load_in_peace(&mut rows, &base).await;

        let mut loads = Vec::new();
        for _ in 0..round.random.usize(2..4) {
            let (first, count) = (round.random.i64(1..3_000), round.random.i64(1_000..4_000));
            let text = stage.random_source(round, first..first + count);
            let load = stage.start(&text, json!({})).await;
            rows.load(load.accepted.number, &load.source);
            loads.push(load);
        }
        let mut loaders = Vec::new();
        for _ in 0..2 {
            loaders.push(stage.start_loader(2, round.random.u64(5_000..60_000)).await);
        }
        for _ in 0..round.random.usize(2..4) {
            stage.moment(round, 10..400).await;
            if round.random.bool() {
                loaders.swap_remove(0).kill().await;
                round.did("loader killed");
                loaders.push(stage.start_loader(2, 20_000).await);
            } else {
                stage.network.mongodb.cut();
                round.did("MongoDB cut off");
            }
        }
        for load in loads {
            stage.succeeds(load, None).await;
        }
        stage.close(&rows).await;
    })
    .await;
}

/// A mutation that was answered has the last word, whether the load wrote the row before or would have written it later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_that_are_made_while_a_load_runs_are_not_lost() {
    let checked = "every edit, all other rows, provenance, sums, months, rejections, one end a watcher";
    rounds("rows are edited while a load replaces them and loaders are killed", checked, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..2_001);
        stage.load_in_peace(&mut rows, &base).await;
        let before = rows.rows();
        let mut ids: Vec<i64> = before.0.keys().copied().collect();
        round.random.shuffle(&mut ids);

        let text = stage.random_source(round, 1..5_001);
        let load = stage.start(&text, json!({})).await;
        rows.load(load.accepted.number, &load.source);
        let mut loader = stage.start_loader(2, 10_000).await;
        let mut edited = Vec::new();
        for (id, amount) in ids.into_iter().take(40).zip(1..) {
            stage.moment(round, 0..30).await;
            stage.server.edit_amount(id, &amount.to_string()).await;
            round.did("row edited");
            edited.push((id, amount.to_string()));
            if round.random.u8(..20) == 0 {
                loader.kill().await;
                round.did("loader killed");
                loader = stage.start_loader(2, 10_000).await;
            }
        }
        stage.succeeds(load, None).await;
        let (after, found) = (rows.rows(), stage.server.rows().await);
        for (id, amount) in edited {
            // What was edited is the version of before or the load's; the oracle cannot know which.
            let row = &found.0[&id];
            let is_of =
                |version: &Stored| Content { units: row.content.units, ..version.content.clone() } == row.content;
            assert_eq!((row.content.units, row.load), (units(&amount).unwrap(), None), "{id}");
            assert!(is_of(&before.0[&id]) || is_of(&after.0[&id]), "{id}: {row:?}");
            rows.adopt(id, row.clone());
        }
        stage.close(&rows).await;
    })
    .await;
}

/// The newer load finds the row as it should be and writes nothing; the older one comes late.
#[tokio::test]
async fn a_newer_load_wins_also_where_it_found_the_row_unchanged() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let _loader = bed.start_plain_loader();
    let source =
        |amount_of_all: &str| {
            paystats((1..=3).map(|id| {
                paystat_row(&paystats_core::domain::Paystat { amount: amount(amount_of_all), ..paystat(id) })
            }))
        };
    bed.load(LoadEntity::Paystats, source("1")).await;
    bed.put("older.csv", source("2"));
    let older = bed.accept_unpublished(LoadEntity::Paystats, "older.csv").await;
    bed.load(LoadEntity::Paystats, source("1")).await;

    bed.bus().publish_work(Work::Plan { load: older.id }).await.unwrap();
    bed.finished(older.id).await;
    let amounts: Vec<_> = bed.paystats().await.into_iter().map(|stored| stored.paystat.amount).collect();
    assert_eq!(amounts, [amount("1"); 3], "the newest load says 1");
}
