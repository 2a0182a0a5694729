//! Writes polygons as PostGIS does: EWKB in hexadecimal, little-endian, with the SRID of WGS84.

use std::fmt::Write as _;

/// Millionths of a degree: longitude, latitude. A millionth is about 0.1 m.
pub(super) type Position = (i64, i64);

/// A closed ring: its last position is its first.
pub(super) type Ring = Vec<Position>;

/// The outer ring, then holes.
pub(super) type Polygon = Vec<Ring>;

const LITTLE_ENDIAN: u8 = 1;
const POLYGON: u32 = 3;
const MULTI_POLYGON: u32 = 6;
const HAS_SRID: u32 = 0x2000_0000;
const WGS84: u32 = 4326;

/// A polygon, or a multipolygon when there are several.
pub(super) fn hex(polygons: &[Polygon]) -> String {
    let mut bytes = vec![];
    match polygons {
        [polygon] => {
            put_head(&mut bytes, POLYGON | HAS_SRID);
            bytes.extend(WGS84.to_le_bytes());
            put_rings(&mut bytes, polygon);
        }
        _ => {
            put_head(&mut bytes, MULTI_POLYGON | HAS_SRID);
            bytes.extend(WGS84.to_le_bytes());
            put_count(&mut bytes, polygons.len());
            for polygon in polygons {
                put_head(&mut bytes, POLYGON);
                put_rings(&mut bytes, polygon);
            }
        }
    }
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(hex, "{byte:02X}").expect("a string can be written to");
    }
    hex
}

fn put_head(bytes: &mut Vec<u8>, kind: u32) {
    bytes.push(LITTLE_ENDIAN);
    bytes.extend(kind.to_le_bytes());
}

fn put_rings(bytes: &mut Vec<u8>, rings: &[Ring]) {
    put_count(bytes, rings.len());
    for ring in rings {
        put_count(bytes, ring.len());
        for &(longitude, latitude) in ring {
            bytes.extend((longitude as f64 / 1e6).to_le_bytes());
            bytes.extend((latitude as f64 / 1e6).to_le_bytes());
        }
    }
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend(u32::try_from(count).expect("a shape has fewer than 2^32 parts").to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_looks_as_postgis_writes_it() {
        let triangle = vec![vec![
            (-3_000_000, 40_000_000),
            (-2_000_000, 40_000_000),
            (-3_000_000, 41_000_000),
            (-3_000_000, 40_000_000),
        ]];
        assert_eq!(
            hex(std::slice::from_ref(&triangle)),
            "0103000020E61000000100000004000000\
             00000000000008C00000000000004440\
             00000000000000C00000000000004440\
             00000000000008C00000000000804440\
             00000000000008C00000000000004440"
        );
        let multi = hex(&[triangle.clone(), triangle]);
        assert!(multi.starts_with("0106000020E61000000200000001030000000100000004000000"), "{multi}");
        assert_eq!(multi.len(), 2 * (13 + 2 * (13 + 4 * 16)));
    }
}
