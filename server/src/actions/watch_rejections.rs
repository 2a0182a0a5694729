//! Watching what a load refuses: its refused rows, each once, as they come.
//!
//! The bus only rings: it tells how many rows were refused, never which. What is told comes from the store, so nothing that the bus loses or
//! says twice matters. Of each chunk two numbers are kept, how many of its rows were told and where they ended, and they are exact:
//!
//! - A row is told by the line that names it in its load, in every format (features that share a line count as lines of their own).
//! - A chunk grows only at its end. Its batches are written one after the other, by whichever worker has it, in the order of its lines, and
//!   one transaction holds a batch's refused rows, sorted, and how many the chunk has with them. What the store itself refuses is among
//!   them. A batch that is written anew, after a worker died or because postal codes were removed, starts behind the last one that is there.
//! - Its rows are told from those of the chunks behind it by their number, not by where the next chunk starts: that one may come to be planned, and
//!   refuse rows, between two questions. From the last line that was told, the next rows by line are the chunk's own, as many as it had more when
//!   it was looked at. So it is with sources of one chunk, and with a retry, whose chunks hold a part of their lines only.
//! - Refused rows stay when a load is taken back. No chunk grows any more before its load has ended, so a look that began after the end
//!   misses none.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
    vec,
};

use futures_util::{Stream, stream};
use paystats_core::{
    load::{LoadId, Rejection},
    store::KeptRejections,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{ActionError, Actions, ErrorCode, unknown_load};
use crate::watch::Watching;

/// Shortest time between two looks at the chunks of a load.
const PACE: Duration = Duration::from_millis(250);
/// How long the bus may be silent before the store is looked at all the same.
const SILENCE: Duration = Duration::from_secs(5);
/// How long to wait before a store is asked again that was away.
const AWAY: Duration = Duration::from_secs(1);
/// Rows that are read at once, which is all that is held for a client.
const PAGE_ROWS: u64 = 500;

impl Actions {
    /// The refused rows of a load that are kept: those that are there, then each further one once it is committed, until the load has ended.
    /// Nothing is read before it is asked for.
    pub async fn watch_rejections(
        &self,
        id: LoadId,
    ) -> Result<impl Stream<Item = Result<Rejection, ActionError>> + Send + use<>, ActionError> {
        let mut live = LiveRejections {
            actions: self.clone(),
            id,
            // Before the first look, so that whatever happens in between is seen by one of both.
            watching: self.watch.watch(id),
            heard: None,
            looked: Instant::now(),
            told: HashMap::new(),
            behind: VecDeque::new(),
            page: Vec::new().into_iter(),
            ended: false,
        };
        live.look().await?;
        Ok(stream::try_unfold(live, |mut live| async move { Ok(live.next().await?.map(|row| (row, live))) }))
    }
}

/// One watcher of the refused rows of one load.
struct LiveRejections {
    actions: Actions,
    id: LoadId,
    watching: Watching,
    /// What the bus had said right before the last look.
    heard: Option<Heard>,
    /// When the last look began.
    looked: Instant,
    /// How far each chunk was told.
    told: HashMap<u32, Told>,
    /// Chunks that had rows at the last look which were not read yet.
    behind: VecDeque<KeptRejections>,
    /// Rows that were read and not told yet.
    page: vec::IntoIter<Rejection>,
    /// Whether the load had ended before the last look.
    ended: bool,
}

/// What the bus says of a load, as far as it is a reason to look.
#[derive(PartialEq, Eq)]
struct Heard {
    rejected: u64,
    has_ended: bool,
}

/// How far a chunk was told.
#[derive(Clone, Copy)]
struct Told {
    rows: u64,
    /// The line behind the last one.
    next_line: u64,
}

impl LiveRejections {
    async fn next(&mut self) -> Result<Option<Rejection>, ActionError> {
        loop {
            if let Some(row) = self.page.next() {
                return Ok(Some(row));
            }
            let done = match self.behind.front() {
                Some(&chunk) => self.read_page(chunk).await,
                None if self.ended => return Ok(None),
                None => {
                    self.until_due().await;
                    self.look().await
                }
            };
            match done {
                Ok(()) => {}
                // Nothing was told of what was not read.
                Err(error) if error.code == ErrorCode::Unavailable => sleep(AWAY).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Finds the chunks that have more rows than were told.
    async fn look(&mut self) -> Result<(), ActionError> {
        self.looked = Instant::now();
        self.heard = self.hear();
        let store = &self.actions.engines.store;
        // In this order: the chunks of a load that has ended are as they will stay.
        let load = self.actions.load(self.id).await?.ok_or_else(unknown_load)?;
        let kept = store.load_chunks.rejections_kept(self.id).await?;
        self.behind = kept.into_iter().filter(|chunk| chunk.rows > self.told(chunk).rows).collect();
        self.ended = load.state.is_final();
        Ok(())
    }

    /// Reads rows of the first chunk that is behind.
    async fn read_page(&mut self, chunk: KeptRejections) -> Result<(), ActionError> {
        let Told { rows, next_line } = self.told(&chunk);
        let limit = PAGE_ROWS.min(chunk.rows - rows);
        let page = self.actions.engines.store.rejections.from_line(self.id, next_line, limit).await?;
        let read = page.len() as u64;
        if let Some(last) = page.last() {
            self.told.insert(chunk.chunk, Told { rows: rows + read, next_line: last.line + 1 });
        }
        // Less than the chunk had: a MongoDB that was elected meanwhile does not know of them. They are written again, and found then.
        if rows + read == chunk.rows || read < limit {
            self.behind.pop_front();
        }
        self.page = page.into_iter();
        Ok(())
    }

    fn told(&self, chunk: &KeptRejections) -> Told {
        self.told.get(&chunk.chunk).copied().unwrap_or(Told { rows: 0, next_line: chunk.start_line })
    }

    /// Waits until the bus has something new to say, or was silent for long; in any case until the last look is a while ago.
    async fn until_due(&mut self) {
        let latest = self.looked + SILENCE;
        while self.hear() == self.heard {
            if !self.watching.changed(latest.saturating_duration_since(Instant::now())).await {
                break;
            }
        }
        sleep_until(self.looked + PACE).await;
    }

    fn hear(&mut self) -> Option<Heard> {
        let now = self.watching.now()?;
        Some(Heard { rejected: now.counts.rejected, has_ended: now.state.is_final() })
    }
}
