//! One execution of a subscription for all who watch the same.
//!
//! What a watcher is told first is its own matter. What follows is the same for all who sent the same document with the same variables, so it
//! is executed and written once, as a [`Channel`], and each watcher takes it from there at its own pace:
//!
//! - Who keeps up gets every result.
//! - Who is behind by more than [`MAX_BEHIND`] results gets of each subject only the newest, and never a backlog.
//! - Of a crowd, each gets the newest as often as [`RESULTS_PER_SECOND`] in all allow, and the last one at once: sending costs the same for a
//!   result that is superseded a moment later, and the machine has other work.
//!
//! A watcher that does not take anything holds up nobody: it costs its place. The execution ends with its last watcher.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{Name, Request};
use futures_util::{Stream, StreamExt};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    feed::{EventId, Feed, Part},
    results::Outcome,
};

/// Results that a watcher may be behind and still gets each of them.
const MAX_BEHIND: u64 = 64;

/// Watchers of one channel from which on they are a crowd.
const CROWD: usize = 200;

/// Results that a channel hands out to a crowd in a second.
const RESULTS_PER_SECOND: usize = 600;

/// Results that are kept without a look at whether anybody needs them.
const KEPT: usize = 256;

/// How long a result is kept at least that nothing supersedes. A connection is usually given up before its watcher is so far behind.
const NEEDED: Duration = Duration::from_secs(120);

/// The channels of a server, by what they answer.
#[derive(Debug, Default)]
pub(super) struct FanOut {
    channels: Mutex<HashMap<Question, Weak<Channel>>>,
}

/// What is asked. Whatever else an answer may come to depend on, such as who asks, has to be in here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    query: String,
    operation_name: Option<String>,
    variables: String,
}

impl Question {
    /// What this request asks, whatever the value of the variable `but_for`.
    pub(super) fn of(request: &Request, but_for: Option<&Name>) -> Self {
        let variables: BTreeMap<_, _> = request.variables.iter().filter(|(name, _)| Some(*name) != but_for).collect();
        Self {
            query: request.query.clone(),
            operation_name: request.operation_name.clone(),
            variables: serde_json::to_string(&variables).unwrap_or_default(),
        }
    }
}

/// The results of one execution.
#[derive(Debug)]
struct Channel {
    question: Question,
    fan_out: Weak<FanOut>,
    feed: Feed,
    watchers: AtomicUsize,
    results: Mutex<Results>,
    /// Rings when there is something to take.
    bell: watch::Sender<()>,
    execution: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Debug, Default)]
struct Results {
    /// The oldest first.
    kept: VecDeque<Kept>,
    /// Where in the order of all results the newest one of each subject is.
    newest: HashMap<u128, u64>,
    /// Place of the newest result of all, from 1.
    last: u64,
    /// Up to this place results are gone that nothing supersedes.
    lost: u64,
    ended: bool,
}

#[derive(Debug)]
struct Kept {
    place: u64,
    outcome: Outcome,
    since: Instant,
    is_superseded: bool,
}

/// A watcher's place at a channel.
#[derive(Debug)]
pub(super) struct Watcher {
    channel: Arc<Channel>,
    /// Place of the result that was taken last.
    place: u64,
    /// Results of events up to this number are known to the watcher.
    known: u64,
    /// Whether it was told that it is too far behind.
    is_lost: bool,
    bell: watch::Receiver<()>,
}

impl FanOut {
    /// A place at the channel for this question, which `execute` starts if there is none.
    pub(super) async fn join<S>(self: &Arc<Self>, question: Question, execute: impl FnOnce(Feed) -> S) -> Watcher
    where
        S: Stream<Item = Outcome> + Send + 'static,
    {
        let watcher = self.channel(question, execute).watcher();
        watcher.channel.feed.until_it_starts().await;
        watcher
    }

    fn channel<S>(self: &Arc<Self>, question: Question, execute: impl FnOnce(Feed) -> S) -> Arc<Channel>
    where
        S: Stream<Item = Outcome> + Send + 'static,
    {
        // Dropped after the lock is given back: a channel that goes takes the lock itself.
        let known;
        let mut channels = self.lock();
        known = channels.get(&question).and_then(Weak::upgrade);
        if let Some(channel) = &known
            && !channel.lock().ended
        {
            return channel.clone();
        }
        let feed = Feed::new(Part::FromNowOn, None);
        let results = execute(feed.clone());
        let channel = Arc::new(Channel {
            question: question.clone(),
            fan_out: Arc::downgrade(self),
            feed,
            watchers: AtomicUsize::new(0),
            results: Mutex::default(),
            bell: watch::Sender::new(()),
            execution: OnceLock::new(),
        });
        channels.insert(question, Arc::downgrade(&channel));
        let run = tokio::spawn(run(Arc::downgrade(&channel), results));
        // Set once, here.
        let _ = channel.execution.set(AbortOnDropHandle::new(run));
        channel
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Weak<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts results on a channel until they end or the channel is gone.
async fn run(channel: Weak<Channel>, results: impl Stream<Item = Outcome> + Send) {
    let mut results = std::pin::pin!(results);
    // When the bell may ring again, and whether it has to.
    let (mut next, mut is_due) = (Instant::now(), false);
    loop {
        let result = tokio::select! {
            biased;
            () = sleep_until(next), if is_due => None,
            result = results.next() => Some(result),
        };
        let Some(channel) = channel.upgrade() else { return };
        match result {
            Some(Some(outcome)) => {
                channel.lock().push(outcome);
                is_due = true;
                if Instant::now() < next {
                    continue;
                }
            }
            Some(None) => {
                channel.lock().ended = true;
                channel.bell.send_replace(());
                // Whoever waits for the start of what has ended already has nothing to wait for.
                channel.feed.from_now_on();
                return;
            }
            None => {}
        }
        channel.bell.send_replace(());
        (next, is_due) = (Instant::now() + channel.pause(), false);
    }
}

impl Channel {
    fn watcher(self: Arc<Self>) -> Watcher {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        let (place, bell) = (self.lock().last, self.bell.subscribe());
        Watcher { channel: self, place, known: 0, is_lost: false, bell }
    }

    fn is_crowded(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > CROWD
    }

    /// Time between two rings.
    fn pause(&self) -> Duration {
        let watchers = self.watchers.load(Ordering::Relaxed);
        if watchers > CROWD {
            Duration::from_secs(1) * watchers as u32 / RESULTS_PER_SECOND as u32
        } else {
            Duration::ZERO
        }
    }

    fn lock(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(fan_out) = self.fan_out.upgrade() {
            let mut channels = fan_out.lock();
            // By now there may be another one.
            if channels.get(&self.question).is_some_and(|channel| channel.strong_count() == 0) {
                channels.remove(&self.question);
            }
        }
    }
}

impl Results {
    fn push(&mut self, outcome: Outcome) {
        self.last += 1;
        let EventId { subject, .. } = outcome.event;
        if let Some(before) = self.newest.insert(subject, self.last)
            && let Some(before) = self.find(before)
        {
            before.is_superseded = true;
        }
        self.kept.push_back(Kept { place: self.last, outcome, since: Instant::now(), is_superseded: false });
        if self.kept.len() > KEPT {
            self.forget_old();
        }
    }

    fn find(&mut self, place: u64) -> Option<&mut Kept> {
        let found = self.kept.binary_search_by_key(&place, |kept| kept.place).ok()?;
        self.kept.get_mut(found)
    }

    /// Forgets half of what is kept, and of that first what is superseded; the rest only after a while.
    fn forget_old(&mut self) {
        let recent = self.last - KEPT as u64 / 2;
        let Self { kept, newest, lost, .. } = self;
        kept.retain(|kept| {
            let is_needed = kept.place > recent || !(kept.is_superseded || kept.since.elapsed() > NEEDED);
            if !is_needed && !kept.is_superseded {
                *lost = kept.place;
            }
            is_needed
        });
        newest.retain(|_, place| kept.binary_search_by_key(place, |kept| kept.place).is_ok());
    }

    /// The first result after this place that has to be told to a watcher.
    fn next(&self, place: u64, newest_only: bool) -> Option<&Kept> {
        let first = self.kept.partition_point(|kept| kept.place <= place);
        self.kept.range(first..).find(|kept| !(newest_only && kept.is_superseded))
    }
}

impl Watcher {
    /// Leaves out the events up to this number.
    pub(super) fn after(mut self, number: u64) -> Self {
        self.known = number;
        self
    }

    /// What comes next; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<Outcome> {
        loop {
            self.bell.mark_unchanged();
            if let Some(taken) = self.take() {
                return taken;
            }
            // The bell hangs on the channel, which is ours.
            self.bell.changed().await.ok()?;
        }
    }

    /// What there is to take by now: a result, or the end.
    fn take(&mut self) -> Option<Option<Outcome>> {
        let results = self.channel.lock();
        if self.place < results.lost {
            if self.is_lost {
                return Some(None);
            }
            self.is_lost = true;
            return Some(Some(Outcome::too_slow()));
        }
        loop {
            let newest_only = self.channel.is_crowded() || results.last - self.place > MAX_BEHIND;
            let Some(Kept { place, outcome, .. }) = results.next(self.place, newest_only) else {
                return results.ended.then_some(None);
            };
            self.place = *place;
            if outcome.event.number.is_none_or(|number| number > self.known) {
                return Some(Some(outcome.clone()));
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.channel.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
