//! Numbers given one by one.

use mongodb::{Collection, Database, bson::doc, options::ReturnDocument};
use serde::{Deserialize, Serialize};

use super::StoreError;

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
        Self { counters: database.collection("counters") }
    }

    /// The next number, from 1.
    pub(super) async fn next(&self, name: &str) -> Result<i64, StoreError> {
        let counter = self
            .counters
            .find_one_and_update(doc! { "_id": name }, doc! { "$inc": { "value": 1_i64 } })
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await?;
        counter
            .map(|counter| counter.value)
            .ok_or_else(|| StoreError::Corrupt { collection: "counters", reason: format!("{name} was not returned") })
    }

    /// The last number given; 0 before the first.
    pub(super) async fn last(&self, name: &str) -> Result<i64, StoreError> {
        Ok(self.counters.find_one(doc! { "_id": name }).await?.map_or(0, |counter| counter.value))
    }
}
