//! Loads as they go on: what they have come to until now, and every change from then on.
//!
//! Watchers are served in these two parts, because the second one is the same for all who ask the same. Nothing is lost or repeated in between
//! if the second one is asked for first, and what of it is not newer than the end of the first part is left out.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use paystats_core::{
    load::{Load, LoadId, LoadState, Progress},
    store::LoadFilter,
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};
use tracing::warn;

use super::{ActionError, Actions, ErrorCode, loads::under_way, unknown_load};
use crate::watch::Watching;

/// How far a load is.
#[derive(Clone, Debug)]
pub struct LoadNews {
    /// The load.
    pub load: LoadId,
    /// Its state.
    pub progress: Arc<Progress>,
    /// Number of the event that told it; `None` for an end that the bus has not taken yet.
    pub number: Option<u64>,
    /// Whether there may have been other states before this one that the watcher has not seen and never will.
    pub missed: bool,
}

/// What a watcher is told first.
#[derive(Clone, Debug)]
pub struct UntilNow {
    /// The state now, or what came after the event that the watcher saw last.
    pub news: Vec<LoadNews>,
    /// Number of the last event that is in it; `None` if nothing will follow.
    pub goes_on_after: Option<u64>,
}

/// How long the bus is waited for at a time, once the store knows that a load has ended.
const LAST_WORD: Duration = Duration::from_millis(250);
/// How often the end of a load is waited for on the bus before the store has the last word: for some seconds, in which another worker tells
/// what one that died could not.
const WAITS: u32 = 20;
/// How long a watcher is let wait for events of which another server, or the store, knows already.
const CATCHING_UP: Duration = Duration::from_secs(2);

impl LoadNews {
    fn of(load: LoadId, progress: Arc<Progress>, missed: bool) -> Self {
        let number = Some(progress.seq);
        Self { load, progress, number, missed }
    }
}

impl Actions {
    /// How far a load is, or every state after the event `after`. Where these are not all known any more, or no event has this number, the
    /// state now stands for them as [`LoadNews::missed`].
    pub async fn load_until_now(&self, id: LoadId, after: Option<u64>) -> Result<UntilNow, ActionError> {
        let mut watching = self.watch.watch(id);
        if let Some(after) = after {
            self.hear(&mut watching, after).await;
        }
        let mut load = self.load(id).await?.ok_or_else(unknown_load)?;
        for _ in 0..WAITS {
            // It has just ended, and the bus is about to tell under which number.
            let end = load.progress.as_ref().filter(|_| load.state.is_final());
            if end.is_none_or(|end| end.seq > 0) || watching.now().is_some() {
                break;
            }
            watching.changed(LAST_WORD).await;
            load = self.load(id).await?.ok_or_else(unknown_load)?;
        }
        let heard = watching.now();
        let now = match &load.progress {
            Some(end) if load.state.is_final() && end.seq > 0 => Arc::new(end.clone()),
            Some(end) if load.state.is_final() && heard.is_none() => {
                let progress = Arc::new(self.end(end, after.unwrap_or_default()));
                let end = LoadNews { load: id, progress, number: None, missed: after.is_some() };
                return Ok(UntilNow { news: vec![end], goes_on_after: None });
            }
            _ => match heard {
                Some(heard) if load.state.is_final() => heard,
                heard => Arc::new(under_way(&load, heard.as_deref())),
            },
        };
        if after.is_some() {
            // The store may know the end before all that was told on the way to it is heard.
            self.hear(&mut watching, now.seq).await;
        }
        let news = |progress, missed| LoadNews::of(id, progress, missed);
        let ended = now.state.is_final();
        let told = match after {
            None => vec![news(now.clone(), false)],
            Some(after) if after == now.seq && now.seq > 0 => Vec::new(),
            Some(after) if after > now.seq && !ended && after <= self.watch.heard() => Vec::new(),
            Some(after) if after > now.seq => vec![news(now.clone(), true)],
            Some(after) => match self.states_after(id, after).await {
                Some(mut states) => {
                    if states.last().is_none_or(|last| last.seq < now.seq) {
                        states.push(now.clone());
                    }
                    states.into_iter().map(|progress| news(progress, false)).collect()
                }
                None => vec![news(now.clone(), true)],
            },
        };
        let last = told.last().map_or(now.seq, |last| last.progress.seq).max(now.seq);
        let is_over = told.last().map_or(ended, |last| last.progress.state.is_final());
        Ok(UntilNow { news: told, goes_on_after: (!is_over).then_some(last) })
    }

    /// Waits until the events up to this number are heard.
    async fn hear(&self, watching: &mut Watching, seq: u64) {
        let patience = Instant::now() + CATCHING_UP;
        while self.watch.heard() < seq && Instant::now() < patience {
            watching.changed(Duration::from_millis(50)).await;
        }
    }

    async fn states_after(&self, id: LoadId, after: u64) -> Option<Vec<Arc<Progress>>> {
        self.watch.states_after(&self.engines, id, after).await.unwrap_or_else(|error| {
            warn!(load.id = %id, %error, "a watcher who comes back is not told what it has missed");
            None
        })
    }

    /// Every change of a load from now on, until it ends. Who is too slow skips to the newest one.
    pub async fn watch_load(
        &self,
        id: LoadId,
    ) -> Result<impl Stream<Item = Result<LoadNews, ActionError>> + use<>, ActionError> {
        // Watched first and looked up then: whatever happens in between is seen by one of both.
        let watching = self.watch.watch(id);
        let seen = self.watch.heard();
        let load = self.load(id).await?.ok_or_else(unknown_load)?;
        let changes = LoadChanges { actions: self.clone(), watching, load, seen, waited: 0, ended: false };
        Ok(stream::unfold(changes, |mut changes| async move { Some((changes.next().await?, changes)) }))
    }

    /// The loads that are under way and match; with `after` the newest state of all that match of which something was told after the event of
    /// this number.
    pub async fn loads_until_now(&self, filter: &LoadFilter, after: Option<u64>) -> Result<UntilNow, ActionError> {
        let (under_way_now, heard) = self.watch.under_way();
        let store = &self.engines.store.loads;
        let missed = after.is_some();
        let mut news = Vec::new();
        for load in store.open(filter).await? {
            let progress = under_way(&load, under_way_now.get(&load.id).map(|progress| &**progress));
            // Of a load that no event has told of nobody knows whether the watcher has seen it.
            if after.is_none_or(|after| progress.seq > after || progress.seq == 0) {
                news.push(LoadNews::of(load.id, Arc::new(progress), missed));
            }
        }
        if let Some(after) = after {
            for load in store.ended_after(filter, after).await? {
                let progress = Arc::new(load.progress.unwrap_or_default());
                if progress.seq <= heard {
                    news.push(LoadNews::of(load.id, progress, missed));
                }
            }
        }
        news.retain(|news| matches_state(filter, news.progress.state));
        news.sort_by_key(|news| news.progress.seq);
        Ok(UntilNow { news, goes_on_after: Some(heard) })
    }

    /// Every change of every load from now on, as far as the load matches after it.
    pub fn watch_loads(&self, filter: LoadFilter) -> impl Stream<Item = Result<LoadNews, ActionError>> + use<> {
        let (_, heard) = self.watch.under_way();
        let changes = AllChanges {
            changes: self.watch.watch_all(),
            actions: self.clone(),
            filter,
            matching: HashMap::new(),
            told: heard,
        };
        stream::unfold(changes, |mut changes| async move { Some((changes.next().await?, changes)) })
            .flat_map(stream::iter)
    }
}

/// One load from now on.
struct LoadChanges {
    actions: Actions,
    watching: Watching,
    load: Load,
    /// Number of the event that was told last.
    seen: u64,
    /// How often the end was waited for on the bus in vain, that the store knows of.
    waited: u32,
    ended: bool,
}

impl LoadChanges {
    async fn next(&mut self) -> Option<Result<LoadNews, ActionError>> {
        while !self.ended {
            if let Some((progress, missed)) = self.watching.next_after(self.seen) {
                (self.seen, self.ended) = (progress.seq, progress.state.is_final());
                return Some(Ok(LoadNews::of(self.load.id, progress, missed)));
            }
            if let Some(end) = self.end_by_store() {
                self.ended = true;
                // What was before now is for others to tell.
                let is_news = end.number.is_none_or(|number| number > self.seen);
                return is_news.then_some(Ok(end));
            }
            if !self.watching.changed(self.patience()).await {
                self.waited += u32::from(self.load.state.is_final());
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
        if self.load.state.is_final() { LAST_WORD } else { Duration::from_secs(5) }
    }

    /// The end of the load, where no event will tell it.
    fn end_by_store(&self) -> Option<LoadNews> {
        let end = self.load.progress.as_ref().filter(|_| self.load.state.is_final())?;
        let number = Some(end.seq).filter(|&seq| seq > 0);
        if number.is_some_and(|number| number <= self.actions.watch.heard()) || self.waited >= WAITS {
            let progress = Arc::new(self.actions.end(end, self.seen));
            Some(LoadNews { load: self.load.id, progress, number, missed: true })
        } else {
            None
        }
    }
}

/// All loads from now on.
struct AllChanges {
    changes: broadcast::Receiver<(LoadId, Arc<Progress>)>,
    actions: Actions,
    filter: LoadFilter,
    /// Whether loads match by what does not change.
    matching: HashMap<LoadId, bool>,
    /// Number of the event that was told last.
    told: u64,
}

impl AllChanges {
    async fn next(&mut self) -> Option<Vec<Result<LoadNews, ActionError>>> {
        loop {
            match self.changes.recv().await {
                Ok((load, progress)) => {
                    let seq = progress.seq;
                    if seq <= self.told {
                        continue;
                    }
                    match self.matches(load, progress.state).await {
                        Ok(true) => {
                            self.told = seq;
                            return Some(vec![Ok(LoadNews::of(load, progress, false))]);
                        }
                        Ok(false) => {}
                        Err(error) => return Some(vec![Err(error)]),
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    self.changes = self.changes.resubscribe();
                    return Some(match self.actions.loads_until_now(&self.filter, Some(self.told)).await {
                        Ok(UntilNow { news, goes_on_after }) => {
                            self.told = goes_on_after.unwrap_or(self.told);
                            news.into_iter().map(Ok).collect()
                        }
                        Err(error) => vec![Err(error)],
                    });
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn matches(&mut self, id: LoadId, state: LoadState) -> Result<bool, ActionError> {
        if !matches_state(&self.filter, state) {
            return Ok(false);
        }
        if self.filter.entity.is_none() && self.filter.source.is_none() {
            return Ok(true);
        }
        let matching = match self.matching.get(&id) {
            Some(&matching) => matching,
            None => {
                let load = self.actions.load(id).await?;
                load.is_some_and(|load| {
                    self.filter.entity.is_none_or(|entity| entity == load.entity)
                        && self.filter.source.as_ref().is_none_or(|source| *source == load.source)
                })
            }
        };
        if state.is_final() {
            self.matching.remove(&id);
        } else {
            self.matching.insert(id, matching);
        }
        Ok(matching)
    }
}

fn matches_state(filter: &LoadFilter, state: LoadState) -> bool {
    filter.states.as_ref().is_none_or(|states| states.contains(&state))
}
