//! Planning a load: the source is read once, in constant memory but for a bitmap of its ids. What cannot be loaded at all
//! (no text, no header, a column missing) ends the load before a row is written; the rest is cut into chunks between records.

use paystats_core::{
    bus::Work,
    load::{Load, LoadEntity, LoadEvent},
    store::LoadChunk,
};
use roaring::RoaringTreemap;
use tracing::{debug, info};

use crate::{
    Loader, columns,
    error::WorkError,
    finish,
    records::{Record, Records, Start},
    rows::{self, ID},
};

/// Plans a load and puts its chunks on the queue. Where that was done before, by a worker that died, only what is missing is
/// done.
pub async fn plan(loader: &Loader, load: Load) -> Result<(), WorkError> {
    let store = &loader.engines.store;
    if let Some(load) = store.loads.start_planning(load.id, chunk_bytes(loader, load.entity)).await? {
        let event = LoadEvent::Planning { bytes_total: load.source_size_bytes };
        if let Err(error) = loader.engines.bus.publish_event(load.id, &event).await {
            debug!(load.id = %load.id, %error, "progress was not told");
        }
        cut(loader, &load).await?;
        store.loads.start_loading(load.id).await?;
    }
    for index in store.load_chunks.open(load.id).await? {
        loader.engines.bus.publish_work(Work::Chunk { load: load.id, index }).await?;
    }
    // A source without rows has no chunk whose end would be the load's.
    finish::if_done(&loader.engines, &load).await
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

/// Least size of a load's chunks. Postal codes stay in one: of two with the same code the first line wins, and only a worker that
/// writes them in order can tell.
fn chunk_bytes(loader: &Loader, entity: LoadEntity) -> u64 {
    match entity {
        LoadEntity::PostalCodes => i64::MAX as u64,
        LoadEntity::Paystats => loader.config.chunk_bytes,
    }
}

/// Reads the whole source and writes its chunks.
async fn cut(loader: &Loader, load: &Load) -> Result<(), WorkError> {
    check_unchanged(loader, load).await?;
    let source = loader.datalake.open(&load.source, 0, load.source_size_bytes).await?;
    let mut records = Records::new(source, Start::OF_SOURCE);
    let header = match records.next().await? {
        None => return Err(WorkError::Refused("the source is empty".to_owned())),
        Some(record) => {
            check_text(&record)?;
            columns::names(record.fields)
        }
    };
    rows::check_header(load.entity, &header)?;
    let id_place = header.iter().position(|name| name == ID).unwrap_or_default();

    let chunk_bytes = load.chunk_bytes.unwrap_or_else(|| chunk_bytes(loader, load.entity));
    let mut ids = RoaringTreemap::new();
    let (mut rows_total, mut chunks) = (0, 0);
    let mut open: Option<LoadChunk> = None;
    while let Some(record) = records.next().await? {
        check_text(&record)?;
        rows_total += 1;
        if let Some(chunk) = open.take_if(|chunk| record.start.byte - chunk.start >= chunk_bytes) {
            close(loader, load, chunk, record.start.byte).await?;
        }
        let chunk = open.get_or_insert_with(|| {
            chunks += 1;
            LoadChunk {
                index: chunks - 1,
                start: record.start.byte,
                end: record.start.byte,
                first_line: record.start.line,
                columns: header.clone(),
                duplicate_lines: RoaringTreemap::new(),
                counts: None,
            }
        });
        // An id that is no number is rejected for that, and in a record of another width the id may stand anywhere.
        let right_width = record.fields.len() == header.len();
        let id = record.fields.get(id_place).and_then(|id| str::from_utf8(id).ok()?.parse::<u64>().ok());
        if right_width && id.is_some_and(|id| !ids.insert(id)) {
            chunk.duplicate_lines.insert(record.start.line);
        }
    }
    if records.bytes_seen() != load.source_size_bytes {
        return Err(WorkError::Refused("the source was cut short while it was read".to_owned()));
    }
    if let Some(chunk) = open {
        close(loader, load, chunk, load.source_size_bytes).await?;
    }
    check_unchanged(loader, load).await?;

    let bytes_total = load.source_size_bytes;
    info!(load.id = %load.id, load.number = load.number, rows_total, chunks, bytes_total, "load planned");
    let event = LoadEvent::Planned { bytes_total, rows_total, chunks };
    if let Err(error) = loader.engines.bus.publish_event(load.id, &event).await {
        debug!(load.id = %load.id, %error, "progress was not told");
    }
    Ok(())
}

async fn close(loader: &Loader, load: &Load, chunk: LoadChunk, end: u64) -> Result<(), WorkError> {
    Ok(loader.engines.store.load_chunks.insert(load.id, &LoadChunk { end, ..chunk }).await?)
}

/// A source is text: UTF-8 without NUL.
fn check_text(record: &Record<'_>) -> Result<(), WorkError> {
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
