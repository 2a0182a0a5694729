//! Which loads there are: one by what names it, lists, and what is under way.

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};

use super::{EVENTS_BEFORE, LoadDocument, Loads, NUMBER, OPEN, names};
use crate::{
    load::{Load, LoadEntity, LoadId, LoadState},
    store::{BATCH_SIZE, Direction, Key, KeyPart, Page, PageRequest, StoreError, page::find_page},
};

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

impl Loads {
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

    /// The loads that have not ended and match but for their state, the oldest first.
    pub async fn open(&self, filter: &LoadFilter) -> Result<Vec<Load>, StoreError> {
        let filter = LoadFilter { states: Some(OPEN.to_vec()), ..filter.clone() };
        self.list(filter.document(), doc! { "number": 1 }).await
    }

    /// The loads whose end has a greater number than that of this event, and that match.
    pub async fn ended_after(&self, filter: &LoadFilter, event: u64) -> Result<Vec<Load>, StoreError> {
        let mut ended = filter.document();
        ended.insert("progress.seq", doc! { "$gt": event as i64 });
        self.list(ended, doc! { "progress.seq": 1 }).await
    }

    async fn list(&self, filter: Document, order: Document) -> Result<Vec<Load>, StoreError> {
        let found: Vec<LoadDocument> =
            self.loads.find(filter).sort(order).batch_size(BATCH_SIZE).await?.try_collect().await?;
        found.into_iter().map(Load::try_from).collect()
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

    /// The greatest number of an event that the progress of a finished load holds, or that was left out by a restore; 0 before the first.
    pub async fn greatest_event(&self) -> Result<u64, StoreError> {
        let last = self.loads.find_one(doc! { "progress": { "$ne": null } }).sort(doc! { "progress.seq": -1 }).await?;
        let told = last.and_then(|load| load.progress).map_or(0, |progress| progress.seq);
        Ok(told.max(self.counters.last(EVENTS_BEFORE).await?.cast_unsigned()))
    }

    /// Leaves out so many numbers of events: they were given after the backup that is restored.
    pub(in crate::store) async fn skip_events(&self, numbers: i64) -> Result<(), StoreError> {
        let known = self.counters.last(EVENTS_BEFORE).await?;
        let next = self.greatest_event().await?.cast_signed() + numbers;
        self.counters.count_up_by(EVENTS_BEFORE, next - known).await
    }

    /// Whether a load that was accepted before this one may still write rows of its entity, or is taken back.
    pub async fn any_older_open(&self, load: &Load) -> Result<bool, StoreError> {
        let older = doc! {
            "state": { "$in": names(&OPEN) },
            "number": { "$lt": load.number },
            "entity": load.entity.name(),
            "dry_run": { "$ne": true },
        };
        Ok(self.loads.find_one(older).await?.is_some())
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
