//! The collection `audit`: who did what. A record is there before what it tells of begins, so whatever was done has one; how it ended is added
//! afterwards. Records are kept for ever.

use mongodb::{
    Collection, Database,
    bson::{DateTime, doc},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Direction, Key, KeyPart, Page, PageRequest, StoreError, loads::from_bson, page::find_page};

/// The collection of what was done.
#[derive(Clone, Debug)]
pub struct Audit {
    records: Collection<Document>,
}

pub(super) const COLLECTION: &str = "audit";

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// In the order of time.
    pub id: Uuid,
    /// When it began.
    pub at: OffsetDateTime,
    /// Name of who did it; `None` where nobody was asked.
    pub caller: Option<String>,
    /// What was done, as the API calls it: `startLoad`.
    pub action: String,
    /// What it was done to, by its global id.
    pub subject: Option<String>,
    /// How it ended: `DONE`, or the code of the refusal. `None`: it is not over, or who did it died before it was.
    pub outcome: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Document {
    #[serde(rename = "_id")]
    id: String,
    at: DateTime,
    caller: Option<String>,
    action: String,
    subject: Option<String>,
    outcome: Option<String>,
}

impl Audit {
    pub(super) fn new(database: &Database) -> Self {
        Self { records: database.collection(COLLECTION) }
    }

    /// Notes that something begins, and answers the record's id.
    pub async fn begin(&self, caller: Option<&str>, action: &str) -> Result<Uuid, StoreError> {
        let id = Uuid::now_v7();
        let record = Document {
            id: id.to_string(),
            at: DateTime::now(),
            caller: caller.map(str::to_owned),
            action: action.to_owned(),
            subject: None,
            outcome: None,
        };
        self.records.insert_one(record).await?;
        Ok(id)
    }

    /// Notes how it ended.
    pub async fn end(&self, id: Uuid, subject: Option<&str>, outcome: &str) -> Result<(), StoreError> {
        let change = doc! { "$set": { "subject": subject, "outcome": outcome } };
        self.records.update_one(doc! { "_id": id.to_string() }, change).await?;
        Ok(())
    }

    /// A page of the records, the newest first.
    pub async fn page(&self, request: PageRequest) -> Result<Page<AuditRecord>, StoreError> {
        find_page(&self.records, doc! {}, None, Direction::Descending, None, request).await?.map(AuditRecord::try_from)
    }

    /// The place of `record` in the order of [`Audit::page`].
    pub fn key(record: &AuditRecord) -> Key {
        Key { value: None, id: KeyPart::Text(record.id.to_string()) }
    }

    /// A key of this order, to compare others with.
    pub fn sample_key() -> Key {
        Key { value: None, id: KeyPart::Text(String::new()) }
    }
}

impl TryFrom<Document> for AuditRecord {
    type Error = StoreError;

    fn try_from(document: Document) -> Result<Self, StoreError> {
        let Document { id, at, caller, action, subject, outcome } = document;
        let id = Uuid::try_parse(&id)
            .map_err(|error| StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() })?;
        Ok(Self { id, at: from_bson(at), caller, action, subject, outcome })
    }
}
