//! The collection `load_chunks`: the pieces that a load's source was cut into, and how far each is.
//!
//! What a chunk has written and how far it is change in one transaction (see `load_batches`), so its document is also the fence:
//! a worker that lost the chunk to another one, or whose load is taken back, can write no more.

mod document;
mod outcomes;

use futures_util::TryStreamExt;
use mongodb::{
    ClientSession, Collection, Database, IndexModel,
    bson::{Document, doc, serialize_to_bson, serialize_to_document},
    options::IndexOptions,
};
use roaring::RoaringTreemap;
use serde::Deserialize;
use uuid::Uuid;

use self::document::{ChunkDocument, StateDocument};
pub(super) use self::document::{ids_from_binary, ids_to_binary, lines_from_binary, lines_to_binary};
pub use self::outcomes::{ChunkSum, KeptRejections, Rejected};
use super::{
    BATCH_SIZE, LoadSession, StoreError,
    announced::{AnnouncedRows, Announcement},
    session::end_sessions,
};
use crate::load::{Counts, Load, LoadEntity, LoadId, RejectionCount, TotalChanges};

/// The collection of chunks.
#[derive(Clone, Debug)]
pub struct LoadChunks {
    chunks: Collection<ChunkDocument>,
    announced: AnnouncedRows,
}

/// A piece of a source, cut between two records.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadChunk {
    /// Its place in the source, from 0.
    pub index: u32,
    /// First byte, of the decompressed source.
    pub start: u64,
    /// Byte after the last.
    pub end: u64,
    /// Line of its first record.
    pub start_line: u64,
    /// Header of the source: its columns in order.
    pub columns: Vec<String>,
    /// Lines of records whose id stands on an earlier line of the source.
    pub duplicate_lines: RoaringTreemap,
    /// The only lines that are loaded; all if `None`.
    pub only_lines: Option<RoaringTreemap>,
    /// How far it is.
    pub state: ChunkState,
    /// How often a postal code was removed since the chunk is there: who knew the postal codes of before must look again.
    pub postal_codes_removed: i64,
    /// The claim that it was taken by.
    pub claim: Option<Uuid>,
}

/// How far a chunk is, and what became of its rows so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChunkState {
    /// Where the next record starts.
    pub next_byte: u64,
    /// Line of that record.
    pub next_line: u64,
    /// Whether all of it is done.
    pub done: bool,
    /// Its rows so far.
    pub counts: Counts,
    /// The refused ones by what is wrong.
    pub rejections: Vec<RejectionCount>,
    /// Their lines.
    pub rejected_lines: RoaringTreemap,
    /// How many of them are kept with their values.
    pub rejections_kept: u64,
    /// What its rows change in the total.
    pub changes: TotalChanges,
    /// The byte before which all its rows were new and their sums are kept; `None` where that was not so.
    pub summed_to: Option<u64>,
}

/// One worker's hold on a chunk. Taking a chunk ends every earlier claim on it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    id: Uuid,
    made: bool,
}

pub(super) const COLLECTION: &str = "load_chunks";

impl Claim {
    /// A claim that takes its chunk when it is first used.
    #[expect(clippy::new_without_default, reason = "a fresh claim is no default value")]
    pub fn new() -> Self {
        Self { id: Uuid::new_v4(), made: false }
    }
}

impl LoadChunk {
    /// A chunk whose first record starts at this byte and line; index and end are not known yet.
    pub fn start(byte: u64, line: u64, columns: &[String]) -> Self {
        Self {
            index: 0,
            start: byte,
            end: byte,
            start_line: line,
            columns: columns.to_vec(),
            duplicate_lines: RoaringTreemap::new(),
            only_lines: None,
            state: ChunkState { next_byte: byte, next_line: line, summed_to: Some(byte), ..ChunkState::default() },
            postal_codes_removed: 0,
            claim: None,
        }
    }
}

impl LoadChunks {
    pub(super) fn new(database: &Database) -> Self {
        Self { chunks: database.collection(COLLECTION), announced: AnnouncedRows::new(database) }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        let open = IndexOptions::builder().partial_filter_expression(doc! { "done": false }).build();
        let announcing = doc! { "announced.load": { "$exists": true } };
        let announcing = IndexOptions::builder().partial_filter_expression(announcing).build();
        self.chunks
            .create_indexes([
                IndexModel::builder().keys(doc! { "load": 1, "done": 1, "index": 1 }).build(),
                IndexModel::builder().keys(doc! { "entity": 1 }).options(open).build(),
                IndexModel::builder().keys(doc! { "announced.load": 1 }).options(announcing).build(),
            ])
            .await?;
        Ok(())
    }

    /// Writes a chunk of a plan; one that is there already, written by a worker that died while it planned, stays.
    pub async fn insert(&self, load: &Load, chunk: &LoadChunk) -> Result<(), StoreError> {
        let document = ChunkDocument::new(load, chunk)?;
        let mut fields = serialize_to_document(&document).map_err(|error| corrupt(&error))?;
        fields.remove("_id");
        self.chunks.update_one(doc! { "_id": &document.id }, doc! { "$setOnInsert": fields }).upsert(true).await?;
        Ok(())
    }

    /// One chunk of a load, held by `claim` from now on, whose transactions run in `session`. `None` if there is no such chunk, or if
    /// the claim was ended by a later one.
    ///
    /// A worker that is stopped in the middle of a transaction keeps its rows locked for a minute; ending its session frees them. Rows that
    /// it has announced are taken back.
    pub async fn take(
        &self,
        load: LoadId,
        index: u32,
        claim: &mut Claim,
        session: &LoadSession,
    ) -> Result<Option<LoadChunk>, StoreError> {
        let name = doc! { "_id": id(load, index) };
        let Some(known) = self.chunks.find_one(name.clone()).await? else { return Ok(None) };
        let mine = known.claim.as_deref() == Some(claim.id.to_string().as_str());
        if claim.made && !mine {
            return Ok(None);
        }
        if known.state.done {
            return Ok(Some(known.try_into()?));
        }
        let sessions = known.session.into_iter().chain(known.announced.map(|announcement| announcement.session));
        end_sessions(&self.chunks, sessions.collect()).await?;
        let set = doc! { "$set": { "claim": claim.id.to_string(), "session": session.0.id() } };
        self.chunks.update_one(name, set).await?;
        claim.made = true;
        self.announced.withdraw_from(&id(load, index), &claim.id.to_string()).await?;
        // Read once more: what the ended session had committed at the last moment counts, and so does a claim that was made since.
        let mine = doc! { "_id": id(load, index), "claim": claim.id.to_string() };
        self.chunks.find_one(mine).await?.map(LoadChunk::try_from).transpose()
    }

    /// Whether a chunk is there, and whether it is done.
    pub async fn is_done(&self, load: LoadId, index: u32) -> Result<Option<bool>, StoreError> {
        #[derive(Deserialize)]
        struct Done {
            done: bool,
        }
        let chunks = self.chunks.clone_with_type::<Done>();
        Ok(chunks
            .find_one(doc! { "_id": id(load, index) })
            .projection(doc! { "done": 1 })
            .await?
            .map(|chunk| chunk.done))
    }

    /// The columns of a load's source in order; `None` before its first chunk is there, when none of its rows can have been read.
    pub async fn columns(&self, load: LoadId) -> Result<Option<Vec<String>>, StoreError> {
        #[derive(Deserialize)]
        struct Columns {
            columns: Vec<String>,
        }
        let chunks = self.chunks.clone_with_type::<Columns>();
        let first = chunks.find_one(doc! { "_id": id(load, 0) }).projection(doc! { "columns": 1 }).await?;
        Ok(first.map(|chunk| chunk.columns))
    }

    /// How often postal codes were removed since a chunk is there; `None` if it does not stand at `byte`, or may not go on.
    pub(super) async fn postal_codes_removed(
        &self,
        load: LoadId,
        index: u32,
        byte: u64,
    ) -> Result<Option<i64>, StoreError> {
        let here = doc! { "_id": id(load, index), "next_byte": byte as i64, "done": false, "revoked": false };
        Ok(self.chunks.find_one(here).await?.map(|chunk| chunk.postal_codes_removed))
    }

    /// The chunks of a load that are not done, in order.
    pub async fn open(&self, load: LoadId) -> Result<Vec<u32>, StoreError> {
        #[derive(Deserialize)]
        struct Index {
            index: i64,
        }
        let found: Vec<Index> = self
            .chunks
            .clone_with_type()
            .find(doc! { "load": load.to_string(), "done": false })
            .projection(doc! { "index": 1 })
            .sort(doc! { "index": 1 })
            .batch_size(BATCH_SIZE)
            .await?
            .try_collect()
            .await?;
        Ok(found.into_iter().map(|chunk| chunk.index as u32).collect())
    }

    /// Whether a chunk of a load is not done.
    pub async fn any_open(&self, load: LoadId) -> Result<bool, StoreError> {
        let ids = self.chunks.clone_with_type::<Document>();
        let open = ids.find_one(doc! { "load": load.to_string(), "done": false }).projection(doc! { "_id": 1 }).await?;
        Ok(open.is_some())
    }

    /// Lets no worker write any more of a load's chunks. Once this returns, whatever they had under way is either there or never will be.
    pub async fn revoke(&self, load: LoadId) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Sessions {
            session: Option<Document>,
            announced: Option<Announcement>,
        }
        let open = doc! { "load": load.to_string(), "done": false };
        let held: Vec<Sessions> = self
            .chunks
            .clone_with_type()
            .find(open.clone())
            .projection(doc! { "session": 1, "announced": 1 })
            .await?
            .try_collect()
            .await?;
        let of_takers = held.iter().filter_map(|chunk| chunk.announced.as_ref()).map(|announced| &announced.session);
        let sessions = held.iter().filter_map(|chunk| chunk.session.as_ref()).chain(of_takers).cloned().collect();
        end_sessions(&self.chunks, sessions).await?;
        self.chunks.update_many(open, doc! { "$set": { "revoked": true } }).await?;
        self.announced.withdraw_from_all(&load.to_string()).await
    }

    /// Announces rows of a chunk. `false` if that must not be: see [`Self::advance`].
    pub(super) async fn announce(
        &self,
        load: LoadId,
        chunk: &LoadChunk,
        from_byte: u64,
        announcement: &Announcement,
    ) -> Result<bool, StoreError> {
        let here = held(load, chunk, from_byte, None);
        let set = doc! { "$set": { "announced": serialize_to_bson(announcement).map_err(|error| corrupt(&error))? } };
        Ok(self.chunks.update_one(here, set).await?.matched_count == 1)
    }

    /// Moves a chunk on, inside the transaction that wrote its rows, and ends their announcement. `false` if that must not be: it stands
    /// elsewhere, is done, is revoked, is another worker's, has other rows announced, or knew postal codes that are gone.
    pub(super) async fn advance(
        &self,
        load: LoadId,
        chunk: &LoadChunk,
        from_byte: u64,
        announcement: Option<&Announcement>,
        state: &ChunkState,
        session: &mut ClientSession,
    ) -> Result<bool, mongodb::error::Error> {
        let here = held(load, chunk, from_byte, announcement);
        let state = StateDocument::new(state).map_err(mongodb::error::Error::custom)?;
        let on = doc! { "$set": serialize_to_bson(&state)?, "$unset": { "announced": 1 } };
        Ok(self.chunks.update_one(here, on).session(session).await?.matched_count == 1)
    }

    /// Makes workers that write paystats look at the postal codes again, inside the transaction that removes some.
    pub(super) async fn note_postal_codes_removed(
        &self,
        session: &mut ClientSession,
    ) -> Result<(), mongodb::error::Error> {
        let open = doc! { "entity": LoadEntity::Paystats.name(), "done": false };
        self.chunks.update_many(open, doc! { "$inc": { "postal_codes_removed": 1_i64 } }).session(session).await?;
        Ok(())
    }
}

/// The `_id` of a chunk.
pub(super) fn id(load: LoadId, index: u32) -> String {
    format!("{load}/{index}")
}

/// A chunk in the hands of the worker that took it, where a batch of it starts.
fn held(load: LoadId, chunk: &LoadChunk, from_byte: u64, announcement: Option<&Announcement>) -> Document {
    doc! {
        "_id": id(load, chunk.index),
        "claim": chunk.claim.map(|claim| claim.to_string()),
        "next_byte": from_byte as i64,
        "done": false,
        "revoked": false,
        "postal_codes_removed": chunk.postal_codes_removed,
        "announced.tokens": announcement.map(|announcement| announcement.tokens.clone()),
    }
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}
