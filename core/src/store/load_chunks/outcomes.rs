//! What became of the rows of a load, over all its chunks.

use futures_util::TryStreamExt;
use mongodb::bson::{Binary, doc};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde::Deserialize;

use super::{
    LoadChunks, corrupt,
    document::{ChangeDocument, changes_from, lines_from_binary},
};
use crate::{
    load::{ChunkProgress, Counts, LoadId, RejectionCount, TotalChanges},
    store::{BATCH_SIZE, StoreError},
};

/// What all chunks of a load come to.
#[derive(Clone, Debug, Default)]
pub struct ChunkSum {
    /// Rows and bytes that are done.
    pub progress: ChunkProgress,
    /// Chunks that are done.
    pub chunks_done: u32,
    /// What all rows change in the total.
    pub changes: TotalChanges,
    /// The postal codes of chunks whose sums are not kept.
    pub not_summed: RoaringBitmap,
}

/// Refused rows of a load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rejected {
    /// How many there are.
    pub all: u64,
    /// How many of them are kept.
    pub kept: u64,
}

/// The refused rows of a chunk that are kept so far.
///
/// They are the first `rows` of the load's kept rows from `start_line` on, by line, whatever is written meanwhile: a chunk's batches come in the
/// order of its lines, each with its refused rows and the new number of them in one transaction, and rows of later chunks have later lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptRejections {
    /// Index of the chunk.
    pub chunk: u32,
    /// Line of its first record.
    pub start_line: u64,
    /// How many there are.
    pub rows: u64,
}

/// What all chunks are summed from.
#[derive(Debug, Deserialize)]
struct SumDocument {
    start: i64,
    end: i64,
    next_byte: i64,
    done: bool,
    counts: Counts,
    changes: Vec<ChangeDocument>,
    postal_codes: Binary,
    #[serde(default)]
    summed_to: Option<i64>,
}

impl LoadChunks {
    /// What all chunks of a load come to.
    pub async fn sum(&self, load: LoadId) -> Result<ChunkSum, StoreError> {
        let fields = doc! {
            "start": 1, "end": 1, "next_byte": 1, "done": 1, "counts": 1, "changes": 1, "postal_codes": 1, "summed_to": 1,
        };
        let mut chunks = self
            .chunks
            .clone_with_type::<SumDocument>()
            .find(doc! { "load": load.to_string() })
            .projection(fields)
            .await?;
        let mut sum = ChunkSum::default();
        while let Some(chunk) = chunks.try_next().await? {
            sum.progress.counts += chunk.counts;
            sum.progress.bytes_read += (chunk.next_byte - chunk.start) as u64;
            sum.chunks_done += u32::from(chunk.done);
            let changes = changes_from(&chunk.changes, &chunk.postal_codes)?;
            sum.changes.merge(&changes).map_err(|error| corrupt(&error))?;
            if chunk.summed_to != Some(chunk.end) {
                sum.not_summed |= changes.postal_codes();
            }
        }
        Ok(sum)
    }

    /// The refused rows of a load so far.
    pub async fn rejected(&self, load: LoadId) -> Result<Rejected, StoreError> {
        #[derive(Deserialize)]
        struct RejectedDocument {
            counts: Counts,
            rejections_kept: i64,
        }
        let mut chunks = self
            .chunks
            .clone_with_type::<RejectedDocument>()
            .find(doc! { "load": load.to_string() })
            .projection(doc! { "counts": 1, "rejections_kept": 1 })
            .await?;
        let mut rejected = Rejected::default();
        while let Some(chunk) = chunks.try_next().await? {
            rejected.all += chunk.counts.rejected;
            rejected.kept += chunk.rejections_kept as u64;
        }
        Ok(rejected)
    }

    /// The refused rows of a load that are kept so far, by chunk, in order; chunks that have none are left out.
    pub async fn rejections_kept(&self, load: LoadId) -> Result<Vec<KeptRejections>, StoreError> {
        #[derive(Deserialize)]
        struct KeptDocument {
            index: i64,
            start_line: i64,
            rejections_kept: i64,
        }
        let chunks: Vec<KeptDocument> = self
            .chunks
            .clone_with_type()
            .find(doc! { "load": load.to_string(), "rejections_kept": { "$gt": 0 } })
            .projection(doc! { "index": 1, "start_line": 1, "rejections_kept": 1 })
            .sort(doc! { "index": 1 })
            .batch_size(BATCH_SIZE)
            .await?
            .try_collect()
            .await?;
        let kept = |chunk: KeptDocument| KeptRejections {
            chunk: chunk.index as u32,
            start_line: chunk.start_line as u64,
            rows: chunk.rejections_kept as u64,
        };
        Ok(chunks.into_iter().map(kept).collect())
    }

    /// How many rows of a load were refused, by code and column, the most frequent first.
    pub async fn rejection_counts(&self, load: LoadId) -> Result<Vec<RejectionCount>, StoreError> {
        #[derive(Deserialize)]
        struct Rejections {
            rejections: Vec<RejectionCount>,
        }
        let mut chunks = self
            .chunks
            .clone_with_type::<Rejections>()
            .find(doc! { "load": load.to_string(), "rejections": { "$ne": [] } })
            .projection(doc! { "rejections": 1 })
            .await?;
        let mut counts = Vec::new();
        while let Some(chunk) = chunks.try_next().await? {
            for count in chunk.rejections {
                RejectionCount::add(&mut counts, count.code, count.column.as_deref(), count.count);
            }
        }
        counts.sort_by(|a, b| (b.count, a.code, &a.column).cmp(&(a.count, b.code, &b.column)));
        Ok(counts)
    }

    /// The lines of a load's refused rows.
    pub async fn rejected_lines(&self, load: LoadId) -> Result<RoaringTreemap, StoreError> {
        #[derive(Deserialize)]
        struct Lines {
            rejected_lines: Binary,
        }
        let mut chunks = self
            .chunks
            .clone_with_type::<Lines>()
            .find(doc! { "load": load.to_string(), "rejections": { "$ne": [] } })
            .projection(doc! { "rejected_lines": 1 })
            .await?;
        let mut lines = RoaringTreemap::new();
        while let Some(chunk) = chunks.try_next().await? {
            lines |= lines_from_binary(&chunk.rejected_lines)?;
        }
        Ok(lines)
    }
}
