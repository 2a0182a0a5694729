//! Postal codes: `the_geom` (WKB or EWKB in hex or base64), `code`, `id`.

use std::fmt::Display;

use csv_async::ByteRecord;
use paystats_core::{
    domain::{Geometry, PostalCode},
    load::{Rejection, RejectionCode},
    store::{RowOutcome, Store, StoreError},
};

use super::{ID, Rows, fields, paystat::field};
use crate::columns::{Columns, HeaderError};

pub(super) const COLUMNS: [&str; 3] = [THE_GEOM, CODE, ID];
pub(super) const THE_GEOM: &str = "the_geom";
const CODE: &str = "code";
/// Largest area in bytes of EWKB. Beside the GeoJSON made from it, which takes more than twice as much, it then fits into a
/// MongoDB document of 16 MiB.
const MAX_GEOMETRY_BYTES: usize = 4 << 20;

/// Reads postal codes of a source.
pub struct PostalCodeRows {
    columns: Columns<3>,
}

impl PostalCodeRows {
    /// For a source with this header.
    pub fn new(header: &[String]) -> Result<Self, HeaderError> {
        Ok(Self { columns: Columns::find(header, COLUMNS)? })
    }
}

impl Rows for PostalCodeRows {
    type Row = PostalCode;

    fn parse(&self, record: &ByteRecord, line: u64) -> Result<PostalCode, Rejection> {
        let [geometry, code, id] = fields(&self.columns, record, line)?;
        let refused = |reason: &dyn Display| {
            Rejection::of_column(line, THE_GEOM, RejectionCode::InvalidGeometry, geometry, reason)
        };
        let row = PostalCode {
            id: field(line, ID, id, RejectionCode::InvalidId)?,
            code: field(line, CODE, code, RejectionCode::InvalidCode)?,
            geometry: Geometry::from_wkb_text(geometry).map_err(|reason| refused(&reason))?,
        };
        if row.geometry.ewkb().len() > MAX_GEOMETRY_BYTES {
            return Err(refused(&format_args!("has more than {} MiB of WKB", MAX_GEOMETRY_BYTES >> 20)));
        }
        Ok(row)
    }

    async fn write(store: &Store, load: i64, rows: &[(u64, PostalCode)]) -> Result<Vec<RowOutcome>, StoreError> {
        store.postal_codes.write_load(load, rows).await
    }

    fn id(row: &PostalCode) -> String {
        row.id.to_string()
    }

    fn geometry(row: &PostalCode) -> String {
        row.geometry.ewkb_hex()
    }

    fn reject_duplicate_value(line: u64, row: &PostalCode) -> Rejection {
        let code = row.code.as_str();
        Rejection::of_column(line, CODE, RejectionCode::DuplicateCode, code, "belongs to another postal code")
    }
}
