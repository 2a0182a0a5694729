//! The collection `rejections`: the refused rows of each load, one a line, up to a bound. All are counted in `load_chunks`.

use futures_util::{Stream, StreamExt, TryStreamExt};
use mongodb::{ClientSession, Collection, Database, IndexModel, bson::doc};
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
    #[serde(default)]
    fields: Vec<String>,
}

pub(super) const COLLECTION: &str = "rejections";

/// Refused rows of one load that are kept, about: chunks that are written at the same moment may each add a batch beyond it.
pub const REJECTIONS_KEPT: u64 = 100_000;

impl Rejections {
    pub(super) fn new(database: &Database) -> Self {
        Self { rejections: database.collection(COLLECTION) }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        self.rejections.create_index(IndexModel::builder().keys(doc! { "load": 1, "line": 1 }).build()).await?;
        Ok(())
    }

    /// Keeps refused rows of a load, inside the transaction of their batch.
    pub(super) async fn insert(
        &self,
        load: LoadId,
        rejections: &[Rejection],
        session: &mut ClientSession,
    ) -> Result<(), mongodb::error::Error> {
        if !rejections.is_empty() {
            let documents = rejections.iter().map(|rejection| RejectionDocument::new(load, rejection));
            self.rejections.insert_many(documents).session(session).await?;
        }
        Ok(())
    }

    /// The kept refused rows of a load, by line.
    pub async fn stream(
        &self,
        load: LoadId,
    ) -> Result<impl Stream<Item = Result<Rejection, StoreError>> + Send + use<>, StoreError> {
        let found = self.rejections.find(doc! { "load": load.to_string() }).sort(doc! { "line": 1 }).await?;
        Ok(found.map(|rejection| Ok(rejection?.into())))
    }

    /// The first `limit` kept refused rows of a load from `line` on, by line.
    pub async fn from_line(&self, load: LoadId, line: u64, limit: u64) -> Result<Vec<Rejection>, StoreError> {
        let found = self
            .rejections
            .find(doc! { "load": load.to_string(), "line": { "$gte": line as i64 } })
            .sort(doc! { "line": 1 })
            .limit(limit as i64)
            .batch_size(BATCH_SIZE)
            .await?;
        Ok(found.map_ok(Rejection::from).try_collect().await?)
    }

    /// A page of a load's refused rows, by line.
    pub async fn page(&self, load: LoadId, request: PageRequest) -> Result<Page<Rejection>, StoreError> {
        let filter = doc! { "load": load.to_string() };
        let page = find_page(&self.rejections, filter, Some("line"), Direction::Ascending, None, request).await?;
        page.map(|document| Ok(document.into()))
    }

    /// How many refused rows of a load are kept.
    pub async fn count(&self, load: LoadId) -> Result<u64, StoreError> {
        Ok(self.rejections.count_documents(doc! { "load": load.to_string() }).await?)
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
            fields: rejection.fields.clone(),
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
            fields: document.fields,
        }
    }
}
