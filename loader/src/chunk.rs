//! Writing a chunk: open, parse, store, report.

use std::ops::RangeInclusive;

use paystats_core::{
    load::{Counts, Load, LoadEntity, Rejection},
    store::{LoadChunk, RowOutcome, Store, StoreError},
};
use tracing::{debug, warn};

use crate::{
    Loader,
    error::WorkError,
    finish, plan,
    records::{Records, Start},
    report::Reporter,
    rows::{self, PaystatRows, PostalCodeRows, Rows},
};

/// Rows that are written together, at most.
const BATCH_ROWS: usize = 4_000;
/// Bytes of source that are written together, about; a single record may have more.
const BATCH_BYTES: u64 = 2 << 20;

/// Writes a chunk of a load, unless that was done before, and ends the load if it was the last one.
pub async fn load_chunk(loader: &Loader, load: Load, index: u32) -> Result<(), WorkError> {
    let store = &loader.engines.store;
    let Some(chunk) = store.load_chunks.get(load.id, index).await? else {
        warn!(load.id = %load.id, chunk = index, "no such chunk");
        return Ok(());
    };
    if chunk.counts.is_none() {
        let counts = match load.entity {
            LoadEntity::PostalCodes => write_chunk(loader, &load, &chunk, PostalCodeRows::new(&chunk.columns)?).await?,
            LoadEntity::Paystats => {
                let postal_codes = store.postal_codes.all_ids().await?;
                write_chunk(loader, &load, &chunk, PaystatRows::new(&chunk.columns, postal_codes)?).await?
            }
        };
        store.load_chunks.finish(load.id, index, counts).await?;
        debug!(load.id = %load.id, chunk = index, rows = counts.read(), "chunk done");
    }
    finish::if_done(&loader.engines, &load).await
}

async fn write_chunk<R: Rows>(loader: &Loader, load: &Load, chunk: &LoadChunk, parser: R) -> Result<Counts, WorkError> {
    plan::check_unchanged(loader, load).await?;
    let source = loader.datalake.open(&load.source, chunk.start, chunk.end).await?;
    let mut records = Records::new(source, Start { byte: chunk.start, line: chunk.first_line });
    let mut batch = Batch::<R>::new(&loader.engines.store, load);
    let mut reporter = Reporter::new(&loader.engines.bus, load.id, chunk.index);
    let mut counts = Counts::default();
    let mut batch_start = chunk.start;

    while let Some(record) = records.next().await? {
        let (start, fields) = (record.start, record.fields);
        if batch.len() >= BATCH_ROWS || start.byte - batch_start >= BATCH_BYTES {
            counts += batch.write().await?;
            batch_start = start.byte;
            reporter.advance(start.byte - chunk.start, counts).await;
        }
        match parser.parse(fields, start.line) {
            Ok(row) if chunk.duplicate_lines.contains(start.line) => {
                batch.rejections.push(rows::reject_duplicate_id(start.line, &R::id(&row)));
            }
            Ok(row) => batch.rows.push((start.line, row)),
            Err(rejection) => batch.rejections.push(rejection),
        }
    }
    if records.bytes_seen() != chunk.end {
        return Err(WorkError::Refused("the source was cut short while it was read".to_owned()));
    }
    counts += batch.write().await?;
    plan::check_unchanged(loader, load).await?;
    reporter.done(chunk.end - chunk.start, counts).await;
    Ok(counts)
}

/// Rows that are written together.
struct Batch<'a, R: Rows> {
    store: &'a Store,
    load: &'a Load,
    rows: Vec<(u64, R::Row)>,
    rejections: Vec<Rejection>,
    /// Whether the rows of the batch before were new.
    likely_new: bool,
}

impl<'a, R: Rows> Batch<'a, R> {
    fn new(store: &'a Store, load: &'a Load) -> Self {
        Self { store, load, rows: Vec::new(), rejections: Vec::new(), likely_new: true }
    }

    fn len(&self) -> usize {
        self.rows.len() + self.rejections.len()
    }

    /// The lines of its records.
    fn lines(&self) -> Option<RangeInclusive<u64>> {
        let lines = || self.rows.iter().map(|(line, _)| *line).chain(self.rejections.iter().map(|bad| bad.line));
        Some(lines().min()?..=lines().max()?)
    }

    /// Writes rows and rejections and empties the batch. Where it fails in the middle, all of it can be written again.
    async fn write(&mut self) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        let Some(lines) = self.lines() else { return Ok(counts) };
        if !self.rows.is_empty() {
            let outcomes = R::write(self.store, self.load.number, &self.rows, self.likely_new).await?;
            self.likely_new = outcomes.iter().all(|outcome| *outcome == RowOutcome::Inserted);
            for ((line, row), outcome) in self.rows.iter().zip(outcomes) {
                match outcome {
                    RowOutcome::Inserted => counts.inserted += 1,
                    RowOutcome::Updated => counts.updated += 1,
                    RowOutcome::Unchanged => counts.unchanged += 1,
                    RowOutcome::DuplicateId => self.rejections.push(rows::reject_duplicate_id(*line, &R::id(row))),
                    RowOutcome::DuplicateValue => self.rejections.push(R::reject_duplicate_value(*line, row)),
                    RowOutcome::GeometryRefused(reason) => {
                        debug!(load.id = %self.load.id, line, reason, "geometry refused by the index");
                        self.rejections.push(rows::reject_geometry(*line, &R::geometry(row)));
                    }
                }
            }
        }
        counts.rejected = self.rejections.len() as u64;
        self.store.rejections.write(self.load.id, lines, &self.rejections).await?;
        self.rows.clear();
        self.rejections.clear();
        Ok(counts)
    }
}
