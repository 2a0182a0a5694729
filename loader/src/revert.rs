//! Taking a load back: what it inserted goes, what it replaced returns; rows that were changed since stay.
//!
//! First no worker can write for the load any more, then each batch of its undo log is taken back in one transaction. Whoever dies in
//! between leaves the rest of the log to the next one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, SelectAll},
};
use paystats_core::{
    domain::{Paystat, PostalCode},
    load::{Load, LoadEntity, LoadEvent, LoadState, Progress, Reverted},
    store::{LoadRow, StoreError},
};
use tokio::time::Instant;

use crate::{Loader, error::WorkError, finish};

/// Time between two events.
const INTERVAL: Duration = Duration::from_millis(200);

/// Takes a load back that is `REVERTING`, and ends it.
pub async fn revert(loader: &Loader, load: Load) -> Result<(), WorkError> {
    let store = &loader.engines.store;
    store.loads.set_published(load.id).await?;
    store.load_chunks.revoke(load.id).await?;
    let stopped = match &load.progress {
        Some(progress) => progress.in_state(LoadState::Reverting, Reverted::default()),
        None => finish::stopped(&loader.engines, &load, LoadState::Reverting).await?.0,
    };
    loader.reports.forget(load.id);
    let reverted = match load.entity {
        // Postal codes go back one by one in the opposite order: a code may have passed from one to another.
        LoadEntity::PostalCodes => take_back::<PostalCode>(loader, &load, stopped.clone(), 1).await?,
        LoadEntity::Paystats => take_back::<Paystat>(loader, &load, stopped.clone(), loader.config.concurrency).await?,
    };
    let state = load.ends_as.unwrap_or(LoadState::Failed);
    finish::taken_back(loader, &load, stopped.in_state(state, reverted)).await
}

async fn take_back<R: LoadRow>(
    loader: &Loader,
    load: &Load,
    mut progress: Progress,
    concurrency: usize,
) -> Result<Reverted, StoreError> {
    let store = &loader.engines.store;
    progress.reverted = store.reverted::<R>(load).await?;
    loader.reports.say(load.id, &LoadEvent::Reverting { progress: progress.clone() }).await;
    let mut sessions = Vec::with_capacity(concurrency);
    for _ in 0..concurrency {
        sessions.push(store.start_session().await?);
    }
    store.loads.take_reverting(load.id, &sessions).await?;
    let steps = Mutex::new(store.undo_steps::<R>(load).await?.into_iter());
    let next = || steps.lock().unwrap_or_else(PoisonError::into_inner).next();
    let mut taken = sessions
        .into_iter()
        .map(|session| {
            stream::try_unfold(session, move |mut session| async move {
                let Some(step) = next() else { return Ok(None) };
                let reverted = store.undo_step::<R>(load, &step, &mut session).await?;
                Ok::<_, StoreError>(Some((reverted, session)))
            })
            .boxed()
        })
        .collect::<SelectAll<_>>();
    let mut told = Instant::now();
    while let Some(reverted) = taken.try_next().await? {
        progress.reverted.rows += reverted.rows;
        progress.reverted.kept += reverted.kept;
        if told.elapsed() >= INTERVAL {
            loader.reports.say(load.id, &LoadEvent::Reverting { progress: progress.clone() }).await;
            told = Instant::now();
        }
    }
    // Read again: a worker before this one may have been at it until a moment ago.
    store.reverted::<R>(load).await
}
