//! Writing a chunk: read, store, report. It starts where the last batch that is in the store ends.

use futures_util::join;
use paystats_core::{
    bus::Work,
    domain::Paystat,
    load::{ChunkProgress, Counts, Load, LoadEntity, Rejection, RejectionCount, TotalChanges},
    store::{
        BatchOutcome, ChunkState, Claim, LoadBatch, LoadChunk, LoadRow, LoadSession, NewRows, REJECTIONS_KEPT,
        RowOutcome, Settled, StoreError,
    },
};
use tracing::debug;

use crate::{
    Loader,
    batches::{Batch, Batches, texts},
    error::WorkError,
    finish,
    rows::{self, PaystatRows, PostalCodeRows, Rows},
};

/// How the work on a chunk ended.
enum Outcome {
    /// What was to be written is there.
    Done,
    /// Its rows have to be checked again, against the postal codes that are left.
    PostalCodesRemoved,
    /// Another worker has it, or the load is taken back.
    Lost,
}

/// Writes a chunk of a load, unless that was done before, puts the one that waits for it on the queue, and ends the load if it was the
/// last one.
pub async fn load_chunk(loader: &Loader, load: Load, index: u32, claim: &mut Claim) -> Result<(), WorkError> {
    let store = &loader.engines.store;
    let mut session = store.start_session().await?;
    loop {
        let Some(chunk) = store.load_chunks.take(load.id, index, claim, &session).await? else {
            return Err(WorkError::Lost);
        };
        if chunk.state.done {
            break;
        }
        let outcome = match load.entity {
            LoadEntity::PostalCodes => {
                let rows = PostalCodeRows::new(&chunk.columns)?;
                write(loader, &load, &chunk, rows, &mut session).await?
            }
            LoadEntity::Paystats => {
                let rows = PaystatRows::new(&chunk.columns, store.postal_codes.all_ids().await?)?;
                write(loader, &load, &chunk, rows, &mut session).await?
            }
        };
        match outcome {
            Outcome::Done => break,
            Outcome::PostalCodesRemoved => {}
            Outcome::Lost => {
                let now = store.loads.by_id(load.id).await?;
                return if now.is_some_and(|load| load.state.is_taken_back()) { Ok(()) } else { Err(WorkError::Lost) };
            }
        }
    }
    if let Some(cut) = load.cut {
        let next = index.saturating_add(cut.chunks_in_flight);
        if store.load_chunks.is_done(load.id, next).await? == Some(false) {
            loader.engines.bus.publish_work(Work::Chunk { load: load.id, index: next }).await?;
        }
    }
    finish::if_done(loader, load.id).await
}

async fn write<R: Rows>(
    loader: &Loader,
    load: &Load,
    chunk: &LoadChunk,
    rows: R,
    session: &mut LoadSession,
) -> Result<Outcome, WorkError> {
    let mut batches = Batches::open(loader, load, chunk, rows).await?;
    let mut writer = Writer::new(loader, load, chunk).await?;
    let mut next = batches.next().await?;
    while let Some(batch) = next {
        // While MongoDB takes one batch, the next one is read.
        let (written, following) = join!(writer.write(&batch, session), batches.next());
        match written? {
            Outcome::Done => next = following?,
            stopped => return Ok(stopped),
        }
    }
    Ok(Outcome::Done)
}

/// A chunk on its way into the store.
struct Writer<'a> {
    loader: &'a Loader,
    load: &'a Load,
    chunk: &'a LoadChunk,
    state: ChunkState,
    /// Whether the rows of the batch before were new.
    likely_new: bool,
    claims_unchanged: bool,
    /// What was added up and is not kept yet, while all rows of the chunk are new.
    new_rows: Option<NewRows>,
}

impl<'a> Writer<'a> {
    async fn new(loader: &'a Loader, load: &'a Load, chunk: &'a LoadChunk) -> Result<Self, StoreError> {
        let state = chunk.state.clone();
        // Asked once: no older load can come to be open from here on.
        let claims_unchanged = !load.dry_run && loader.engines.store.loads.any_older_open(load).await?;
        // What a worker before this one has written and not kept the sums of is lost for that.
        let goes_on = load.entity == LoadEntity::Paystats && !load.dry_run && state.summed_to == Some(state.next_byte);
        let new_rows = if goes_on { Some(loader.engines.store.new_rows().await?) } else { None };
        Ok(Self { loader, load, chunk, state, likely_new: true, claims_unchanged, new_rows })
    }

    /// Writes a batch.
    async fn write<R: Rows>(&mut self, batch: &Batch<R>, session: &mut LoadSession) -> Result<Outcome, WorkError> {
        let store = &self.loader.engines.store;
        let may_reject = !batch.rejections.is_empty() || R::MAY_BE_REFUSED;
        let kept = if may_reject { store.load_chunks.rejected(self.load.id).await?.kept } else { 0 };
        let room = REJECTIONS_KEPT.saturating_sub(kept) as usize;
        let rows = LoadBatch {
            load: self.load,
            chunk: self.chunk,
            from_byte: batch.start.byte,
            rows: &batch.rows,
            likely_new: self.likely_new,
            claims_unchanged: self.claims_unchanged,
        };
        let settle = |outcomes: &[RowOutcome], changes: &TotalChanges| self.settle(batch, outcomes, changes, room);
        let state = match store.write_batch(session, &rows, settle).await? {
            BatchOutcome::Written { state, all_new } => {
                self.likely_new = all_new;
                self.sum(batch, &state);
                state
            }
            BatchOutcome::PostalCodesRemoved => return Ok(Outcome::PostalCodesRemoved),
            BatchOutcome::Lost => return Ok(Outcome::Lost),
        };
        let is_worse = state.counts.rejected > self.state.counts.rejected;
        if !self.load.dry_run {
            self.count(&state);
        }
        self.state = state;
        self.report().await;
        if is_worse {
            self.check_policy(batch).await?;
        }
        Ok(Outcome::Done)
    }

    /// Adds up what a batch has brought, which left the chunk in this state.
    fn sum<R: Rows>(&mut self, batch: &Batch<R>, after: &ChunkState) {
        match (&mut self.new_rows, after.summed_to) {
            (Some(rows), Some(byte)) if byte == after.next_byte => rows.clear(),
            (Some(rows), Some(_)) => rows.add(paystats(&batch.rows)),
            _ => self.new_rows = None,
        }
    }

    /// Counts what a batch has done, which left the chunk in this state.
    fn count(&self, after: &ChunkState) {
        let (before, metrics, entity) = (&self.state, &self.loader.metrics, self.load.entity);
        let rows = Counts {
            inserted: after.counts.inserted - before.counts.inserted,
            updated: after.counts.updated - before.counts.updated,
            unchanged: after.counts.unchanged - before.counts.unchanged,
            rejected: after.counts.rejected - before.counts.rejected,
        };
        metrics.wrote(entity, rows, after.next_byte - before.next_byte);
        metrics.rejected_between(entity, &before.rejections, &after.rejections);
    }

    /// What a batch leaves beside its rows.
    fn settle<R: Rows>(
        &self,
        batch: &Batch<R>,
        outcomes: &[RowOutcome],
        changes: &TotalChanges,
        room: usize,
    ) -> Result<Settled, StoreError> {
        let mut rejections = batch.rejections.clone();
        let mut state = self.state.clone();
        for (place, ((line, row), outcome)) in batch.rows.iter().zip(outcomes).enumerate() {
            let rejection = match outcome {
                RowOutcome::Inserted => {
                    state.counts.inserted += 1;
                    continue;
                }
                RowOutcome::Updated => {
                    state.counts.updated += 1;
                    continue;
                }
                RowOutcome::Unchanged => {
                    state.counts.unchanged += 1;
                    continue;
                }
                RowOutcome::DuplicateId => rows::reject_duplicate_id(*line, &R::id(row)),
                RowOutcome::DuplicateValue => R::reject_duplicate_value(*line, row),
                RowOutcome::GeometryRefused(reason) => {
                    debug!(load.id = %self.load.id, line, reason, "geometry refused by the index");
                    rows::reject_geometry(*line, &R::geometry(row))
                }
            };
            let record = batch.records.get(place);
            rejections.push(rejection.with_fields(record.into_iter().flat_map(texts)));
        }
        rejections.sort_by_key(|rejection| rejection.line);
        for rejection in &rejections {
            state.rejected_lines.insert(rejection.line);
            RejectionCount::add(&mut state.rejections, rejection.code, rejection.column.as_deref(), 1);
        }
        state.counts.rejected += rejections.len() as u64;
        rejections.truncate(room);
        state.rejections_kept += rejections.len() as u64;
        state.changes.merge(changes).map_err(StoreError::failed)?;
        state.next_byte = batch.end.byte;
        state.next_line = batch.end.line;
        state.done = batch.is_last;
        let sums = match &self.new_rows {
            Some(rows) if outcomes.iter().all(|outcome| *outcome == RowOutcome::Inserted) => {
                if batch.is_last || rows.len() + outcomes.len() >= NewRows::MOST {
                    state.summed_to = Some(batch.end.byte);
                    rows.add_up(paystats(&batch.rows))?
                } else {
                    Vec::new()
                }
            }
            _ => {
                state.summed_to = None;
                Vec::new()
            }
        };
        Ok(Settled { rejections, sums, state })
    }

    async fn report(&self) {
        let ChunkState { next_byte, counts, done, .. } = self.state;
        let progress =
            ChunkProgress { chunk: self.chunk.index, bytes_read: next_byte - self.chunk.start, counts, done };
        if done {
            debug!(load.id = %self.load.id, chunk = self.chunk.index, rows = counts.read(), "chunk done");
            self.loader.reports.done(self.load.id, progress).await;
        } else {
            self.loader.reports.advance(self.load.id, progress);
        }
    }

    /// Whether the load bears the rows that were refused in all its chunks.
    async fn check_policy<R: Rows>(&self, batch: &Batch<R>) -> Result<(), WorkError> {
        let policy = self.load.policy;
        if policy.bears_all() {
            return Ok(());
        }
        let rejected = self.loader.engines.store.load_chunks.rejected(self.load.id).await?.all;
        match policy.broken_by(rejected, self.load.plan.map(|plan| plan.rows_total)) {
            None => Ok(()),
            Some(reason) => match batch.rejections.first() {
                Some(Rejection { line, reason: why, .. }) => {
                    Err(WorkError::Refused(format!("{reason}: line {line}, {why}")))
                }
                None => Err(WorkError::Refused(reason)),
            },
        }
    }
}

/// The rows that totals count.
fn paystats<R: LoadRow>(rows: &[(u64, R)]) -> impl Iterator<Item = &Paystat> {
    rows.iter().filter_map(|(_, row)| row.paystat())
}
