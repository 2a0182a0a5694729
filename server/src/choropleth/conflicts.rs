//! Where simplified borders say something else than the real ones.
//!
//! A conflict is a border that crosses or touches another away from their common ends, or a piece that was straightened over the end of
//! another: that one would lie on its other side. Borders of different postal codes that met in the data already, because both tell
//! their common border differently, are no conflict: nothing could mend them.

use std::collections::{HashMap, HashSet};

use geo::{
    coordinate_position::{CoordPos, coord_pos_relative_to_ring},
    line_intersection::{LineIntersection, line_intersection},
};
use geo_types::{Coord, Line, LineString};
use rstar::{AABB, RTree, RTreeObject};

use super::topology::{Border, Topology};

/// Finds conflicts, and remembers which borders met in the data.
pub struct Conflicts<'a> {
    topology: &'a Topology,
    met_before: HashMap<(usize, usize), bool>,
}

/// What stands for the positions `from` to `to` of a border.
#[derive(Clone, Copy)]
struct Stretch {
    border: usize,
    from: usize,
    to: usize,
    line: Line,
}

impl RTreeObject for Stretch {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.line.start.into(), self.line.end.into())
    }
}

impl<'a> Conflicts<'a> {
    /// For the borders of a map.
    pub fn new(topology: &'a Topology) -> Self {
        Self { topology, met_before: HashMap::new() }
    }

    /// The borders that take part in a conflict if these of their positions are kept.
    pub fn find(&mut self, kept: &[Vec<usize>]) -> HashSet<usize> {
        let stretches = self.topology.borders.iter().zip(kept).enumerate().flat_map(|(index, (border, kept))| {
            kept.windows(2).map(move |ends| stretch(index, border, ends[0], ends[1]))
        });
        let tree = RTree::bulk_load(stretches.collect());
        let mut blurred = HashSet::new();
        for stretch in &tree {
            for other in tree.locate_in_envelope_intersecting(&stretch.envelope()) {
                let is_later = (stretch.border, stretch.from) < (other.border, other.from);
                if is_later && meet(stretch.line, other.line) && self.is_new(stretch.border, other.border) {
                    blurred.extend([stretch.border, other.border]);
                }
            }
            if stretch.to - stretch.from > 1 && self.passes_over(stretch, &tree) {
                blurred.insert(stretch.border);
            }
        }
        blurred
    }

    /// Whether a stretch and the positions that it stands for have the end of another stretch between them.
    fn passes_over(&mut self, stretch: &Stretch, tree: &RTree<Stretch>) -> bool {
        let positions = &self.topology.borders[stretch.border].positions[stretch.from..=stretch.to];
        let mut ring: Vec<Coord> = positions.iter().map(|position| position.parts()).collect();
        ring.push(ring[0]);
        let places: Vec<[f64; 2]> = ring.iter().map(|&place| place.into()).collect();
        let ring = LineString(ring);
        let is_inside = |place: Coord| coord_pos_relative_to_ring(place, &ring) == CoordPos::Inside;
        tree.locate_in_envelope_intersecting(&AABB::from_points(&places)).any(|other| {
            (is_inside(other.line.start) || is_inside(other.line.end)) && self.is_new(stretch.border, other.border)
        })
    }

    /// Whether two borders that meet did not in the data, or belong to one postal code, where they never may.
    fn is_new(&mut self, a: usize, b: usize) -> bool {
        let borders = &self.topology.borders;
        a == b
            || borders[a].places.iter().any(|place| borders[b].places.contains(place))
            || !*self.met_before.entry((a.min(b), a.max(b))).or_insert_with(|| met(&borders[a], &borders[b]))
    }
}

fn stretch(index: usize, border: &Border, from: usize, to: usize) -> Stretch {
    let line = Line::new(border.positions[from].parts(), border.positions[to].parts());
    Stretch { border: index, from, to, line }
}

/// Whether two borders meet away from their common ends with all of their positions.
fn met(a: &Border, b: &Border) -> bool {
    let stretches = |border: &Border| -> Vec<Stretch> {
        (1..border.positions.len()).map(|to| stretch(0, border, to - 1, to)).collect()
    };
    let tree = RTree::bulk_load(stretches(a));
    stretches(b).iter().any(|stretch| {
        tree.locate_in_envelope_intersecting(&stretch.envelope()).any(|other| meet(stretch.line, other.line))
    })
}

/// Whether two lines have more in common than one end of each.
fn meet(a: Line, b: Line) -> bool {
    match line_intersection(a, b) {
        None => false,
        Some(LineIntersection::SinglePoint { intersection, is_proper: false }) => {
            let ends_there = |line: Line| line.start == intersection || line.end == intersection;
            !(ends_there(a) && ends_there(b))
        }
        Some(_) => true,
    }
}
