//! Rows of each entity: a record of a source becomes a domain type or a rejection. Nothing here knows of a queue.

mod paystat;
mod postal_code;

use csv_async::ByteRecord;
use paystats_core::{
    load::{LoadEntity, Rejection, RejectionCode},
    store::LoadRow,
};

pub use paystat::PaystatRows;
pub use postal_code::PostalCodeRows;

use crate::columns::{Columns, HeaderError};

/// The column that names a row in every source.
pub const ID: &str = "id";

/// How the records of one entity are read and written.
pub trait Rows: Send + Sync + Sized {
    /// What a record becomes.
    type Row: LoadRow;
    /// Rows that are written together, at most. What they replace is held in memory too.
    const BATCH_ROWS: usize;
    /// Whether the store may refuse a row for something else than its id.
    const MAY_BE_REFUSED: bool;

    /// Reads one record, which starts on `line`.
    fn parse(&self, record: &ByteRecord, line: u64) -> Result<Self::Row, Rejection>;

    /// The id of a row.
    fn id(row: &Self::Row) -> String;

    /// The area of a row as its source may write it; empty for rows that have none.
    fn geometry(row: &Self::Row) -> String;

    /// What no other row may have too, beside the id.
    fn unique_value(row: &Self::Row) -> Option<String>;

    /// The rejection of a row that collides with another document in something else than its id.
    fn reject_duplicate_value(line: u64, row: &Self::Row) -> Rejection;
}

/// The rejection of a row whose id stands on an earlier line.
pub fn reject_duplicate_id(line: u64, id: &str) -> Rejection {
    Rejection::of_column(line, ID, RejectionCode::DuplicateId, id, "stands on an earlier line of the source")
}

/// The rejection of a row whose area our rules let pass and the index does not take.
pub fn reject_geometry(line: u64, geometry: &str) -> Rejection {
    let reason = "cannot be indexed: two of its points or edges meet on the sphere";
    Rejection::of_column(line, postal_code::THE_GEOM, RejectionCode::InvalidGeometry, geometry, reason)
}

/// The columns of each entity, for checking a header before anything is read.
pub fn check_header(entity: LoadEntity, header: &[String]) -> Result<(), HeaderError> {
    match entity {
        LoadEntity::PostalCodes => Columns::find(header, postal_code::COLUMNS).map(drop),
        LoadEntity::Paystats => Columns::find(header, paystat::COLUMNS).map(drop),
    }
}

/// The fields of a record in the order of the entity's columns, or the rejection of a record of another width.
fn fields<'a, const N: usize>(
    columns: &Columns<N>,
    record: &'a ByteRecord,
    line: u64,
) -> Result<[&'a str; N], Rejection> {
    columns.fields(record).map_err(|width| {
        let reason = format!("the record has {width} fields, the header {}", columns.width());
        Rejection::of_record(line, RejectionCode::WrongFieldCount, reason)
    })
}
