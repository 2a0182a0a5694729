//! What is known of loads: of those under way or watched, and of some that have ended.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use lru::LruCache;
use paystats_core::load::{LoadEvent, LoadId, Numbered, Progress, ProgressFold};
use tokio::sync::watch;

use super::history::History;

/// Loads that nobody watches and whose history is kept for who comes back: at most a hundred KiB each.
const PAST_KEPT: NonZeroUsize = NonZeroUsize::new(64).expect("more than zero");

/// The board.
pub(super) struct Board {
    /// Loads that are under way or watched.
    loads: HashMap<LoadId, Followed>,
    /// Loads whose end was heard, and its number: what is said of them late, or again, is no news. Only a success that is taken back is
    /// under way once more. Twenty-four bytes each, never forgotten.
    ended: HashMap<LoadId, u64>,
    /// Histories of other loads.
    past: LruCache<LoadId, History>,
    /// Number of the newest event.
    heard: u64,
}

#[derive(Default)]
struct Followed {
    fold: ProgressFold,
    /// `None` before the first event.
    history: Option<History>,
    bell: watch::Sender<()>,
}

impl Default for Board {
    fn default() -> Self {
        Self { loads: HashMap::new(), ended: HashMap::new(), past: LruCache::new(PAST_KEPT), heard: 0 }
    }
}

impl Board {
    /// Takes an event in, and gives the progress of its load, if it has changed that.
    pub fn apply(&mut self, id: LoadId, event: &Numbered) -> Option<Arc<Progress>> {
        self.heard = self.heard.max(event.seq);
        if event.event == LoadEvent::Unknown {
            return None;
        }
        if let Some(&end) = self.ended.get(&id) {
            if event.seq <= end || !matches!(event.event, LoadEvent::Reverting { .. }) {
                return None;
            }
            self.ended.remove(&id);
        }
        let past = self.past.pop(&id);
        let load = self.loads.entry(id).or_default();
        load.history = load.history.take().or(past);
        if !load.fold.apply(event) {
            return None;
        }
        let state = Arc::new(load.fold.now().clone());
        match &mut load.history {
            Some(history) => history.push(state.clone()),
            None => load.history = Some(History::new(event, state.clone())),
        }
        load.bell.send_replace(());
        if state.state.is_final() {
            self.ended.insert(id, event.seq);
            self.leave(id);
        }
        Some(state)
    }

    /// Events up to this number are gone that were not heard.
    pub fn lose(&mut self, number: u64) {
        let histories = self.loads.values_mut().filter_map(|load| load.history.as_mut());
        histories.chain(self.past.iter_mut().map(|(_, history)| history)).for_each(|history| history.lose(number));
    }

    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// All loads that are under way.
    pub fn under_way(&self) -> HashMap<LoadId, Arc<Progress>> {
        let newest = |(id, load): (&LoadId, &Followed)| Some((*id, load.history.as_ref()?.newest()));
        self.loads.iter().filter_map(newest).filter(|(_, progress)| !progress.state.is_final()).collect()
    }

    pub fn now(&self, id: LoadId) -> Option<Arc<Progress>> {
        Some(self.loads.get(&id)?.history.as_ref()?.newest())
    }

    pub fn watch(&mut self, id: LoadId) -> watch::Receiver<()> {
        self.loads.entry(id).or_default().bell.subscribe()
    }

    /// A watcher has gone. Of a load that has ended, or that nothing was heard of, the history is enough.
    pub fn leave(&mut self, id: LoadId) {
        let is_idle = |load: &Followed| {
            let is_under_way = load.history.is_some() && !load.fold.now().state.is_final();
            load.bell.receiver_count() == 0 && !is_under_way
        };
        if self.loads.get(&id).is_some_and(is_idle)
            && let Some(Followed { history: Some(history), .. }) = self.loads.remove(&id)
        {
            self.past.put(id, history);
        }
    }

    pub fn next_after(&self, id: LoadId, seq: u64) -> Option<(Arc<Progress>, bool)> {
        let history = self.loads.get(&id)?.history.as_ref()?;
        match history.after(seq) {
            Some(mut states) => Some((states.next()?.clone(), false)),
            None => Some((history.newest(), true)).filter(|(newest, _)| newest.seq > seq),
        }
    }

    pub fn states_after(&mut self, id: LoadId, seq: u64) -> Option<Vec<Arc<Progress>>> {
        let history = self.loads.get(&id).and_then(|load| load.history.as_ref()).or_else(|| self.past.get(&id))?;
        history.after(seq).map(|states| states.cloned().collect())
    }

    /// Puts what was read of a load before that which was heard.
    pub fn remember(&mut self, id: LoadId, past: History) {
        match self.loads.get_mut(&id).and_then(|load| load.history.as_mut()) {
            Some(history) => history.precede(past),
            None => drop(self.past.put(id, past)),
        }
    }
}
