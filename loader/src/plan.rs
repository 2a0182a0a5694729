//! Planning a load: the source is read once, in constant memory but for a bitmap of its ids, and cut into chunks between records.
//! Chunks are written while the rest is still being planned: which of their ids stand on earlier lines is known by then. What cannot
//! be loaded at all (no text, no header, a column missing) ends the load; what was written by then is taken back.

use std::collections::BTreeSet;

use paystats_core::{
    bus::Work,
    datalake::SourceFormat,
    load::{Cut, Load, LoadEntity, LoadEvent, Plan},
    store::LoadChunk,
};
use roaring::RoaringTreemap;
use tracing::info;

use crate::{
    Loader, columns,
    error::WorkError,
    finish,
    records::{Record, Records, Start},
    rows::{self, ID},
    source,
};

/// So many chunks a source has at least, where they are not smaller than [`SMALL_CHUNK_BYTES`]. Of two million rows each has two batches
/// then: with one, none could be read while another one is written.
const CHUNKS: u64 = 32;
const SMALL_CHUNK_BYTES: u64 = 1 << 20;

/// Plans a load and puts its chunks on the queue as they are cut. Where that was done before, by a worker that died, only what is missing
/// is done.
pub async fn plan(loader: &Loader, load: Load) -> Result<(), WorkError> {
    let store = &loader.engines.store;
    match store.loads.start_planning(load.id, cut_of(loader, &load)).await? {
        Some(load) => {
            let started_at_millis = load.started_at.map_or(0, |at| (at.unix_timestamp_nanos() / 1_000_000) as i64);
            let event = LoadEvent::Planning { started_at_millis, bytes_total: load.source_size_bytes };
            loader.reports.say(load.id, &event).await;
            Planner::new(loader, &load).await?.plan().await?;
        }
        None => publish_open(loader, &load).await?,
    }
    // A source without rows has no chunk whose end would be the load's.
    finish::if_done(loader, load.id).await
}

/// Puts the chunks on the queue that wait for no other. The bus may have lost them.
async fn publish_open(loader: &Loader, load: &Load) -> Result<(), WorkError> {
    let Some(cut) = load.cut else { return Ok(()) };
    let open: BTreeSet<u32> = loader.engines.store.load_chunks.open(load.id).await?.into_iter().collect();
    for &index in &open {
        if index.checked_sub(cut.chunks_in_flight).is_none_or(|before| !open.contains(&before)) {
            loader.engines.bus.publish_work(Work::Chunk { load: load.id, index }).await?;
        }
    }
    Ok(())
}

/// Checks that a source is the one that was accepted.
pub async fn check_unchanged(loader: &Loader, load: &Load) -> Result<(), WorkError> {
    let now = loader.datalake.head(&load.source).await?;
    if now.fingerprint() == load.source_fingerprint {
        Ok(())
    } else {
        Err(WorkError::Refused("the source was changed after the load was accepted".to_owned()))
    }
}

/// How a load's source is cut. Postal codes stay in one chunk: of two with the same code the first line wins, and only a worker that
/// writes them in order can tell. So does a source without a way into its middle.
fn cut_of(loader: &Loader, load: &Load) -> Cut {
    let chunk_bytes = match load.entity {
        LoadEntity::PostalCodes => i64::MAX as u64,
        LoadEntity::Paystats if source::is_one_piece(load) => i64::MAX as u64,
        // Smaller ones of a small source, so that no worker is at its last chunk for long while the others have none.
        LoadEntity::Paystats => loader.config.chunk_bytes.min((load.source_size_bytes / CHUNKS).max(SMALL_CHUNK_BYTES)),
    };
    Cut { chunk_bytes, chunks_in_flight: loader.config.chunks_in_flight }
}

/// Reads the whole source and cuts it.
struct Planner<'a> {
    loader: &'a Loader,
    load: &'a Load,
    cut: Cut,
    /// The only lines that are to be loaded; all if `None`.
    only_lines: Option<RoaringTreemap>,
    ids: RoaringTreemap,
    plan: Plan,
    open: Option<LoadChunk>,
}

impl<'a> Planner<'a> {
    async fn new(loader: &'a Loader, load: &'a Load) -> Result<Self, WorkError> {
        let only_lines = match load.only_rejected_of {
            Some(refused_by) => Some(loader.engines.store.load_chunks.rejected_lines(refused_by).await?),
            None => None,
        };
        let cut = load.cut.unwrap_or_else(|| cut_of(loader, load));
        let plan = Plan { rows_total: 0, chunks_total: 0, bytes_total: 0 };
        Ok(Self { loader, load, cut, only_lines, ids: RoaringTreemap::new(), plan, open: None })
    }

    async fn plan(mut self) -> Result<(), WorkError> {
        let (loader, load) = (self.loader, self.load);
        check_unchanged(loader, load).await?;
        let text = source::open(loader, load, 0, None).await?;
        let mut records = Records::new(SourceFormat::of(&load.source).text, text, Start::OF_SOURCE);
        let header = match records.next().await? {
            None => return Err(WorkError::Refused("the source is empty".to_owned())),
            Some(record) => {
                check_text(&record)?;
                columns::names(record.fields)
            }
        };
        rows::check_header(load.entity, &header)?;
        let id_place = header.iter().position(|name| name == ID).unwrap_or_default();
        while let Some(record) = records.next().await? {
            check_text(&record)?;
            let at = record.start;
            if self.open.as_ref().is_some_and(|chunk| at.byte - chunk.start >= self.cut.chunk_bytes)
                && !self.close(at.byte).await?
            {
                return Ok(());
            }
            // An id that is no number is rejected for that, and in a record of another width the id may stand anywhere.
            let right_width = record.fields.len() == header.len();
            let id = record.fields.get(id_place).and_then(|id| str::from_utf8(id).ok()?.parse::<u64>().ok());
            let is_duplicate = right_width && id.is_some_and(|id| !self.ids.insert(id));
            let chunk = self.open.get_or_insert_with(|| LoadChunk::start(at.byte, at.line, &header));
            if is_duplicate {
                chunk.duplicate_lines.insert(at.line);
            }
            match &self.only_lines {
                None => self.plan.rows_total += 1,
                Some(only) if only.contains(at.line) => {
                    self.plan.rows_total += 1;
                    chunk.only_lines.get_or_insert_default().insert(at.line);
                }
                Some(_) => {}
            }
        }
        // Of a compressed source only reading tells the size of the text, and its decoder whether it is whole.
        let end = records.bytes_seen();
        if !source::is_one_piece(load) && end != load.source_size_bytes {
            return Err(WorkError::Refused("the source was cut short while it was read".to_owned()));
        }
        check_unchanged(loader, load).await?;
        if self.only_lines.is_none() {
            // The header too, so that the whole is what was said from the start.
            self.plan.bytes_total = end;
        }
        if self.close(end).await? && loader.engines.store.loads.set_plan(load.id, self.plan).await? {
            let Plan { rows_total, chunks_total, bytes_total } = self.plan;
            info!(load.id = %load.id, load.number = load.number, rows_total, chunks_total, bytes_total, "load planned");
            loader.reports.say(load.id, &LoadEvent::Planned(self.plan)).await;
        }
        Ok(())
    }

    /// Ends the open chunk before `end` and puts it on the queue, unless it waits for another one. `false` if the load does not go
    /// forward any more.
    async fn close(&mut self, end: u64) -> Result<bool, WorkError> {
        let store = &self.loader.engines.store;
        let Some(mut chunk) = self.open.take() else { return Ok(true) };
        if self.only_lines.is_some() && chunk.only_lines.is_none() {
            return Ok(true);
        }
        (chunk.index, chunk.end) = (self.plan.chunks_total, end);
        self.plan.chunks_total += 1;
        if self.only_lines.is_some() {
            self.plan.bytes_total += end - chunk.start;
        }
        store.load_chunks.insert(self.load, &chunk).await?;
        // Chunks are written while the rest is planned. A chunk that is on the queue is in the store, and its load was going forward
        // after that: who takes the load back revokes it.
        if !store.loads.start_loading(self.load.id).await? {
            return Ok(false);
        }
        let waits_for = chunk.index.checked_sub(self.cut.chunks_in_flight);
        let may_start = match waits_for {
            None => true,
            Some(before) => store.load_chunks.is_done(self.load.id, before).await? == Some(true),
        };
        if may_start {
            self.loader.engines.bus.publish_work(Work::Chunk { load: self.load.id, index: chunk.index }).await?;
        }
        Ok(true)
    }
}

/// A source is text: UTF-8 without NUL.
fn check_text(record: &Record<'_>) -> Result<(), WorkError> {
    // The fields as one: most records are told to be text by a single look.
    let bytes = record.fields.as_slice();
    if bytes.is_ascii() && !bytes.contains(&0) {
        return Ok(());
    }
    let line = record.start.line;
    for field in record.fields {
        if str::from_utf8(field).is_err() {
            return Err(WorkError::Refused(format!("line {line} is not UTF-8 text")));
        }
        if field.contains(&0) {
            return Err(WorkError::Refused(format!("line {line} holds a NUL byte: the source is not text")));
        }
    }
    Ok(())
}
