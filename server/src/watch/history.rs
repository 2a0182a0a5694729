//! What a load went through, for watchers that come back: every state after some event, up to a bound.

use std::{collections::VecDeque, sync::Arc};

use futures_util::TryStreamExt;
use paystats_core::{
    bus::{BusError, PastEvents},
    load::{LoadEvent, Numbered, Progress, ProgressFold},
};

/// States of one load that are kept: of one loader those of about half a minute.
const KEPT: usize = 512;

/// States of one load, the oldest first, each with the number of its event.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Every state that came after the event of this number is here.
    from: u64,
    states: VecDeque<Arc<Progress>>,
}

impl History {
    /// That of a load of which nothing was heard before `event`, which has made `state`.
    pub fn new(event: &Numbered, state: Arc<Progress>) -> Self {
        let from = if is_start(&event.event) { 0 } else { event.seq - 1 };
        Self { from, states: VecDeque::from([state]) }
    }

    /// What is known where not every event was heard.
    pub fn only(state: Arc<Progress>) -> Self {
        Self { from: state.seq, states: VecDeque::from([state]) }
    }

    /// From the events that the bus keeps. `None` if it keeps none.
    pub async fn read(PastEvents { kept_from, mut events }: PastEvents) -> Result<Option<Self>, BusError> {
        let (mut fold, mut history) = (ProgressFold::default(), None::<Self>);
        let mut is_whole = false;
        while let Some(event) = events.try_next().await? {
            is_whole |= history.is_none() && (is_start(&event.event) || tells_all(&event.event));
            if fold.apply(&event) {
                let state = Arc::new(fold.now().clone());
                match &mut history {
                    Some(history) => history.push(state),
                    None => history = Some(Self { from: kept_from.saturating_sub(1), states: VecDeque::from([state]) }),
                }
            }
        }
        // Where the first events are gone, so is what they alone told.
        Ok(history.map(|history| if is_whole { history } else { Self::only(history.newest()) }))
    }

    /// The next state.
    pub fn push(&mut self, state: Arc<Progress>) {
        // What was read from the bus may be ahead of what is heard.
        if state.seq <= self.newest().seq {
            return;
        }
        self.states.push_back(state);
        self.forget_old();
    }

    /// Adds what was read of the time before.
    pub fn precede(&mut self, past: Self) {
        if past.from < self.from {
            let first = self.states.front().map_or(u64::MAX, |state| state.seq);
            let known = self.states.drain(..);
            self.states = past.states.into_iter().take_while(|state| state.seq < first).chain(known).collect();
            self.from = past.from;
            self.forget_old();
        }
    }

    /// Events up to this number are gone that were not heard.
    pub fn lose(&mut self, number: u64) {
        *self = Self { from: number, states: VecDeque::from([self.newest()]) };
    }

    fn forget_old(&mut self) {
        while self.states.len() > KEPT
            && let Some(oldest) = self.states.pop_front()
        {
            self.from = oldest.seq;
        }
    }

    /// Every state after the event of this number; `None` if that is not known.
    pub fn after(&self, seq: u64) -> Option<impl Iterator<Item = &Arc<Progress>> + use<'_>> {
        let first = self.states.partition_point(|state| state.seq <= seq);
        (self.from <= seq).then(|| self.states.range(first..))
    }

    /// The last state.
    pub fn newest(&self) -> Arc<Progress> {
        self.states.back().cloned().unwrap_or_default()
    }
}

/// Whether no event of a load comes before this one.
fn is_start(event: &LoadEvent) -> bool {
    matches!(event, LoadEvent::Accepted { .. } | LoadEvent::Planning { .. })
}

/// Whether nothing has to be known of the events before this one.
fn tells_all(event: &LoadEvent) -> bool {
    matches!(event, LoadEvent::Reverting { .. } | LoadEvent::Finished { .. })
}
