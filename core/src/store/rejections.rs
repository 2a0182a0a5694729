//! The collection `rejections`: the refused rows of each load, one a line.

use std::ops::RangeInclusive;

use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database, IndexModel,
    bson::{Document, doc, serialize_to_document},
};
use serde::{Deserialize, Serialize};

use super::{BATCH_SIZE, Direction, Key, KeyPart, Page, PageRequest, StoreError, page::find_page};
use crate::load::{LoadId, Rejection, RejectionCode};

/// The collection of refused rows.
#[derive(Clone, Debug)]
pub struct Rejections {
    rejections: Collection<RejectionDocument>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RejectionDocument {
    #[serde(rename = "_id")]
    id: String,
    load: String,
    line: i64,
    column: Option<String>,
    code: RejectionCode,
    value: Option<String>,
    reason: String,
}

/// Refused rows that have the same thing wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RejectionCount {
    /// What is wrong.
    pub code: RejectionCode,
    /// In which column; `None` where the record as a whole is wrong.
    pub column: Option<String>,
    /// Number of rows.
    pub count: i64,
}

const COLLECTION: &str = "rejections";

impl Rejections {
    pub(super) fn new(database: &Database) -> Self {
        Self { rejections: database.collection(COLLECTION) }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        self.rejections.create_index(IndexModel::builder().keys(doc! { "load": 1, "line": 1 }).build()).await?;
        Ok(())
    }

    /// Writes the refused rows of a load among `lines`. Where a chunk is done again, a row that is refused again counts once,
    /// and one that is accepted now, because its postal code came meanwhile, is forgotten.
    pub async fn write(
        &self,
        load: LoadId,
        lines: RangeInclusive<u64>,
        rejections: &[Rejection],
    ) -> Result<(), StoreError> {
        let refused: Vec<i64> = rejections.iter().map(|rejection| rejection.line as i64).collect();
        let (first, last) = (*lines.start() as i64, *lines.end() as i64);
        let accepted = doc! { "load": load.to_string(), "line": { "$gte": first, "$lte": last, "$nin": refused } };
        self.rejections.delete_many(accepted).await?;
        if rejections.is_empty() {
            return Ok(());
        }
        let statements = rejections
            .iter()
            .map(|rejection| {
                let document = RejectionDocument::new(load, rejection);
                let replacement = serialize_to_document(&document)
                    .map_err(|error| StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() })?;
                Ok(doc! { "q": { "_id": document.id }, "u": replacement, "upsert": true })
            })
            .collect::<Result<Vec<Document>, StoreError>>()?;
        let command = doc! { "update": COLLECTION, "updates": statements, "ordered": false };
        let database = self.rejections.client().database(&self.rejections.namespace().db);
        let reply = database.run_command(command).await?;
        match reply.get_array("writeErrors") {
            Ok(errors) if !errors.is_empty() => Err(StoreError::Failed(mongodb::error::Error::custom(format!(
                "{} rejections were not written: {}",
                errors.len(),
                errors[0]
            )))),
            _ => Ok(()),
        }
    }

    /// A page of a load's refused rows, by line.
    pub async fn page(&self, load: LoadId, request: PageRequest) -> Result<Page<Rejection>, StoreError> {
        let filter = doc! { "load": load.to_string() };
        let page = find_page(&self.rejections, filter, Some("line"), Direction::Ascending, None, request).await?;
        page.map(|document| Ok(document.into()))
    }

    /// How many rows of a load were refused.
    pub async fn count(&self, load: LoadId) -> Result<u64, StoreError> {
        Ok(self.rejections.count_documents(doc! { "load": load.to_string() }).await?)
    }

    /// How many rows of a load were refused, by code and column, the most frequent first.
    pub async fn counts(&self, load: LoadId) -> Result<Vec<RejectionCount>, StoreError> {
        let pipeline = [
            doc! { "$match": { "load": load.to_string() } },
            doc! { "$group": { "_id": { "code": "$code", "column": "$column" }, "count": { "$sum": 1_i64 } } },
            doc! { "$project": { "_id": 0, "code": "$_id.code", "column": "$_id.column", "count": 1 } },
            doc! { "$sort": { "count": -1, "code": 1, "column": 1 } },
        ];
        let counts = self.rejections.aggregate(pipeline).batch_size(BATCH_SIZE).with_type::<RejectionCount>().await?;
        Ok(counts.try_collect().await?)
    }

    /// The place of a refused row in the order of [`Rejections::page`].
    pub fn key(load: LoadId, line: u64) -> Key {
        Key { value: Some(KeyPart::Number(line as i64)), id: KeyPart::Text(id(load, line)) }
    }
}

fn id(load: LoadId, line: u64) -> String {
    format!("{load}/{line}")
}

impl RejectionDocument {
    fn new(load: LoadId, rejection: &Rejection) -> Self {
        Self {
            id: id(load, rejection.line),
            load: load.to_string(),
            line: rejection.line as i64,
            column: rejection.column.clone(),
            code: rejection.code,
            value: rejection.value.clone(),
            reason: rejection.reason.clone(),
        }
    }
}

impl From<RejectionDocument> for Rejection {
    fn from(document: RejectionDocument) -> Self {
        Self {
            line: document.line as u64,
            column: document.column,
            code: document.code,
            value: document.value,
            reason: document.reason,
        }
    }
}
