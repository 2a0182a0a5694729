//! The progress of a load as a pure fold over its numbered events. Every process that heard the same events shows the same, and no count
//! ever goes back, redelivered chunks included.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{ChunkProgress, Counts, LoadEvent, LoadState, Numbered, Plan, Progress};

/// What was heard of a load so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProgressFold {
    now: Progress,
    chunks: BTreeMap<u32, ChunkProgress>,
    /// When a worker took the load.
    since: Option<OffsetDateTime>,
}

impl ProgressFold {
    /// Goes on from this progress.
    pub fn from(now: Progress) -> Self {
        Self { now, ..Self::default() }
    }

    /// How far the load is by all that was heard.
    pub fn now(&self) -> &Progress {
        &self.now
    }

    /// Takes an event in. Says whether it changed anything: events that were heard before, that come late from a chunk
    /// done twice, or that follow the end, do not. Only taking a load back may follow its success.
    pub fn apply(&mut self, Numbered { seq, at, event }: &Numbered) -> bool {
        if *seq <= self.now.seq {
            return false;
        }
        let stopped = self.now.state.is_final() || self.now.state == LoadState::Reverting;
        let changed = match event {
            LoadEvent::Accepted { bytes_total } => !stopped && self.accept(*bytes_total),
            LoadEvent::Planning { started_at_millis, bytes_total } => {
                !stopped && self.start(*started_at_millis, *bytes_total)
            }
            LoadEvent::Planned(plan) => !stopped && self.plan(*plan),
            LoadEvent::Working { chunks, .. } => !stopped && self.advance(*at, chunks),
            LoadEvent::Chunk(chunk) => !stopped && self.advance(*at, std::slice::from_ref(chunk)),
            LoadEvent::RollingUp => !stopped && self.roll_up(),
            LoadEvent::Reverting { progress } => {
                let may = !self.now.state.is_final() || self.now.state == LoadState::Succeeded;
                may && self.stop(progress)
            }
            LoadEvent::Finished { progress } => !self.now.state.is_final() && self.stop(progress),
            LoadEvent::Unknown => false,
        };
        if changed {
            self.now.seq = *seq;
        }
        changed
    }

    /// The first event, unless a worker was faster.
    fn accept(&mut self, bytes_total: u64) -> bool {
        let is_first = self.now.seq == 0;
        if is_first {
            self.now.bytes_total = bytes_total;
        }
        is_first
    }

    /// A worker takes the load. Chunks may be heard before this event where only the last event of each part was kept.
    fn start(&mut self, started_at_millis: i64, bytes_total: u64) -> bool {
        if self.since.is_some() {
            return false;
        }
        self.since = OffsetDateTime::from_unix_timestamp_nanos(i128::from(started_at_millis) * 1_000_000).ok();
        if self.now.state == LoadState::Queued {
            self.now.state = LoadState::Planning;
        }
        if self.now.rows_total.is_none() {
            self.now.bytes_total = bytes_total;
        }
        true
    }

    fn plan(&mut self, plan: Plan) -> bool {
        if self.now.rows_total.is_some() {
            return false;
        }
        self.now.state = self.now.state.max(LoadState::Loading);
        self.now.bytes_total = plan.bytes_total;
        self.now.rows_total = Some(plan.rows_total);
        self.now.chunks_total = Some(plan.chunks_total);
        true
    }

    fn advance(&mut self, at: OffsetDateTime, chunks: &[ChunkProgress]) -> bool {
        let mut changed = false;
        for now in chunks {
            let known =
                self.chunks.entry(now.chunk).or_insert(ChunkProgress { chunk: now.chunk, ..Default::default() });
            let key = |chunk: &ChunkProgress| (chunk.done, chunk.counts.read(), chunk.bytes_read);
            if key(now) > key(known) {
                *known = *now;
                changed = true;
            }
        }
        if !changed {
            return false;
        }
        self.now.state = self.now.state.max(LoadState::Loading);
        self.now.counts = Counts::default();
        self.now.bytes_read = 0;
        self.now.chunks_done = 0;
        for part in self.chunks.values() {
            self.now.counts += part.counts;
            self.now.bytes_read += part.bytes_read;
            self.now.chunks_done += u32::from(part.done);
        }
        self.measure(at);
        true
    }

    fn roll_up(&mut self) -> bool {
        let before = std::mem::replace(&mut self.now.state, LoadState::RollingUp);
        before != self.now.state
    }

    /// What the store says once no chunk goes on is the last word.
    fn stop(&mut self, last: &Progress) -> bool {
        *self = Self { now: last.clone(), ..Self::default() };
        true
    }

    /// Speed and time to go, from the times of the events alone.
    fn measure(&mut self, at: OffsetDateTime) {
        let Some(since) = self.since else { return };
        let seconds = (at - since).as_seconds_f64();
        if seconds <= 0.0 || self.now.counts.read() == 0 {
            return;
        }
        self.now.rows_per_second = Some(self.now.counts.read() as f64 / seconds);
        let left = self.now.bytes_total.saturating_sub(self.now.bytes_read) as f64;
        self.now.eta_seconds = (self.now.bytes_read > 0).then(|| left * seconds / self.now.bytes_read as f64);
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use uuid::Uuid;

    use super::*;

    fn numbered(seq: u64, event: LoadEvent) -> Numbered {
        Numbered { seq, at: OffsetDateTime::UNIX_EPOCH + Duration::seconds(seq as i64), event }
    }

    fn chunk(chunk: u32, inserted: u64, done: bool) -> LoadEvent {
        let counts = Counts { inserted, ..Counts::default() };
        let progress = ChunkProgress { chunk, bytes_read: inserted * 10, counts, done };
        if done {
            LoadEvent::Chunk(progress)
        } else {
            LoadEvent::Working { loader: Uuid::nil(), chunks: vec![progress] }
        }
    }

    fn succeeded() -> Progress {
        Progress {
            state: LoadState::Succeeded,
            counts: Counts { inserted: 30, ..Counts::default() },
            rows_total: Some(30),
            bytes_read: 300,
            bytes_total: 300,
            chunks_done: 2,
            chunks_total: Some(2),
            rows_per_second: Some(5.0),
            ..Progress::default()
        }
    }

    fn story() -> Vec<Numbered> {
        [
            LoadEvent::Accepted { bytes_total: 300 },
            LoadEvent::Planning { started_at_millis: 1_000, bytes_total: 300 },
            chunk(0, 5, false),
            LoadEvent::Planned(Plan { bytes_total: 300, rows_total: 30, chunks_total: 2 }),
            chunk(1, 10, false),
            // Chunk 0 is done again by another worker.
            chunk(0, 2, false),
            chunk(0, 15, true),
            chunk(1, 15, true),
            LoadEvent::RollingUp,
            LoadEvent::Finished { progress: succeeded() },
            chunk(1, 15, true),
        ]
        .into_iter()
        .zip(1..)
        .map(|(event, seq)| numbered(seq, event))
        .collect()
    }

    #[test]
    fn counts_only_grow_and_a_chunk_done_twice_counts_once() {
        let mut progress = ProgressFold::from(Progress::queued(300));
        let mut before = 0;
        for event in story() {
            progress.apply(&event);
            assert!(progress.now.counts.read() >= before);
            before = progress.now.counts.read();
        }
        assert_eq!(progress.now.state, LoadState::Succeeded);
        assert_eq!(progress.now.counts.inserted, 30);
        assert_eq!((progress.now.bytes_read, progress.now.chunks_done, progress.now.seq), (300, 2, 10));
        assert!((progress.now.fraction() - 1.0).abs() < f64::EPSILON);
        assert_eq!(progress.now.rows_per_second, Some(5.0));
    }

    #[test]
    fn the_last_event_of_each_part_gives_the_same_progress_as_all_of_them() {
        let mut all = ProgressFold::from(Progress::queued(300));
        let story = story();
        for event in &story[..9] {
            all.apply(event);
        }
        let mut last: BTreeMap<String, &Numbered> = BTreeMap::new();
        for event in &story[..9] {
            last.insert(event.event.part(), event);
        }
        let mut kept: Vec<_> = last.into_values().collect();
        kept.sort_by_key(|event| event.seq);
        let mut from_last = ProgressFold::from(Progress::queued(300));
        for event in kept {
            from_last.apply(event);
        }
        assert_eq!(from_last, all);
    }

    #[test]
    fn a_chunk_that_is_heard_of_late_does_not_bring_a_load_back_from_its_roll_up() {
        let mut progress = ProgressFold::from(Progress::queued(300));
        for event in &story()[..7] {
            progress.apply(event);
        }
        assert!(progress.apply(&numbered(20, LoadEvent::RollingUp)));
        assert!(progress.apply(&numbered(21, chunk(1, 15, true))));
        assert!(!progress.apply(&numbered(22, LoadEvent::RollingUp)));
        assert_eq!((progress.now.state, progress.now.counts.inserted), (LoadState::RollingUp, 30));
    }

    #[test]
    fn an_event_heard_twice_changes_nothing() {
        let mut progress = ProgressFold::from(Progress::queued(300));
        let first = numbered(1, LoadEvent::Planning { started_at_millis: 1_000, bytes_total: 300 });
        assert!(progress.apply(&first));
        assert!(!progress.apply(&first));
        assert_eq!(progress.now.state, LoadState::Planning);
    }

    #[test]
    fn a_load_that_is_taken_back_hears_no_more_of_its_chunks() {
        let mut progress = ProgressFold::from(Progress::queued(300));
        for event in &story()[..5] {
            progress.apply(event);
        }
        let so_far = Progress { state: LoadState::Reverting, ..progress.now.clone() };
        assert!(progress.apply(&numbered(20, LoadEvent::Reverting { progress: so_far.clone() })));
        assert!(!progress.apply(&numbered(21, chunk(0, 15, true))));
        assert_eq!((progress.now.state, progress.now.counts), (LoadState::Reverting, so_far.counts));
        let end = Progress { state: LoadState::Cancelled, ..so_far };
        assert!(progress.apply(&numbered(22, LoadEvent::Finished { progress: end.clone() })));
        assert!(!progress.apply(&numbered(23, LoadEvent::Reverting { progress: end })));
        assert_eq!(progress.now.state, LoadState::Cancelled);
    }

    #[test]
    fn a_success_can_be_taken_back() {
        let mut progress = ProgressFold::from(succeeded());
        let undoing = Progress { state: LoadState::Reverting, ..succeeded() };
        assert!(progress.apply(&numbered(20, LoadEvent::Reverting { progress: undoing })));
        let undone = Progress { state: LoadState::Undone, ..succeeded() };
        assert!(progress.apply(&numbered(21, LoadEvent::Finished { progress: undone })));
        assert_eq!(progress.now.counts.inserted, 30);
    }
}
