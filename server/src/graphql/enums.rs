//! Enumerations of the domain, under the names that files, store and API share.

use async_graphql::Enum;
use paystats_core::{domain, load, store};

/// Age group of card holders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::AgeGroup")]
pub enum AgeGroup {
    /// Up to 24 years, `<=24` in the files.
    #[graphql(name = "UNDER_25")]
    Under25,
    /// 25 to 34 years.
    #[graphql(name = "FROM_25_TO_34")]
    From25To34,
    /// 35 to 44 years.
    #[graphql(name = "FROM_35_TO_44")]
    From35To44,
    /// 45 to 54 years.
    #[graphql(name = "FROM_45_TO_54")]
    From45To54,
    /// 55 to 64 years.
    #[graphql(name = "FROM_55_TO_64")]
    From55To64,
    /// 65 years and more, `>=65` in the files.
    #[graphql(name = "FROM_65")]
    From65,
}

/// Gender of card holders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::Gender")]
pub enum Gender {
    /// Female.
    F,
    /// Male.
    M,
}

impl AgeGroup {
    /// As it is written in an answer.
    pub fn name(self) -> &'static str {
        domain::AgeGroup::from(self).name()
    }
}

impl Gender {
    /// As it is written in an answer.
    pub fn name(self) -> &'static str {
        domain::Gender::from(self).name()
    }
}

/// What one point of a time series spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::Interval")]
pub enum Interval {
    /// A calendar month.
    Month,
    /// Three months, from January, April, July or October.
    Quarter,
    /// Twelve months from January.
    Year,
}

/// A key that totals are grouped by. A time series can be split by `AGE` and `GENDER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Dimension {
    /// Postal code.
    PostalCode,
    /// A calendar month.
    Month,
    /// Three months, from January, April, July or October.
    Quarter,
    /// Twelve months from January.
    Year,
    /// Age group.
    Age,
    /// Gender.
    Gender,
}

/// Sort direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "store::Direction")]
pub enum OrderDirection {
    /// Smallest first.
    #[graphql(name = "ASC")]
    Ascending,
    /// Greatest first.
    #[graphql(name = "DESC")]
    Descending,
}

/// What the rows of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "load::LoadEntity")]
pub enum LoadEntity {
    /// Postal codes: a CSV with the columns `the_geom` (WKB or EWKB with SRID 4326, in hex or base64), `code`, `id`.
    PostalCodes,
    /// Paystats: a CSV with the columns `amount`, `p_month`, `p_age`, `p_gender`, `postal_code_id`, `id`.
    Paystats,
}

/// Where a load stands: `QUEUED`, `PLANNING`, `LOADING`, then `SUCCEEDED`; or by way of `REVERTING` `FAILED` or `CANCELLED`, and after a
/// success `UNDONE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "load::LoadState")]
pub enum LoadState {
    /// Accepted; no worker has taken it yet.
    Queued,
    /// A worker reads the source once, to check that it can be loaded and to cut it into chunks.
    Planning,
    /// Workers check and write rows.
    Loading,
    /// Every row is written or rejected; the totals of the postal codes that it touched are added up anew, and then change all at once.
    RollingUp,
    /// It is taken back: rows that it inserted go, rows that it replaced return.
    Reverting,
    /// Done: every row is written or rejected.
    Succeeded,
    /// Given up, for the reason in `error`; nothing of it is left.
    Failed,
    /// Stopped by `cancelLoad`; nothing of it is left.
    Cancelled,
    /// Taken back by `undoLoad` after it had succeeded.
    Undone,
}

/// What a refused row means for its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "load::OnReject")]
pub enum OnReject {
    /// It is counted and left out; the others are loaded.
    Skip,
    /// The load fails, and nothing of it is left.
    Abort,
}

/// Why a row stayed when its load was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "store::KeptReason")]
pub enum KeptReason {
    /// A newer load replaced it.
    ReplacedByLoad,
    /// A mutation changed it.
    Edited,
    /// A mutation removed it.
    Deleted,
    /// Paystats name this postal code, or the code that it had before is another's now.
    InUse,
}

/// What was wrong with a refused row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "load::RejectionCode")]
pub enum RejectionCode {
    /// More or fewer fields than the header has.
    WrongFieldCount,
    /// The id is not a whole number in range.
    InvalidId,
    /// The id stands on an earlier line of the same file.
    DuplicateId,
    /// The amount is not an exact decimal in range.
    InvalidAmount,
    /// The month is not the first day of a month in range.
    InvalidMonth,
    /// The age group is not one of the known ones.
    UnknownAgeGroup,
    /// The gender is not one of the known ones.
    UnknownGender,
    /// No postal code has this id.
    UnknownPostalCode,
    /// The code has characters or a length that codes do not have.
    InvalidCode,
    /// Another postal code has this code.
    DuplicateCode,
    /// The geometry is not a valid polygon in WGS84.
    InvalidGeometry,
}
