//! The collection `loads`: one document a load, from its acceptance to its end.
//!
//! Every step is a compare-and-set on `state`, so of two workers that do the same, one wins and the other sees it.

use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database, IndexModel,
    bson::{Bson, DateTime, Document, doc, serialize_to_bson},
    options::{IndexOptions, ReturnDocument},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    BATCH_SIZE, Direction, Key, KeyPart, Page, PageRequest, StoreError, counters::Counters, error::duplicate_as,
    page::find_page,
};
use crate::{
    datalake::DatalakeObject,
    load::{Load, LoadEntity, LoadId, LoadState, Progress},
};

/// The collection of loads.
#[derive(Clone, Debug)]
pub struct Loads {
    loads: Collection<LoadDocument>,
    counters: Counters,
}

/// What a load starts with.
#[derive(Clone, Debug)]
pub struct NewLoad {
    /// What its rows are.
    pub entity: LoadEntity,
    /// Path inside the data lake.
    pub source: String,
    /// Size of the source.
    pub source_size_bytes: u64,
    /// Version of the source.
    pub source_fingerprint: String,
    /// The caller's name for this request: the same key gives the same load.
    pub idempotency_key: Option<String>,
}

impl NewLoad {
    /// A load of a source as the data lake has it now.
    pub fn of(entity: LoadEntity, source: DatalakeObject, idempotency_key: Option<String>) -> Self {
        let source_fingerprint = source.fingerprint();
        Self { entity, source: source.path, source_size_bytes: source.size_bytes, source_fingerprint, idempotency_key }
    }
}

/// Which loads a list holds. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadFilter {
    /// What the rows are.
    pub entity: Option<LoadEntity>,
    /// Any of these states.
    pub states: Option<Vec<LoadState>>,
    /// Exactly this source.
    pub source: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LoadDocument {
    #[serde(rename = "_id")]
    id: String,
    number: i64,
    entity: LoadEntity,
    source: String,
    source_size_bytes: i64,
    source_fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    state: LoadState,
    error: Option<String>,
    progress: Option<Progress>,
    /// Whether the bus has its first message.
    published: bool,
    /// Least size of its chunks, once a worker has started to plan it.
    chunk_bytes: Option<i64>,
    created_at: DateTime,
    started_at: Option<DateTime>,
    finished_at: Option<DateTime>,
}

const COLLECTION: &str = "loads";
const NUMBER: &str = "loads";
/// The states that something follows.
const OPEN: [LoadState; 3] = [LoadState::Queued, LoadState::Planning, LoadState::Loading];

impl Loads {
    pub(super) fn new(database: &Database) -> Self {
        Self { loads: database.collection(COLLECTION), counters: Counters::new(database) }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        let unique = IndexOptions::builder().unique(true).build();
        let unique_where_set = IndexOptions::builder()
            .unique(true)
            .partial_filter_expression(doc! { "idempotency_key": { "$type": "string" } })
            .build();
        self.loads
            .create_indexes([
                IndexModel::builder().keys(doc! { "number": 1 }).options(unique).build(),
                IndexModel::builder().keys(doc! { "idempotency_key": 1 }).options(unique_where_set).build(),
                IndexModel::builder().keys(doc! { "state": 1, "number": 1 }).build(),
            ])
            .await?;
        Ok(())
    }

    /// Writes a load that nobody has been told of yet, under the next number.
    /// [`StoreError::Duplicate`] if its idempotency key is taken.
    pub async fn insert(&self, new: NewLoad) -> Result<Load, StoreError> {
        let document = LoadDocument {
            id: LoadId::new().to_string(),
            number: self.counters.next(NUMBER).await?,
            entity: new.entity,
            source: new.source,
            source_size_bytes: new.source_size_bytes as i64,
            source_fingerprint: new.source_fingerprint,
            idempotency_key: new.idempotency_key,
            state: LoadState::Queued,
            error: None,
            progress: None,
            published: false,
            chunk_bytes: None,
            created_at: now(),
            started_at: None,
            finished_at: None,
        };
        self.loads.insert_one(&document).await.map_err(duplicate_as("idempotency key"))?;
        document.try_into()
    }

    /// The load with this id.
    pub async fn by_id(&self, id: LoadId) -> Result<Option<Load>, StoreError> {
        self.find(doc! { "_id": id.to_string() }).await
    }

    /// The loads with these numbers, in any order.
    pub async fn by_numbers(&self, numbers: &[i64]) -> Result<Vec<Load>, StoreError> {
        let found: Vec<LoadDocument> = self
            .loads
            .find(doc! { "number": { "$in": numbers.to_vec() } })
            .batch_size(BATCH_SIZE)
            .await?
            .try_collect()
            .await?;
        found.into_iter().map(Load::try_from).collect()
    }

    /// The loads with these ids, in any order.
    pub async fn by_ids(&self, ids: &[LoadId]) -> Result<Vec<Load>, StoreError> {
        let ids: Vec<String> = ids.iter().map(LoadId::to_string).collect();
        let found: Vec<LoadDocument> =
            self.loads.find(doc! { "_id": { "$in": ids } }).batch_size(BATCH_SIZE).await?.try_collect().await?;
        found.into_iter().map(Load::try_from).collect()
    }

    /// The load with this number.
    pub async fn by_number(&self, number: i64) -> Result<Option<Load>, StoreError> {
        self.find(doc! { "number": number }).await
    }

    /// The load that was started with this key.
    pub async fn by_idempotency_key(&self, key: &str) -> Result<Option<Load>, StoreError> {
        self.find(doc! { "idempotency_key": key }).await
    }

    /// A page of the matching loads, the newest first.
    pub async fn page(&self, filter: &LoadFilter, request: PageRequest) -> Result<Page<Load>, StoreError> {
        let page =
            find_page(&self.loads, filter.document(), Some("number"), Direction::Descending, None, request).await?;
        page.map(Load::try_from)
    }

    /// How many loads match.
    pub async fn count(&self, filter: &LoadFilter) -> Result<u64, StoreError> {
        Ok(self.loads.count_documents(filter.document()).await?)
    }

    /// The place of `load` in the order of [`Loads::page`].
    pub fn key(load: &Load) -> Key {
        Key { value: Some(KeyPart::Number(load.number)), id: KeyPart::Text(load.id.to_string()) }
    }

    /// A key of this order, to compare others with.
    pub fn sample_key() -> Key {
        Key { value: Some(KeyPart::Number(0)), id: KeyPart::Text(String::new()) }
    }

    /// The number of the newest load; 0 before the first.
    pub async fn last_number(&self) -> Result<i64, StoreError> {
        self.counters.last(NUMBER).await
    }

    /// The greatest number of an event that the progress of a finished load holds; 0 before the first.
    pub async fn greatest_event(&self) -> Result<u64, StoreError> {
        let last = self.loads.find_one(doc! { "progress": { "$ne": null } }).sort(doc! { "progress.seq": -1 }).await?;
        Ok(last.and_then(|load| load.progress).map_or(0, |progress| progress.seq))
    }

    /// Whether a load of this entity is under way or waits.
    pub async fn any_open(&self, entity: LoadEntity) -> Result<bool, StoreError> {
        let filter = LoadFilter { entity: Some(entity), states: Some(OPEN.to_vec()), source: None };
        Ok(self.loads.find_one(filter.document()).await?.is_some())
    }

    /// How many loads wait before this one.
    pub async fn queued_before(&self, number: i64) -> Result<u64, StoreError> {
        let before = doc! { "state": LoadState::Queued.name(), "number": { "$lt": number } };
        Ok(self.loads.count_documents(before).await?)
    }

    /// Loads under way that the bus has not been told of, the oldest first.
    pub async fn unpublished(&self, accepted_before: OffsetDateTime) -> Result<Vec<Load>, StoreError> {
        let filter = doc! {
            "published": false,
            "state": { "$in": names(&OPEN) },
            "created_at": { "$lt": to_bson(accepted_before) },
        };
        let found: Vec<LoadDocument> =
            self.loads.find(filter).sort(doc! { "number": 1 }).limit(100).await?.try_collect().await?;
        found.into_iter().map(Load::try_from).collect()
    }

    /// Notes that the bus has lost the messages of all loads under way.
    pub async fn set_unpublished(&self) -> Result<(), StoreError> {
        let open = doc! { "state": { "$in": names(&OPEN) } };
        self.loads.update_many(open, doc! { "$set": { "published": false } }).await?;
        Ok(())
    }

    /// Notes that the bus has the load's first message.
    pub async fn set_published(&self, id: LoadId) -> Result<(), StoreError> {
        self.loads.update_one(doc! { "_id": id.to_string() }, doc! { "$set": { "published": true } }).await?;
        Ok(())
    }

    /// A worker takes the load: `QUEUED` (or `PLANNING`, by a worker that died) becomes `PLANNING`. `None` if it is further.
    ///
    /// `chunk_bytes` is kept from the first worker that planned it: a second one with other settings must cut the source at
    /// the same places.
    pub async fn start_planning(&self, id: LoadId, chunk_bytes: u64) -> Result<Option<Load>, StoreError> {
        let from = [LoadState::Queued, LoadState::Planning];
        // A pipeline, so that what the first start set is kept.
        let set = doc! { "$set": {
            "state": LoadState::Planning.name(),
            "published": true,
            "started_at": { "$ifNull": ["$started_at", "$$NOW"] },
            "chunk_bytes": { "$ifNull": ["$chunk_bytes", chunk_bytes as i64] },
        } };
        self.step(id, &from, vec![set]).await
    }

    /// The chunks are written: `PLANNING` becomes `LOADING`. `None` if it was not `PLANNING`.
    pub async fn start_loading(&self, id: LoadId) -> Result<Option<Load>, StoreError> {
        self.step(id, &[LoadState::Planning], doc! { "$set": { "state": LoadState::Loading.name() } }).await
    }

    /// The load ends, unless it has ended already. `None` then.
    pub async fn finish(&self, id: LoadId, progress: &Progress) -> Result<Option<Load>, StoreError> {
        let set = doc! { "$set": {
            "state": progress.state.name(),
            "error": progress.error.clone(),
            "progress": serialize_to_bson(progress).map_err(|error| corrupt(&error))?,
            "finished_at": now(),
        } };
        self.step(id, &OPEN, set).await
    }

    /// Notes the number of the event that told the end of a load.
    pub async fn set_last_event(&self, id: LoadId, seq: u64) -> Result<(), StoreError> {
        let set = doc! { "$set": { "progress.seq": seq as i64 } };
        self.loads.update_one(doc! { "_id": id.to_string(), "progress": { "$ne": null } }, set).await?;
        Ok(())
    }

    async fn step(
        &self,
        id: LoadId,
        from: &[LoadState],
        update: impl Into<mongodb::options::UpdateModifications>,
    ) -> Result<Option<Load>, StoreError> {
        let filter = doc! { "_id": id.to_string(), "state": { "$in": names(from) } };
        let changed = self.loads.find_one_and_update(filter, update).return_document(ReturnDocument::After).await?;
        changed.map(Load::try_from).transpose()
    }

    async fn find(&self, filter: Document) -> Result<Option<Load>, StoreError> {
        self.loads.find_one(filter).await?.map(Load::try_from).transpose()
    }
}

impl LoadFilter {
    fn document(&self) -> Document {
        let mut conditions = Document::new();
        conditions.extend(self.entity.map(|entity| ("entity".to_owned(), Bson::from(entity.name()))));
        conditions
            .extend(self.states.as_ref().map(|states| ("state".to_owned(), doc! { "$in": names(states) }.into())));
        conditions.extend(self.source.as_ref().map(|source| ("source".to_owned(), Bson::from(source))));
        conditions
    }
}

fn names(states: &[LoadState]) -> Vec<&'static str> {
    states.iter().map(|state| state.name()).collect()
}

impl TryFrom<LoadDocument> for Load {
    type Error = StoreError;

    fn try_from(document: LoadDocument) -> Result<Self, StoreError> {
        Ok(Self {
            id: document.id.parse().map_err(|error: uuid::Error| corrupt(&error))?,
            number: document.number,
            entity: document.entity,
            source: document.source,
            source_size_bytes: document.source_size_bytes as u64,
            source_fingerprint: document.source_fingerprint,
            state: document.state,
            error: document.error,
            progress: document.progress,
            chunk_bytes: document.chunk_bytes.map(|bytes| bytes as u64),
            created_at: from_bson(document.created_at),
            started_at: document.started_at.map(from_bson),
            finished_at: document.finished_at.map(from_bson),
        })
    }
}

fn now() -> DateTime {
    DateTime::now()
}

fn to_bson(at: OffsetDateTime) -> DateTime {
    DateTime::from_millis((at.unix_timestamp_nanos() / 1_000_000) as i64)
}

fn from_bson(at: DateTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.timestamp_millis()) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}
