//! Rolling up: at the end of a load, the totals of the postal codes that it touched are added up anew, and count all at once.

use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;
use paystats_core::{
    load::{Load, LoadState, Progress},
    store::{LoadSession, RollupEnd, RollupRun, Rollups, StageFrom, StoreError, Touched},
};
use roaring::RoaringBitmap;
use time::OffsetDateTime;
use tracing::info;

use crate::{Loader, error::WorkError};

/// Postal codes whose rows are added up in one transaction.
const FROM_ROWS: usize = 24;
/// Postal codes that the load's sums are added to in one transaction.
const FROM_SUMS: usize = 128;
/// Pause before the right to roll up is asked for again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Adds the totals of postal codes up and ends a load that is in state `from` as `progress` says: the version of the data then. `None` if
/// somebody else has ended it.
///
/// One load is rolled up at a time: the others wait here.
pub async fn roll_up(
    loader: &Loader,
    load: &Load,
    from: LoadState,
    touched: &Touched,
    progress: &mut Progress,
) -> Result<Option<i64>, WorkError> {
    let store = &loader.engines.store;
    let rollups = &store.rollups;
    let mut sessions = Vec::with_capacity(loader.config.concurrency);
    for _ in 0..loader.config.concurrency {
        sessions.push(store.start_session().await?);
    }
    loop {
        if store.loads.by_id(load.id).await?.is_none_or(|load| load.state != from) {
            return Ok(None);
        }
        let Some(run) = rollups.begin(&sessions).await? else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        match add_up(loader, &run, load, from, touched, progress, &mut sessions).await {
            Ok(RollupEnd::Ended(version)) => return Ok(Some(version)),
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
    touched: &Touched,
    progress: &mut Progress,
    sessions: &mut [LoadSession],
) -> Result<RollupEnd, StoreError> {
    let rollups = &loader.engines.store.rollups;
    let succeeding = (from == LoadState::RollingUp).then_some(load);
    let mut missing = touched.postal_codes.clone();
    if !touched.summed.is_empty() {
        if !stage(rollups, run, StageFrom::Sums(load), &touched.summed, sessions).await? {
            return Ok(RollupEnd::Lost);
        }
        missing = rollups.missing(run, &touched.postal_codes).await?;
    }
    loop {
        if !stage(rollups, run, StageFrom::Rows(succeeding), &missing, sessions).await? {
            return Ok(RollupEnd::Lost);
        }
        if let Some(started_at) = succeeding.and_then(|load| load.started_at) {
            let seconds = (OffsetDateTime::now_utc() - started_at).as_seconds_f64();
            progress.rows_per_second = (seconds > 0.0).then(|| progress.counts.read() as f64 / seconds);
        }
        let Some(session) = sessions.first_mut() else { return Ok(RollupEnd::Lost) };
        let end = rollups.end(run, Some((load, from, progress)), &touched.postal_codes, session).await?;
        if end != RollupEnd::Incomplete {
            return Ok(end);
        }
        missing = rollups.missing(run, &touched.postal_codes).await?;
    }
}

/// Adds postal codes up group by group, in all sessions at once. `false` if the run has lost its right.
async fn stage(
    rollups: &Rollups,
    run: &RollupRun,
    from: StageFrom<'_>,
    postal_codes: &RoaringBitmap,
    sessions: &mut [LoadSession],
) -> Result<bool, StoreError> {
    let in_one = match from {
        StageFrom::Rows(_) => FROM_ROWS,
        StageFrom::Sums(_) => FROM_SUMS,
    };
    let ids: Vec<i32> = postal_codes.iter().map(u32::cast_signed).collect();
    let groups = Mutex::new(ids.chunks(in_one));
    let next = || groups.lock().unwrap_or_else(PoisonError::into_inner).next();
    let staged = sessions.iter_mut().map(async |session| {
        while let Some(ids) = next() {
            rollups.stage(run, from, ids, session).await?;
            if !rollups.hold(run).await? {
                return Ok(false);
            }
        }
        Ok::<_, StoreError>(true)
    });
    Ok(try_join_all(staged).await?.into_iter().all(|held| held))
}
