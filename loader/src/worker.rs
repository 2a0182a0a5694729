//! One worker: takes work, keeps it alive, does it, and says what happens next: done, again, or given up.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use paystats_core::{
    bus::{BusError, Delivery, Work, WorkKind, WorkQueue},
    engines::{backoff, wait_for},
    load::LoadState,
    store::Claim,
    telemetry::traces,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, error, error_span, field::Empty, info, trace_span, warn};

use crate::{Loader, chunk, error::WorkError, finish, keep_alive::KeepAlive, metrics::WorkOutcome, plan, revert};

/// How often work is given out before its load is given up. Waiting for an engine is part of an attempt, not one more; a worker that
/// dies or is stopped in the middle uses one up.
const MAX_ATTEMPTS: i64 = 20;

/// Takes and does one kind of work until `shutdown` is cancelled.
pub async fn work(loader: Arc<Loader>, kind: WorkKind, shutdown: CancellationToken) {
    let loader = loader.as_ref();
    let work = async {
        loop {
            let queue = wait_for("the work queue", || open_queue(loader, kind)).await;
            let _listening = loader.condition.listens(kind);
            if let Err(error) = take_all(loader, kind, &queue, &shutdown).await {
                warn!(%error, "the work queue was lost");
            }
            if shutdown.is_cancelled() {
                return;
            }
        }
    };
    // `take_all` gives back what is in hand; only waiting is cut off here.
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    tokio::select! {
        () = work => {}
        () = patience => {}
    }
}

/// The queue; its streams are made anew where the bus lost them.
async fn open_queue(loader: &Loader, kind: WorkKind) -> Result<WorkQueue, WorkError> {
    let bus = &loader.engines.bus;
    match bus.work_queue(kind).await {
        Ok(queue) => Ok(queue),
        Err(_) => {
            loader.engines.prepare_bus().await?;
            Ok(bus.work_queue(kind).await?)
        }
    }
}

async fn take_all(
    loader: &Loader,
    kind: WorkKind,
    queue: &WorkQueue,
    shutdown: &CancellationToken,
) -> Result<(), BusError> {
    loop {
        let delivery = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            next = queue.next() => match next? {
                Some(delivery) => delivery,
                None => continue,
            },
        };
        let delivery = Arc::new(delivery);
        let _alive = KeepAlive::start(delivery.clone());
        let (_in_hand, start) = (loader.metrics.takes(kind, delivery.attempt()), Instant::now());
        let answered = tokio::select! {
            answered = handle(loader, kind, &delivery) => answered,
            () = shutdown.cancelled() => {
                loader.metrics.worked(kind, WorkOutcome::Again, start.elapsed());
                delivery.nak(Duration::ZERO).await
            }
        };
        if let Err(error) = answered {
            // The bus gives the work out again by itself.
            warn!(%error, "work was not acknowledged");
        }
    }
}

/// Why the load of a piece of work cannot succeed.
struct GivenUp(String);

/// Does one piece of work and answers the bus.
async fn handle(loader: &Loader, kind: WorkKind, delivery: &Delivery) -> Result<(), BusError> {
    let work = match delivery.work() {
        Ok(work) => work,
        Err(error) => {
            error!(%error, "a message that is no work is dropped");
            return delivery.term().await;
        }
    };
    let (logged, traced) = spans(kind, work, delivery);
    do_and_answer(loader, kind, work, delivery).instrument(traced).instrument(logged).await
}

/// The work in logs, and in a trace: that of whoever put it on the queue.
fn spans(kind: WorkKind, work: Work, delivery: &Delivery) -> (Span, Span) {
    let chunk = match work {
        Work::Plan { .. } | Work::Revert { .. } => None,
        Work::Chunk { index, .. } => Some(index),
    };
    let kind = kind.name();
    let logged = error_span!("work", kind, chunk, load.id = %work.load(), trace.id = Empty);
    let traced =
        trace_span!(target: traces::TARGET, parent: &logged, "work", otel.name = kind, otel.kind = "consumer", chunk);
    traces::go_on(&traced, delivery.traceparent());
    logged.record("trace.id", traces::id_of(&traced));
    (logged, traced)
}

async fn do_and_answer(loader: &Loader, kind: WorkKind, work: Work, delivery: &Delivery) -> Result<(), BusError> {
    let (start, attempt) = (Instant::now(), delivery.attempt());
    let done = if attempt > MAX_ATTEMPTS && !matches!(work, Work::Revert { .. }) {
        let reason = format!("a part of the load was tried {MAX_ATTEMPTS} times, and no worker could finish it");
        Err(GivenUp(reason))
    } else {
        match AssertUnwindSafe(until_engines_answer(loader, work)).catch_unwind().await {
            Ok(Err(WorkError::Refused(reason))) => Err(GivenUp(reason)),
            Ok(Err(WorkError::SourceAway(reason))) if attempt >= MAX_ATTEMPTS => {
                Err(GivenUp(format!("{reason}; it was tried {attempt} times")))
            }
            Ok(outcome) => Ok(outcome),
            Err(_) => Ok(Err(WorkError::Refused("a worker panicked".to_owned()))),
        }
    };
    let (done, outcome) = match done {
        Ok(outcome) => (WorkOutcome::Done, outcome),
        Err(GivenUp(reason)) => (WorkOutcome::Failed, finish::give_up(&loader.engines, work.load(), &reason).await),
    };
    let counted = match &outcome {
        Ok(()) => done,
        Err(WorkError::Lost) => WorkOutcome::NotOurs,
        Err(_) => WorkOutcome::Again,
    };
    loader.metrics.worked(kind, counted, start.elapsed());
    match outcome {
        Ok(()) => delivery.ack().await,
        // The answer is the other worker's to give.
        Err(WorkError::Lost) => {
            info!(load.id = %work.load(), attempt, "another worker has taken the work");
            Ok(())
        }
        Err(error) => {
            let pause = Duration::from_secs(1) * attempt.clamp(1, 30) as u32;
            error!(load.id = %work.load(), attempt, %error, "work failed and will be tried again");
            delivery.nak(pause).await
        }
    }
}

/// Does the work, and does it again once an engine that was away is back: that is not the load's fault.
async fn until_engines_answer(loader: &Loader, work: Work) -> Result<(), WorkError> {
    let mut pauses = backoff();
    let mut claim = Claim::new();
    loop {
        match attempt(loader, work, &mut claim).await {
            Err(error) if error.is_away() => {
                warn!(load.id = %work.load(), %error, "work waits for an engine");
                wait_for("MongoDB", || loader.engines.store.ping()).await;
                // Where NATS came back without its streams, waiting alone would not help.
                if let Err(error) = loader.engines.prepare_bus().await {
                    debug!(%error, "the bus is not ready");
                }
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
            outcome => return outcome,
        }
    }
}

async fn attempt(loader: &Loader, work: Work, claim: &mut Claim) -> Result<(), WorkError> {
    let Some(load) = loader.engines.store.loads.by_id(work.load()).await? else {
        warn!(load.id = %work.load(), "work for a load that is not in the store is dropped");
        return Ok(());
    };
    match (load.state, work) {
        (state, _) if state.is_final() => {
            loader.reports.forget(load.id);
            finish::tell(&loader.engines, &load).await
        }
        (LoadState::Reverting, Work::Revert { .. }) => revert::revert(loader, load).await,
        // Whoever began to take it back may have died before they said so.
        (LoadState::Reverting, _) => Ok(loader.engines.bus.publish_work(Work::Revert { load: load.id }).await?),
        (_, Work::Plan { .. }) => plan::plan(loader, load).await,
        (_, Work::Chunk { index, .. }) => chunk::load_chunk(loader, load, index, claim).await,
        (_, Work::Revert { .. }) => Ok(()),
    }
}
