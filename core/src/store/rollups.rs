//! The collection `rollups`: what the paystats of each postal code add up to, by month, age group and gender. All totals are answered
//! from it; it is made from `paystats` and can be made again at any time.
//!
//! A document is written once, for one *run*: an edit, or the end of a load. It counts from the moment that it has a *version*, a number
//! from one counter; of a postal code, the document with the greatest version counts. An edit adds its postal codes up inside its own
//! transaction. The end of a load adds up all that it touched step by step, and then gives all of it one version, in the transaction that
//! lets the load succeed: totals change once, when a load does, never half.
//!
//! Where a load brought nothing but new rows to a postal code, and nobody else changed what counts there since, its sums (see `load_sums`)
//! are added to the roll-up that counts, and no row is read.
//!
//! Adding up never counts half of another load either (see `counted`). Two transactions that add up the same postal code meet in
//! `rollup_heads`, so that the later one sees what the earlier one did. One load is rolled up at a time: it holds the document of
//! `rollup_lock`. An edit in between takes away what the load has added up of its postal code already, and says so there.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use mongodb::{
    ClientSession, Collection, Database, IndexModel,
    bson::{Binary, Bson, Document, doc},
    error::Error,
    options::IndexOptions,
};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    BATCH_SIZE, ChunkSum, LoadSession, Loads, StoreError,
    counted::Counted,
    counters::Counters,
    load_batches::failed,
    load_sums::{Added, LoadSums},
    packed_cells::{pack, unpack},
    paystats::postal_code_of,
    session::end_sessions,
};
use crate::{
    domain::{Cells, PostalCodeId},
    load::{Load, LoadState, Progress},
};

/// Roll-ups of paystats.
#[derive(Clone, Debug)]
pub struct Rollups {
    rollups: Collection<RollupDocument>,
    heads: Collection<Document>,
    lock: Collection<LockDocument>,
    paystats: Collection<Document>,
    counted: Counted,
    counters: Counters,
    loads: Loads,
    sums: LoadSums,
}

/// The postal codes whose totals change when a load ends.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// All of them.
    pub postal_codes: RoaringBitmap,
    /// Those that the load brought nothing but new rows to, whose sums are kept.
    pub summed: RoaringBitmap,
}

/// The right to roll a load up; others wait meanwhile. It ends by itself where its holder has not been heard of for a while.
#[derive(Clone, Debug)]
pub struct RollupRun {
    id: String,
}

/// What postal codes are added up from.
#[derive(Clone, Copy, Debug)]
pub enum StageFrom<'a> {
    /// Their rows, as they will count once this load has succeeded.
    Rows(Option<&'a Load>),
    /// What counts, and the sums of what this load brought. Postal codes for which that might be wrong are left out, and missing afterwards.
    Sums(&'a Load),
}

/// How the end of a roll-up went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollupEnd {
    /// The load has ended, and its totals count, in this version of the data.
    Ended(i64),
    /// Edits took away what was added up of some postal codes: they have to be added up again.
    Incomplete,
    /// The load was ended by somebody else, or the run has lost its right.
    Lost,
}

/// What came of holding roll-ups against paystats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many postal codes were looked at.
    pub postal_codes: u64,
    /// Those whose roll-up was wrong, by number.
    pub wrong: Vec<PostalCodeId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RollupDocument {
    /// `<postal code>/<run>`.
    #[serde(rename = "_id")]
    id: String,
    postal_code_id: i32,
    run: String,
    /// `None` until it counts.
    version: Option<i64>,
    cells: Binary,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LockDocument {
    #[serde(rename = "_id")]
    name: String,
    run: Option<String>,
    /// The sessions that it works in.
    #[serde(default)]
    sessions: Vec<Document>,
    /// How often an edit took away what a run had added up.
    invalidated: i64,
}

pub(super) const COLLECTION: &str = "rollups";
pub(super) const HEADS: &str = "rollup_heads";
pub(super) const LOCKS: &str = "rollup_lock";
pub(super) const VERSION: &str = "data_version";
pub(super) const EPOCH: &str = "epoch";
pub(super) const PLACES_VERSION: &str = "places_version";
const LOCK: &str = "rollup";
/// How long a run keeps its right without a sign of life.
const LEASE: Duration = Duration::from_secs(5);
/// The same while its last transaction is under way, in which it can give none.
const ENDING: Duration = Duration::from_secs(30);
/// How long a run that waits for another one waits before it asks again.
const PAUSE: Duration = Duration::from_millis(100);
/// Postal codes that are looked at in one transaction.
const POSTAL_CODES_A_CHECK: usize = 24;
/// Rows in one command, where they come by the thousands.
const ROWS_AT_ONCE: usize = 1_000;
/// Postal codes in one command, where they come by the thousands.
const POSTAL_CODES_AT_ONCE: usize = 1_000;

impl Rollups {
    pub(super) fn new(database: &Database, loads: Loads) -> Self {
        Self {
            rollups: database.collection(COLLECTION),
            heads: database.collection(HEADS),
            lock: database.collection(LOCKS),
            paystats: database.collection(super::paystats::COLLECTION),
            counted: Counted::new(database, loads.clone()),
            counters: Counters::new(database),
            sums: LoadSums::new(database, loads.clone()),
            loads,
        }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        self.counters.prepare(VERSION).await?;
        self.prepare_epoch().await?;
        let free = doc! { "$setOnInsert": { "run": null, "until": null, "invalidated": 0_i64 } };
        self.lock.update_one(doc! { "_id": LOCK }, free).upsert(true).await?;
        let counts = IndexOptions::builder().partial_filter_expression(doc! { "version": { "$gt": 0 } }).build();
        self.rollups
            .create_indexes([
                IndexModel::builder().keys(doc! { "version": 1 }).options(counts).build(),
                IndexModel::builder().keys(doc! { "run": 1 }).build(),
                IndexModel::builder().keys(doc! { "postal_code_id": 1, "version": 1 }).build(),
            ])
            .await?;
        Ok(())
    }

    /// Gives the store a number that no other one has, unless it has one.
    pub(super) async fn prepare_epoch(&self) -> Result<(), StoreError> {
        self.counters.prepare_at(EPOCH, (Uuid::new_v4().as_u64_pair().0 >> 2).cast_signed()).await
    }

    /// A look at the store in which everything is of one moment.
    pub(super) async fn snapshot(&self) -> Result<ClientSession, StoreError> {
        Ok(self.rollups.client().start_session().snapshot(true).await?)
    }

    /// What counts of the postal codes whose roll-ups are newer than a version.
    pub(super) async fn newer_than(
        &self,
        version: u64,
        session: &mut ClientSession,
    ) -> Result<HashMap<PostalCodeId, Cells>, StoreError> {
        let mut newest: HashMap<i32, (i64, Cells)> = HashMap::new();
        let newer = doc! { "version": { "$gt": version.cast_signed() } };
        let mut found = self.rollups.find(newer).batch_size(BATCH_SIZE).session(&mut *session).await?;
        while let Some(document) = found.next(&mut *session).await.transpose()? {
            let version = document.version.unwrap_or_default();
            if newest.get(&document.postal_code_id).is_none_or(|(known, _)| *known < version) {
                newest.insert(document.postal_code_id, (version, unpack(&document.cells)?));
            }
        }
        newest.into_iter().map(|(id, (_, cells))| Ok((postal_code_of(id)?, cells))).collect()
    }

    /// Adds postal codes up anew, inside the transaction of an edit that changed their paystats.
    pub(super) async fn edited(&self, postal_codes: BTreeSet<i32>, session: &mut ClientSession) -> Result<(), Error> {
        let run = Uuid::now_v7().to_string();
        let postal_codes: Vec<i32> = postal_codes.into_iter().collect();
        let cells = self.add_up(&postal_codes, None, session).await?;
        let version = self.counters.next(VERSION, session).await?;
        self.insert(&run, Some(version), cells, session).await?;
        let here = doc! { "$in": postal_codes };
        let older = doc! { "postal_code_id": &here, "version": { "$lt": version } };
        self.rollups.delete_many(older).session(&mut *session).await?;
        let added_up = doc! { "postal_code_id": &here, "version": null };
        if self.rollups.delete_many(added_up).session(&mut *session).await?.deleted_count > 0 {
            let note = doc! { "$inc": { "invalidated": 1_i64 } };
            self.lock.update_one(doc! { "_id": LOCK }, note).session(session).await?;
        }
        Ok(())
    }

    /// The postal codes that have to be added up anew when the versions change that count of rows, inside a transaction and before that.
    pub(super) async fn postal_codes_of(
        &self,
        ids: Vec<i64>,
        session: &mut ClientSession,
    ) -> Result<BTreeSet<i32>, Error> {
        self.counted.postal_codes_of(ids, session).await
    }

    /// The postal codes whose totals change when a load begins to count whose chunks come to `sum`.
    pub async fn touched_by(&self, load: &Load, sum: &ChunkSum) -> Result<Touched, StoreError> {
        let mut session = self.rollups.client().start_session().await?;
        let ids = self.counted.entangled(load).await?;
        let mut entangled = RoaringBitmap::new();
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let postal_codes = self.counted.postal_codes_of(ids.to_vec(), &mut session).await?;
            entangled.extend(postal_codes.into_iter().map(i32::cast_unsigned));
        }
        let written = sum.changes.postal_codes();
        Ok(Touched { postal_codes: written | &entangled, summed: written - &sum.not_summed - entangled })
    }

    /// Notes that postal codes changed, which answers are made from too.
    pub async fn postal_codes_changed(&self) -> Result<(), StoreError> {
        self.counters.count_up(PLACES_VERSION).await?;
        self.counters.count_up(VERSION).await
    }

    /// Begins to roll up in these sessions. `None` while another run has the right to.
    ///
    /// What the run before has under way is aborted: a worker that died in the middle of a transaction keeps postal codes locked for a
    /// minute.
    pub async fn begin(&self, sessions: &[LoadSession]) -> Result<Option<RollupRun>, StoreError> {
        let run = RollupRun { id: Uuid::now_v7().to_string() };
        let mut set = hold(&run.id, LEASE);
        set.insert(
            "sessions",
            doc! { "$literal": sessions.iter().map(|session| session.0.id().clone()).collect::<Vec<_>>() },
        );
        let free = doc! { "_id": LOCK, "$or": [{ "run": null }, { "$expr": { "$lt": ["$until", "$$NOW"] } }] };
        let Some(before) = self.lock.find_one(free.clone()).await? else { return Ok(None) };
        // First, because its last transaction may keep the lock's document itself.
        end_sessions(&self.lock, before.sessions).await?;
        if self.lock.update_one(free, vec![doc! { "$set": set }]).await?.matched_count == 0 {
            return Ok(None);
        }
        let left_behind = doc! { "version": null, "run": { "$ne": &run.id } };
        self.rollups.delete_many(left_behind).await?;
        Ok(Some(run))
    }

    /// A sign of life. `false` if the run has lost its right.
    pub async fn hold(&self, run: &RollupRun) -> Result<bool, StoreError> {
        self.hold_for(run, LEASE).await
    }

    async fn hold_for(&self, run: &RollupRun, lease: Duration) -> Result<bool, StoreError> {
        let mine = doc! { "_id": LOCK, "run": &run.id };
        Ok(self.lock.update_one(mine, vec![doc! { "$set": hold(&run.id, lease) }]).await?.matched_count == 1)
    }

    /// Gives the right back without an end.
    pub async fn release(&self, run: &RollupRun) -> Result<(), StoreError> {
        self.lock.update_one(doc! { "_id": LOCK, "run": &run.id }, doc! { "$set": { "run": null } }).await?;
        Ok(())
    }

    /// Adds some postal codes up for a run, in order.
    pub async fn stage(
        &self,
        run: &RollupRun,
        from: StageFrom<'_>,
        postal_codes: &[i32],
        session: &mut LoadSession,
    ) -> Result<(), StoreError> {
        let stage = Stage { rollups: self, run: &run.id, from, postal_codes };
        session.0.start_transaction().and_run(&stage, |session, stage| stage.run(session)).await?;
        Ok(())
    }

    /// Which of these postal codes a run has not added up, or has to add up again.
    pub async fn missing(&self, run: &RollupRun, postal_codes: &RoaringBitmap) -> Result<RoaringBitmap, StoreError> {
        #[derive(Deserialize)]
        struct Staged {
            postal_code_id: i32,
        }
        let mut staged = self
            .rollups
            .clone_with_type::<Staged>()
            .find(doc! { "run": &run.id })
            .projection(doc! { "postal_code_id": 1 })
            .batch_size(BATCH_SIZE)
            .await?;
        let mut missing = postal_codes.clone();
        while let Some(staged) = staged.try_next().await? {
            missing.remove(staged.postal_code_id.cast_unsigned());
        }
        Ok(missing)
    }

    /// Ends a load that is in state `from`, and lets what the run has added up count, all at once. `load` is `None` where nothing but the
    /// totals is mended.
    pub async fn end(
        &self,
        run: &RollupRun,
        load: Option<(&Load, LoadState, &Progress)>,
        postal_codes: &RoaringBitmap,
        session: &mut LoadSession,
    ) -> Result<RollupEnd, StoreError> {
        if !self.hold_for(run, ENDING).await? {
            return Ok(RollupEnd::Lost);
        }
        let end = End { rollups: self, run: &run.id, load, count: postal_codes.len() };
        let ended = session.0.start_transaction().and_run(&end, |session, end| end.run(session)).await;
        match ended {
            Ok(version) => Ok(RollupEnd::Ended(version)),
            Err(error) => match error.get_custom::<RollupEnd>() {
                Some(stopped) => Ok(*stopped),
                None => Err(error.into()),
            },
        }
    }

    /// Removes what counts no more of postal codes that have a roll-up of this version, and the sums of loads that have ended. Nobody waits for
    /// that.
    pub async fn sweep(&self, postal_codes: &RoaringBitmap, version: i64) -> Result<(), StoreError> {
        let ids: Vec<i32> = postal_codes.iter().map(u32::cast_signed).collect();
        for ids in ids.chunks(POSTAL_CODES_AT_ONCE) {
            let older = doc! { "postal_code_id": { "$in": ids.to_vec() }, "version": { "$lt": version } };
            self.rollups.delete_many(older).await?;
        }
        self.sums.sweep().await
    }

    /// Numbers of all postal codes that paystats name, or named when they were added up last.
    async fn all_postal_codes(&self) -> Result<RoaringBitmap, StoreError> {
        let mut all = RoaringBitmap::new();
        for ids in [
            self.paystats.distinct("postal_code_id", doc! {}).await?,
            self.rollups.distinct("postal_code_id", doc! {}).await?,
        ] {
            all.extend(ids.iter().filter_map(Bson::as_i32).map(i32::cast_unsigned));
        }
        Ok(all)
    }

    /// Adds all paystats up where that was never done: in a store from before there were roll-ups.
    pub async fn make_if_new(&self) -> Result<(), StoreError> {
        if self.counters.last(VERSION).await? == 0 {
            self.make_anew().await?;
        }
        Ok(())
    }

    /// Adds all paystats up.
    pub(super) async fn make_anew(&self) -> Result<(), StoreError> {
        let mut session = LoadSession(self.rollups.client().start_session().await?);
        self.mend(&self.all_postal_codes().await?, &mut session).await
    }

    /// Holds the roll-ups of all postal codes against their paystats, and with `repair` adds those up anew that are wrong. `done` hears how
    /// many postal codes were looked at.
    pub async fn verify(&self, repair: bool, mut done: impl FnMut(u64)) -> Result<Verified, StoreError> {
        let all = self.all_postal_codes().await?;
        let mut session = LoadSession(self.rollups.client().start_session().await?);
        let ids: Vec<i32> = all.iter().map(u32::cast_signed).collect();
        let (mut wrong, mut looked_at) = (RoaringBitmap::new(), 0);
        for postal_codes in ids.chunks(POSTAL_CODES_A_CHECK) {
            let check = Check { rollups: self, postal_codes };
            wrong |= session.0.start_transaction().and_run(&check, |session, check| check.run(session)).await?;
            looked_at += postal_codes.len() as u64;
            done(looked_at);
        }
        if repair && !wrong.is_empty() {
            self.mend(&wrong, &mut session).await?;
        }
        let wrong = wrong.iter().map(|id| postal_code_of(id.cast_signed())).collect::<Result<_, _>>()?;
        Ok(Verified { postal_codes: all.len(), wrong })
    }

    /// Adds postal codes up anew.
    async fn mend(&self, postal_codes: &RoaringBitmap, session: &mut LoadSession) -> Result<(), StoreError> {
        loop {
            let Some(run) = self.begin(std::slice::from_ref(session)).await? else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let ids: Vec<i32> = postal_codes.iter().map(u32::cast_signed).collect();
            for ids in ids.chunks(POSTAL_CODES_A_CHECK) {
                self.stage(&run, StageFrom::Rows(None), ids, session).await?;
                self.hold(&run).await?;
            }
            if let RollupEnd::Ended(version) = self.end(&run, None, postal_codes, session).await? {
                return self.sweep(postal_codes, version).await;
            }
            self.release(&run).await?;
        }
    }

    /// The cells of postal codes, which no other transaction adds up until this one has ended.
    async fn add_up(
        &self,
        postal_codes: &[i32],
        as_if: Option<i64>,
        session: &mut ClientSession,
    ) -> Result<HashMap<i32, Cells>, Error> {
        self.touch(postal_codes, session).await?;
        self.counted.cells(postal_codes, as_if, session).await
    }

    /// Makes postal codes this transaction's: no other one that adds them up can succeed beside it.
    async fn touch(&self, postal_codes: &[i32], session: &mut ClientSession) -> Result<(), Error> {
        let touch = |id: &i32| doc! { "q": { "_id": id }, "u": { "$inc": { "changes": 1_i64 } }, "upsert": true };
        let touches: Vec<Document> = postal_codes.iter().map(touch).collect();
        let database = self.heads.client().database(&self.heads.namespace().db);
        let command = doc! { "update": self.heads.name(), "updates": touches };
        let reply = database.run_command(command).session(&mut *session).await?;
        if let Ok(errors) = reply.get_array("writeErrors") {
            return Err(failed(StoreError::Corrupt { collection: COLLECTION, reason: format!("{errors:?}") }));
        }
        Ok(())
    }

    /// What counts of some postal codes, with its version, inside a transaction.
    async fn counting(
        &self,
        postal_codes: &[i32],
        session: &mut ClientSession,
    ) -> Result<HashMap<i32, (i64, Binary)>, Error> {
        let here = doc! { "postal_code_id": { "$in": postal_codes.to_vec() }, "version": { "$gt": 0 } };
        let found = self.rollups.find(here).sort(doc! { "version": 1 }).batch_size(BATCH_SIZE);
        let mut found = found.session(&mut *session).await?;
        let mut counting = HashMap::new();
        while let Some(document) = found.next(&mut *session).await.transpose()? {
            counting.insert(document.postal_code_id, (document.version.unwrap_or_default(), document.cells));
        }
        Ok(counting)
    }

    async fn insert(
        &self,
        run: &str,
        version: Option<i64>,
        cells: HashMap<i32, Cells>,
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        let document = |(postal_code_id, cells): (i32, Cells)| {
            Ok(RollupDocument {
                id: format!("{postal_code_id}/{run}"),
                postal_code_id,
                run: run.to_owned(),
                version,
                cells: pack(&cells)?,
            })
        };
        let documents: Vec<RollupDocument> =
            cells.into_iter().map(document).collect::<Result<_, _>>().map_err(failed)?;
        if documents.is_empty() {
            return Ok(());
        }
        self.rollups.insert_many(documents).session(session).await?;
        Ok(())
    }
}

/// Some postal codes of a run, added up in one transaction.
struct Stage<'a> {
    rollups: &'a Rollups,
    run: &'a str,
    from: StageFrom<'a>,
    postal_codes: &'a [i32],
}

impl Stage<'_> {
    fn run<'b>(&'b self, session: &'b mut ClientSession) -> BoxFuture<'b, Result<(), Error>> {
        self.stage(session).boxed()
    }

    async fn stage(&self, session: &mut ClientSession) -> Result<(), Error> {
        let cells = match self.from {
            StageFrom::Rows(load) => {
                self.rollups.add_up(self.postal_codes, load.map(|load| load.number), session).await?
            }
            StageFrom::Sums(load) => self.with_sums(load, session).await?,
        };
        self.rollups.insert(self.run, None, cells, session).await
    }

    async fn with_sums(&self, load: &Load, session: &mut ClientSession) -> Result<HashMap<i32, Cells>, Error> {
        let Self { rollups, postal_codes, .. } = *self;
        rollups.touch(postal_codes, session).await?;
        // A row of a load that is being undone counts here until the end of that, and a new one may be in its place already.
        if rollups.loads.any_being_undone(session).await? {
            return Ok(HashMap::new());
        }
        let counting = rollups.counting(postal_codes, session).await?;
        let mut cells = HashMap::new();
        for (id, Added { cells: mut sum, since }) in rollups.sums.added(load.number, postal_codes, session).await? {
            if let Some((version, before)) = counting.get(&id) {
                // An edit or another load changed what counts here, and may have done so to the new rows.
                if *version > since {
                    continue;
                }
                sum.add_all(&unpack(before).map_err(failed)?).map_err(|error| failed(corrupt(&error)))?;
            }
            cells.insert(id, sum);
        }
        Ok(cells)
    }
}

/// The transaction that ends a run.
struct End<'a> {
    rollups: &'a Rollups,
    run: &'a str,
    load: Option<(&'a Load, LoadState, &'a Progress)>,
    count: u64,
}

impl End<'_> {
    fn run<'b>(&'b self, session: &'b mut ClientSession) -> BoxFuture<'b, Result<i64, Error>> {
        self.end(session).boxed()
    }

    async fn end(&self, session: &mut ClientSession) -> Result<i64, Error> {
        let Rollups { rollups, lock, loads, counters, .. } = self.rollups;
        let mine = doc! { "_id": LOCK, "run": self.run };
        // Its sessions have nothing else under way, and serve others from now on.
        let free = doc! { "$set": { "run": null, "sessions": [] } };
        if lock.update_one(mine, free).session(&mut *session).await?.matched_count == 0 {
            return Err(Error::custom(RollupEnd::Lost));
        }
        if let Some((load, from, progress)) = self.load
            && !loads.end(load.id, from, progress, session).await?
        {
            return Err(Error::custom(RollupEnd::Lost));
        }
        let version = counters.next(VERSION, session).await?;
        let count = doc! { "$set": { "version": version } };
        let counted = rollups.update_many(doc! { "run": self.run }, count).session(session).await?;
        if counted.matched_count == self.count { Ok(version) } else { Err(Error::custom(RollupEnd::Incomplete)) }
    }
}

/// A look at some postal codes that no edit interferes with.
struct Check<'a> {
    rollups: &'a Rollups,
    postal_codes: &'a [i32],
}

impl Check<'_> {
    fn run<'b>(&'b self, session: &'b mut ClientSession) -> BoxFuture<'b, Result<RoaringBitmap, Error>> {
        self.check(session).boxed()
    }

    async fn check(&self, session: &mut ClientSession) -> Result<RoaringBitmap, Error> {
        let truth = self.rollups.add_up(self.postal_codes, None, session).await?;
        let known = self.rollups.counting(self.postal_codes, session).await?;
        let mut wrong = RoaringBitmap::new();
        for (id, cells) in truth {
            let told = known.get(&id).map(|(_, cells)| unpack(cells).unwrap_or_default()).unwrap_or_default();
            if !told.iter().eq(cells.iter()) {
                wrong.insert(id.cast_unsigned());
            }
        }
        Ok(wrong)
    }
}

/// What a step of an update sets that gives the right to a run for a while.
fn hold(run: &str, lease: Duration) -> Document {
    doc! { "run": run, "until": { "$add": ["$$NOW", lease.as_millis() as i64] } }
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}
