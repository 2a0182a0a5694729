//! Postal codes: `the_geom` (WKB or EWKB in hex or base64), `code`, `id`.

use csv_async::ByteRecord;
use paystats_core::{
    domain::{Geometry, PostalCode},
    load::{Rejection, RejectionCode},
};

use super::{ID, Rows, fields, paystat::field};
use crate::columns::{Columns, HeaderError};

pub(super) const COLUMNS: [&str; 3] = [THE_GEOM, CODE, ID];
pub(super) const THE_GEOM: &str = "the_geom";
const CODE: &str = "code";

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
    const MAY_BE_REFUSED: bool = true;

    fn parse(&self, record: &ByteRecord, line: u64) -> Result<PostalCode, Rejection> {
        let [geometry, code, id] = fields(&self.columns, record, line)?;
        Ok(PostalCode {
            id: field(line, ID, id, RejectionCode::InvalidId)?,
            code: field(line, CODE, code, RejectionCode::InvalidCode)?,
            geometry: Geometry::from_wkb_text(geometry).map_err(|reason| {
                Rejection::of_column(line, THE_GEOM, RejectionCode::InvalidGeometry, geometry, reason)
            })?,
        })
    }

    fn id(row: &PostalCode) -> String {
        row.id.to_string()
    }

    fn geometry(row: &PostalCode) -> String {
        row.geometry.ewkb_hex()
    }

    fn unique_value(row: &PostalCode) -> Option<String> {
        Some(row.code.to_string())
    }

    fn reject_duplicate_value(line: u64, row: &PostalCode) -> Rejection {
        let code = row.code.as_str();
        Rejection::of_column(line, CODE, RejectionCode::DuplicateCode, code, "belongs to another postal code")
    }
}
