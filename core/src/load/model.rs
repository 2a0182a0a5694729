//! What a load is and the states that it passes through: `QUEUED -> PLANNING -> LOADING -> ROLLING_UP -> SUCCEEDED`, or by way of `REVERTING`
//! to `FAILED` or `CANCELLED`; after a success, by way of `REVERTING` to `UNDONE`.

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

    /// The same as a number.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
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
    /// Every row is written or rejected; the totals of the postal codes that it touched are added up anew, and show all of it at once.
    RollingUp,
    /// It is taken back: what it wrote goes, what it replaced returns.
    Reverting,
    /// Done: every row is written or rejected.
    Succeeded,
    /// Given up, for the reason in `error`; nothing of it is left.
    Failed,
    /// Stopped by request; nothing of it is left.
    Cancelled,
    /// Taken back after it had succeeded.
    Undone,
}

/// What a refused row means for its load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnReject {
    /// It is counted and left out.
    #[default]
    Skip,
    /// The load fails.
    Abort,
}

/// How many refused rows a load bears. Beyond, it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RejectPolicy {
    /// What a refused row means.
    #[serde(default)]
    pub on_reject: OnReject,
    /// Greatest number of refused rows.
    #[serde(default)]
    pub max_rejected: Option<u64>,
    /// Greatest share of refused rows among all rows, 0 to 1.
    #[serde(default)]
    pub max_rejected_ratio: Option<f64>,
}

impl RejectPolicy {
    /// Whether any number of refused rows is borne.
    pub fn bears_all(&self) -> bool {
        *self == Self::default()
    }

    /// Why a load with `rejected` refused rows fails; `None` while it does not. `rows_total` is known once the load is planned: no
    /// share is judged before.
    pub fn broken_by(&self, rejected: u64, rows_total: Option<u64>) -> Option<String> {
        if self.on_reject == OnReject::Abort && rejected > 0 {
            return Some("a row was refused, and the load was to stop at the first one (onReject: ABORT)".to_owned());
        }
        if let Some(max) = self.max_rejected.filter(|&max| rejected > max) {
            return Some(format!("more rows were refused than maxRejected allows ({max})"));
        }
        let (ratio, rows) = (self.max_rejected_ratio?, rows_total?);
        (rejected as f64 > ratio * rows as f64)
            .then(|| format!("more rows were refused than maxRejectedRatio allows ({ratio} of {rows})"))
    }
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
            Self::RollingUp => "ROLLING_UP",
            Self::Reverting => "REVERTING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Undone => "UNDONE",
        }
    }

    /// Whether nothing follows by itself; only an undo may follow a success.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Planning | Self::Loading | Self::RollingUp | Self::Reverting => false,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Undone => true,
        }
    }

    /// Whether what the load wrote is gone, or going.
    pub fn is_taken_back(self) -> bool {
        match self {
            Self::Queued | Self::Planning | Self::Loading | Self::RollingUp | Self::Succeeded => false,
            Self::Reverting | Self::Failed | Self::Cancelled | Self::Undone => true,
        }
    }
}

/// How a source is cut. It is kept from the first worker that planned the load, so that a second one, with other settings, cuts at
/// the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Least size of a chunk in bytes.
    pub chunk_bytes: u64,
    /// Chunks that are on the queue at once. The others follow as these are done, so that loads take turns.
    pub chunks_in_flight: u32,
}

/// What planning found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Rows that will be loaded.
    pub rows_total: u64,
    /// Number of chunks.
    pub chunks_total: u32,
    /// Bytes of all chunks, decompressed where the source is compressed.
    pub bytes_total: u64,
}

/// Rows of a load that was taken back, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reverted {
    /// Gone, or replaced by what was there before.
    pub rows: u64,
    /// Left as they are, because a newer load or an edit changed them since, or because paystats name them.
    pub kept: u64,
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
    /// Path inside the data lake, or URL.
    pub source: String,
    /// Size of the source when the load was accepted.
    pub source_size_bytes: u64,
    /// Tells the accepted version of the source from a later one.
    pub source_fingerprint: String,
    /// How many refused rows it bears.
    pub policy: RejectPolicy,
    /// Whether it only tells what it would do, and writes no row.
    pub dry_run: bool,
    /// The load that it repeats.
    pub retry_of: Option<LoadId>,
    /// The load whose refused lines are the only ones that it loads; all are loaded if `None`.
    pub only_rejected_of: Option<LoadId>,
    /// Where it stands.
    pub state: LoadState,
    /// The state that it ends in, while it is `REVERTING`.
    pub ends_as: Option<LoadState>,
    /// Why it failed.
    pub error: Option<String>,
    /// The last state of its progress, once it is final.
    pub progress: Option<Progress>,
    /// How it is cut, once a worker has started to plan it.
    pub cut: Option<Cut>,
    /// Rows and chunks of its source, once all of it was planned.
    pub plan: Option<Plan>,
    /// When it can be undone no more.
    pub undo_until: OffsetDateTime,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// When a worker took it.
    pub started_at: Option<OffsetDateTime>,
    /// When it became final.
    pub finished_at: Option<OffsetDateTime>,
}
