//! The end of a load: once in the store, then told on the bus. A worker that dies in between leaves its work
//! unacknowledged, and the next one tells it again.

use paystats_core::{
    engines::Engines,
    load::{Load, LoadEvent, LoadId, LoadState, Progress},
};
use tracing::{error, info};

use crate::error::WorkError;

/// Ends a load as `SUCCEEDED` if all its chunks are done.
pub async fn if_done(engines: &Engines, load: &Load) -> Result<(), WorkError> {
    let store = &engines.store;
    if store.load_chunks.any_open(load.id).await? {
        return Ok(());
    }
    let (counts, chunks) = store.load_chunks.sum(load.id).await?;
    let seconds = load.started_at.map_or(0.0, |start| (time::OffsetDateTime::now_utc() - start).as_seconds_f64());
    let progress = Progress::succeeded(load.source_size_bytes, counts.read(), chunks, counts, seconds);
    end(engines, load.id, progress).await
}

/// Ends a load as `FAILED`.
pub async fn failed(engines: &Engines, load: &Load, reason: String) -> Result<(), WorkError> {
    let (counts, _) = engines.store.load_chunks.sum(load.id).await?;
    end(engines, load.id, Progress::failed(load.source_size_bytes, counts, reason)).await
}

/// Tells the end of a load that has ended, in case nobody did.
pub async fn tell(engines: &Engines, load: &Load) -> Result<(), WorkError> {
    let Some(progress) = &load.progress else { return Ok(()) };
    if progress.seq == 0 {
        let event = LoadEvent::Finished { progress: progress.clone() };
        let seq = engines.bus.publish_event(load.id, &event).await?;
        engines.store.loads.set_last_event(load.id, seq).await?;
    }
    Ok(())
}

async fn end(engines: &Engines, id: LoadId, progress: Progress) -> Result<(), WorkError> {
    if let Some(load) = engines.store.loads.finish(id, &progress).await? {
        let counts = progress.counts;
        let (inserted, updated) = (counts.inserted, counts.updated);
        let (unchanged, rejected) = (counts.unchanged, counts.rejected);
        match (load.state, &load.error) {
            (LoadState::Failed, reason) => {
                let reason = reason.as_deref().unwrap_or_default();
                error!(load.id = %id, load.number = load.number, load.source = load.source, reason, "load failed");
            }
            _ => info!(
                load.id = %id, load.number = load.number, load.source = load.source,
                inserted, updated, unchanged, rejected, "load succeeded"
            ),
        }
    }
    // Whoever ended it: the end is told before the work is acknowledged.
    match engines.store.loads.by_id(id).await? {
        Some(load) => tell(engines, &load).await,
        None => Ok(()),
    }
}
