//! What the resolver of a subscription and its transport tell each other.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

/// Which results of a subscription are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All, for this watcher alone.
    Whole,
    /// Only what a watcher is told first: the state now, or what came after the event that it saw last. Then the stream ends; the
    /// resolver says with [`Feed::goes_on_after`] if anything follows.
    UntilNow,
    /// Only what comes from now on, for any number of watchers. The resolver says with [`Feed::from_now_on`] when nothing can be lost any
    /// more.
    FromNowOn,
}

/// Lies in the data of each request that is a subscription; a resolver finds it with `ctx.data`.
#[derive(Clone, Debug)]
pub struct Feed {
    part: Part,
    last_seen: Option<u64>,
    said: Arc<Said>,
}

#[derive(Debug)]
struct Said {
    next: Mutex<Option<EventId>>,
    goes_on_after: AtomicU64,
    from_now_on: watch::Sender<bool>,
}

/// Which event a result tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventId {
    /// Grows from event to event. A client that lost its connection says which one it saw last. `None` if the event has no number.
    pub number: Option<u64>,
    /// What the event tells the whole state of: a later event of the same subject makes it superfluous.
    pub subject: u128,
}

/// No number of an event.
const NOTHING: u64 = u64::MAX;

impl Feed {
    pub(super) fn new(part: Part, last_seen: Option<u64>) -> Self {
        let (goes_on_after, from_now_on) = (AtomicU64::new(NOTHING), watch::Sender::new(false));
        Self { part, last_seen, said: Arc::new(Said { next: Mutex::default(), goes_on_after, from_now_on }) }
    }

    /// Which results are asked for.
    pub fn part(&self) -> Part {
        self.part
    }

    /// The number of the event that the client saw last, if it is one that has lost its connection and its transport knows the number.
    pub fn last_seen(&self) -> Option<u64> {
        self.last_seen
    }

    /// Says right before a subscription yields an event which one it is. This is enough to tell whose it is, because no event is asked
    /// for before the one before it has become a result and was taken.
    pub fn tells(&self, event: EventId) {
        *self.next() = Some(event);
    }

    /// What [`Part::UntilNow`] gives ends with the event of this number, and more may follow.
    pub fn goes_on_after(&self, number: u64) {
        self.said.goes_on_after.store(number, Ordering::Release);
    }

    /// Whatever happens after this call will be in what [`Part::FromNowOn`] gives.
    pub fn from_now_on(&self) {
        self.said.from_now_on.send_replace(true);
    }

    /// Which event the result tells that has just been taken.
    pub(super) fn take(&self) -> EventId {
        self.next().take().unwrap_or_default()
    }

    /// What was said by [`Feed::goes_on_after`].
    pub(super) fn last_until_now(&self) -> Option<u64> {
        Some(self.said.goes_on_after.load(Ordering::Acquire)).filter(|&number| number != NOTHING)
    }

    /// Waits for [`Feed::from_now_on`].
    pub(super) async fn until_it_starts(&self) {
        // The sender is ours, so it cannot be gone.
        let _ = self.said.from_now_on.subscribe().wait_for(|started| *started).await;
    }

    fn next(&self) -> MutexGuard<'_, Option<EventId>> {
        self.said.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
