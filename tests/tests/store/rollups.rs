//! Roll-ups against a model: whatever loads, edits and undos do, and however they interleave, what is added up is what counts.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use mongodb::bson::{Document, doc};
use paystats_core::{
    domain::{Amount, Paystat, PaystatId, PostalCodeId},
    load::{Cut, Load, LoadEntity, LoadState, Progress, Reverted},
    store::{PaystatChange, Provenance, RollupEnd, StageFrom, Touched, Versions},
};
use paystats_tests::{
    TestBed, raw_database,
    sources::{amount, paystat},
    write_batch,
};
use roaring::RoaringBitmap;

const POSTAL_CODES: i32 = 3;
const IDS: i64 = 24;

/// Which version of each row counts, by plain thought.
#[derive(Default)]
struct Model {
    rows: BTreeMap<i64, Row>,
    counted: BTreeSet<i64>,
}

/// What loads brought of a row, by their numbers, and what the last edit made of it, which came after all loads up to a number.
#[derive(Default)]
struct Row {
    brought: BTreeMap<i64, Paystat>,
    edited: Option<(i64, Paystat)>,
}

impl Model {
    fn bring(&mut self, load: i64, row: &Paystat) {
        let known = self.rows.entry(row.id.get()).or_default();
        if known.edited.as_ref().is_none_or(|(after, _)| *after < load) {
            known.brought.insert(load, row.clone());
        }
    }

    fn edit(&mut self, after: i64, row: Paystat) {
        let known = self.rows.entry(row.id.get()).or_default();
        known.brought.clear();
        known.edited = Some((after, row));
    }

    fn take_back(&mut self, load: i64) {
        self.counted.remove(&load);
        for row in self.rows.values_mut() {
            row.brought.remove(&load);
        }
    }

    /// What counts, by postal code, month and people.
    fn cells(&self) -> BTreeMap<Cell, (Amount, i64)> {
        let mut cells = BTreeMap::new();
        for row in self.rows.values() {
            let brought = row.brought.iter().rev().find(|(load, _)| self.counted.contains(load)).map(|(_, row)| row);
            let counts = brought.or(row.edited.as_ref().map(|(_, row)| row));
            if let Some(row) = counts {
                let key = (row.postal_code_id.get(), row.month.to_string(), row.age.name(), row.gender.name());
                let (sum, count): &mut (Amount, i64) = cells.entry(key).or_default();
                *sum = sum.checked_add(row.amount).unwrap();
                *count += 1;
            }
        }
        cells
    }
}

type Cell = (i32, String, &'static str, &'static str);

async fn stored_cells(bed: &TestBed) -> BTreeMap<Cell, (Amount, i64)> {
    let changed = bed.store().changes.since(Versions::default()).await.unwrap();
    let mut cells = BTreeMap::new();
    for (id, of_one) in changed.cells {
        for (month, age, gender, total) in of_one.iter() {
            cells.insert((id.get(), month.to_string(), age.name(), gender.name()), (total.amount, total.count));
        }
    }
    cells
}

async fn bed_with_places() -> TestBed {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(POSTAL_CODES).await;
    bed.put("empty.csv", "id\n");
    bed
}

async fn open_load(bed: &TestBed) -> Load {
    let load = bed.accept_unpublished(LoadEntity::Paystats, "empty.csv").await;
    let loads = &bed.store().loads;
    let cut = Cut { chunk_bytes: 1, chunks_in_flight: 1 };
    let load = loads.start_planning(load.id, cut).await.unwrap().unwrap();
    assert!(loads.start_loading(load.id).await.unwrap());
    load
}

/// Rolls up and ends a load; `between` happens after its totals were added up for the first time. The postal codes whose rows were read by then.
async fn roll_up(
    bed: &TestBed,
    load: &Load,
    touched: &Touched,
    (from, to): (LoadState, LoadState),
    between: impl AsyncFnOnce(),
) -> RoaringBitmap {
    let rollups = &bed.store().rollups;
    let mut session = bed.store().start_session().await.unwrap();
    let run = rollups.begin(std::slice::from_ref(&session)).await.unwrap().expect("nobody else rolls up");
    assert!(rollups.begin(&[]).await.unwrap().is_none(), "one load is rolled up at a time");
    let succeeding = (to == LoadState::Succeeded).then_some(load);
    let mut missing = touched.postal_codes.clone();
    if !touched.summed.is_empty() {
        rollups.stage(&run, StageFrom::Sums(load), &ids(&touched.summed), &mut session).await.unwrap();
        missing = rollups.missing(&run, &touched.postal_codes).await.unwrap();
    }
    let read = missing.clone();
    let mut between = Some(between);
    loop {
        if !missing.is_empty() {
            rollups.stage(&run, StageFrom::Rows(succeeding), &ids(&missing), &mut session).await.unwrap();
        }
        if let Some(between) = between.take() {
            between().await;
        }
        let progress = Progress::default().in_state(to, Reverted::default());
        match rollups.end(&run, Some((load, from, &progress)), &touched.postal_codes, &mut session).await.unwrap() {
            RollupEnd::Ended(version) => {
                rollups.sweep(&touched.postal_codes, version).await.unwrap();
                return read;
            }
            RollupEnd::Incomplete => missing = rollups.missing(&run, &touched.postal_codes).await.unwrap(),
            RollupEnd::Lost => panic!("the run lost its right"),
        }
    }
}

fn ids(postal_codes: &RoaringBitmap) -> Vec<i32> {
    postal_codes.iter().map(u32::cast_signed).collect()
}

async fn written_by(bed: &TestBed, load: &Load) -> RoaringBitmap {
    bed.store().load_chunks.sum(load.id).await.unwrap().changes.postal_codes().clone()
}

async fn touched_by(bed: &TestBed, load: &Load) -> Touched {
    let sum = bed.store().load_chunks.sum(load.id).await.unwrap();
    bed.store().rollups.touched_by(load, &sum).await.unwrap()
}

async fn take_back(bed: &TestBed, load: &Load, ends_as: LoadState) {
    let store = bed.store();
    let load = store.loads.start_reverting(load.id, ends_as, None).await.unwrap().expect("a load to take back");
    store.load_chunks.revoke(load.id).await.unwrap();
    let mut session = store.start_session().await.unwrap();
    for step in store.undo_steps::<Paystat>(&load).await.unwrap() {
        store.undo_step::<Paystat>(&load, &step, &mut session).await.unwrap();
    }
    if ends_as == LoadState::Undone {
        let postal_codes = store.touched_by_reverting::<Paystat>(&load).await.unwrap() | written_by(bed, &load).await;
        let touched = Touched { postal_codes, ..Touched::default() };
        roll_up(bed, &load, &touched, (LoadState::Reverting, ends_as), async || {}).await;
    } else {
        let progress = Progress::default().in_state(ends_as, Reverted::default());
        store.loads.end_reverting(load.id, &progress).await.unwrap().unwrap();
    }
}

fn random_row(random: &mut fastrand::Rng, id: i64, seed: i64) -> Paystat {
    let months = ["2015-01", "2015-02", "2016-12"];
    Paystat {
        postal_code_id: random.i32(1..=POSTAL_CODES).try_into().unwrap(),
        month: random.choice(months).unwrap().parse().unwrap(),
        amount: amount(&format!("{seed}.{:03}", random.u32(..1_000))),
        ..paystat(id)
    }
}

/// Changes, makes or removes a row as a mutation does.
async fn edit(bed: &TestBed, model: &mut Model, random: &mut fastrand::Rng, seed: i64) {
    let paystats = &bed.store().paystats;
    let after = bed.store().loads.last_number().await.unwrap();
    let id = random.i64(0..IDS);
    let row = random_row(random, id, seed);
    let id = PaystatId::try_from(id).unwrap();
    match paystats.by_id(id).await.unwrap() {
        None => {
            assert!(paystats.insert(&row, Provenance::edit(after)).await.unwrap());
            model.edit(after, row);
        }
        Some(_) if random.u32(..4) == 0 => {
            paystats.delete(id).await.unwrap().unwrap();
            model.rows.remove(&id.get());
        }
        Some(_) => {
            let change = PaystatChange {
                amount: Some(row.amount),
                postal_code_id: random.bool().then_some(row.postal_code_id),
                ..PaystatChange::default()
            };
            let changed = paystats.update(id, &change, Provenance::edit(after)).await.unwrap().unwrap().unwrap();
            model.edit(after, changed.paystat);
        }
    }
}

async fn story(seed: u64) {
    let bed = bed_with_places().await;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut model = Model::default();
    let (mut open, mut succeeded) = (Vec::<(Load, Vec<i64>)>::new(), Vec::<Load>::new());
    for step in 1..=60_i64 {
        match random.u32(..10) {
            0 | 1 if open.len() < 3 => open.push((open_load(&bed).await, (0..IDS).collect())),
            2..=4 if !open.is_empty() => {
                let place = random.usize(..open.len());
                let (load, ids) = &mut open[place];
                random.shuffle(ids);
                let rows: Vec<(u64, Paystat)> = (0..random.usize(1..6))
                    .filter_map(|_| ids.pop())
                    .map(|id| (id as u64 + 2, random_row(&mut random, id, step)))
                    .collect();
                let likely_new = random.bool();
                write_batch(bed.store(), load, &rows, likely_new, &[]).await;
                rows.iter().for_each(|(_, row)| model.bring(load.number, row));
            }
            5 if !open.is_empty() => {
                let (load, _) = open.swap_remove(random.usize(..open.len()));
                assert!(bed.store().loads.start_rolling_up(load.id).await.unwrap());
                let edits = random.u32(..3);
                let states = (LoadState::RollingUp, LoadState::Succeeded);
                let touched = touched_by(&bed, &load).await;
                roll_up(&bed, &load, &touched, states, async || {
                    for _ in 0..edits {
                        edit(&bed, &mut model, &mut random, step).await;
                        assert_eq!(stored_cells(&bed).await, model.cells(), "seed {seed}, step {step}, in a roll-up");
                    }
                })
                .await;
                model.counted.insert(load.number);
                succeeded.push(load);
            }
            6 if !open.is_empty() => {
                let (load, _) = open.swap_remove(random.usize(..open.len()));
                take_back(&bed, &load, LoadState::Failed).await;
                model.take_back(load.number);
            }
            7 if !succeeded.is_empty() => {
                let load = succeeded.swap_remove(random.usize(..succeeded.len()));
                take_back(&bed, &load, LoadState::Undone).await;
                model.take_back(load.number);
            }
            _ => edit(&bed, &mut model, &mut random, step).await,
        }
        assert_eq!(stored_cells(&bed).await, model.cells(), "seed {seed}, step {step}");
    }
    let verified = bed.store().rollups.verify(false, |_| ()).await.unwrap();
    assert_eq!(verified.wrong, [], "seed {seed}");
}

#[tokio::test]
async fn what_is_added_up_is_what_counts_whatever_happens() {
    let seed = std::env::var("PAYSTATS_TORTURE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    join_all((seed..seed + 6).map(story)).await;
}

/// Rows of a load, each with its line: the id, its postal code and its amount.
fn rows_of(rows: &[(i64, i32, &str)]) -> Vec<(u64, Paystat)> {
    let row = |&(id, postal_code, units): &(i64, i32, &str)| {
        let place = Paystat { postal_code_id: postal_code.try_into().unwrap(), amount: amount(units), ..paystat(id) };
        (id as u64 + 2, place)
    };
    rows.iter().map(row).collect()
}

/// What counts, by postal code: the sum and how many paystats.
async fn totals(bed: &TestBed) -> Vec<(i32, String, i64)> {
    let mut totals = BTreeMap::<i32, (Amount, i64)>::new();
    for ((postal_code, ..), (amount, count)) in stored_cells(bed).await {
        let (sum, rows) = totals.entry(postal_code).or_default();
        (*sum, *rows) = (sum.checked_add(amount).unwrap(), *rows + count);
    }
    totals.into_iter().map(|(postal_code, (sum, rows))| (postal_code, sum.to_string(), rows)).collect()
}

/// Ends a load. The postal codes whose rows were read for that.
async fn succeed(bed: &TestBed, load: &Load, between: impl AsyncFnOnce()) -> Vec<i32> {
    assert!(bed.store().loads.start_rolling_up(load.id).await.unwrap());
    let touched = touched_by(bed, load).await;
    ids(&roll_up(bed, load, &touched, (LoadState::RollingUp, LoadState::Succeeded), between).await)
}

async fn write(bed: &TestBed, load: &Load, rows: &[(i64, i32, &str)]) {
    write_batch(bed.store(), load, &rows_of(rows), true, &[]).await;
}

/// With rows that are read again and again, the end of a load takes the longer the more is there.
#[tokio::test]
async fn new_rows_are_added_to_what_counts_and_no_row_is_read() {
    let bed = bed_with_places().await;
    let load = open_load(&bed).await;
    write(&bed, &load, &[(1, 1, "1"), (2, 2, "2")]).await;
    write(&bed, &load, &[(3, 1, "3.0000000000000001"), (4, 1, "-0.5")]).await;
    assert!(succeed(&bed, &load, async || {}).await.is_empty());
    let first = [(1, "3.5000000000000001".to_owned(), 3), (2, "2".to_owned(), 1)];
    assert_eq!(totals(&bed).await, first);

    let next = open_load(&bed).await;
    write(&bed, &next, &[(5, 1, "10"), (6, 3, "7")]).await;
    assert_eq!(totals(&bed).await, first, "nothing counts before the end");
    assert!(succeed(&bed, &next, async || {}).await.is_empty());
    let both = [(1, "13.5000000000000001".to_owned(), 4), (2, "2".to_owned(), 1), (3, "7".to_owned(), 1)];
    assert_eq!(totals(&bed).await, both);
    assert_eq!(bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);

    take_back(&bed, &next, LoadState::Undone).await;
    assert_eq!(totals(&bed).await, first);
    let sums = raw_database(bed.config()).await.collection::<Document>("load_sums");
    assert_eq!(sums.count_documents(doc! {}).await.unwrap(), 0, "nothing stays of loads that have ended");
}

#[tokio::test]
async fn where_rows_were_replaced_or_edited_they_are_read() {
    let bed = bed_with_places().await;
    let load = open_load(&bed).await;
    write(&bed, &load, &[(1, 1, "1"), (2, 2, "2"), (3, 3, "3")]).await;
    assert!(succeed(&bed, &load, async || {}).await.is_empty());

    let next = open_load(&bed).await;
    write(&bed, &next, &[(4, 1, "10"), (5, 2, "20"), (6, 3, "30")]).await;
    write_batch(bed.store(), &next, &rows_of(&[(1, 1, "100")]), false, &[]).await;
    bed.store().paystats.delete(5.try_into().unwrap()).await.unwrap().unwrap();
    let edit = async || {
        bed.store().paystats.delete(6.try_into().unwrap()).await.unwrap().unwrap();
    };
    assert_eq!(succeed(&bed, &next, edit).await, [1, 2], "the row of 3 is deleted after that");
    let all = [(1, "110".to_owned(), 2), (2, "2".to_owned(), 1), (3, "3".to_owned(), 1)];
    assert_eq!(totals(&bed).await, all);
}

/// The row stands at 2 by a load that does not count, and counted at 3 so far.
#[tokio::test]
async fn a_place_that_a_row_leaves_unseen_is_read_though_all_else_there_is_new() {
    let bed = bed_with_places().await;
    let oldest = open_load(&bed).await;
    write(&bed, &oldest, &[(1, 3, "1")]).await;
    succeed(&bed, &oldest, async || {}).await;
    let (older, newer) = (open_load(&bed).await, open_load(&bed).await);
    write_batch(bed.store(), &newer, &rows_of(&[(1, 2, "100")]), false, &[]).await;
    write_batch(bed.store(), &older, &rows_of(&[(1, 1, "10")]), false, &[]).await;
    write(&bed, &older, &[(2, 3, "5")]).await;
    assert_eq!(succeed(&bed, &older, async || {}).await, [1, 2, 3]);
    assert_eq!(totals(&bed).await, [(1, "10".to_owned(), 1), (3, "5".to_owned(), 1)]);
    assert_eq!(bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);
}

/// The row counts as the older load brought it until all of that is undone; what is there already is the newer load's.
#[tokio::test]
async fn a_row_that_is_new_again_while_a_load_is_undone_counts_once() {
    let bed = bed_with_places().await;
    let store = bed.store();
    let load = open_load(&bed).await;
    write(&bed, &load, &[(1, 1, "1"), (2, 1, "2")]).await;
    succeed(&bed, &load, async || {}).await;
    let load = store.loads.start_reverting(load.id, LoadState::Undone, None).await.unwrap().expect("it has succeeded");
    store.load_chunks.revoke(load.id).await.unwrap();
    let mut session = store.start_session().await.unwrap();
    for step in store.undo_steps::<Paystat>(&load).await.unwrap() {
        store.undo_step::<Paystat>(&load, &step, &mut session).await.unwrap();
    }
    assert_eq!(totals(&bed).await, [(1, "3".to_owned(), 2)]);

    let next = open_load(&bed).await;
    write(&bed, &next, &[(1, 1, "10")]).await;
    assert_eq!(succeed(&bed, &next, async || {}).await, [1]);
    assert_eq!(totals(&bed).await, [(1, "10".to_owned(), 1)]);
    let postal_codes = store.touched_by_reverting::<Paystat>(&load).await.unwrap();
    let touched = Touched { postal_codes, ..Touched::default() };
    roll_up(&bed, &load, &touched, (LoadState::Reverting, LoadState::Undone), async || {}).await;
    assert_eq!(totals(&bed).await, [(1, "10".to_owned(), 1)]);
}

#[tokio::test]
async fn a_roll_up_that_is_wrong_is_found_and_mended() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(POSTAL_CODES).await;
    let rows: Vec<Paystat> =
        (0..6).map(|id| Paystat { postal_code_id: (id as i32 % 2 + 1).try_into().unwrap(), ..paystat(id) }).collect();
    // Written past everything that adds up.
    let lines: Vec<_> = rows.iter().cloned().map(|row| (1, row)).collect();
    bed.write_rows(0, &lines, false).await;
    let rollups = &bed.store().rollups;
    let wrong: [PostalCodeId; 2] = [1.try_into().unwrap(), 2.try_into().unwrap()];
    let mut looked_at = 0;
    let verified = rollups.verify(false, |done| looked_at = done).await.unwrap();
    assert_eq!((verified.postal_codes, verified.wrong, looked_at), (2, wrong.to_vec(), 2));
    assert_eq!(stored_cells(&bed).await.len(), 0);

    assert_eq!(rollups.verify(true, |_| ()).await.unwrap().wrong, wrong);
    assert_eq!(rollups.verify(false, |_| ()).await.unwrap().wrong, []);
    assert_eq!(stored_cells(&bed).await.values().map(|(_, count)| count).sum::<i64>(), 6);
}

#[tokio::test]
async fn edits_at_once_leave_no_roll_up_behind() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(POSTAL_CODES).await;
    let before = bed.store().changes.since(Versions::default()).await.unwrap().versions;
    let edits = (0..24).map(|id| {
        let (bed, row) = (&bed, Paystat { postal_code_id: (id as i32 % 2 + 1).try_into().unwrap(), ..paystat(id) });
        async move { assert!(bed.store().paystats.insert(&row, Provenance::edit(0)).await.unwrap()) }
    });
    join_all(edits).await;
    assert_eq!(bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);
    let after = bed.store().changes.since(before).await.unwrap();
    assert_eq!((after.versions.data - before.data, after.cells.len()), (24, 2), "each edit has a version of its own");
}

/// Where they stayed noted, the next run would end what they do for others by then.
#[tokio::test]
async fn the_sessions_of_a_run_that_has_ended_are_nobodys() {
    let bed = TestBed::new().await;
    let rollups = &bed.store().rollups;
    let mut session = bed.store().start_session().await.unwrap();
    let lock = {
        let client = mongodb::Client::with_uri_str(bed.config().store.uri.expose()).await.unwrap();
        client.database(&bed.config().store.database).collection::<Document>("rollup_lock")
    };
    let noted = async || lock.find_one(doc! {}).await.unwrap().unwrap().get_array("sessions").unwrap().len();
    let run = rollups.begin(std::slice::from_ref(&session)).await.unwrap().expect("nobody else rolls up");
    assert_eq!(noted().await, 1);
    let ended = rollups.end(&run, None, &RoaringBitmap::new(), &mut session).await.unwrap();
    assert!(matches!(ended, RollupEnd::Ended(_)), "{ended:?}");
    assert_eq!(noted().await, 0);
}
