//! The end of a load: its totals are added up, then it ends, once in the store, and that is told on the bus. A worker that dies in between
//! leaves its work unacknowledged, and the next one goes on with it.

use paystats_core::{
    bus::Work,
    domain::Paystat,
    engines::Engines,
    load::{Load, LoadEntity, LoadEvent, LoadId, LoadState, Progress},
    store::{ChunkSum, Touched},
};
use time::OffsetDateTime;
use tracing::{error, info};

use crate::{Loader, error::WorkError, roll_up};

/// Ends a load as `SUCCEEDED` if all of it is planned and all its chunks are done.
pub async fn if_done(loader: &Loader, id: LoadId) -> Result<(), WorkError> {
    let engines = &loader.engines;
    let store = &engines.store;
    let Some(load) = store.loads.by_id(id).await? else { return Ok(()) };
    let is_written = matches!(load.state, LoadState::Loading | LoadState::RollingUp)
        && load.plan.is_some()
        && !store.load_chunks.any_open(id).await?;
    let mut rolled_up = None;
    if is_written {
        let (mut progress, sum) = stopped(engines, &load, LoadState::Succeeded).await?;
        let rejected = sum.progress.counts.rejected;
        if let Some(reason) = load.policy.broken_by(rejected, progress.rows_total) {
            return Err(WorkError::Refused(reason));
        }
        let has_ended = if load.entity == LoadEntity::Paystats && !load.dry_run {
            if !store.loads.start_rolling_up(id).await? {
                return Ok(());
            }
            loader.reports.forget(id);
            loader.reports.say(id, &LoadEvent::RollingUp).await;
            let touched = store.rollups.touched_by(&load, &sum).await?;
            let version = roll_up::roll_up(loader, &load, LoadState::RollingUp, &touched, &mut progress).await?;
            rolled_up = version.map(|version| (touched, version));
            version.is_some()
        } else {
            let has_ended = store.loads.succeed(id, &progress).await?.is_some();
            postal_codes_changed(engines, &load).await?;
            has_ended
        };
        if has_ended {
            loader.metrics.ended(load.entity, LoadState::Succeeded);
            let counts = progress.counts;
            let (inserted, updated, unchanged) = (counts.inserted, counts.updated, counts.unchanged);
            info!(
                load.id = %id, load.number = load.number, load.source = load.source, load.dry_run = load.dry_run,
                inserted, updated, unchanged, rejected, "load succeeded"
            );
        }
    }
    tell_and_sweep(engines, id, rolled_up).await
}

/// Gives a load up: it will be taken back, and end as `FAILED`.
pub async fn give_up(engines: &Engines, id: LoadId, reason: &str) -> Result<(), WorkError> {
    if let Some(load) = engines.store.loads.start_reverting(id, LoadState::Failed, Some(reason)).await? {
        error!(load.id = %id, load.number = load.number, load.source = load.source, reason, "load is given up");
    }
    engines.bus.publish_work(Work::Revert { load: id }).await?;
    Ok(())
}

/// Ends a load that was taken back.
pub async fn taken_back(loader: &Loader, load: &Load, mut progress: Progress) -> Result<(), WorkError> {
    let engines = &loader.engines;
    let store = &engines.store;
    // What never counted leaves every total as it is.
    let mut rolled_up = None;
    let has_ended = if progress.state == LoadState::Undone && load.entity == LoadEntity::Paystats {
        // Rows that stay were counted as this load wrote them where what replaced them does not count yet.
        let mut postal_codes = store.touched_by_reverting::<Paystat>(load).await?;
        postal_codes |= store.load_chunks.sum(load.id).await?.changes.postal_codes();
        let touched = Touched { postal_codes, ..Touched::default() };
        let version = roll_up::roll_up(loader, load, LoadState::Reverting, &touched, &mut progress).await?;
        rolled_up = version.map(|version| (touched, version));
        version.is_some()
    } else {
        let has_ended = store.loads.end_reverting(load.id, &progress).await?.is_some();
        postal_codes_changed(engines, load).await?;
        has_ended
    };
    if has_ended {
        loader.metrics.ended(load.entity, progress.state);
        let (rows, kept, state) = (progress.reverted.rows, progress.reverted.kept, progress.state.name());
        info!(load.id = %load.id, load.number = load.number, state, rows, kept, "load was taken back");
    }
    tell_and_sweep(engines, load.id, rolled_up).await
}

/// Tells the end of a load if it has ended, whoever ended it, and then removes what its roll-up left behind.
async fn tell_and_sweep(engines: &Engines, id: LoadId, rolled_up: Option<(Touched, i64)>) -> Result<(), WorkError> {
    let told = match engines.store.loads.by_id(id).await? {
        Some(load) if load.state.is_final() => tell(engines, &load).await,
        _ => Ok(()),
    };
    if let Some((touched, version)) = rolled_up {
        engines.store.rollups.sweep(&touched.postal_codes, version).await?;
    }
    told
}

async fn postal_codes_changed(engines: &Engines, load: &Load) -> Result<(), WorkError> {
    if load.entity == LoadEntity::PostalCodes && !load.dry_run {
        engines.store.rollups.postal_codes_changed().await?;
    }
    Ok(())
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

/// The progress of a load whose chunks do not go on, and what it comes from.
pub async fn stopped(engines: &Engines, load: &Load, state: LoadState) -> Result<(Progress, ChunkSum), WorkError> {
    let sum = engines.store.load_chunks.sum(load.id).await?;
    let seconds = load.started_at.map_or(0.0, |start| (OffsetDateTime::now_utc() - start).as_seconds_f64());
    Ok((Progress::stopped(load, state, sum.progress, sum.chunks_done, seconds), sum))
}
