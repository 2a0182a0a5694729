//! Rows of loads that are inserted before their transaction: what happens to them when their worker is held up, overtaken or killed.

use std::time::Duration;

use mongodb::{
    Collection,
    bson::{Document, doc},
    event::{EventHandler, command::CommandEvent},
};
use paystats_core::{
    domain::{Paystat, PaystatId, PaystatScope},
    load::TotalChanges,
    store::{BatchOutcome, LoadBatch, PaystatChange, Provenance, RowOutcome, Store, StoreError},
};
use paystats_tests::{
    At, HeldUp, PATIENCE, TestBed, held_up_store, load_numbered, new_chunk, raw_database,
    sources::{amount, paystat},
    take, write_batch, write_chunk,
};
use tokio::{sync::mpsc, time::timeout};

/// So many that they come in two inserts.
const ROWS: i64 = OF_FIRST_INSERT + 300;
const OF_FIRST_INSERT: i64 = 4_000;

fn rows(amount_of_each: &str) -> Vec<(u64, Paystat)> {
    let of = |id: i64| Paystat { amount: amount(amount_of_each), ..paystat(id) };
    (1..=ROWS).map(|id| (id as u64 + 1, of(id))).collect()
}

async fn count(bed: &TestBed) -> i64 {
    bed.store().paystats.count(&PaystatScope::default()).await.unwrap() as i64
}

/// All rows are there as `load` wrote them, and no list shows anything else.
async fn assert_written_by(bed: &TestBed, load: i64, amount_of_each: &str) {
    let stored = bed.paystats().await;
    let expected = rows(amount_of_each).into_iter().map(|(line, row)| (row, Provenance::of_line(load, line)));
    let stored: Vec<_> = stored.into_iter().map(|stored| (stored.paystat, stored.written)).collect();
    let expected: Vec<_> = expected.collect();
    let other = stored.iter().zip(&expected).find(|(stored, expected)| stored != expected);
    assert!(stored == expected, "{} rows, of which one is another one: {other:?}", stored.len());
    assert_eq!((count(bed).await, bed.store().paystats.greatest_id().await.unwrap()), (ROWS, ROWS));
    let all = bed.store().totals.by(&PaystatScope::default(), &[]).await.unwrap();
    assert_eq!(all[0].total.count, ROWS);
}

async fn documents(bed: &TestBed, name: &str) -> Collection<Document> {
    raw_database(bed.config()).await.collection(name)
}

/// Nothing waits for a worker any more.
async fn assert_nothing_announced(bed: &TestBed) {
    let announced = doc! { "announced": { "$exists": true } };
    assert_eq!(documents(bed, "load_chunks").await.count_documents(announced).await.unwrap(), 0);
}

fn is_lost(written: &Result<(BatchOutcome, Vec<RowOutcome>), StoreError>) -> bool {
    // An operation whose session was ended fails, and its worker asks again.
    match written {
        Ok((outcome, _)) => *outcome == BatchOutcome::Lost,
        Err(error) => error.is_unavailable(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_that_is_overtaken_in_the_middle_of_a_batch_leaves_nothing_and_writes_no_more() {
    for at in [At::Insert, At::NextInsert, At::Transaction, At::Commit] {
        let bed = TestBed::new().await;
        bed.insert_postal_codes(1).await;
        let load = load_numbered(1);
        let late = HeldUp::at(at, bed.config(), &load, rows("1")).await;
        let there = match at {
            At::Insert => 0,
            At::NextInsert => OF_FIRST_INSERT,
            _ => ROWS,
        };
        assert_eq!(count(&bed).await, there, "{at:?}");

        let (chunk, mut session) = take(bed.store(), &load, late.chunk.index).await;
        assert_eq!(chunk.state, late.chunk.state, "{at:?}");
        assert_eq!(count(&bed).await, 0, "{at:?}");
        let written = write_chunk(bed.store(), &load, &chunk, &rows("1"), true, &[], &mut session).await;
        let (written, _) = written.unwrap();
        assert!(matches!(written, BatchOutcome::Written { all_new: true, .. }), "{at:?}: {written:?}");

        let written = late.goes_on().await;
        assert!(is_lost(&written), "{at:?}: {written:?}");
        assert_written_by(&bed, 1, "1").await;
        assert_nothing_announced(&bed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_whose_load_is_taken_back_in_the_middle_of_a_batch_leaves_nothing_and_writes_no_more() {
    for at in [At::Insert, At::NextInsert, At::Transaction, At::Commit] {
        let bed = TestBed::new().await;
        bed.insert_postal_codes(1).await;
        let load = load_numbered(1);
        let late = HeldUp::at(at, bed.config(), &load, rows("1")).await;
        bed.store().load_chunks.revoke(load.id).await.unwrap();
        assert_eq!(count(&bed).await, 0, "{at:?}");
        let written = late.goes_on().await;
        assert!(is_lost(&written), "{at:?}: {written:?}");
        assert_eq!(count(&bed).await, 0, "{at:?}");
        assert!(bed.store().undo_steps::<Paystat>(&load).await.unwrap().is_empty(), "{at:?}");
        assert_nothing_announced(&bed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_insert_that_mongod_is_busy_with_is_waited_for_before_its_rows_are_taken_back() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    for round in 0..8 {
        let load = load_numbered(round + 1);
        let many: Vec<_> = (1..=20_000).map(|id| (id as u64, paystat(id))).collect();
        let late = HeldUp::at(At::Insert, bed.config(), &load, many).await;
        late.let_go();
        // Any moment will do.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..150))).await;
        bed.store().load_chunks.revoke(load.id).await.unwrap();
        let there = bed.store().undo_steps::<Paystat>(&load).await.unwrap();
        let rows = count(&bed).await;
        assert_eq!(rows, if there.is_empty() { 0 } else { 20_000 }, "round {round}");
        drop(late.ends().await);
        assert_eq!(count(&bed).await, rows, "round {round}");
        assert_nothing_announced(&bed).await;
        documents(&bed, "paystats").await.delete_many(doc! { "_id": { "$gte": 0 } }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_dies_while_it_takes_rows_back_keeps_nobody_waiting() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let load = load_numbered(1);
    let dead = HeldUp::at(At::Transaction, bed.config(), &load, rows("1")).await;
    let (store, is_there, _go) = held_up_store(At::TakingBack, bed.config()).await;
    let id = load.id;
    let also_dead = tokio::spawn(async move { store.load_chunks.revoke(id).await });
    is_there.await.unwrap();
    let (chunk, _) = timeout(PATIENCE, take(bed.store(), &load, dead.chunk.index)).await.expect("it waits for nobody");
    assert_eq!((chunk.state, count(&bed).await), (dead.chunk.state.clone(), 0));
    drop(also_dead);
}

#[tokio::test]
async fn who_takes_rows_back_may_use_the_session_in_which_they_came() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let load = load_numbered(1);
    let index = new_chunk(bed.store(), &load).await.index;
    let (chunk, mut session) = take(bed.store(), &load, index).await;
    let rows = rows("1");
    let batch =
        LoadBatch { load: &load, chunk: &chunk, from_byte: 0, rows: &rows, likely_new: true, claims_unchanged: false };
    let fail = |_: &[RowOutcome], _: &TotalChanges| Err(StoreError::failed(std::io::Error::other("fails")));
    bed.store().write_batch(&mut session, &batch, fail).await.unwrap_err();
    assert_eq!(count(&bed).await, ROWS);
    // The driver gives it out again for whatever comes next.
    drop(session);
    timeout(PATIENCE, bed.store().load_chunks.revoke(load.id)).await.expect("it waits for nothing").unwrap();
    assert_eq!(count(&bed).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_newer_load_decides_by_no_row_that_may_yet_vanish() {
    for at in [At::Transaction, At::Commit] {
        let bed = TestBed::new().await;
        bed.insert_postal_codes(1).await;
        let late = HeldUp::at(at, bed.config(), &load_numbered(1), rows("1")).await;
        // The worker does not get on, so its rows are taken back.
        let outcomes = write_batch(bed.store(), &load_numbered(2), &rows("2")[..100], true, &[]).await;
        assert!(outcomes.iter().all(|outcome| *outcome == RowOutcome::Inserted), "{at:?}: {outcomes:?}");
        assert_eq!(count(&bed).await, 100, "{at:?}");
        // Once it does, it writes them once more.
        let (outcome, outcomes) = late.goes_on().await.unwrap();
        assert!(matches!(outcome, BatchOutcome::Written { all_new: false, .. }), "{at:?}: {outcome:?}");
        let unchanged = outcomes.iter().filter(|outcome| **outcome == RowOutcome::Unchanged).count();
        assert_eq!((unchanged, count(&bed).await), (100, ROWS), "{at:?}");
        assert_nothing_announced(&bed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_edit_waits_until_a_row_is_its_loads() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let id = |id: i64| PaystatId::try_from(id).unwrap();
    let late = HeldUp::at(At::Transaction, bed.config(), &load_numbered(1), rows("1")).await;
    let (looks, mut looked) = mpsc::unbounded_channel();
    let handler = EventHandler::callback(move |event| {
        if let CommandEvent::Started(started) = event
            && started.command.get_str("find").is_ok_and(|name| name == "load_chunks")
            && !started.command.contains_key("autocommit")
        {
            let _ = looks.send(());
        }
    });
    let store = Store::with_command_events(&bed.config().store, Some(handler)).await.unwrap();
    let (editing, deleting) = (store.clone(), store);
    let edited = tokio::spawn(async move {
        let change = PaystatChange { amount: Some(amount("7")), ..Default::default() };
        editing.paystats.update(id(1), &change, Provenance::edit(1)).await.unwrap().unwrap().unwrap()
    });
    let deleted = tokio::spawn(async move { deleting.paystats.delete(id(ROWS)).await.unwrap().unwrap() });
    for _ in 0..20 {
        looked.recv().await.unwrap();
    }
    assert!(!edited.is_finished() && !deleted.is_finished());
    let (written, _) = late.goes_on().await.unwrap();
    assert!(matches!(written, BatchOutcome::Written { all_new: true, .. }), "{written:?}");
    assert_eq!(edited.await.unwrap().written, Provenance::edit(1));
    assert_eq!(deleted.await.unwrap().written, Provenance::of_line(1, ROWS as u64 + 1));
    assert_eq!(count(&bed).await, ROWS - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_edit_waits_for_no_worker_that_is_dead() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let id = PaystatId::try_from(1).unwrap();
    let dead = HeldUp::at(At::Transaction, bed.config(), &load_numbered(1), rows("1")).await;
    let change = PaystatChange { amount: Some(amount("7")), ..Default::default() };
    // The row never was the load's, so there is none to be edited.
    assert_eq!(bed.store().paystats.update(id, &change, Provenance::edit(1)).await.unwrap(), Some(None));
    assert_eq!(count(&bed).await, 0);
    assert_nothing_announced(&bed).await;
    // Should it live after all, it writes its rows once more.
    let (written, _) = dead.goes_on().await.unwrap();
    assert!(matches!(written, BatchOutcome::Written { all_new: true, .. }), "{written:?}");
    assert_written_by(&bed, 1, "1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_whose_postal_code_goes_before_they_come_are_not_left_behind() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let place = paystat(1).postal_code_id;
    let late = HeldUp::at(At::Insert, bed.config(), &load_numbered(1), rows("1")).await;
    bed.store().postal_codes.delete(place).await.unwrap();
    let (written, _) = late.goes_on().await.unwrap();
    assert_eq!(written, BatchOutcome::PostalCodesRemoved);
    assert_eq!(count(&bed).await, 0);
    assert_nothing_announced(&bed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_come_to_another_database_than_they_were_announced_in_do_not_stay() {
    for at in [At::Insert, At::NextInsert] {
        let bed = TestBed::new().await;
        bed.insert_postal_codes(1).await;
        let late = HeldUp::at(at, bed.config(), &load_numbered(1), rows("1")).await;
        // As where a backup of before was restored meanwhile.
        for name in ["load_chunks", "paystats"] {
            documents(&bed, name).await.delete_many(doc! {}).await.unwrap();
        }
        let (written, _) = late.goes_on().await.unwrap();
        assert_eq!(written, BatchOutcome::Lost, "{at:?}");
        assert_eq!(documents(&bed, "paystats").await.count_documents(doc! {}).await.unwrap(), 0, "{at:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_are_there_already_cut_an_insert_short_and_nothing_else() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    bed.store().paystats.insert(&paystat(150), Provenance::edit(0)).await.unwrap();
    let outcomes = write_batch(bed.store(), &load_numbered(1), &rows("1"), true, &[]).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == RowOutcome::Inserted).count() as i64, ROWS - 1);
    assert_eq!(outcomes[149], RowOutcome::Updated);
    assert_written_by(&bed, 1, "1").await;
    assert_nothing_announced(&bed).await;
    assert_eq!(documents(&bed, "paystats").await.count_documents(doc! {}).await.unwrap() as i64, ROWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_whose_first_row_is_there_is_not_inserted_before_its_transaction() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let (inserted, mut inserts) = mpsc::unbounded_channel();
    let handler = EventHandler::callback(move |event| {
        if let CommandEvent::Started(started) = event
            && started.command.get_str("insert").is_ok_and(|name| name == "paystats")
        {
            let _ = inserted.send(started.command.contains_key("autocommit"));
        }
    });
    let store = Store::with_command_events(&bed.config().store, Some(handler)).await.unwrap();
    let first = write_batch(&store, &load_numbered(1), &rows("1"), true, &[]).await;
    assert!(first.iter().all(|outcome| *outcome == RowOutcome::Inserted));
    assert_eq!((inserts.recv().await, inserts.recv().await), (Some(false), Some(false)));
    let again = write_batch(&store, &load_numbered(2), &rows("1"), true, &[]).await;
    assert!(again.iter().all(|outcome| *outcome == RowOutcome::Unchanged));
    assert!(inserts.try_recv().is_err());
    assert_written_by(&bed, 1, "1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_an_election_loses_are_written_once_more() {
    // The new primary has the first ones only, or is the one that has taken the second insert.
    for lost in [doc! { "$gt": 100 }, doc! { "$gt": 100, "$lte": OF_FIRST_INSERT }] {
        let bed = TestBed::new().await;
        bed.insert_postal_codes(1).await;
        let late = HeldUp::at(At::Transaction, bed.config(), &load_numbered(1), rows("1")).await;
        documents(&bed, "paystats").await.delete_many(doc! { "_id": lost }).await.unwrap();
        let (written, _) = late.goes_on().await.unwrap();
        assert!(matches!(written, BatchOutcome::Written { all_new: true, .. }), "{written:?}");
        assert_written_by(&bed, 1, "1").await;
        assert_eq!(documents(&bed, "paystats").await.count_documents(doc! {}).await.unwrap() as i64, ROWS);
    }
}
