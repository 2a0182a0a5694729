//! The area of a postal code: a Polygon or MultiPolygon in WGS84, valid once built.
//!
//! It is read from WKB or EWKB (bytes, hex or base64) or from GeoJSON, and kept as EWKB with SRID 4326, the form in which
//! PostGIS and the source files write it. GeoJSON is derived from that, wound by RFC 7946 (exterior rings counterclockwise).

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use geo::{BoundingRect, Centroid, Orient, orient::Direction};
use geo_traits::{CoordTrait, GeometryTrait, GeometryType, LineStringTrait, MultiPolygonTrait, PolygonTrait};
use geo_types::{Coord, LineString, MultiPolygon, Polygon};
use wkb::reader::read_wkb;

use super::{BBox, polygon_rules};

/// Bits of an EWKB type code, by PostGIS's `liblwgeom`.
const FLAG_Z: u32 = 0x8000_0000;
const FLAG_M: u32 = 0x4000_0000;
const FLAG_SRID: u32 = 0x2000_0000;
/// WGS84 by its EPSG number.
const SRID_WGS84: u32 = 4326;
/// Type codes of WKB.
const POLYGON: u32 = 3;
const MULTI_POLYGON: u32 = 6;

/// Most bytes of WKB. As GeoJSON beside it, it still fits into a document of MongoDB, which holds 16 MiB.
const MAX_WKB_BYTES: usize = 4 << 20;

/// A Polygon or MultiPolygon in WGS84: closed simple rings, holes inside, longitudes -180 to 180, latitudes -90 to 90.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    ewkb: Vec<u8>,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Polygon(Polygon),
    MultiPolygon(MultiPolygon),
}

/// Why something is not the area of a postal code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Neither hex nor base64.
    #[error("is neither hex nor base64")]
    NotText,
    /// More than MongoDB could keep.
    #[error("has more than {} MiB of WKB", MAX_WKB_BYTES >> 20)]
    TooLarge,
    /// Bytes that end early, go on after the end, or are no WKB at all.
    #[error("is not WKB: {0}")]
    NotWkb(String),
    /// Not a GeoJSON geometry.
    #[error("is not a GeoJSON geometry: {0}")]
    NotGeoJson(String),
    /// EWKB in another reference system.
    #[error("has SRID {0}, not 4326 (WGS84)")]
    WrongSrid(u32),
    /// A point, a line, a collection.
    #[error("is a {0}, not a Polygon or MultiPolygon")]
    NotPolygonal(&'static str),
    /// Coordinates with Z or M.
    #[error("has Z or M coordinates: only longitude and latitude are read")]
    NotFlat,
    /// A coordinate that is no longitude and latitude.
    #[error("has a coordinate outside WGS84: {0}")]
    OutsideWgs84(String),
    /// Rings that are open, too short, or cross, and coordinates too near to zero to tell.
    #[error("is not a valid polygon: {0}")]
    Invalid(String),
}

impl Geometry {
    /// Reads WKB or EWKB written as hex or base64.
    pub fn from_wkb_text(text: &str) -> Result<Self, GeometryError> {
        if text.is_empty() {
            return Err(GeometryError::Empty);
        }
        // Hex is tried first: EWKB in base64 starts with `AQ` or `AA` and has letters past F, so no long text is both.
        let bytes = hex::decode(text).or_else(|_| BASE64.decode(text)).map_err(|_| GeometryError::NotText)?;
        Self::from_wkb(&bytes)
    }

    /// Reads WKB or EWKB. Without an SRID the coordinates are taken to be WGS84.
    pub fn from_wkb(bytes: &[u8]) -> Result<Self, GeometryError> {
        if bytes.len() > MAX_WKB_BYTES {
            return Err(GeometryError::TooLarge);
        }
        let header = Header::read(bytes)?;
        if let Some(srid) = header.srid.filter(|srid| *srid != SRID_WGS84) {
            return Err(GeometryError::WrongSrid(srid));
        }
        let shape = Shape::read(bytes)?;
        shape.check()?;
        Ok(Self { ewkb: header.with_srid(bytes), shape })
    }

    /// Reads what [`Geometry::ewkb`] gave, without checking its polygons again.
    pub fn from_trusted_ewkb(bytes: Vec<u8>) -> Result<Self, GeometryError> {
        let shape = Shape::read(&bytes)?;
        Ok(Self { ewkb: bytes, shape })
    }

    /// Reads a GeoJSON geometry object.
    pub fn from_geojson(value: serde_json::Value) -> Result<Self, GeometryError> {
        Self::from_geojson_geometry(&serde_json::from_value(value).map_err(not_geojson)?)
    }

    /// Reads a GeoJSON geometry object from its text.
    pub fn from_geojson_text(text: &str) -> Result<Self, GeometryError> {
        Self::from_geojson_geometry(&serde_json::from_str(text).map_err(not_geojson)?)
    }

    fn from_geojson_geometry(geometry: &geojson::Geometry) -> Result<Self, GeometryError> {
        let shape = match &geometry.value {
            geojson::GeometryValue::Polygon { coordinates } => Shape::Polygon(json_polygon(coordinates)?),
            geojson::GeometryValue::MultiPolygon { coordinates } => Shape::MultiPolygon(MultiPolygon(
                coordinates.iter().map(|rings| json_polygon(rings)).collect::<Result<_, _>>()?,
            )),
            other => return Err(GeometryError::NotPolygonal(other.type_name())),
        };
        Self::from_shape(shape)
    }

    /// Makes it of polygons: one, or the parts of a MultiPolygon.
    pub fn from_polygons(polygons: Vec<Polygon>) -> Result<Self, GeometryError> {
        let check = |polygon: Polygon| {
            let (exterior, holes) = polygon.into_inner();
            let rings = std::iter::once(exterior).chain(holes);
            rings_to_polygon(rings.map(|ring| ring.into_iter().map(|point| point.x_y()).collect()))
        };
        let polygons = polygons.into_iter().map(check).collect::<Result<Vec<_>, _>>()?;
        Self::from_shape(match <[Polygon; 1]>::try_from(polygons) {
            Ok([polygon]) => Shape::Polygon(polygon),
            Err(polygons) => Shape::MultiPolygon(MultiPolygon(polygons)),
        })
    }

    /// Checks a shape and writes it down.
    fn from_shape(shape: Shape) -> Result<Self, GeometryError> {
        let mut bytes = Vec::new();
        let options = wkb::writer::WriteOptions::default();
        match &shape {
            Shape::Polygon(polygon) => wkb::writer::write_polygon(&mut bytes, polygon, &options),
            Shape::MultiPolygon(polygons) => wkb::writer::write_multi_polygon(&mut bytes, polygons, &options),
        }
        .map_err(|error| GeometryError::NotGeoJson(error.to_string()))?;
        if bytes.len() > MAX_WKB_BYTES {
            return Err(GeometryError::TooLarge);
        }
        shape.check()?;
        Ok(Self { ewkb: Header::read(&bytes)?.with_srid(&bytes), shape })
    }

    /// Its polygons: one, or the parts of a MultiPolygon.
    pub fn polygons(&self) -> &[Polygon] {
        match &self.shape {
            Shape::Polygon(polygon) => std::slice::from_ref(polygon),
            Shape::MultiPolygon(polygons) => &polygons.0,
        }
    }

    /// EWKB with SRID 4326.
    pub fn ewkb(&self) -> &[u8] {
        &self.ewkb
    }

    /// EWKB with SRID 4326 in upper-case hex, as PostGIS prints it and the files carry it.
    pub fn ewkb_hex(&self) -> String {
        hex::encode_upper(&self.ewkb)
    }

    /// The area as a GeoJSON geometry, exterior rings counterclockwise.
    pub fn geojson(&self) -> geojson::Geometry {
        geojson::Geometry::new(match &self.shape {
            Shape::Polygon(polygon) => (&polygon.orient(Direction::Default)).into(),
            Shape::MultiPolygon(polygons) => (&polygons.orient(Direction::Default)).into(),
        })
    }

    /// The smallest box of longitudes and latitudes that holds the area.
    pub fn bbox(&self) -> BBox {
        let rect = match &self.shape {
            Shape::Polygon(polygon) => polygon.bounding_rect(),
            Shape::MultiPolygon(polygons) => polygons.bounding_rect(),
        }
        .expect("a valid geometry has coordinates");
        BBox { west: rect.min().x, south: rect.min().y, east: rect.max().x, north: rect.max().y }
    }

    /// The centre of mass in the plane of longitude and latitude, in degrees. It may lie outside the area.
    pub fn centroid(&self) -> (f64, f64) {
        let point = match &self.shape {
            Shape::Polygon(polygon) => polygon.centroid(),
            Shape::MultiPolygon(polygons) => polygons.centroid(),
        }
        .expect("a valid geometry has coordinates");
        (point.x(), point.y())
    }
}

fn not_geojson(error: serde_json::Error) -> GeometryError {
    GeometryError::NotGeoJson(error.to_string())
}

impl Shape {
    /// Reads (E)WKB whose header was checked.
    fn read(bytes: &[u8]) -> Result<Self, GeometryError> {
        let geometry = read_wkb(bytes).map_err(|error| GeometryError::NotWkb(error.to_string()))?;
        if geometry.buf().len() != bytes.len() {
            let rest = bytes.len() - geometry.buf().len();
            return Err(GeometryError::NotWkb(format!("{rest} bytes follow its end")));
        }
        match geometry.as_type() {
            GeometryType::Polygon(polygon) => Ok(Self::Polygon(flat_polygon(polygon)?)),
            GeometryType::MultiPolygon(polygons) => Ok(Self::MultiPolygon(MultiPolygon(
                polygons.polygons().map(|polygon| flat_polygon(&polygon)).collect::<Result<_, _>>()?,
            ))),
            _ => Err(GeometryError::NotWkb("its header and content differ".to_owned())),
        }
    }

    fn check(&self) -> Result<(), GeometryError> {
        match self {
            Self::Polygon(polygon) => polygon_rules::check(std::slice::from_ref(polygon)),
            Self::MultiPolygon(polygons) => polygon_rules::check(&polygons.0),
        }
    }
}

/// The first bytes of WKB and EWKB: byte order, type code, and in EWKB an SRID.
struct Header {
    little_endian: bool,
    code: u32,
    srid: Option<u32>,
}

impl Header {
    /// Reads it and refuses what is not a flat polygon; the `wkb` crate looks at the type's lowest bits only.
    fn read(bytes: &[u8]) -> Result<Self, GeometryError> {
        let cut_short = || GeometryError::NotWkb("it ends within its header".to_owned());
        let (&order, rest) = bytes.split_first().ok_or(GeometryError::Empty)?;
        let little_endian = match order {
            0 => false,
            1 => true,
            other => return Err(GeometryError::NotWkb(format!("{other} is not a byte order"))),
        };
        let word = |at: usize| -> Result<u32, GeometryError> {
            let bytes = rest.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(cut_short)?;
            Ok(if little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
        };
        let code = word(0)?;
        let plain = code & !(FLAG_Z | FLAG_M | FLAG_SRID);
        if code & (FLAG_Z | FLAG_M) != 0 || (1001..=3007).contains(&plain) {
            return Err(GeometryError::NotFlat);
        }
        match plain {
            POLYGON | MULTI_POLYGON => {}
            1 => return Err(GeometryError::NotPolygonal("Point")),
            2 => return Err(GeometryError::NotPolygonal("LineString")),
            4 => return Err(GeometryError::NotPolygonal("MultiPoint")),
            5 => return Err(GeometryError::NotPolygonal("MultiLineString")),
            7 => return Err(GeometryError::NotPolygonal("GeometryCollection")),
            other => return Err(GeometryError::NotWkb(format!("{other} is not a geometry type"))),
        }
        let srid = (code & FLAG_SRID != 0).then(|| word(4)).transpose()?;
        Ok(Self { little_endian, code, srid })
    }

    /// The same geometry as EWKB with SRID 4326.
    fn with_srid(&self, bytes: &[u8]) -> Vec<u8> {
        if self.srid.is_some() {
            return bytes.to_vec();
        }
        let word = |value: u32| if self.little_endian { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut ewkb = Vec::with_capacity(bytes.len() + 4);
        ewkb.push(bytes[0]);
        ewkb.extend(word(self.code | FLAG_SRID));
        ewkb.extend(word(SRID_WGS84));
        ewkb.extend(&bytes[5..]);
        ewkb
    }
}

fn flat_polygon(polygon: &impl PolygonTrait<T = f64>) -> Result<Polygon, GeometryError> {
    let rings = polygon.exterior().into_iter().map(|ring| ring.coords().map(|c| c.x_y()).collect());
    let holes = polygon.interiors().map(|ring| ring.coords().map(|c| c.x_y()).collect());
    rings_to_polygon(rings.chain(holes))
}

fn json_polygon(rings: &[Vec<geojson::Position>]) -> Result<Polygon, GeometryError> {
    let ring = |ring: &Vec<geojson::Position>| -> Result<Vec<(f64, f64)>, GeometryError> {
        ring.iter()
            .map(|position| match position.as_slice() {
                [x, y] => Ok((*x, *y)),
                _ => Err(GeometryError::NotFlat),
            })
            .collect()
    };
    rings_to_polygon(rings.iter().map(ring).collect::<Result<Vec<_>, _>>()?.into_iter())
}

/// Builds a polygon from its rings. Open rings are refused here: `geo_types` would close them in silence.
fn rings_to_polygon(rings: impl Iterator<Item = Vec<(f64, f64)>>) -> Result<Polygon, GeometryError> {
    let mut closed = Vec::new();
    for ring in rings {
        if let Some((x, y)) = ring.iter().find(|(x, y)| !((-180.0..=180.0).contains(x) && (-90.0..=90.0).contains(y))) {
            return Err(GeometryError::OutsideWgs84(format!("{x} {y}")));
        }
        if ring.len() < 4 {
            return Err(GeometryError::Invalid("a ring has fewer than four points".to_owned()));
        }
        if ring.first() != ring.last() {
            return Err(GeometryError::Invalid("a ring is not closed".to_owned()));
        }
        closed.push(LineString(ring.into_iter().map(|(x, y)| Coord { x, y }).collect()));
    }
    let mut closed = closed.into_iter();
    let exterior = closed.next().ok_or_else(|| GeometryError::Invalid("a polygon has no rings".to_owned()))?;
    Ok(Polygon::new(exterior, closed.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn square(west: f64, south: f64, size: f64) -> serde_json::Value {
        let (east, north) = (west + size, south + size);
        json!([[west, south], [east, south], [east, north], [west, north], [west, south]])
    }

    fn polygon(rings: &[serde_json::Value]) -> serde_json::Value {
        json!({ "type": "Polygon", "coordinates": rings })
    }

    fn reason(value: serde_json::Value) -> String {
        Geometry::from_geojson(value).unwrap_err().to_string()
    }

    #[test]
    fn ewkb_comes_back_byte_for_byte_in_hex_and_base64() {
        let geometry = Geometry::from_geojson(polygon(&[square(-3.7, 40.4, 0.1), square(-3.68, 40.42, 0.02)])).unwrap();
        let hex = geometry.ewkb_hex();
        assert!(hex.starts_with("0103000020E6100000"));
        assert_eq!(Geometry::from_wkb_text(&hex).unwrap(), geometry);
        assert_eq!(Geometry::from_wkb_text(&hex.to_lowercase()).unwrap(), geometry);
        assert_eq!(Geometry::from_wkb_text(&BASE64.encode(geometry.ewkb())).unwrap(), geometry);
    }

    #[test]
    fn a_geometry_is_made_of_the_polygons_of_another_and_they_are_checked() {
        for value in [
            polygon(&[square(0.0, 0.0, 1.0)]),
            json!({ "type": "MultiPolygon", "coordinates": [[square(0.0, 0.0, 1.0)], [square(2.0, 0.0, 1.0)]] }),
        ] {
            let geometry = Geometry::from_geojson(value).unwrap();
            assert_eq!(Geometry::from_polygons(geometry.polygons().to_vec()).unwrap(), geometry);
        }
        let once = Geometry::from_geojson(polygon(&[square(0.0, 0.0, 1.0)])).unwrap();
        let twice = Geometry::from_polygons([once.polygons(), once.polygons()].concat());
        assert!(matches!(twice, Err(GeometryError::Invalid(_))));
        let outside: LineString = vec![(0.0, 0.0), (181.0, 0.0), (0.0, 1.0)].into();
        let outside = Geometry::from_polygons(vec![Polygon::new(outside, Vec::new())]);
        assert!(matches!(outside, Err(GeometryError::OutsideWgs84(_))));
        assert_eq!(Geometry::from_polygons(Vec::new()), Err(GeometryError::Empty));
    }

    #[test]
    fn plain_wkb_is_taken_as_wgs84_in_either_byte_order() {
        let shape = Geometry::from_geojson(polygon(&[square(0.0, 0.0, 1.0)])).unwrap();
        for endianness in [wkb::Endianness::LittleEndian, wkb::Endianness::BigEndian] {
            let Shape::Polygon(polygon) = &shape.shape else { panic!("a polygon") };
            let mut plain = Vec::new();
            wkb::writer::write_polygon(&mut plain, polygon, &wkb::writer::WriteOptions { endianness }).unwrap();
            let read = Geometry::from_wkb(&plain).unwrap();
            assert_eq!(read.shape, shape.shape);
            assert_eq!(read.ewkb().len(), plain.len() + 4);
            assert_eq!(Geometry::from_wkb(read.ewkb()).unwrap(), read);
        }
    }

    #[test]
    fn every_truncation_is_refused_and_none_panics() {
        let multi =
            json!({ "type": "MultiPolygon", "coordinates": [[square(0.0, 0.0, 1.0)], [square(2.0, 2.0, 1.0)]] });
        let ewkb = Geometry::from_geojson(multi).unwrap().ewkb().to_vec();
        for end in 0..ewkb.len() {
            assert!(Geometry::from_wkb(&ewkb[..end]).is_err(), "cut at {end}");
        }
        let mut longer = ewkb;
        longer.push(0);
        assert_eq!(
            Geometry::from_wkb(&longer).unwrap_err(),
            GeometryError::NotWkb("1 bytes follow its end".to_owned())
        );
    }

    #[test]
    fn a_wrong_srid_and_other_types_are_named() {
        let mut ewkb = Geometry::from_geojson(polygon(&[square(0.0, 0.0, 1.0)])).unwrap().ewkb().to_vec();
        ewkb[5..9].copy_from_slice(&25830_u32.to_le_bytes());
        assert_eq!(Geometry::from_wkb(&ewkb), Err(GeometryError::WrongSrid(25830)));
        assert_eq!(
            Geometry::from_wkb_text("010100000000000000000000000000000000000000"),
            Err(GeometryError::NotPolygonal("Point"))
        );
        assert_eq!(Geometry::from_wkb_text("01EB03000000000000"), Err(GeometryError::NotFlat));
        assert_eq!(Geometry::from_wkb_text("no hex, no base64"), Err(GeometryError::NotText));
        assert_eq!(Geometry::from_wkb_text(""), Err(GeometryError::Empty));
    }

    #[test]
    fn invalid_polygons_are_refused_with_their_reason() {
        let bow_tie = json!([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]);
        assert!(reason(polygon(&[bow_tie])).contains("crosses"));
        let open = json!([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]);
        assert!(reason(polygon(&[open])).contains("not closed"));
        let spike = json!([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]);
        assert!(reason(polygon(&[spike])).contains("itself"));
        let flat = json!([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]);
        assert!(reason(polygon(&[flat])).contains("not a valid polygon"));
        assert!(reason(polygon(&[square(0.0, 0.0, 1.0), square(5.0, 5.0, 1.0)])).contains("outside"));
        assert!(reason(polygon(&[square(0.0, 0.0, 1.0), square(0.5, 0.5, 1.0)])).contains("cross"));
        assert!(reason(polygon(&[square(179.5, 0.0, 1.0)])).contains("outside WGS84: 180.5 0"));
        assert!(reason(polygon(&[])).contains("no rings"));
        assert!(reason(json!({ "type": "Point", "coordinates": [0.0, 0.0] })).contains("is a Point"));
        assert!(reason(json!({ "type": "Polygon" })).contains("not a GeoJSON geometry"));
        let overlapping =
            json!({ "type": "MultiPolygon", "coordinates": [[square(0.0, 0.0, 2.0)], [square(1.0, 1.0, 2.0)]] });
        assert!(reason(overlapping).contains("overlap"));
    }

    #[test]
    fn coordinates_too_near_to_zero_to_reckon_with_are_refused() {
        // `geo` panicked when it compared the parts of the first, and answered otherwise for the reversed rings of the second.
        let hex = concat!(
            "0106000020e610000002000000010300000001000000050000009a99999999990dc03333333333334440cdcccc3333cccc3304bacc33000000",
            "00060000015a0000000071000000000000000000000000000000000000030100009a99999999990dc0333333333333444001030000000100",
            "0000050000009a999999999905c03333333333334440cdcccccc010200000000008633393939393939304443303030303030302e30990000",
            "a9000000000000000000340000009a999999999905c03333333333334440",
        );
        assert!(Geometry::from_wkb_text(hex).unwrap_err().to_string().contains("too near to zero"));
        let triangle = json!([[0.0, 1e-309], [1.0, 0.0], [0.5, 1.0], [0.0, 1e-309]]);
        assert!(reason(polygon(&[triangle])).contains("0e0 1e-309 is too near to zero"));
        // What rounding leaves of zero is taken.
        let rounded = json!([[-0.0, 6e-17], [1.0, 0.0], [0.5, 1.0], [-0.0, 6e-17]]);
        Geometry::from_geojson(polygon(&[rounded])).unwrap();
    }

    #[test]
    fn geojson_is_wound_counterclockwise_and_bbox_and_centroid_follow() {
        let clockwise = json!([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0], [2.0, 0.0], [0.0, 0.0]]);
        let geometry = Geometry::from_geojson(polygon(&[clockwise])).unwrap();
        let geojson::GeometryValue::Polygon { coordinates } = geometry.geojson().value else { panic!("a polygon") };
        let area: f64 =
            coordinates[0].windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum::<f64>() / 2.0;
        assert!(area > 0.0);
        assert_eq!(geometry.bbox(), BBox { west: 0.0, south: 0.0, east: 2.0, north: 2.0 });
        assert_eq!(geometry.centroid(), (1.0, 1.0));
    }
}
