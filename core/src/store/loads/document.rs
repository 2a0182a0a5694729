//! A load as its document has it.

use mongodb::bson::DateTime;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{NewLoad, corrupt};
use crate::{
    load::{Cut, Load, LoadEntity, LoadId, LoadState, Plan, Progress, RejectPolicy},
    store::StoreError,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LoadDocument {
    #[serde(rename = "_id")]
    id: String,
    pub(super) number: i64,
    entity: LoadEntity,
    source: String,
    source_size_bytes: i64,
    source_fingerprint: String,
    policy: RejectPolicy,
    dry_run: bool,
    retry_of: Option<String>,
    only_rejected_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    state: LoadState,
    ends_as: Option<LoadState>,
    error: Option<String>,
    pub(super) progress: Option<Progress>,
    /// Whether the bus has the first message of what it is at: loading, or being taken back.
    published: bool,
    cut: Option<Cut>,
    plan: Option<Plan>,
    undo_until: DateTime,
    created_at: DateTime,
    started_at: Option<DateTime>,
    finished_at: Option<DateTime>,
}

impl LoadDocument {
    /// A load that nobody has been told of. It has no number yet.
    pub(super) fn new(new: NewLoad, undo_until: OffsetDateTime) -> Self {
        Self {
            id: LoadId::new().to_string(),
            number: 0,
            entity: new.entity,
            source: new.source,
            source_size_bytes: new.source_size_bytes as i64,
            source_fingerprint: new.source_fingerprint,
            policy: new.policy,
            dry_run: new.dry_run,
            retry_of: new.retry_of.map(|id| id.to_string()),
            only_rejected_of: new.only_rejected_of.map(|id| id.to_string()),
            idempotency_key: new.idempotency_key,
            state: LoadState::Queued,
            ends_as: None,
            error: None,
            progress: None,
            published: false,
            cut: None,
            plan: None,
            undo_until: to_bson(undo_until),
            created_at: DateTime::now(),
            started_at: None,
            finished_at: None,
        }
    }
}

impl TryFrom<LoadDocument> for Load {
    type Error = StoreError;

    fn try_from(document: LoadDocument) -> Result<Self, StoreError> {
        Ok(Self {
            id: parse_id(&document.id)?,
            number: document.number,
            entity: document.entity,
            source: document.source,
            source_size_bytes: document.source_size_bytes as u64,
            source_fingerprint: document.source_fingerprint,
            policy: document.policy,
            dry_run: document.dry_run,
            retry_of: document.retry_of.as_deref().map(parse_id).transpose()?,
            only_rejected_of: document.only_rejected_of.as_deref().map(parse_id).transpose()?,
            state: document.state,
            ends_as: document.ends_as,
            error: document.error,
            progress: document.progress,
            cut: document.cut,
            plan: document.plan,
            undo_until: from_bson(document.undo_until),
            created_at: from_bson(document.created_at),
            started_at: document.started_at.map(from_bson),
            finished_at: document.finished_at.map(from_bson),
        })
    }
}

fn parse_id(id: &str) -> Result<LoadId, StoreError> {
    id.parse().map_err(|error: uuid::Error| corrupt(&error))
}

pub(in crate::store) fn to_bson(at: OffsetDateTime) -> DateTime {
    DateTime::from_millis((at.unix_timestamp_nanos() / 1_000_000) as i64)
}

pub(in crate::store) fn from_bson(at: DateTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.timestamp_millis()) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
