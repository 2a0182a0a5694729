//! The collection `load_chunks`: the pieces that a load's source was cut into, and what became of their rows.

use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database, IndexModel,
    bson::{Binary, Document, doc, serialize_to_bson, spec::BinarySubtype},
};
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::load::{Counts, LoadId};

/// The collection of chunks.
#[derive(Clone, Debug)]
pub struct LoadChunks {
    chunks: Collection<ChunkDocument>,
}

/// A piece of a source, cut between two records.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadChunk {
    /// Its place in the source, from 0.
    pub index: u32,
    /// First byte.
    pub start: u64,
    /// Byte after the last.
    pub end: u64,
    /// Line of its first record.
    pub first_line: u64,
    /// Header of the source: its columns in order.
    pub columns: Vec<String>,
    /// Lines of records whose id stands on an earlier line of the source.
    pub duplicate_lines: RoaringTreemap,
    /// Its rows, once it is done.
    pub counts: Option<Counts>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChunkDocument {
    #[serde(rename = "_id")]
    id: String,
    load: String,
    index: i64,
    start: i64,
    end: i64,
    first_line: i64,
    columns: Vec<String>,
    duplicate_lines: Binary,
    counts: Option<Counts>,
}

const COLLECTION: &str = "load_chunks";

impl LoadChunks {
    pub(super) fn new(database: &Database) -> Self {
        Self { chunks: database.collection(COLLECTION) }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        self.chunks
            .create_index(IndexModel::builder().keys(doc! { "load": 1, "counts": 1, "index": 1 }).build())
            .await?;
        Ok(())
    }

    /// Writes a chunk of a plan; one that is there already, written by a worker that died while it planned, stays.
    pub async fn insert(&self, load: LoadId, chunk: &LoadChunk) -> Result<(), StoreError> {
        let mut lines = Vec::with_capacity(chunk.duplicate_lines.serialized_size());
        chunk.duplicate_lines.serialize_into(&mut lines).map_err(|error| corrupt(&error))?;
        let document = ChunkDocument {
            id: id(load, chunk.index),
            load: load.to_string(),
            index: chunk.index.into(),
            start: chunk.start as i64,
            end: chunk.end as i64,
            first_line: chunk.first_line as i64,
            columns: chunk.columns.clone(),
            duplicate_lines: Binary { subtype: BinarySubtype::Generic, bytes: lines },
            counts: None,
        };
        let mut fields = mongodb::bson::serialize_to_document(&document).map_err(|error| corrupt(&error))?;
        fields.remove("_id");
        self.chunks.update_one(doc! { "_id": &document.id }, doc! { "$setOnInsert": fields }).upsert(true).await?;
        Ok(())
    }

    /// One chunk of a load.
    pub async fn get(&self, load: LoadId, index: u32) -> Result<Option<LoadChunk>, StoreError> {
        self.chunks.find_one(doc! { "_id": id(load, index) }).await?.map(LoadChunk::try_from).transpose()
    }

    /// The chunks of a load that are not done.
    pub async fn open(&self, load: LoadId) -> Result<Vec<u32>, StoreError> {
        let found: Vec<ChunkDocument> = self
            .chunks
            .find(doc! { "load": load.to_string(), "counts": null })
            .sort(doc! { "index": 1 })
            .await?
            .try_collect()
            .await?;
        Ok(found.into_iter().map(|chunk| chunk.index as u32).collect())
    }

    /// Whether a chunk of a load is not done.
    pub async fn any_open(&self, load: LoadId) -> Result<bool, StoreError> {
        let ids = self.chunks.clone_with_type::<Document>();
        let open =
            ids.find_one(doc! { "load": load.to_string(), "counts": null }).projection(doc! { "_id": 1 }).await?;
        Ok(open.is_some())
    }

    /// Notes that a chunk is done.
    pub async fn finish(&self, load: LoadId, index: u32, counts: Counts) -> Result<(), StoreError> {
        let counts = serialize_to_bson(&counts).map_err(|error| corrupt(&error))?;
        self.chunks.update_one(doc! { "_id": id(load, index) }, doc! { "$set": { "counts": counts } }).await?;
        Ok(())
    }

    /// The rows of all chunks of a load that are done, and the number of chunks.
    pub async fn sum(&self, load: LoadId) -> Result<(Counts, u32), StoreError> {
        let mut chunks = self.chunks.find(doc! { "load": load.to_string() }).await?;
        let (mut sum, mut number) = (Counts::default(), 0);
        while let Some(chunk) = chunks.try_next().await? {
            sum += chunk.counts.unwrap_or_default();
            number += 1;
        }
        Ok((sum, number))
    }
}

fn id(load: LoadId, index: u32) -> String {
    format!("{load}/{index}")
}

impl TryFrom<ChunkDocument> for LoadChunk {
    type Error = StoreError;

    fn try_from(document: ChunkDocument) -> Result<Self, StoreError> {
        let duplicate_lines = RoaringTreemap::deserialize_from(document.duplicate_lines.bytes.as_slice())
            .map_err(|error| corrupt(&error))?;
        Ok(Self {
            index: document.index as u32,
            start: document.start as u64,
            end: document.end as u64,
            first_line: document.first_line as u64,
            columns: document.columns,
            duplicate_lines,
            counts: document.counts,
        })
    }
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}
