//! The collection `loads`: one document a load, from its acceptance to its end.
//!
//! Every step is a compare-and-set on `state`, so of two processes that do the same, one wins and the other sees it.

mod counting;
mod document;
mod questions;
mod steps;

use futures_util::{FutureExt, TryStreamExt};
use mongodb::{
    Collection, Database, IndexModel,
    bson::{Document, doc},
    options::IndexOptions,
};
use time::{Duration, OffsetDateTime};

use self::document::LoadDocument;
pub(super) use self::document::{from_bson, to_bson};
pub use self::questions::LoadFilter;
use super::{StoreError, counters::Counters, error::duplicate_as};
use crate::{
    datalake::DatalakeObject,
    load::{Load, LoadEntity, LoadId, LoadState, RejectPolicy},
};

/// The collection of loads.
#[derive(Clone, Debug)]
pub struct Loads {
    loads: Collection<LoadDocument>,
    counters: Counters,
    undo_days: u32,
}

/// What a load starts with.
#[derive(Clone, Debug)]
pub struct NewLoad {
    /// What its rows are.
    pub entity: LoadEntity,
    /// Path inside the data lake, or URL.
    pub source: String,
    /// Size of the source.
    pub source_size_bytes: u64,
    /// Version of the source.
    pub source_fingerprint: String,
    /// How many refused rows it bears.
    pub policy: RejectPolicy,
    /// Whether it only tells what it would do.
    pub dry_run: bool,
    /// The load that it repeats.
    pub retry_of: Option<LoadId>,
    /// The load whose refused lines are the only ones that it loads.
    pub only_rejected_of: Option<LoadId>,
    /// The caller's name for this request: the same key gives the same load.
    pub idempotency_key: Option<String>,
}

impl NewLoad {
    /// A load of a source as the data lake has it now.
    pub fn of(entity: LoadEntity, source: DatalakeObject) -> Self {
        let source_fingerprint = source.fingerprint();
        Self {
            entity,
            source: source.path,
            source_size_bytes: source.size_bytes,
            source_fingerprint,
            policy: RejectPolicy::default(),
            dry_run: false,
            retry_of: None,
            only_rejected_of: None,
            idempotency_key: None,
        }
    }
}

pub(super) const COLLECTION: &str = "loads";
const NUMBER: &str = "loads";
/// Numbers of events up to this one were given before a backup was restored, or may have been.
const EVENTS_BEFORE: &str = "events";
/// The states that something follows.
const OPEN: [LoadState; 5] =
    [LoadState::Queued, LoadState::Planning, LoadState::Loading, LoadState::RollingUp, LoadState::Reverting];
/// The states in which a load goes forward.
const FORWARD: [LoadState; 4] = [LoadState::Queued, LoadState::Planning, LoadState::Loading, LoadState::RollingUp];

impl Loads {
    pub(super) fn new(database: &Database, undo_days: u32) -> Self {
        Self { loads: database.collection(COLLECTION), counters: Counters::new(database), undo_days }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        self.counters.prepare(NUMBER).await?;
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
    ///
    /// One transaction with the counter: a load is there before any load of a greater number.
    pub async fn insert(&self, new: NewLoad) -> Result<Load, StoreError> {
        let undo_until = OffsetDateTime::now_utc() + Duration::days(self.undo_days.into());
        let document = LoadDocument::new(new, undo_until);
        // Asked first, because a transaction would be tried for two minutes while MongoDB is away.
        self.last_number().await?;
        let mut session = self.loads.client().start_session().await?;
        let inserted = session
            .start_transaction()
            .and_run((self.clone(), document), |session, (loads, document)| {
                async move {
                    document.number = loads.counters.next(NUMBER, session).await?;
                    loads.loads.insert_one(&*document).session(session).await?;
                    Ok(document.clone())
                }
                .boxed()
            })
            .await;
        inserted.map_err(duplicate_as("idempotency key"))?.try_into()
    }

    /// Loads under way that the bus has not been told of, the oldest first.
    pub async fn unpublished(&self, accepted_before: OffsetDateTime) -> Result<Vec<Load>, StoreError> {
        let found: Vec<LoadDocument> = self
            .loads
            .find(unpublished(accepted_before))
            .sort(doc! { "number": 1 })
            .limit(100)
            .await?
            .try_collect()
            .await?;
        found.into_iter().map(Load::try_from).collect()
    }

    /// How many loads that were accepted before a moment have not been published.
    pub async fn count_unpublished(&self, accepted_before: OffsetDateTime) -> Result<u64, StoreError> {
        Ok(self.loads.count_documents(unpublished(accepted_before)).await?)
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

    /// Notes the number of the event that told the end of a load.
    pub async fn set_last_event(&self, id: LoadId, seq: u64) -> Result<(), StoreError> {
        let set = doc! { "$set": { "progress.seq": seq as i64 } };
        self.loads.update_one(doc! { "_id": id.to_string(), "progress": { "$ne": null } }, set).await?;
        Ok(())
    }
}

fn names(states: &[LoadState]) -> Vec<&'static str> {
    states.iter().map(|state| state.name()).collect()
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}

fn unpublished(accepted_before: OffsetDateTime) -> Document {
    doc! {
        "published": false,
        "state": { "$in": names(&OPEN) },
        "created_at": { "$lt": to_bson(accepted_before) },
    }
}
