//! Loads: accept, repeat, take back, find.

use std::time::Duration;

use paystats_core::{
    bus::Work,
    datalake::{DatalakeObject, SourceFormat, TextFormat},
    domain::{Paystat, PostalCode},
    engines::{EngineError, Engines},
    load::{Load, LoadEntity, LoadEvent, LoadId, LoadState, Progress, RejectPolicy, Reverted, TotalChanges},
    store::{KeptRow, LoadFilter, NewLoad, Page, PageRequest, StoreError},
};
use time::OffsetDateTime;
use tracing::{debug, info, warn};

use super::{ActionError, Actions};

/// A load to accept.
#[derive(Clone, Debug)]
pub struct StartLoad {
    /// What the rows are.
    pub entity: LoadEntity,
    /// Path inside the data lake, or URL.
    pub source: String,
    /// How many refused rows it bears.
    pub policy: RejectPolicy,
    /// Whether it only tells what it would do.
    pub dry_run: bool,
    /// The caller's name for this request: the same key gives the same load.
    pub idempotency_key: Option<String>,
}

/// A load to repeat.
#[derive(Clone, Debug)]
pub struct RetryLoad {
    /// The load.
    pub id: LoadId,
    /// Whether only the lines that it refused are loaded.
    pub only_rejected: bool,
    /// The caller's name for this request: the same key gives the same load.
    pub idempotency_key: Option<String>,
}

/// A load that is asked for, by its source or by another load.
struct Request {
    start: StartLoad,
    retry_of: Option<LoadId>,
    only_rejected_of: Option<LoadId>,
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
        check_policy(&start.policy)?;
        self.accept(Request { start, retry_of: None, only_rejected_of: None }).await
    }

    /// Accepts a load that repeats one which failed, was cancelled or undone, or only the lines that it refused. The source is read as
    /// it is now.
    pub async fn retry_load(&self, retry: RetryLoad) -> Result<Load, ActionError> {
        let load = self.load(retry.id).await?.ok_or_else(unknown_load)?;
        let request = Request {
            retry_of: Some(load.id),
            only_rejected_of: if retry.only_rejected { Some(load.id) } else { load.only_rejected_of },
            start: StartLoad {
                entity: load.entity,
                source: load.source.clone(),
                policy: load.policy,
                dry_run: load.dry_run,
                idempotency_key: retry.idempotency_key.clone(),
            },
        };
        // Asked for again, it is there, whatever has become of the load that it repeats.
        if let Some(known) = self.known(&request).await? {
            return Ok(known);
        }
        check_retry(&load, retry.only_rejected)?;
        self.accept(request).await
    }

    /// Stops a load; what it wrote is taken back. A load that is stopped already is answered as it is.
    pub async fn cancel_load(&self, id: LoadId) -> Result<Load, ActionError> {
        let loads = &self.engines.store.loads;
        let load = self.load(id).await?.ok_or_else(unknown_load)?;
        // No worker has to take back what none has taken.
        let nothing = Progress::queued(load.source_size_bytes).in_state(LoadState::Cancelled, Reverted::default());
        if let Some(cancelled) = loads.cancel_queued(id, &nothing).await? {
            self.tell_end(&cancelled, nothing).await;
            return Ok(cancelled);
        }
        self.take_back(&load, LoadState::Cancelled).await
    }

    /// Takes back what a load wrote that has succeeded. A load that is undone already is answered as it is.
    pub async fn undo_load(&self, id: LoadId) -> Result<Load, ActionError> {
        let load = self.load(id).await?.ok_or_else(unknown_load)?;
        if load.dry_run {
            return Err(ActionError::conflict(format!("load #{} is a dry run: it wrote nothing", load.number)));
        }
        if load.state == LoadState::Succeeded && load.undo_until < OffsetDateTime::now_utc() {
            let reason = format!("load #{} can be undone no more: what it replaced is kept no longer", load.number);
            return Err(ActionError::conflict(reason));
        }
        self.take_back(&load, LoadState::Undone).await
    }

    async fn take_back(&self, load: &Load, ends_as: LoadState) -> Result<Load, ActionError> {
        let Some(reverting) = self.engines.store.loads.start_reverting(load.id, ends_as, None).await? else {
            let now = self.load(load.id).await?.ok_or_else(unknown_load)?;
            let is_same = now.state == ends_as || now.ends_as == Some(ends_as);
            let (number, state) = (now.number, now.state.name());
            return if is_same { Ok(now) } else { Err(ActionError::conflict(format!("load #{number} is {state}"))) };
        };
        info!(load.id = %load.id, load.number = load.number, ends_as = ends_as.name(), "load is taken back");
        if !matches!(tokio::time::timeout(PUBLISHING, self.publish(&reverting)).await, Ok(Ok(()))) {
            warn!(load.id = %load.id, "the load is taken back once the message bus is back");
        }
        Ok(reverting)
    }

    async fn tell_end(&self, load: &Load, progress: Progress) {
        info!(load.id = %load.id, load.number = load.number, "load is cancelled before a worker took it");
        let told = async {
            let seq = self.engines.bus.publish_event(load.id, &LoadEvent::Finished { progress }).await?;
            self.engines.store.loads.set_last_event(load.id, seq).await?;
            Ok::<_, EngineError>(())
        };
        // The worker that meets its work tells it otherwise.
        if let Err(error) = told.await {
            warn!(load.id = %load.id, %error, "the end of a load was not told");
        }
    }

    /// The load that was accepted for the same request before. `CONFLICT` if its key was used for another one.
    async fn known(&self, request: &Request) -> Result<Option<Load>, ActionError> {
        let Some(key) = &request.start.idempotency_key else { return Ok(None) };
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(ActionError::bad_input(format!("idempotencyKey must have 1 to {MAX_KEY_BYTES} bytes")));
        }
        let Some(load) = self.engines.store.loads.by_idempotency_key(key).await? else { return Ok(None) };
        let Request { start, retry_of, only_rejected_of } = request;
        let then = (load.entity, &load.source, load.policy, load.dry_run, load.retry_of, load.only_rejected_of);
        if then == (start.entity, &start.source, start.policy, start.dry_run, *retry_of, *only_rejected_of) {
            Ok(Some(load))
        } else {
            let reason = "this idempotencyKey was used for a load of another entity, source or settings";
            Err(ActionError::conflict(reason))
        }
    }

    /// Writes a load and puts it on the queue, unless that was done before for the same request.
    async fn accept(&self, request: Request) -> Result<Load, ActionError> {
        if let Some(known) = self.known(&request).await? {
            return Ok(known);
        }
        let Request { start, retry_of, only_rejected_of } = &request;
        let source = self.datalake.head(&start.source).await?;
        check_format(start)?;
        if !self.engines.bus.is_connected() {
            return Err(ActionError::unavailable("the message bus is away: the load was not accepted; try again"));
        }
        let new = NewLoad {
            policy: start.policy,
            dry_run: start.dry_run,
            retry_of: *retry_of,
            only_rejected_of: *only_rejected_of,
            idempotency_key: start.idempotency_key.clone(),
            ..NewLoad::of(start.entity, source)
        };
        let load = match self.engines.store.loads.insert(new).await {
            Ok(load) => load,
            Err(StoreError::Duplicate(_)) => {
                let twin = self.known(&request).await?;
                return twin.ok_or_else(|| ActionError::internal("a duplicate key is not there"));
            }
            Err(error) => return Err(error.into()),
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

    /// Puts a load on the queue for what it is at, and notes that it is there.
    pub(crate) async fn publish(&self, load: &Load) -> Result<(), ActionError> {
        let Engines { store, bus } = &self.engines;
        let work = match load.state {
            LoadState::Reverting => Work::Revert { load: load.id },
            _ => Work::Plan { load: load.id },
        };
        if load.state == LoadState::Queued {
            // Before a worker can say more. Whoever does not hear it hears of the load by its worker.
            let accepted = LoadEvent::Accepted { bytes_total: load.source_size_bytes };
            if let Err(error) = bus.publish_event(load.id, &accepted).await {
                debug!(load.id = %load.id, %error, "that a load waits was not told");
            }
        }
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

    /// What a load changes in the total, by month.
    pub async fn total_changes(&self, load: LoadId) -> Result<TotalChanges, ActionError> {
        Ok(self.engines.store.load_chunks.sum(load).await?.changes)
    }

    /// The first `limit` rows that stayed when a load was taken back.
    pub async fn kept_rows(&self, load: &Load, limit: usize) -> Result<Vec<KeptRow>, ActionError> {
        let store = &self.engines.store;
        Ok(match load.entity {
            LoadEntity::PostalCodes => store.kept_rows::<PostalCode>(load, limit).await?,
            LoadEntity::Paystats => store.kept_rows::<Paystat>(load, limit).await?,
        })
    }

    /// How many loads wait before this one.
    pub async fn queued_before(&self, load: &Load) -> Result<u64, ActionError> {
        Ok(self.engines.store.loads.queued_before(load.number).await?)
    }

    /// Files of the data lake whose path starts with `prefix`.
    pub async fn datalake(&self, prefix: &str) -> Result<Vec<DatalakeObject>, ActionError> {
        Ok(self.datalake.list(prefix).await?)
    }

    /// How far a load is: as the store has it once it has ended, else as its events tell.
    pub fn progress(&self, load: &Load) -> Progress {
        match &load.progress {
            Some(end) if load.state.is_final() => self.end(end, 0),
            _ => under_way(load, self.watch.now(load.id).as_deref()),
        }
    }

    /// The end of a load. One that the bus has not taken yet goes with the least number that it may get: the next one after the newest event of
    /// all, and after `seen`.
    pub(super) fn end(&self, end: &Progress, seen: u64) -> Progress {
        let next = self.watch.heard().max(seen).saturating_add(1).min(i64::MAX as u64);
        Progress { seq: if end.seq == 0 { next } else { end.seq }, ..end.clone() }
    }
}

/// Areas are what GeoJSON is for: paystats have none.
fn check_format(start: &StartLoad) -> Result<(), ActionError> {
    match (start.entity, SourceFormat::of(&start.source).text) {
        (LoadEntity::Paystats, TextFormat::GeoJson) => {
            let source = &start.source;
            Err(ActionError::bad_input(format!(
                "source '{source}' is GeoJSON by its name, and paystats are loaded from CSV"
            )))
        }
        (LoadEntity::PostalCodes, _) | (LoadEntity::Paystats, TextFormat::Csv) => Ok(()),
    }
}

/// The progress of a load that has not ended, as far as its events tell.
pub(super) fn under_way(load: &Load, heard: Option<&Progress>) -> Progress {
    let known = heard.or(load.progress.as_ref()).cloned();
    let known = known.unwrap_or_else(|| Progress::queued(load.source_size_bytes));
    // The store knows at once that a load is being taken back; its workers say so a moment later.
    if load.state == LoadState::Reverting && !known.state.is_taken_back() {
        let mut reverting = known.in_state(LoadState::Reverting, Reverted::default());
        (reverting.seq, reverting.error) = (known.seq, load.error.clone());
        return reverting;
    }
    known
}

/// Refuses a load that is not there.
pub fn unknown_load() -> ActionError {
    ActionError::not_found("there is no load with this id")
}

/// Whether a load can be repeated, as a whole or only the lines that it refused.
fn check_retry(load: &Load, only_rejected: bool) -> Result<(), ActionError> {
    let number = load.number;
    let refused = |reason: String| Err(ActionError::conflict(reason));
    match (only_rejected, load.state) {
        (false, LoadState::Failed | LoadState::Cancelled | LoadState::Undone) => Ok(()),
        (false, LoadState::Succeeded) => refused(format!("load #{number} has succeeded: there is nothing to repeat")),
        (true, LoadState::Succeeded) if load.dry_run => {
            refused(format!("load #{number} is a dry run: start a load of its source"))
        }
        (true, LoadState::Succeeded) => {
            let rejected = load.progress.as_ref().map_or(0, |progress| progress.counts.rejected);
            if rejected > 0 { Ok(()) } else { refused(format!("load #{number} has refused no row")) }
        }
        (true, LoadState::Failed | LoadState::Cancelled | LoadState::Undone) => {
            refused(format!("nothing of load #{number} is left: repeat it as a whole"))
        }
        (
            _,
            LoadState::Queued | LoadState::Planning | LoadState::Loading | LoadState::RollingUp | LoadState::Reverting,
        ) => refused(format!("load #{number} has not ended yet")),
    }
}

fn check_policy(policy: &RejectPolicy) -> Result<(), ActionError> {
    match policy.max_rejected_ratio {
        Some(ratio) if !(0.0..=1.0).contains(&ratio) => {
            Err(ActionError::bad_input(format!("maxRejectedRatio: {ratio} is not between 0 and 1")))
        }
        _ => Ok(()),
    }
}
