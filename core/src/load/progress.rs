//! The progress of a load: a pure fold over its numbered events. Every process that heard the same events shows the same,
//! and no count ever goes back, redelivered chunks included.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{LoadEvent, LoadState, Numbered};

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
    /// Records of the source, known once it is planned.
    pub rows_total: Option<u64>,
    /// Bytes of the source that are done.
    pub bytes_read: u64,
    /// Size of the source.
    pub bytes_total: u64,
    /// Chunks that are done.
    pub chunks_done: u32,
    /// Chunks in all, known once it is planned.
    pub chunks_total: Option<u32>,
    /// Rows a second since the chunks' work started.
    pub rows_per_second: Option<f64>,
    /// Seconds to go at this speed.
    pub eta_seconds: Option<f64>,
    #[serde(skip)]
    chunks: BTreeMap<u32, ChunkProgress>,
    #[serde(skip)]
    loading_since: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct ChunkProgress {
    counts: Counts,
    bytes_read: u64,
    done: bool,
}

impl Progress {
    /// The progress of a load that no worker has spoken of.
    pub fn queued(bytes_total: u64) -> Self {
        Self { bytes_total, ..Self::default() }
    }

    /// The last progress of a load that took `seconds` from its start to its end.
    pub fn succeeded(bytes_total: u64, rows_total: u64, chunks: u32, counts: Counts, seconds: f64) -> Self {
        Self {
            state: LoadState::Succeeded,
            counts,
            rows_total: Some(rows_total),
            bytes_read: bytes_total,
            bytes_total,
            chunks_done: chunks,
            chunks_total: Some(chunks),
            rows_per_second: (seconds > 0.0).then(|| counts.read() as f64 / seconds),
            ..Self::default()
        }
    }

    /// The last progress of a load that was given up for `reason`, after the rows in `counts`.
    pub fn failed(bytes_total: u64, counts: Counts, reason: String) -> Self {
        Self { state: LoadState::Failed, error: Some(reason), counts, bytes_total, ..Self::default() }
    }

    /// Share of the source that is done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        match self.state {
            LoadState::Succeeded => 1.0,
            _ if self.bytes_total == 0 => 0.0,
            _ => self.bytes_read as f64 / self.bytes_total as f64,
        }
    }

    /// Takes an event in. Says whether it changed anything: events that were heard before, that come late from a chunk
    /// done twice, or that follow the end, do not.
    pub fn apply(&mut self, Numbered { seq, at, event }: &Numbered) -> bool {
        if *seq <= self.seq || self.state.is_final() {
            return false;
        }
        let changed = match event {
            LoadEvent::Planning { bytes_total } => self.plan(*bytes_total),
            LoadEvent::Planned { bytes_total, rows_total, chunks } => {
                self.start(*at, *bytes_total, *rows_total, *chunks)
            }
            LoadEvent::Chunk { chunk, bytes_read, counts, done } => {
                self.advance(*at, *chunk, ChunkProgress { counts: *counts, bytes_read: *bytes_read, done: *done })
            }
            LoadEvent::Finished { progress } => self.finish(progress.clone()),
        };
        if changed {
            self.seq = *seq;
        }
        changed
    }

    fn plan(&mut self, bytes_total: u64) -> bool {
        if self.state != LoadState::Queued {
            return false;
        }
        self.state = LoadState::Planning;
        self.bytes_total = bytes_total;
        true
    }

    fn start(&mut self, at: OffsetDateTime, bytes_total: u64, rows_total: u64, chunks: u32) -> bool {
        // Chunks may be heard before this event where only the last event of each part was kept.
        if self.loading_since.is_some() {
            return false;
        }
        self.state = LoadState::Loading;
        self.bytes_total = bytes_total;
        self.rows_total = Some(rows_total);
        self.chunks_total = Some(chunks);
        self.loading_since = Some(at);
        true
    }

    fn advance(&mut self, at: OffsetDateTime, chunk: u32, now: ChunkProgress) -> bool {
        let known = self.chunks.entry(chunk).or_default();
        let ahead = (now.counts.read(), now.bytes_read, now.done) > (known.counts.read(), known.bytes_read, known.done);
        if known.done || !ahead {
            return false;
        }
        *known = now;
        self.state = LoadState::Loading;
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

    fn finish(&mut self, last: Self) -> bool {
        // A load that is given up knows the rows of finished chunks; what was said of the others does not go back.
        let (counts, bytes_read, chunks_done) = (self.counts, self.bytes_read, self.chunks_done);
        *self = last;
        if self.state == LoadState::Failed && counts.read() > self.counts.read() {
            (self.counts, self.bytes_read, self.chunks_done) = (counts, bytes_read, chunks_done);
        }
        true
    }

    /// Speed and time to go, from the times of the events alone.
    fn measure(&mut self, at: OffsetDateTime) {
        let Some(since) = self.loading_since else { return };
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

    use super::*;

    fn numbered(seq: u64, event: LoadEvent) -> Numbered {
        Numbered { seq, at: OffsetDateTime::UNIX_EPOCH + Duration::seconds(seq as i64), event }
    }

    fn chunk(chunk: u32, inserted: u64, done: bool) -> LoadEvent {
        LoadEvent::Chunk { chunk, bytes_read: inserted * 10, counts: Counts { inserted, ..Counts::default() }, done }
    }

    fn story() -> Vec<Numbered> {
        let counts = Counts { inserted: 30, ..Counts::default() };
        [
            LoadEvent::Planning { bytes_total: 300 },
            LoadEvent::Planned { bytes_total: 300, rows_total: 30, chunks: 2 },
            chunk(0, 5, false),
            chunk(1, 10, false),
            // Chunk 0 is done again by another worker.
            chunk(0, 2, false),
            chunk(0, 15, true),
            chunk(1, 15, true),
            LoadEvent::Finished { progress: Progress::succeeded(300, 30, 2, counts, 6.0) },
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
        assert_eq!((progress.bytes_read, progress.chunks_done, progress.seq), (300, 2, 8));
        assert!((progress.fraction() - 1.0).abs() < f64::EPSILON);
        assert_eq!(progress.rows_per_second, Some(5.0));
    }

    #[test]
    fn the_last_event_of_each_part_gives_the_same_progress_as_all_of_them() {
        let mut all = Progress::queued(300);
        let story = story();
        for event in &story[..7] {
            all.apply(event);
        }
        let mut last: BTreeMap<String, &Numbered> = BTreeMap::new();
        for event in &story[..7] {
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
    fn an_event_heard_twice_changes_nothing() {
        let mut progress = Progress::queued(300);
        let first = numbered(1, LoadEvent::Planning { bytes_total: 300 });
        assert!(progress.apply(&first));
        assert!(!progress.apply(&first));
        assert_eq!(progress.state, LoadState::Planning);
    }
}
