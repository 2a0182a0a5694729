//! Loads: accept, find, watch.

use std::time::Duration;

use futures_util::{Stream, stream};
use paystats_core::{
    bus::Work,
    datalake::DatalakeObject,
    engines::Engines,
    load::{Load, LoadEntity, LoadId, Progress, Rejection},
    store::{LoadFilter, NewLoad, Page, PageRequest, RejectionCount, StoreError},
};
use tracing::{info, warn};

use super::{ActionError, Actions, ErrorCode};
use crate::watch::Watching;

/// A load to accept.
#[derive(Clone, Debug)]
pub struct StartLoad {
    /// What the rows are.
    pub entity: LoadEntity,
    /// Path inside the data lake.
    pub source: String,
    /// The caller's name for this request: the same key gives the same load.
    pub idempotency_key: Option<String>,
}

/// How long the answer to an accepted load waits for the bus.
const PUBLISHING: Duration = Duration::from_secs(5);
/// Longest idempotency key, in bytes.
const MAX_KEY_BYTES: usize = 200;

impl Actions {
    /// Accepts a load: checks its source, writes it, and puts it on the queue. It is answered once JetStream has it on disk.
    ///
    /// Where the bus goes away in between, the load is accepted all the same and published later (see [`crate::outbox`]);
    /// the answer then says so.
    pub async fn start_load(&self, start: StartLoad) -> Result<Load, ActionError> {
        if let Some(key) = &start.idempotency_key {
            if key.is_empty() || key.len() > MAX_KEY_BYTES {
                return Err(ActionError::bad_input(format!("idempotencyKey must have 1 to {MAX_KEY_BYTES} bytes")));
            }
            if let Some(load) = self.engines.store.loads.by_idempotency_key(key).await? {
                return same_request(load, &start);
            }
        }
        let source = self.datalake.head(&start.source).await?;
        if !self.engines.bus.is_connected() {
            return Err(ActionError::unavailable("the message bus is away: the load was not accepted; try again"));
        }
        let new = NewLoad::of(start.entity, source, start.idempotency_key.clone());
        let load = match (self.engines.store.loads.insert(new).await, &start.idempotency_key) {
            (Ok(load), _) => load,
            (Err(StoreError::Duplicate(_)), Some(key)) => {
                let twin = self.engines.store.loads.by_idempotency_key(key).await?;
                return same_request(
                    twin.ok_or_else(|| ActionError::internal("a duplicate key is not there"))?,
                    &start,
                );
            }
            (Err(error), _) => return Err(error.into()),
        };
        info!(load.id = %load.id, load.number = load.number, load.source = load.source, "load accepted");
        match tokio::time::timeout(PUBLISHING, self.publish(&load)).await {
            Ok(Ok(())) => Ok(load),
            Ok(Err(_)) | Err(_) => {
                let number = load.number;
                let reason = format!("load #{number} is accepted and starts once the message bus is back");
                Err(ActionError::unavailable(reason))
            }
        }
    }

    /// Puts an accepted load on the queue, and notes that it is there.
    pub(crate) async fn publish(&self, load: &Load) -> Result<(), ActionError> {
        let Engines { store, bus } = &self.engines;
        let work = Work::Plan { load: load.id };
        if let Err(error) = bus.publish_work(work).await {
            if !bus.is_connected() {
                return Err(error.into());
            }
            // NATS may have come back without its streams.
            self.engines.prepare_bus().await?;
            bus.publish_work(work).await?;
        }
        if let Err(error) = store.loads.set_published(load.id).await {
            // It will be published once more then, which is harmless.
            warn!(load.id = %load.id, %error, "a published load could not be noted as such");
        }
        Ok(())
    }

    /// The load with this id.
    pub async fn load(&self, id: LoadId) -> Result<Option<Load>, ActionError> {
        Ok(self.engines.store.loads.by_id(id).await?)
    }

    /// The load with this number.
    pub async fn load_by_number(&self, number: i64) -> Result<Option<Load>, ActionError> {
        Ok(self.engines.store.loads.by_number(number).await?)
    }

    /// A page of loads, the newest first.
    pub async fn loads(&self, filter: &LoadFilter, request: PageRequest) -> Result<Page<Load>, ActionError> {
        Ok(self.engines.store.loads.page(filter, request).await?)
    }

    /// How many loads match.
    pub async fn count_loads(&self, filter: &LoadFilter) -> Result<u64, ActionError> {
        Ok(self.engines.store.loads.count(filter).await?)
    }

    /// The loads with these ids, in any order.
    pub async fn loads_by_ids(&self, ids: &[LoadId]) -> Result<Vec<Load>, ActionError> {
        Ok(self.engines.store.loads.by_ids(ids).await?)
    }

    /// The loads with these numbers, in any order.
    pub async fn loads_by_numbers(&self, numbers: &[i64]) -> Result<Vec<Load>, ActionError> {
        Ok(self.engines.store.loads.by_numbers(numbers).await?)
    }

    /// A page of a load's refused rows, by line.
    pub async fn rejections(&self, load: LoadId, request: PageRequest) -> Result<Page<Rejection>, ActionError> {
        Ok(self.engines.store.rejections.page(load, request).await?)
    }

    /// How many rows of a load were refused.
    pub async fn count_rejections(&self, load: LoadId) -> Result<u64, ActionError> {
        Ok(self.engines.store.rejections.count(load).await?)
    }

    /// How many rows of a load were refused, by code and column.
    pub async fn rejection_counts(&self, load: LoadId) -> Result<Vec<RejectionCount>, ActionError> {
        Ok(self.engines.store.rejections.counts(load).await?)
    }

    /// How many loads wait before this one.
    pub async fn queued_before(&self, load: &Load) -> Result<u64, ActionError> {
        Ok(self.engines.store.loads.queued_before(load.number).await?)
    }

    /// Files of the data lake whose path starts with `prefix`.
    pub async fn datalake(&self, prefix: &str) -> Result<Vec<DatalakeObject>, ActionError> {
        self.datalake.list(prefix).await.map_err(ActionError::internal)
    }

    /// How far a load is: as the store has it, once it has ended.
    pub fn progress(&self, load: &Load) -> Progress {
        let now = || self.watch.now(load.id).unwrap_or_else(|| Progress::queued(load.source_size_bytes));
        load.progress.clone().unwrap_or_else(now)
    }

    /// How far a load is, now and after every change, until it ends. What a client saw before, up to the event `after_seq`, is
    /// not repeated. A slow listener skips to the newest state.
    pub async fn watch_load(
        &self,
        id: LoadId,
        after_seq: Option<u64>,
    ) -> Result<impl Stream<Item = Result<Progress, ActionError>> + use<>, ActionError> {
        // Watched first and looked up then: whatever happens in between is seen by one of both.
        let watching = self.watch.watch(id);
        let load = self.load(id).await?.ok_or_else(unknown_load)?;
        let changes =
            LoadChanges { actions: self.clone(), watching, load, seen: after_seq, waited: false, ended: false };
        Ok(stream::unfold(changes, |mut changes| async move { Some((changes.next().await?, changes)) }))
    }
}

/// One watcher of one load.
struct LoadChanges {
    actions: Actions,
    watching: Watching,
    load: Load,
    /// Number of the newest event that the watcher has seen.
    seen: Option<u64>,
    /// Whether nothing was heard for a while, so that the store has the last word.
    waited: bool,
    ended: bool,
}

impl LoadChanges {
    async fn next(&mut self) -> Option<Result<Progress, ActionError>> {
        while !self.ended {
            if let Some(progress) = self.newest() {
                self.ended = progress.state.is_final();
                let is_new = match self.seen {
                    None => true,
                    // An end that has no number, or a lower one because the bus was lost meanwhile, is new to everybody.
                    Some(seen) if self.ended => progress.seq != seen || progress.seq == 0,
                    Some(seen) => progress.seq > seen,
                };
                if is_new {
                    self.seen = Some(progress.seq);
                    return Some(Ok(progress));
                }
            }
            if !self.ended && !self.watching.changed(self.patience()).await {
                self.waited = true;
                match self.actions.load(self.load.id).await {
                    Ok(Some(load)) => self.load = load,
                    Ok(None) => self.ended = true,
                    // Events may still come, and the store is asked again.
                    Err(error) if error.code == ErrorCode::Unavailable => {}
                    Err(error) => {
                        self.ended = true;
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }

    /// How long to wait for a change before the store is asked.
    fn patience(&self) -> Duration {
        let ended = self.load.progress.is_some();
        if ended { Duration::from_millis(250) } else { Duration::from_secs(5) }
    }

    fn newest(&mut self) -> Option<Progress> {
        match (&self.load.progress, self.watching.now()) {
            (Some(end), _) if end.seq > 0 || self.waited => Some(end.clone()),
            (_, Some(now)) => Some(now),
            // It has just ended, and the bus is about to tell under which number.
            (Some(_), None) => None,
            (None, None) => Some(Progress::queued(self.load.source_size_bytes)),
        }
    }
}

/// Refuses a load that is not there.
pub fn unknown_load() -> ActionError {
    ActionError::not_found("there is no load with this id")
}

/// The load that was started with the same key, if it was the same request.
fn same_request(load: Load, start: &StartLoad) -> Result<Load, ActionError> {
    if load.entity == start.entity && load.source == start.source {
        Ok(load)
    } else {
        Err(ActionError::conflict("this idempotencyKey was used for a load of another entity or source"))
    }
}
