//! Writing a chunk: open, parse, store, report. It starts where the last batch that is in the store ends.

use std::collections::HashSet;

use csv_async::ByteRecord;
use paystats_core::{
    bus::Work,
    datalake::SourceFormat,
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
    error::WorkError,
    finish, plan,
    records::{Records, Start},
    rows::{self, PaystatRows, PostalCodeRows, Rows},
    source,
};

/// Bytes of source that are written together, about; a single record may have more.
const BATCH_BYTES: u64 = 2 << 20;

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
                Writer::new(loader, &load, &chunk, rows).await?.write(&mut session).await?
            }
            LoadEntity::Paystats => {
                let rows = PaystatRows::new(&chunk.columns, store.postal_codes.all_ids().await?)?;
                Writer::new(loader, &load, &chunk, rows).await?.write(&mut session).await?
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

/// A chunk on its way into the store.
struct Writer<'a, R: Rows> {
    loader: &'a Loader,
    load: &'a Load,
    chunk: &'a LoadChunk,
    parser: R,
    state: ChunkState,
    batch: Batch<R>,
    /// Whether the rows of the batch before were new.
    likely_new: bool,
    claims_unchanged: bool,
    /// What was added up and is not kept yet, while all rows of the chunk are new.
    new_rows: Option<NewRows>,
    /// Unique values of the rows of a dry run, which the store does not come to know.
    unique_values: HashSet<String>,
}

/// Rows that are written together.
struct Batch<R: Rows> {
    rows: Vec<(u64, R::Row)>,
    /// Their records, where the store may refuse them.
    records: Vec<ByteRecord>,
    rejections: Vec<Rejection>,
}

impl<'a, R: Rows> Writer<'a, R> {
    async fn new(loader: &'a Loader, load: &'a Load, chunk: &'a LoadChunk, parser: R) -> Result<Self, StoreError> {
        let batch = Batch { rows: Vec::new(), records: Vec::new(), rejections: Vec::new() };
        let state = chunk.state.clone();
        // Asked once: no older load can come to be open from here on.
        let claims_unchanged = !load.dry_run && loader.engines.store.loads.any_older_open(load).await?;
        // What a worker before this one has written and not kept the sums of is lost for that.
        let goes_on = load.entity == LoadEntity::Paystats && !load.dry_run && state.summed_to == Some(state.next_byte);
        let new_rows = if goes_on { Some(loader.engines.store.new_rows().await?) } else { None };
        let unique_values = HashSet::new();
        Ok(Self {
            loader,
            load,
            chunk,
            parser,
            state,
            batch,
            likely_new: true,
            claims_unchanged,
            new_rows,
            unique_values,
        })
    }

    async fn write(mut self, session: &mut LoadSession) -> Result<Outcome, WorkError> {
        plan::check_unchanged(self.loader, self.load).await?;
        // What a dry run has seen before a restart is not in the store: it is read again, and only noted.
        let again = self.load.dry_run && R::MAY_BE_REFUSED;
        let next = Start { byte: self.state.next_byte, line: self.state.next_line };
        let start = if again { Start { byte: self.chunk.start, line: self.chunk.start_line } } else { next };
        let text = source::open(self.loader, self.load, start.byte, Some(self.chunk.end)).await?;
        let mut records = Records::new(SourceFormat::of(&self.load.source).text, text, start);
        while let Some(record) = records.next().await? {
            let at = record.start;
            if self.chunk.only_lines.as_ref().is_some_and(|lines| !lines.contains(at.line)) {
                continue;
            }
            if at.byte < next.byte {
                if let Ok(row) = self.parser.parse(record.fields, at.line) {
                    self.unique_values.extend(R::unique_value(&row));
                }
                continue;
            }
            if self.batch.len() >= R::BATCH_ROWS || at.byte - self.state.next_byte >= BATCH_BYTES {
                match self.write_batch(session, at, false).await? {
                    Outcome::Done => {}
                    stopped => return Ok(stopped),
                }
            }
            self.take(record.fields, at.line);
        }
        if records.bytes_seen() != self.chunk.end {
            return Err(WorkError::Refused("the source was cut short while it was read".to_owned()));
        }
        plan::check_unchanged(self.loader, self.load).await?;
        // No record follows: its line does not matter.
        let end = Start { byte: self.chunk.end, line: self.state.next_line };
        self.write_batch(session, end, true).await
    }

    /// Puts a record into the batch.
    fn take(&mut self, record: &ByteRecord, line: u64) {
        let parsed = self.parser.parse(record, line).and_then(|row| {
            if self.chunk.duplicate_lines.contains(line) {
                return Err(rows::reject_duplicate_id(line, &R::id(&row)));
            }
            let is_new = |value| !self.load.dry_run || self.unique_values.insert(value);
            if R::unique_value(&row).is_none_or(is_new) { Ok(row) } else { Err(R::reject_duplicate_value(line, &row)) }
        });
        match parsed {
            Ok(row) => {
                self.batch.rows.push((line, row));
                if R::MAY_BE_REFUSED {
                    self.batch.records.push(record.clone());
                }
            }
            Err(rejection) => self.batch.rejections.push(rejection.with_fields(texts(record))),
        }
    }

    /// Writes the batch, which ends at `next`, and empties it.
    async fn write_batch(&mut self, session: &mut LoadSession, next: Start, done: bool) -> Result<Outcome, WorkError> {
        let store = &self.loader.engines.store;
        let may_reject = !self.batch.rejections.is_empty() || R::MAY_BE_REFUSED;
        let kept = if may_reject { store.load_chunks.rejected(self.load.id).await?.kept } else { 0 };
        let room = REJECTIONS_KEPT.saturating_sub(kept) as usize;
        let batch = LoadBatch {
            load: self.load,
            chunk: self.chunk,
            from_byte: self.state.next_byte,
            rows: &self.batch.rows,
            likely_new: self.likely_new,
            claims_unchanged: self.claims_unchanged,
        };
        let settle = |outcomes: &[RowOutcome], changes: &TotalChanges| self.settle(outcomes, changes, next, done, room);
        let state = match store.write_batch(session, &batch, settle).await? {
            BatchOutcome::Written { state, all_new } => {
                self.likely_new = all_new;
                self.sum(&state);
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
            self.check_policy().await?;
        }
        self.batch.clear();
        Ok(Outcome::Done)
    }

    /// Adds up what a batch has brought, which left the chunk in this state.
    fn sum(&mut self, after: &ChunkState) {
        match (&mut self.new_rows, after.summed_to) {
            (Some(rows), Some(byte)) if byte == after.next_byte => rows.clear(),
            (Some(rows), Some(_)) => rows.add(paystats(&self.batch.rows)),
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

    /// What the batch leaves beside its rows.
    fn settle(
        &self,
        outcomes: &[RowOutcome],
        changes: &TotalChanges,
        next: Start,
        done: bool,
        room: usize,
    ) -> Result<Settled, StoreError> {
        let mut rejections = self.batch.rejections.clone();
        let mut state = self.state.clone();
        for (place, ((line, row), outcome)) in self.batch.rows.iter().zip(outcomes).enumerate() {
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
            let record = self.batch.records.get(place);
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
        state.next_byte = next.byte;
        state.next_line = next.line;
        state.done = done;
        let sums = match &self.new_rows {
            Some(rows) if outcomes.iter().all(|outcome| *outcome == RowOutcome::Inserted) => {
                if done || rows.len() + outcomes.len() >= NewRows::MOST {
                    state.summed_to = Some(next.byte);
                    rows.add_up(paystats(&self.batch.rows))?
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
    async fn check_policy(&self) -> Result<(), WorkError> {
        let policy = self.load.policy;
        if policy.bears_all() {
            return Ok(());
        }
        let rejected = self.loader.engines.store.load_chunks.rejected(self.load.id).await?.all;
        match policy.broken_by(rejected, self.load.plan.map(|plan| plan.rows_total)) {
            None => Ok(()),
            Some(reason) => match self.batch.rejections.first() {
                Some(Rejection { line, reason: why, .. }) => {
                    Err(WorkError::Refused(format!("{reason}: line {line}, {why}")))
                }
                None => Err(WorkError::Refused(reason)),
            },
        }
    }
}

impl<R: Rows> Batch<R> {
    fn len(&self) -> usize {
        self.rows.len() + self.rejections.len()
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.records.clear();
        self.rejections.clear();
    }
}

/// The rows that totals count.
fn paystats<R: LoadRow>(rows: &[(u64, R)]) -> impl Iterator<Item = &Paystat> {
    rows.iter().filter_map(|(_, row)| row.paystat())
}

/// The fields of a record, whose text is known to be UTF-8.
fn texts(record: &ByteRecord) -> impl Iterator<Item = &str> {
    record.iter().map(|field| str::from_utf8(field).unwrap_or_default())
}
