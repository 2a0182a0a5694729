//! Areas as conditions for MongoDB, whose polygons lie on the sphere while ours are straight in longitude and latitude.

use geojson::{GeometryValue, Position};
use mongodb::bson::{Bson, Document, doc};

use crate::domain::{Area, BBox, Geometry};

/// The condition that a postal code's area meets `area`.
pub(super) fn intersects(area: &Area) -> Document {
    let geometry = match area {
        Area::Within(geometry) => polygons(geometry),
        Area::BBox(bbox) => box_polygons(bbox),
    };
    doc! { "geometry": { "$geoIntersects": { "$geometry": geometry } } }
}

/// The polygons of a geometry on the sphere. Each must stay smaller than half of it.
fn polygons(geometry: &Geometry) -> Document {
    let polygons = match geometry.geojson().value {
        GeometryValue::Polygon { coordinates } => vec![coordinates],
        GeometryValue::MultiPolygon { coordinates } => coordinates,
        _ => Vec::new(),
    };
    let polygon = |rings: &Vec<Vec<Position>>| -> Bson { rings.iter().map(|points| ring(points)).collect() };
    doc! { "type": "MultiPolygon", "coordinates": polygons.iter().map(polygon).collect::<Bson>() }
}

/// A box as polygons on the sphere. A polygon must stay smaller than half of it, so the box is cut into pieces of at most
/// 60 degrees.
fn box_polygons(bbox: &BBox) -> Document {
    const PIECE: f64 = 60.0;
    let (south, north) = (off_pole(bbox.south), off_pole(bbox.north));
    let mut polygons = Vec::new();
    for (west, east) in bbox.longitudes() {
        for (west, east) in pieces(west, east, PIECE) {
            for (south, north) in pieces(south, north, PIECE) {
                let corners = [[west, south], [east, south], [east, north], [west, north], [west, south]];
                polygons.push(Bson::Array(vec![ring(&corners.map(Position::from))]));
            }
        }
    }
    doc! { "type": "MultiPolygon", "coordinates": polygons }
}

/// A ring with a point every degree of longitude. Its edges are meant to be straight in longitude and latitude (RFC 7946, section
/// 3.1.1); on the sphere an edge is the shortest way between two points, which bends towards the pole.
fn ring(points: &[Position]) -> Bson {
    let point = |x: f64, y: f64| Bson::from(vec![x, off_pole(y)]);
    let mut ring = Vec::new();
    for edge in points.windows(2) {
        let (from, to) = (&edge[0], &edge[1]);
        let (width, height) = (to[0] - from[0], to[1] - from[1]);
        let count = width.abs().ceil().max(1.0);
        let part = |step: u32| f64::from(step) / count;
        ring.extend((0..count as u32).map(|step| point(from[0] + width * part(step), from[1] + height * part(step))));
    }
    ring.extend(ring.first().cloned());
    Bson::Array(ring)
}

/// A latitude, a little off the pole, where a parallel shrinks to one point, which no ring may hold twice.
fn off_pole(latitude: f64) -> f64 {
    latitude.clamp(-89.999_999, 89.999_999)
}

/// The range cut into equal pieces of at most `size`. A range without extent is widened by 10^-9 degrees, a tenth of
/// a millimetre, since a polygon needs an inside; towards zero, since there is nothing beyond 180.
fn pieces(from: f64, to: f64, size: f64) -> Vec<(f64, f64)> {
    const LEAST: f64 = 1e-9;
    let (from, to) = match to - from {
        extent if extent >= LEAST => (from, to),
        _ if to > 0.0 => (to - LEAST, to),
        _ => (from, from + LEAST),
    };
    let count = ((to - from) / size).ceil().max(1.0);
    (0..count as u32)
        .map(|piece| {
            let at = |index: f64| from + (to - from) * index / count;
            (at(f64::from(piece)), at(f64::from(piece) + 1.0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_cut_into_pieces_with_a_point_every_degree() {
        let world = box_polygons(&BBox { west: -180.0, south: -90.0, east: 180.0, north: 90.0 });
        let polygons = world.get_array("coordinates").unwrap();
        assert_eq!(polygons.len(), 6 * 3);
        let ring = polygons[0].as_array().unwrap()[0].as_array().unwrap();
        assert_eq!(ring.len(), 61 * 2 + 1);
        assert_eq!(ring.first(), ring.last());
        let crossing = box_polygons(&BBox { west: 179.0, south: 0.0, east: -179.0, north: 1.0 });
        assert_eq!(crossing.get_array("coordinates").unwrap().len(), 2);
    }
}
