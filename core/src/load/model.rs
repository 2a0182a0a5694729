//! What a load is and the states that it passes through: `QUEUED -> PLANNING -> LOADING -> SUCCEEDED | FAILED`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Progress;

/// Names a load everywhere: in the store, on the bus, in the API. A UUID of version 7, so ids sort by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoadId(Uuid);

impl LoadId {
    /// A fresh id.
    #[expect(clippy::new_without_default, reason = "a fresh id is no default value")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for LoadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LoadId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// What the rows of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LoadEntity {
    /// Postal codes: `the_geom`, `code`, `id`.
    PostalCodes,
    /// Paystats: `amount`, `p_month`, `p_age`, `p_gender`, `postal_code_id`, `id`.
    Paystats,
}

/// Where a load stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LoadState {
    /// Accepted; no worker has taken it yet.
    #[default]
    Queued,
    /// A worker reads the source once, to check that it can be loaded and to cut it into chunks.
    Planning,
    /// Workers check and write rows.
    Loading,
    /// Done: every row is written or rejected.
    Succeeded,
    /// Given up, for the reason in `error`.
    Failed,
}

impl LoadEntity {
    /// The name that the API and the store use.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostalCodes => "POSTAL_CODES",
            Self::Paystats => "PAYSTATS",
        }
    }
}

impl LoadState {
    /// The name that the API and the store use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Planning => "PLANNING",
            Self::Loading => "LOADING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Planning | Self::Loading => false,
            Self::Succeeded | Self::Failed => true,
        }
    }
}

/// A load as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Its name.
    pub id: LoadId,
    /// Its place in the order of all loads: #42. A row is only replaced by a load of a greater number.
    pub number: i64,
    /// What its rows are.
    pub entity: LoadEntity,
    /// Path inside the data lake.
    pub source: String,
    /// Size of the source when the load was accepted.
    pub source_size_bytes: u64,
    /// Tells the accepted version of the source from a later one.
    pub source_fingerprint: String,
    /// Where it stands.
    pub state: LoadState,
    /// Why it failed.
    pub error: Option<String>,
    /// The last state of its progress, once it is final.
    pub progress: Option<Progress>,
    /// Least size of its chunks, once a worker has started to plan it.
    pub chunk_bytes: Option<u64>,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// When a worker took it.
    pub started_at: Option<OffsetDateTime>,
    /// When it became final.
    pub finished_at: Option<OffsetDateTime>,
}
