//! The progress of a load: a pure fold over its numbered events. Every process that heard the same events shows the same,
//! and no count ever goes back, redelivered chunks included.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Load, LoadEvent, LoadState, Numbered, Plan, Reverted};

/// Rows of a chunk or a load, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New to the store.
    pub inserted: u64,
    /// Known, and changed.
    pub updated: u64,
    /// Known, and the same.
    pub unchanged: u64,
    /// Refused.
    pub rejected: u64,
}

impl Counts {
    /// All rows.
    pub fn read(&self) -> u64 {
        self.inserted + self.updated + self.unchanged + self.rejected
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.rejected += other.rejected;
    }
}

/// How far a chunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkProgress {
    /// Its place in the source, from 0.
    pub chunk: u32,
    /// Bytes of the source behind it.
    pub bytes_read: u64,
    /// Its rows so far.
    pub counts: Counts,
    /// Whether it is done.
    pub done: bool,
}

/// How far a load is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of the newest event in it; 0 before the first.
    pub seq: u64,
    /// Where the load stands.
    pub state: LoadState,
    /// Why it failed.
    pub error: Option<String>,
    /// Rows so far.
    pub counts: Counts,
    /// Rows in all, known once all of the source is planned.
    pub rows_total: Option<u64>,
    /// Bytes of the source that are done.
    pub bytes_read: u64,
    /// Size of the source; of a compressed one that is planned, of its text.
    pub bytes_total: u64,
    /// Chunks that are done.
    pub chunks_done: u32,
    /// Chunks in all, known once all of the source is planned.
    pub chunks_total: Option<u32>,
    /// Rows a second since a worker took the load.
    pub rows_per_second: Option<f64>,
    /// Seconds to go at this speed.
    pub eta_seconds: Option<f64>,
    /// Rows that were taken back.
    #[serde(default)]
    pub reverted: Reverted,
    #[serde(skip)]
    chunks: BTreeMap<u32, ChunkProgress>,
    #[serde(skip)]
    since: Option<OffsetDateTime>,
}

impl Progress {
    /// The progress of a load that no worker has spoken of.
    pub fn queued(bytes_total: u64) -> Self {
        Self { bytes_total, ..Self::default() }
    }

    /// The progress of a load whose chunks do not go on, `seconds` after a worker took it. `done` is the sum of its chunks.
    pub fn stopped(load: &Load, state: LoadState, done: ChunkProgress, chunks_done: u32, seconds: f64) -> Self {
        let bytes_total = load.plan.map_or(load.source_size_bytes, |plan| plan.bytes_total);
        Self {
            state,
            error: load.error.clone(),
            counts: done.counts,
            rows_total: load.plan.map(|plan| plan.rows_total),
            bytes_read: if state == LoadState::Succeeded { bytes_total } else { done.bytes_read },
            bytes_total,
            chunks_done,
            chunks_total: load.plan.map(|plan| plan.chunks_total),
            rows_per_second: (seconds > 0.0).then(|| done.counts.read() as f64 / seconds),
            ..Self::default()
        }
    }

    /// The same rows in another state, told by no event yet.
    #[must_use]
    pub fn in_state(&self, state: LoadState, reverted: Reverted) -> Self {
        Self { seq: 0, state, reverted, eta_seconds: None, ..self.clone() }
    }

    /// Share of the source that is done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        match self.state {
            LoadState::Succeeded => 1.0,
            _ if self.bytes_total == 0 => 0.0,
            _ => (self.bytes_read as f64 / self.bytes_total as f64).min(1.0),
        }
    }

    /// Takes an event in. Says whether it changed anything: events that were heard before, that come late from a chunk
    /// done twice, or that follow the end, do not. Only taking a load back may follow its success.
    pub fn apply(&mut self, Numbered { seq, at, event }: &Numbered) -> bool {
        if *seq <= self.seq {
            return false;
        }
        let stopped = self.state.is_final() || self.state == LoadState::Reverting;
        let changed = match event {
            LoadEvent::Planning { started_at_millis, bytes_total } => {
                !stopped && self.start(*started_at_millis, *bytes_total)
            }
            LoadEvent::Planned(plan) => !stopped && self.plan(*plan),
            LoadEvent::Working { chunks, .. } => !stopped && self.advance(*at, chunks),
            LoadEvent::Chunk(chunk) => !stopped && self.advance(*at, std::slice::from_ref(chunk)),
            LoadEvent::RollingUp => !stopped && self.roll_up(),
            LoadEvent::Reverting { progress } => {
                let may = !self.state.is_final() || self.state == LoadState::Succeeded;
                may && self.stop(progress)
            }
            LoadEvent::Finished { progress } => !self.state.is_final() && self.stop(progress),
        };
        if changed {
            self.seq = *seq;
        }
        changed
    }

    /// A worker takes the load. Chunks may be heard before this event where only the last event of each part was kept.
    fn start(&mut self, started_at_millis: i64, bytes_total: u64) -> bool {
        if self.since.is_some() {
            return false;
        }
        self.since = OffsetDateTime::from_unix_timestamp_nanos(i128::from(started_at_millis) * 1_000_000).ok();
        if self.state == LoadState::Queued {
            self.state = LoadState::Planning;
        }
        if self.rows_total.is_none() {
            self.bytes_total = bytes_total;
        }
        true
    }

    fn plan(&mut self, plan: Plan) -> bool {
        if self.rows_total.is_some() {
            return false;
        }
        self.state = self.state.max(LoadState::Loading);
        self.bytes_total = plan.bytes_total;
        self.rows_total = Some(plan.rows_total);
        self.chunks_total = Some(plan.chunks_total);
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
        self.state = self.state.max(LoadState::Loading);
        self.counts = Counts::default();
        self.bytes_read = 0;
        self.chunks_done = 0;
        for part in self.chunks.values() {
            self.counts += part.counts;
            self.bytes_read += part.bytes_read;
            self.chunks_done += u32::from(part.done);
        }
        self.measure(at);
        true
    }

    fn roll_up(&mut self) -> bool {
        let before = std::mem::replace(&mut self.state, LoadState::RollingUp);
        before != self.state
    }

    /// What the store says once no chunk goes on is the last word.
    fn stop(&mut self, last: &Self) -> bool {
        *self = last.clone();
        true
    }

    /// Speed and time to go, from the times of the events alone.
    fn measure(&mut self, at: OffsetDateTime) {
        let Some(since) = self.since else { return };
        let seconds = (at - since).as_seconds_f64();
        if seconds <= 0.0 || self.counts.read() == 0 {
            return;
        }
        self.rows_per_second = Some(self.counts.read() as f64 / seconds);
        let left = self.bytes_total.saturating_sub(self.bytes_read) as f64;
        self.eta_seconds = (self.bytes_read > 0).then(|| left * seconds / self.bytes_read as f64);
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
        let mut progress = Progress::queued(300);
        let mut before = 0;
        for event in story() {
            progress.apply(&event);
            assert!(progress.counts.read() >= before);
            before = progress.counts.read();
        }
        assert_eq!(progress.state, LoadState::Succeeded);
        assert_eq!(progress.counts.inserted, 30);
        assert_eq!((progress.bytes_read, progress.chunks_done, progress.seq), (300, 2, 9));
        assert!((progress.fraction() - 1.0).abs() < f64::EPSILON);
        assert_eq!(progress.rows_per_second, Some(5.0));
    }

    #[test]
    fn the_last_event_of_each_part_gives_the_same_progress_as_all_of_them() {
        let mut all = Progress::queued(300);
        let story = story();
        for event in &story[..8] {
            all.apply(event);
        }
        let mut last: BTreeMap<String, &Numbered> = BTreeMap::new();
        for event in &story[..8] {
            last.insert(event.event.part(), event);
        }
        let mut kept: Vec<_> = last.into_values().collect();
        kept.sort_by_key(|event| event.seq);
        let mut from_last = Progress::queued(300);
        for event in kept {
            from_last.apply(event);
        }
        assert_eq!(from_last, all);
    }

    #[test]
    fn a_chunk_that_is_heard_of_late_does_not_bring_a_load_back_from_its_roll_up() {
        let mut progress = Progress::queued(300);
        for event in &story()[..6] {
            progress.apply(event);
        }
        assert!(progress.apply(&numbered(20, LoadEvent::RollingUp)));
        assert!(progress.apply(&numbered(21, chunk(1, 15, true))));
        assert!(!progress.apply(&numbered(22, LoadEvent::RollingUp)));
        assert_eq!((progress.state, progress.counts.inserted), (LoadState::RollingUp, 30));
    }

    #[test]
    fn an_event_heard_twice_changes_nothing() {
        let mut progress = Progress::queued(300);
        let first = numbered(1, LoadEvent::Planning { started_at_millis: 1_000, bytes_total: 300 });
        assert!(progress.apply(&first));
        assert!(!progress.apply(&first));
        assert_eq!(progress.state, LoadState::Planning);
    }

    #[test]
    fn a_load_that_is_taken_back_hears_no_more_of_its_chunks() {
        let mut progress = Progress::queued(300);
        for event in &story()[..4] {
            progress.apply(event);
        }
        let so_far = Progress { state: LoadState::Reverting, ..progress.clone() };
        assert!(progress.apply(&numbered(20, LoadEvent::Reverting { progress: so_far.clone() })));
        assert!(!progress.apply(&numbered(21, chunk(0, 15, true))));
        assert_eq!((progress.state, progress.counts), (LoadState::Reverting, so_far.counts));
        let end = Progress { state: LoadState::Cancelled, ..so_far };
        assert!(progress.apply(&numbered(22, LoadEvent::Finished { progress: end.clone() })));
        assert!(!progress.apply(&numbered(23, LoadEvent::Reverting { progress: end })));
        assert_eq!(progress.state, LoadState::Cancelled);
    }

    #[test]
    fn a_success_can_be_taken_back() {
        let mut progress = succeeded();
        let undoing = Progress { state: LoadState::Reverting, ..succeeded() };
        assert!(progress.apply(&numbered(20, LoadEvent::Reverting { progress: undoing })));
        let undone = Progress { state: LoadState::Undone, ..succeeded() };
        assert!(progress.apply(&numbered(21, LoadEvent::Finished { progress: undone })));
        assert_eq!(progress.counts.inserted, 30);
    }
}
