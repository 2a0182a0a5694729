//! Roll-ups against a model: whatever loads, edits and undos do, and however they interleave, what is added up is what counts.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use mongodb::bson::{Document, doc};
use paystats_core::{
    domain::{Amount, Paystat, PaystatId, PostalCodeId},
    load::{Cut, Load, LoadEntity, LoadState, Progress, Reverted},
    store::{PaystatChange, Provenance, RollupEnd, Versions},
};
use paystats_tests::{
    TestBed,
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

async fn open_load(bed: &TestBed) -> Load {
    let load = bed.accept_unpublished(LoadEntity::Paystats, "empty.csv").await;
    let loads = &bed.store().loads;
    let cut = Cut { chunk_bytes: 1, chunks_in_flight: 1 };
    let load = loads.start_planning(load.id, cut).await.unwrap().unwrap();
    assert!(loads.start_loading(load.id).await.unwrap());
    load
}

/// Rolls up and ends a load; `between` happens after its totals were added up for the first time.
async fn roll_up(
    bed: &TestBed,
    load: &Load,
    postal_codes: &RoaringBitmap,
    (from, to): (LoadState, LoadState),
    between: impl AsyncFnOnce(),
) {
    let rollups = &bed.store().rollups;
    let mut session = bed.store().start_session().await.unwrap();
    let run = rollups.begin(std::slice::from_ref(&session)).await.unwrap().expect("nobody else rolls up");
    assert!(rollups.begin(&[]).await.unwrap().is_none(), "one load is rolled up at a time");
    let succeeding = (to == LoadState::Succeeded).then_some(load);
    let mut missing = postal_codes.clone();
    let mut between = Some(between);
    loop {
        let ids: Vec<i32> = missing.iter().map(u32::cast_signed).collect();
        if !ids.is_empty() {
            rollups.stage(&run, succeeding, &ids, &mut session).await.unwrap();
        }
        if let Some(between) = between.take() {
            between().await;
        }
        let progress = Progress::default().in_state(to, Reverted::default());
        match rollups.end(&run, Some((load, from, &progress)), postal_codes, &mut session).await.unwrap() {
            RollupEnd::Ended => return,
            RollupEnd::Incomplete => missing = rollups.missing(&run, postal_codes).await.unwrap(),
            RollupEnd::Lost => panic!("the run lost its right"),
        }
    }
}

async fn written_by(bed: &TestBed, load: &Load) -> RoaringBitmap {
    bed.store().load_chunks.sum(load.id).await.unwrap().changes.postal_codes().clone()
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
        let touched = store.touched_by_reverting::<Paystat>(&load).await.unwrap() | written_by(bed, &load).await;
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
    let bed = TestBed::new().await;
    bed.insert_postal_codes(POSTAL_CODES).await;
    bed.put("empty.csv", "id\n");
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
                let touched = bed.store().rollups.touched_by(&load, &written_by(&bed, &load).await).await.unwrap();
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
    assert_eq!((ended, noted().await), (RollupEnd::Ended, 0));
}
