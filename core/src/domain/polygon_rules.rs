//! The rules of OGC Simple Features that polygons keep: simple rings that do not cross, holes inside, parts that do not overlap.
//!
//! `geo`'s own validation compares every pair of segments, which a border of 100,000 points turns into minutes; here an
//! R-tree finds the pairs that can meet at all.

use std::panic::catch_unwind;

use geo::{
    BoundingRect, CoordinatePosition, CoordsIter, Line, LineIntersection, Relate, coordinate_position::CoordPos,
    dimensions::Dimensions, line_intersection::line_intersection,
};
use geo_types::{Coord, LineString, Polygon};
use rstar::{
    AABB, RTree, RTreeObject,
    primitives::{GeomWithData, Rectangle},
};

use super::GeometryError;

/// The least distance from zero, in degrees, of a coordinate that is not zero. Far below it the products by which `geo` tells left from
/// right underflow, its answers contradict each other, and it panics.
const LEAST_DEGREES: f64 = 1e-50;

/// Checks the polygons of one geometry, and against each other. Their rings are closed and their coordinates finite.
pub(super) fn check(polygons: &[Polygon]) -> Result<(), GeometryError> {
    if polygons.is_empty() {
        return Err(GeometryError::Empty);
    }
    for polygon in polygons {
        check_coordinates(polygon)?;
        check_rings(polygon)?;
        check_holes(polygon)?;
    }
    check_overlaps(polygons)
}

fn check_coordinates(polygon: &Polygon) -> Result<(), GeometryError> {
    let too_small = |degrees: f64| degrees != 0.0 && degrees.abs() < LEAST_DEGREES;
    match polygon.coords_iter().find(|point| too_small(point.x) || too_small(point.y)) {
        Some(point) => Err(invalid(format!("{:e} {:e} is too near to zero to reckon with", point.x, point.y))),
        None => Ok(()),
    }
}

/// A piece of a ring, with what tells neighbours from strangers.
struct Segment {
    line: Line,
    ring: usize,
    position: usize,
    ring_length: usize,
}

impl RTreeObject for Segment {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.line.start.into(), self.line.end.into())
    }
}

impl Segment {
    /// Whether `other` starts where this one ends, on the same ring.
    fn leads_to(&self, other: &Self) -> bool {
        self.ring == other.ring && (self.position + 1) % self.ring_length == other.position
    }
}

fn check_rings(polygon: &Polygon) -> Result<(), GeometryError> {
    let mut segments = Vec::new();
    for (ring, line_string) in rings(polygon).enumerate() {
        // A point that repeats its predecessor changes nothing.
        let lines: Vec<Line> = line_string.lines().filter(|line| line.start != line.end).collect();
        if lines.len() < 3 {
            return Err(invalid("a ring has fewer than three different points".to_owned()));
        }
        let ring_length = lines.len();
        segments.extend(lines.into_iter().enumerate().map(|(position, line)| Segment {
            line,
            ring,
            position,
            ring_length,
        }));
    }
    let tree = RTree::bulk_load(segments);
    for segment in &tree {
        for other in tree.locate_in_envelope_intersecting(&segment.envelope()) {
            if (segment.ring, segment.position) < (other.ring, other.position) {
                check_pair(segment, other)?;
            }
        }
    }
    Ok(())
}

fn check_pair(a: &Segment, b: &Segment) -> Result<(), GeometryError> {
    let neighbours = a.leads_to(b) || b.leads_to(a);
    match line_intersection(a.line, b.line) {
        None => Ok(()),
        Some(LineIntersection::SinglePoint { .. }) if neighbours => Ok(()),
        Some(LineIntersection::SinglePoint { is_proper: false, .. }) if a.ring != b.ring => Ok(()),
        Some(LineIntersection::SinglePoint { intersection, is_proper: false }) => {
            Err(invalid(format!("a ring touches itself at {}", place(intersection))))
        }
        Some(LineIntersection::SinglePoint { intersection, .. }) if a.ring == b.ring => {
            Err(invalid(format!("a ring crosses itself at {}", place(intersection))))
        }
        Some(LineIntersection::SinglePoint { intersection, .. }) => {
            Err(invalid(format!("two rings cross at {}", place(intersection))))
        }
        Some(LineIntersection::Collinear { intersection }) if a.ring == b.ring => {
            Err(invalid(format!("a ring crosses itself along a line from {}", place(intersection.start))))
        }
        Some(LineIntersection::Collinear { intersection }) => {
            Err(invalid(format!("two rings share a line from {}", place(intersection.start))))
        }
    }
}

/// Each hole lies in the exterior ring and in no other hole. The rings are known not to cross, so one point tells.
fn check_holes(polygon: &Polygon) -> Result<(), GeometryError> {
    let exterior = Polygon::new(polygon.exterior().clone(), Vec::new());
    let holes: Vec<Polygon> = polygon.interiors().iter().map(|hole| Polygon::new(hole.clone(), Vec::new())).collect();
    for hole in &holes {
        if !lies_in(hole.exterior(), &exterior) {
            return Err(invalid("a hole lies outside its exterior ring".to_owned()));
        }
    }
    match find_meeting(&holes, |a, b| lies_in(a.exterior(), b) || lies_in(b.exterior(), a)) {
        Some(_) => Err(invalid("a hole lies in another hole".to_owned())),
        None => Ok(()),
    }
}

/// Whether the first point of `ring` that is not on the border of `polygon` is inside it.
fn lies_in(ring: &LineString, polygon: &Polygon) -> bool {
    ring.0
        .iter()
        .map(|point| polygon.coordinate_position(point))
        .find(|position| *position != CoordPos::OnBoundary)
        .is_some_and(|position| position == CoordPos::Inside)
}

/// Parts of a MultiPolygon may touch; their insides do not meet.
fn check_overlaps(polygons: &[Polygon]) -> Result<(), GeometryError> {
    let overlap = |a: &Polygon, b: &Polygon| {
        // `geo` panics where its arithmetic contradicts itself. No such area is known any more; a row that is one is refused, and ends no load.
        catch_unwind(|| a.relate(b).get(CoordPos::Inside, CoordPos::Inside))
            .map_or(true, |dimensions| dimensions == Dimensions::TwoDimensional)
    };
    match find_meeting(polygons, overlap) {
        Some((a, b)) => Err(invalid(format!("its parts {} and {} overlap", a + 1, b + 1))),
        None => Ok(()),
    }
}

/// The first two polygons for which `meet` holds. Only those whose boxes meet are compared.
fn find_meeting(polygons: &[Polygon], meet: impl Fn(&Polygon, &Polygon) -> bool) -> Option<(usize, usize)> {
    let boxes = polygons.iter().enumerate().filter_map(|(index, polygon)| {
        let bounds = polygon.bounding_rect()?;
        let envelope = AABB::from_corners(bounds.min().into(), bounds.max().into());
        Some(GeomWithData::new(Rectangle::from_aabb(envelope), index))
    });
    let tree: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>> = RTree::bulk_load(boxes.collect());
    tree.iter()
        .flat_map(|a| tree.locate_in_envelope_intersecting(&a.envelope()).map(|b| (a.data, b.data)))
        .filter(|(a, b)| a < b)
        .find(|&(a, b)| meet(&polygons[a], &polygons[b]))
}

fn rings(polygon: &Polygon) -> impl Iterator<Item = &LineString> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors())
}

fn place(point: Coord) -> String {
    format!("{} {}", point.x, point.y)
}

fn invalid(reason: String) -> GeometryError {
    GeometryError::Invalid(reason)
}
