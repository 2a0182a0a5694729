//! Reading a chunk: open, parse. Its rows come in batches, from where the last batch ends that is in the store.

use std::collections::HashSet;

use csv_async::ByteRecord;
use paystats_core::{
    datalake::{SourceFormat, SourceReader},
    load::{Load, Rejection},
    store::LoadChunk,
};

use crate::{
    Loader,
    error::WorkError,
    plan,
    records::{Record, Records, Start},
    rows::{self, Rows},
    source,
};

/// Bytes of source that are written together, about; a single record may have more.
const BATCH_BYTES: u64 = 2 << 20;

/// Rows that are written together.
pub struct Batch<R: Rows> {
    /// Where it starts.
    pub start: Start,
    /// Where the next one starts.
    pub end: Start,
    /// Whether there is no next one.
    pub is_last: bool,
    /// Its rows, each with its line.
    pub rows: Vec<(u64, R::Row)>,
    /// Their records, where the store may refuse them.
    pub records: Vec<ByteRecord>,
    /// What is refused already.
    pub rejections: Vec<Rejection>,
}

/// The batches of a chunk that are not in the store, in order.
pub struct Batches<'a, R: Rows> {
    loader: &'a Loader,
    records: Records<SourceReader>,
    parser: Parser<'a, R>,
    /// The batch that the next record may belong to; `None` after the last one.
    begun: Option<Batch<R>>,
}

/// What makes rows of a chunk's records.
struct Parser<'a, R> {
    load: &'a Load,
    chunk: &'a LoadChunk,
    rows: R,
    /// Unique values of the rows of a dry run, which the store does not come to know.
    unique_values: HashSet<String>,
}

impl<'a, R: Rows> Batches<'a, R> {
    /// Opens the source of a chunk, unless it was changed since the load was accepted.
    pub async fn open(loader: &'a Loader, load: &'a Load, chunk: &'a LoadChunk, rows: R) -> Result<Self, WorkError> {
        plan::check_unchanged(loader, load).await?;
        let next = Start { byte: chunk.state.next_byte, line: chunk.state.next_line };
        // What a dry run has seen before a restart is not in the store: it is read again, and only noted.
        let again = load.dry_run && R::MAY_BE_REFUSED;
        let start = if again { Start { byte: chunk.start, line: chunk.start_line } } else { next };
        let text = source::open(loader, load, start.byte, Some(chunk.end)).await?;
        let records = Records::new(SourceFormat::of(&load.source).text, text, start);
        let parser = Parser { load, chunk, rows, unique_values: HashSet::new() };
        Ok(Self { loader, records, parser, begun: Some(Batch::at(next)) })
    }

    /// The next batch; `None` after the last one, which there always is. That one comes after a second look at whether the source was changed.
    pub async fn next(&mut self) -> Result<Option<Batch<R>>, WorkError> {
        let Some(mut batch) = self.begun.take() else { return Ok(None) };
        while let Some(record) = self.records.next().await? {
            let at = record.start;
            if !self.parser.is_wanted(at.line) {
                continue;
            }
            if at.byte < batch.start.byte {
                self.parser.note(&record);
                continue;
            }
            if batch.is_full_before(at) {
                let mut next = Batch::at(at);
                next.take(&record, self.parser.parse(&record));
                self.begun = Some(next);
                return Ok(Some(Batch { end: at, ..batch }));
            }
            batch.take(&record, self.parser.parse(&record));
        }
        let Parser { load, chunk, .. } = self.parser;
        if self.records.bytes_seen() != chunk.end {
            return Err(WorkError::Refused("the source was cut short while it was read".to_owned()));
        }
        plan::check_unchanged(self.loader, load).await?;
        // No record follows: its line does not matter.
        let end = Start { byte: chunk.end, line: batch.start.line };
        Ok(Some(Batch { end, is_last: true, ..batch }))
    }
}

impl<R: Rows> Parser<'_, R> {
    fn is_wanted(&self, line: u64) -> bool {
        self.chunk.only_lines.as_ref().is_none_or(|lines| lines.contains(line))
    }

    fn parse(&mut self, Record { start, fields }: &Record<'_>) -> Result<R::Row, Rejection> {
        let row = self.rows.parse(fields, start.line)?;
        if self.chunk.duplicate_lines.contains(start.line) {
            return Err(rows::reject_duplicate_id(start.line, &R::id(&row)));
        }
        let is_new = |value| !self.load.dry_run || self.unique_values.insert(value);
        if R::unique_value(&row).is_none_or(is_new) {
            Ok(row)
        } else {
            Err(R::reject_duplicate_value(start.line, &row))
        }
    }

    /// Takes note of a record whose row was parsed and settled before.
    fn note(&mut self, Record { start, fields }: &Record<'_>) {
        if let Ok(row) = self.rows.parse(fields, start.line) {
            self.unique_values.extend(R::unique_value(&row));
        }
    }
}

impl<R: Rows> Batch<R> {
    fn at(start: Start) -> Self {
        let (rows, records, rejections) = (Vec::new(), Vec::new(), Vec::new());
        Self { start, end: start, is_last: false, rows, records, rejections }
    }

    fn take(&mut self, Record { start, fields }: &Record<'_>, parsed: Result<R::Row, Rejection>) {
        match parsed {
            Ok(row) => {
                self.rows.push((start.line, row));
                if R::MAY_BE_REFUSED {
                    self.records.push((*fields).clone());
                }
            }
            Err(rejection) => self.rejections.push(rejection.with_fields(texts(fields))),
        }
    }

    fn is_full_before(&self, next: Start) -> bool {
        self.rows.len() + self.rejections.len() >= R::BATCH_ROWS || next.byte - self.start.byte >= BATCH_BYTES
    }
}

/// The fields of a record, whose text is known to be UTF-8.
pub fn texts(record: &ByteRecord) -> impl Iterator<Item = &str> {
    record.iter().map(|field| str::from_utf8(field).unwrap_or_default())
}
