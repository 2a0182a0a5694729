//! Rolling up: at the end of a load, the totals of the postal codes that it touched are added up anew, and count all at once.

use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;
use paystats_core::{
    load::{Load, LoadState, Progress},
    store::{LoadSession, RollupEnd, RollupRun, StoreError},
};
use roaring::RoaringBitmap;
use time::OffsetDateTime;
use tracing::info;

use crate::{Loader, error::WorkError};

/// Postal codes that are added up in one transaction.
const POSTAL_CODES: usize = 24;
/// Pause before the right to roll up is asked for again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Adds the totals of postal codes up and ends a load that is in state `from` as `progress` says. `false` if somebody else has ended it.
///
/// One load is rolled up at a time: the others wait here.
pub async fn roll_up(
    loader: &Loader,
    load: &Load,
    from: LoadState,
    postal_codes: &RoaringBitmap,
    progress: &mut Progress,
) -> Result<bool, WorkError> {
    let store = &loader.engines.store;
    let rollups = &store.rollups;
    let mut sessions = Vec::with_capacity(loader.config.concurrency);
    for _ in 0..loader.config.concurrency {
        sessions.push(store.start_session().await?);
    }
    loop {
        if store.loads.by_id(load.id).await?.is_none_or(|load| load.state != from) {
            return Ok(false);
        }
        let Some(run) = rollups.begin(&sessions).await? else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        match add_up(loader, &run, load, from, postal_codes, progress, &mut sessions).await {
            Ok(RollupEnd::Ended) => return Ok(true),
            // Whoever has the right now may work for this load.
            Ok(RollupEnd::Lost | RollupEnd::Incomplete) => rollups.release(&run).await?,
            Err(error) => {
                // Where this fails too, the right ends by itself.
                if let Err(error) = rollups.release(&run).await {
                    info!(%error, "the right to roll up was not given back");
                }
                return Err(error.into());
            }
        }
    }
}

async fn add_up(
    loader: &Loader,
    run: &RollupRun,
    load: &Load,
    from: LoadState,
    postal_codes: &RoaringBitmap,
    progress: &mut Progress,
    sessions: &mut [LoadSession],
) -> Result<RollupEnd, StoreError> {
    let rollups = &loader.engines.store.rollups;
    let succeeding = (from == LoadState::RollingUp).then_some(load);
    let mut missing: Vec<i32> = postal_codes.iter().map(u32::cast_signed).collect();
    loop {
        let groups = Mutex::new(missing.chunks(POSTAL_CODES));
        let next = || groups.lock().unwrap_or_else(PoisonError::into_inner).next();
        let staged = sessions.iter_mut().map(async |session| {
            while let Some(postal_codes) = next() {
                rollups.stage(run, succeeding, postal_codes, session).await?;
                if !rollups.hold(run).await? {
                    return Ok(false);
                }
            }
            Ok::<_, StoreError>(true)
        });
        if !try_join_all(staged).await?.into_iter().all(|held| held) {
            return Ok(RollupEnd::Lost);
        }
        if let Some(started_at) = succeeding.and_then(|load| load.started_at) {
            let seconds = (OffsetDateTime::now_utc() - started_at).as_seconds_f64();
            progress.rows_per_second = (seconds > 0.0).then(|| progress.counts.read() as f64 / seconds);
        }
        let Some(session) = sessions.first_mut() else { return Ok(RollupEnd::Lost) };
        let end = rollups.end(run, Some((load, from, progress)), postal_codes, session).await?;
        if end != RollupEnd::Incomplete {
            return Ok(end);
        }
        missing = rollups.missing(run, postal_codes).await?.iter().map(u32::cast_signed).collect();
    }
}
