//! Writing a batch of a load's rows, exactly once.
//!
//! One transaction holds all that a batch leaves behind: its rows, the undo log of what they replaced, its refused rows, and the place
//! in the chunk where the next batch starts. A worker that dies leaves all of it or nothing; one that was taken for dead finds the
//! chunk elsewhere when it wakes up, and can write no more.
//!
//! New rows are inserted, changed ones replaced unless a newer load or a later edit wrote them, equal ones left alone. Rows that are
//! likely to be new are inserted without a look at what is there: the unique index tells where that was wrong. Those that nothing else
//! can be wrong with come even before the transaction, unless the first one is there: see `announced`.

use std::collections::{BTreeSet, HashMap};

use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{
    ClientSession, Collection,
    bson::{Bson, doc},
    error::Error,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    BATCH_SIZE, ChunkState, LoadChunk, LoadSession, LoadSum, Provenance, Store, StoreError,
    announced::Announcement,
    error::is_ended,
    load_chunks,
    raw_fields::Fields,
    undo_log::{Replaced, UndoLog},
    write_commands::{COMMAND_ROWS, insert_all, replace_all},
};
use crate::{
    domain::{Amount, Month, Paystat, PostalCodeId},
    load::{Load, Rejection, TotalChanges},
};

/// A row that loads write.
pub trait LoadRow: Send + Sync {
    /// Its document in the store.
    type Document: LoadedDocument;

    /// The document of the row, written by a load.
    fn document(&self, written: Provenance) -> Result<Self::Document, StoreError>;

    /// The row as what totals count; `None` for what no total counts.
    fn paystat(&self) -> Option<&Paystat>;
}

/// A document that loads write.
pub trait LoadedDocument: Clone + Serialize + DeserializeOwned + Send + Sync + Unpin {
    /// Its collection.
    const COLLECTION: &'static str;
    /// The collection of what loads replaced in it.
    const UNDO_COLLECTION: &'static str;
    /// Whether MongoDB may refuse it for something else than its id: another unique value, or a geometry.
    const MAY_BE_REFUSED: bool;

    /// Its `_id`.
    fn id(&self) -> i64;
    /// Who wrote it last.
    fn written(&self) -> Provenance;
    /// Whether both say the same, whoever wrote them.
    fn same_content(&self, other: &Self) -> bool;
    /// Which totals count it: of a postal code and a month, with an amount. `None` for what no total counts.
    fn counted(&self) -> Result<Option<(PostalCodeId, Month, Amount)>, StoreError>;
    /// Writes its fields, as serde does.
    fn write_to(&self, fields: &mut Fields<'_>) -> Result<(), Error> {
        fields.of(self)
    }
}

/// Rows of a chunk that are written together.
#[derive(Clone, Copy, Debug)]
pub struct LoadBatch<'a, R> {
    /// The load.
    pub load: &'a Load,
    /// The chunk, as it was taken.
    pub chunk: &'a LoadChunk,
    /// Where the batch starts: the chunk must stand here.
    pub from_byte: u64,
    /// The rows, each with its line.
    pub rows: &'a [(u64, R)],
    /// Whether the rows before them were new.
    pub likely_new: bool,
    /// Whether rows that the store has already become this load's all the same: an older load is under way, which must neither
    /// replace them nor take them away.
    pub claims_unchanged: bool,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// It is new.
    Inserted,
    /// It replaced an older version.
    Updated,
    /// The store has the same row, or one from a newer load or a later edit.
    Unchanged,
    /// The same load wrote this id from another line.
    DuplicateId,
    /// Another document has the same unique value.
    DuplicateValue,
    /// MongoDB's index does not take its geometry.
    GeometryRefused(String),
}

/// What a batch leaves beside its rows, told by who parsed them.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Refused rows to keep.
    pub rejections: Vec<Rejection>,
    /// What the chunk's new rows add up to, where the batch completes that.
    pub sums: Vec<LoadSum>,
    /// How far the chunk is with this batch.
    pub state: ChunkState,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchOutcome {
    /// All of it is there.
    Written {
        /// How far the chunk is.
        state: ChunkState,
        /// Whether every row was new.
        all_new: bool,
    },
    /// Nothing of it is there, and must not be: another worker has the chunk, or the load is taken back.
    Lost,
    /// Nothing of it is there: postal codes were removed since the chunk was taken, so its rows have to be checked again.
    PostalCodesRemoved,
}

/// What became of rows that were to be inserted before their transaction.
enum Ahead {
    /// They are there.
    There(Announcement),
    /// They are none to be inserted so.
    No,
    /// They are not all new.
    NotAllNew,
    /// The chunk is not where the batch starts.
    Moved,
}

/// Why a transaction was left without a commit.
#[derive(Clone, Debug)]
enum Stop {
    /// Rows that were thought to be new are not all new.
    NotAllNew,
    /// MongoDB refuses a row.
    Refused(usize, RowOutcome),
    /// What a dry run wanted to know, of rows that had to be tried.
    Tried(Vec<RowOutcome>, TotalChanges),
    /// The chunk is not where this batch starts.
    Moved,
    /// Rows that were inserted ahead are not there.
    NotThere,
    /// Something that no retry mends, in words.
    Failed(String),
}

impl Store {
    /// Writes a batch. `settle` is told what became of each row and what they change in the total, perhaps more than once, and says
    /// what else the batch leaves behind.
    pub async fn write_batch<R: LoadRow>(
        &self,
        session: &mut LoadSession,
        batch: &LoadBatch<'_, R>,
        settle: impl Fn(&[RowOutcome], &TotalChanges) -> Result<Settled, StoreError> + Send + Sync,
    ) -> Result<BatchOutcome, StoreError> {
        let rows = batch
            .rows
            .iter()
            .map(|(line, row)| row.document(Provenance::of_line(batch.load.number, *line)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut transaction = Transaction {
            store: self,
            collection: self.database.collection(R::Document::COLLECTION),
            undo: UndoLog::new(&self.database),
            batch,
            refused: vec![None; rows.len()],
            rows,
            likely_new: batch.likely_new,
            ahead: None,
            tried: None,
            settle,
        };
        match self.insert_ahead(session, batch, &transaction.rows).await? {
            Ahead::There(announcement) => transaction.ahead = Some(announcement),
            Ahead::No => {}
            Ahead::NotAllNew => transaction.likely_new = false,
            Ahead::Moved => return self.moved(batch).await,
        }
        loop {
            let run =
                session.0.start_transaction().and_run(&transaction, |session, transaction| transaction.run(session));
            let error = match run.await {
                Ok((state, all_new)) => return Ok(BatchOutcome::Written { state, all_new }),
                Err(error) => error,
            };
            match error.get_custom::<Stop>() {
                Some(Stop::NotAllNew) => transaction.likely_new = false,
                Some(Stop::Refused(row, outcome)) => transaction.refused[*row] = Some(outcome.clone()),
                Some(Stop::Tried(outcomes, changes)) => transaction.tried = Some((outcomes.clone(), changes.clone())),
                Some(Stop::Moved) => {
                    if let Some(announcement) = &transaction.ahead {
                        self.withdraw(batch, announcement, session).await?;
                    }
                    return self.moved(batch).await;
                }
                Some(Stop::NotThere) => {
                    if let Some(announcement) = transaction.ahead.take() {
                        self.withdraw(batch, &announcement, session).await?;
                    }
                }
                Some(Stop::Failed(reason)) => return Err(StoreError::Failed(Error::custom(reason.clone()))),
                // By somebody who could not wait for it: it begins again, and finds its rows gone.
                None if is_ended(&error) => {}
                None if self.announced.waited_for(&error).await? => {}
                None => return Err(error.into()),
            }
        }
    }

    /// Inserts rows that are likely to be new before their transaction, which costs MongoDB less: see `announced`.
    async fn insert_ahead<R: LoadRow>(
        &self,
        session: &mut LoadSession,
        batch: &LoadBatch<'_, R>,
        rows: &[R::Document],
    ) -> Result<Ahead, StoreError> {
        let LoadBatch { load, chunk, from_byte, .. } = *batch;
        let may_be = batch.likely_new && !load.dry_run && !R::Document::MAY_BE_REFUSED;
        let Some(first) = rows.first().filter(|_| may_be) else { return Ok(Ahead::No) };
        // Where it is there already, as in a load of the same file, so are most of the others.
        if self.announced.is_there(first.id()).await? {
            return Ok(Ahead::NotAllNew);
        }
        let announcement = Announcement::of(load.number, rows, &session.0)?;
        if !self.load_chunks.announce(load.id, chunk, from_byte, &announcement).await? {
            return Ok(Ahead::Moved);
        }
        if self.announced.insert(&announcement, rows, &mut session.0).await? {
            return Ok(Ahead::There(announcement));
        }
        self.withdraw(batch, &announcement, session).await?;
        Ok(Ahead::NotAllNew)
    }

    async fn withdraw<R>(
        &self,
        batch: &LoadBatch<'_, R>,
        announcement: &Announcement,
        session: &mut LoadSession,
    ) -> Result<(), StoreError> {
        let chunk = load_chunks::id(batch.load.id, batch.chunk.index);
        self.announced.withdraw(&chunk, announcement, &mut session.0).await
    }

    /// Why a chunk is not where a batch starts.
    async fn moved<R>(&self, batch: &LoadBatch<'_, R>) -> Result<BatchOutcome, StoreError> {
        let removed = self.load_chunks.postal_codes_removed(batch.load.id, batch.chunk.index, batch.from_byte).await?;
        Ok(match removed {
            Some(removed) if removed != batch.chunk.postal_codes_removed => BatchOutcome::PostalCodesRemoved,
            _ => BatchOutcome::Lost,
        })
    }
}

/// One batch on its way into the store.
struct Transaction<'a, R: LoadRow, S> {
    store: &'a Store,
    collection: Collection<R::Document>,
    undo: UndoLog<R::Document>,
    batch: &'a LoadBatch<'a, R>,
    /// The documents of the batch's rows.
    rows: Vec<R::Document>,
    likely_new: bool,
    /// Where all rows are new and were inserted before.
    ahead: Option<Announcement>,
    /// Rows that MongoDB refused in an earlier run, which they spoiled.
    refused: Vec<Option<RowOutcome>>,
    /// What an earlier run of a dry run found.
    tried: Option<(Vec<RowOutcome>, TotalChanges)>,
    settle: S,
}

impl<R, S> Transaction<'_, R, S>
where
    R: LoadRow,
    S: Fn(&[RowOutcome], &TotalChanges) -> Result<Settled, StoreError> + Send + Sync,
{
    fn run<'b>(&'b self, session: &'b mut ClientSession) -> BoxFuture<'b, Result<(ChunkState, bool), Error>> {
        self.write(session).boxed()
    }

    async fn write(&self, session: &mut ClientSession) -> Result<(ChunkState, bool), Error> {
        let (outcomes, changes) = match self.tried.clone() {
            Some(tried) => tried,
            None => self.write_rows(session).await?,
        };
        let settled = (self.settle)(&outcomes, &changes).map_err(failed)?;
        let LoadBatch { load, chunk, from_byte, .. } = *self.batch;
        self.store.rejections.insert(load.id, &settled.rejections, session).await?;
        self.store.load_sums.insert(load.number, &settled.sums, session).await?;
        // Last, so that workers that take a chunk, and those who revoke it, wait as shortly as can be.
        let chunks = &self.store.load_chunks;
        if !chunks.advance(load.id, chunk, from_byte, self.ahead.as_ref(), &settled.state, session).await? {
            return Err(Error::custom(Stop::Moved));
        }
        let all_new = outcomes.iter().all(|outcome| *outcome == RowOutcome::Inserted);
        Ok((settled.state, all_new))
    }

    async fn write_rows(&self, session: &mut ClientSession) -> Result<(Vec<RowOutcome>, TotalChanges), Error> {
        let dry_run = self.batch.load.dry_run;
        let mut existing = HashMap::new();
        if !self.likely_new || dry_run {
            let ids: Vec<i64> = self.rows.iter().map(LoadedDocument::id).collect();
            existing = find_existing(&self.collection, &ids, session).await?;
            let of_others = existing.values().filter(|row| row.written().load != self.batch.load.number);
            let of_others = of_others.filter(|row| row.written().line.is_some()).map(LoadedDocument::id);
            self.store.announced.check(of_others, session).await?;
        }
        let (mut inserts, mut updates, mut shadowed) = (Vec::new(), Vec::new(), Vec::new());
        let mut outcomes = Vec::with_capacity(self.rows.len());
        for (place, row) in self.rows.iter().enumerate() {
            outcomes.push(match (&self.refused[place], existing.get(&row.id())) {
                (Some(refused), _) => refused.clone(),
                (None, None) => {
                    inserts.push(place);
                    RowOutcome::Inserted
                }
                (None, Some(known)) => {
                    let outcome = judge(row, known);
                    let is_claimed = outcome == RowOutcome::Unchanged
                        && self.batch.claims_unchanged
                        && known.written().load < row.written().load;
                    if outcome == RowOutcome::Updated || is_claimed {
                        updates.push(place);
                    } else if known.written().is_of_newer_load_than(row.written()) {
                        shadowed.push(row);
                    }
                    outcome
                }
            });
        }
        let changes = self.changes(&inserts, &updates, &shadowed, &existing).map_err(failed)?;
        if let Some(announcement) = &self.ahead {
            if !self.store.announced.confirm(announcement, &self.rows, session).await? {
                return Err(Error::custom(Stop::NotThere));
            }
        } else if !dry_run || R::Document::MAY_BE_REFUSED {
            self.insert(&inserts, session).await?;
            self.replace(&updates, session).await?;
        }
        if dry_run {
            // Rows that had to be tried go again with the transaction; what was found stays.
            return if R::Document::MAY_BE_REFUSED {
                Err(Error::custom(Stop::Tried(outcomes, changes)))
            } else {
                Ok((outcomes, changes))
            };
        }
        if !shadowed.is_empty() {
            touch(&self.collection, shadowed.iter().map(|row| row.id()).collect(), session).await?;
        }
        let replaced = Replaced {
            inserted: match &self.ahead {
                Some(announcement) => announcement.ids().map_err(failed)?,
                None => inserts.iter().map(|&place| self.rows[place].id() as u64).collect(),
            },
            elsewhere: self.elsewhere(&updates, &shadowed, &existing).map_err(failed)?,
            replaced: updates.iter().filter_map(|&place| existing.remove(&self.rows[place].id())).collect(),
            shadowed: shadowed.into_iter().cloned().collect(),
        };
        let LoadBatch { load, chunk, from_byte, .. } = *self.batch;
        self.undo.write(load, chunk.index, from_byte, replaced, session).await?;
        Ok((outcomes, changes))
    }

    fn changes(
        &self,
        inserts: &[usize],
        updates: &[usize],
        shadowed: &[&R::Document],
        existing: &HashMap<i64, R::Document>,
    ) -> Result<TotalChanges, StoreError> {
        let mut changes = TotalChanges::default();
        for row in shadowed {
            // It counts from this load's success on, until the newer load has succeeded too.
            if let Some((postal_code, ..)) = row.counted()? {
                changes.touch(postal_code);
            }
        }
        let out_of_range = |error| StoreError::Failed(Error::custom(error));
        for &place in inserts.iter().chain(updates) {
            if let Some(row) = self.batch.rows[place].1.paystat() {
                changes.add(row.postal_code_id, row.month, row.amount).map_err(out_of_range)?;
            }
            if let Some(known) = existing.get(&self.rows[place].id())
                && let Some((postal_code, month, amount)) = known.counted()?
            {
                changes.remove(postal_code, month, amount).map_err(out_of_range)?;
            }
        }
        Ok(changes)
    }

    /// Postal codes that rows leave for another one, and those of rows that a newer load's version stands in the place of.
    fn elsewhere(
        &self,
        updates: &[usize],
        shadowed: &[&R::Document],
        existing: &HashMap<i64, R::Document>,
    ) -> Result<BTreeSet<i32>, StoreError> {
        let postal_code =
            |row: &R::Document| Ok::<_, StoreError>(row.counted()?.map(|(postal_code, ..)| postal_code.get()));
        let mut elsewhere = BTreeSet::new();
        for row in shadowed {
            elsewhere.extend(postal_code(row)?);
        }
        for row in updates.iter().map(|&place| &self.rows[place]) {
            if let Some(known) = existing.get(&row.id())
                && let before = postal_code(known)?
                && before != postal_code(row)?
            {
                elsewhere.extend(before);
            }
        }
        Ok(elsewhere)
    }

    async fn insert(&self, inserts: &[usize], session: &mut ClientSession) -> Result<(), Error> {
        let documents: Vec<&R::Document> = inserts.iter().map(|&place| &self.rows[place]).collect();
        match insert_all(&self.collection, &documents, session).await? {
            None => Ok(()),
            Some((_, RowOutcome::DuplicateValue)) if self.likely_new => Err(Error::custom(Stop::NotAllNew)),
            Some((index, outcome)) => Err(Error::custom(Stop::Refused(inserts[index], outcome))),
        }
    }

    async fn replace(&self, updates: &[usize], session: &mut ClientSession) -> Result<(), Error> {
        let documents: Vec<&R::Document> = updates.iter().map(|&place| &self.rows[place]).collect();
        match replace_all(&self.collection, &documents, session).await? {
            None => Ok(()),
            Some((index, outcome)) => Err(Error::custom(Stop::Refused(updates[index], outcome))),
        }
    }
}

/// What becomes of a row whose id is known.
fn judge<D: LoadedDocument>(row: &D, known: &D) -> RowOutcome {
    let (mine, theirs) = (row.written(), known.written());
    if theirs.load == mine.load && theirs.line.is_some() {
        RowOutcome::DuplicateId
    } else if theirs.load >= mine.load || row.same_content(known) {
        RowOutcome::Unchanged
    } else {
        RowOutcome::Updated
    }
}

async fn find_existing<D: LoadedDocument>(
    collection: &Collection<D>,
    ids: &[i64],
    session: &mut ClientSession,
) -> Result<HashMap<i64, D>, Error> {
    let mut existing = HashMap::new();
    for ids in ids.chunks(COMMAND_ROWS) {
        let found = collection.find(doc! { "_id": { "$in": ids } }).batch_size(BATCH_SIZE);
        let mut found = found.session(&mut *session).await?;
        while let Some(document) = found.next(&mut *session).await.transpose()? {
            existing.insert(document.id(), document);
        }
    }
    Ok(existing)
}

/// Writes to documents without a change that anybody sees. Two transactions that read a document, and decide by that what to write
/// elsewhere, then cannot both succeed.
pub(super) async fn touch<D: LoadedDocument>(
    collection: &Collection<D>,
    ids: Vec<i64>,
    session: &mut ClientSession,
) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<Bson> = ids.into_iter().map(Bson::Int64).collect();
    let touch = doc! { "$inc": { "written.touched": 1_i64 } };
    collection.update_many(doc! { "_id": { "$in": ids } }, touch).session(session).await?;
    Ok(())
}

/// Carries an error of ours out of a transaction.
pub(super) fn failed(error: StoreError) -> Error {
    Error::custom(Stop::Failed(error.to_string()))
}
