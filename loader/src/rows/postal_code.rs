//! Postal codes: `the_geom` (WKB or EWKB in hex or base64, or GeoJSON), `code`, `id`.

use csv_async::ByteRecord;
use paystats_core::{
    domain::{Geometry, GeometryError, PostalCode},
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
    const BATCH_ROWS: usize = 200;
    const MAY_BE_REFUSED: bool = true;

    fn parse(&self, record: &ByteRecord, line: u64) -> Result<PostalCode, Rejection> {
        let [geometry, code, id] = fields(&self.columns, record, line)?;
        Ok(PostalCode {
            id: field(line, ID, id, RejectionCode::InvalidId)?,
            code: field(line, CODE, code, RejectionCode::InvalidCode)?,
            geometry: read_geometry(geometry).map_err(|reason| {
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

/// An area as files write it: neither hex nor base64 has a brace.
fn read_geometry(text: &str) -> Result<Geometry, GeometryError> {
    if text.starts_with('{') { Geometry::from_geojson_text(text) } else { Geometry::from_wkb_text(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(geometry: &str) -> Result<PostalCode, Rejection> {
        let rows = PostalCodeRows::new(&COLUMNS.map(str::to_owned)).unwrap();
        rows.parse(&ByteRecord::from(vec![geometry, "28001", "7"]), 3)
    }

    #[test]
    fn the_same_area_is_read_from_geojson_and_ewkb() {
        let text = r#"{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1.5], [0, 0]]]}"#;
        let read = parse(text).unwrap();
        assert_eq!(parse(&read.geometry.ewkb_hex()).unwrap(), read);
    }

    #[test]
    fn an_area_that_is_none_is_rejected_with_its_reason() {
        for (geometry, reason) in [
            ("", "the_geom is empty"),
            ("{}", "the_geom is not a GeoJSON geometry: "),
            (r#"{"type": "Point", "coordinates": [0, 0]}"#, "the_geom is a Point, not a Polygon or MultiPolygon"),
            (r#"{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}"#, "the_geom is not a valid polygon: "),
            (
                r#"{"type": "Polygon", "coordinates": [[[0, 0, 5], [1, 0, 5], [1, 1, 5], [0, 0, 5]]]}"#,
                "the_geom has Z or M",
            ),
            ("5", "the_geom is neither hex nor base64"),
        ] {
            let rejection = parse(geometry).unwrap_err();
            assert_eq!((rejection.line, rejection.code), (3, RejectionCode::InvalidGeometry));
            assert!(rejection.reason.starts_with(reason), "{}", rejection.reason);
        }
    }
}
