//! Numbers given one by one.

use mongodb::{
    ClientSession, Collection, Database,
    bson::{Document, doc},
    change_stream::{ChangeStream, event::ChangeStreamEvent},
    options::{ReadConcern, ReturnDocument},
};
use serde::{Deserialize, Serialize};

use super::StoreError;

pub(super) const COLLECTION: &str = "counters";

/// The collection `counters`: one document a counter.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    counters: Collection<Counter>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counter {
    #[serde(rename = "_id")]
    name: String,
    value: i64,
}

impl Counters {
    pub(super) fn new(database: &Database) -> Self {
        Self { counters: database.collection(COLLECTION) }
    }

    /// Makes a counter that is not there yet: transactions that do so at the same moment would collide.
    pub(super) async fn prepare(&self, name: &str) -> Result<(), StoreError> {
        self.prepare_at(name, 0).await
    }

    /// The same with the number that it starts at.
    pub(super) async fn prepare_at(&self, name: &str, value: i64) -> Result<(), StoreError> {
        let new = doc! { "$setOnInsert": { "value": value } };
        self.counters.update_one(doc! { "_id": name }, new).upsert(true).await?;
        Ok(())
    }

    /// The next number, from 1, inside a transaction.
    pub(super) async fn next(&self, name: &str, session: &mut ClientSession) -> Result<i64, mongodb::error::Error> {
        let counter = self
            .counters
            .find_one_and_update(doc! { "_id": name }, doc! { "$inc": { "value": 1_i64 } })
            .upsert(true)
            .return_document(ReturnDocument::After)
            .session(session)
            .await?;
        let missing = || mongodb::error::Error::custom(format!("counter {name} was not returned"));
        counter.map(|counter| counter.value).ok_or_else(missing)
    }

    /// The same outside a transaction, where nobody asks for the number.
    pub(super) async fn count_up(&self, name: &str) -> Result<(), StoreError> {
        self.count_up_by(name, 1).await
    }

    /// The same for several numbers, which are left out.
    pub(super) async fn count_up_by(&self, name: &str, numbers: i64) -> Result<(), StoreError> {
        self.counters.update_one(doc! { "_id": name }, doc! { "$inc": { "value": numbers } }).upsert(true).await?;
        Ok(())
    }

    /// Forgets all counters.
    pub(super) async fn delete_all(&self) -> Result<(), StoreError> {
        self.counters.delete_many(doc! {}).await?;
        Ok(())
    }

    /// The last number given, as a session sees it; 0 before the first.
    pub(super) async fn last_in(&self, name: &str, session: &mut ClientSession) -> Result<i64, StoreError> {
        Ok(self.counters.find_one(doc! { "_id": name }).session(session).await?.map_or(0, |counter| counter.value))
    }

    /// Hears of changes.
    pub(super) async fn watch(
        &self,
        pipeline: impl IntoIterator<Item = Document>,
    ) -> Result<ChangeStream<ChangeStreamEvent<Document>>, StoreError> {
        Ok(self.counters.clone_with_type::<Document>().watch().pipeline(pipeline).await?)
    }

    /// The same of what no primary that dies can take back.
    pub(super) async fn last_acknowledged(&self, name: &str) -> Result<i64, StoreError> {
        let last = self.counters.find_one(doc! { "_id": name }).read_concern(ReadConcern::majority());
        Ok(last.await?.map_or(0, |counter| counter.value))
    }

    /// The last number given; 0 before the first.
    pub(super) async fn last(&self, name: &str) -> Result<i64, StoreError> {
        Ok(self.counters.find_one(doc! { "_id": name }).await?.map_or(0, |counter| counter.value))
    }
}
