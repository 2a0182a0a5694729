//! All areas as one network: borders between junctions, each of which is there once, however many rings run along it.

use std::collections::{HashMap, hash_map::Entry};

use geo_types::{Coord, LineString, Polygon};
use paystats_core::domain::{Geometry, GeometryError, PostalCode, PostalCodeCode, PostalCodeId};

use super::grid::{Position, snap};

/// The areas of all postal codes.
#[derive(Debug)]
pub struct Topology {
    /// The borders.
    pub borders: Vec<Border>,
    /// The postal codes, in the order in which they came.
    pub places: Vec<Place>,
}

/// A line of the map that begins and ends at junctions and passes none, or a ring that has none.
///
/// A junction is where rings part or meet. Between two of them all rings that run along a border have the same positions, so whatever
/// is done to the border happens to all of them.
#[derive(Debug)]
pub struct Border {
    /// At least two; of a closed border at least four, of which the last is the first.
    pub positions: Vec<Position>,
    /// The postal codes beside it: indices in [`Topology::places`].
    pub places: Vec<usize>,
}

/// A postal code in the network.
#[derive(Debug)]
pub struct Place {
    /// Number.
    pub id: PostalCodeId,
    /// Code.
    pub code: PostalCodeCode,
    /// Its polygons, each an exterior ring and holes.
    pub polygons: Vec<Vec<Ring>>,
    /// The area as it is stored, where rounding would leave no valid polygon: it is never simplified.
    pub unrounded: Option<Geometry>,
}

/// A ring as the borders that it runs along.
pub type Ring = Vec<Side>;

/// A border as one ring runs along it.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// Index in [`Topology::borders`].
    pub border: usize,
    /// From its last position to its first.
    pub backwards: bool,
}

impl Topology {
    /// The network of these areas.
    pub fn new(codes: Vec<PostalCode>) -> Self {
        let rings: Vec<Vec<Vec<Vec<Position>>>> = codes.iter().map(|code| snapped(&code.geometry)).collect();
        let mut cutter = Cutter::new(rings.iter().flatten().flatten());
        let mut places = Vec::with_capacity(codes.len());
        for (index, (code, polygons)) in codes.iter().zip(&rings).enumerate() {
            let polygons =
                polygons.iter().map(|rings| rings.iter().map(|ring| cutter.cut(ring, index)).collect()).collect();
            places.push(Place { id: code.id, code: code.code.clone(), polygons, unrounded: None });
        }
        let mut topology = Self { borders: cutter.borders, places };
        for (index, code) in codes.into_iter().enumerate() {
            if topology.area(index, |border| topology.borders[border].positions.iter().copied()).is_err() {
                topology.places[index].unrounded = Some(code.geometry);
            }
        }
        topology
    }

    /// The area of a postal code, with the positions of its borders that `kept` gives. Fails where they are no valid polygon.
    pub fn area<K>(&self, place: usize, kept: impl Fn(usize) -> K) -> Result<Geometry, GeometryError>
    where
        K: DoubleEndedIterator<Item = Position>,
    {
        let ring = |ring: &Ring| -> LineString {
            let mut line: Vec<Coord> = Vec::new();
            for side in ring {
                let positions = kept(side.border).map(Position::degrees);
                // A border starts where the one before ended.
                line.pop();
                if side.backwards { line.extend(positions.rev()) } else { line.extend(positions) }
            }
            LineString(line)
        };
        let polygon = |rings: &Vec<Ring>| {
            let mut rings = rings.iter().map(ring);
            let exterior = rings.next().unwrap_or_else(|| LineString(Vec::new()));
            Polygon::new(exterior, rings.collect())
        };
        Geometry::from_polygons(self.places[place].polygons.iter().map(polygon).collect())
    }

    /// The borders that a postal code lies beside.
    pub fn borders_of(&self, place: usize) -> impl Iterator<Item = usize> {
        self.places[place].polygons.iter().flatten().flatten().map(|side| side.border)
    }
}

impl Border {
    /// Whether it ends where it starts.
    pub fn is_closed(&self) -> bool {
        self.positions.first() == self.positions.last()
    }
}

/// The rings of each polygon on the grid. Holes that vanish there are left out, and polygons whose exterior ring does.
fn snapped(geometry: &Geometry) -> Vec<Vec<Vec<Position>>> {
    let rings = |polygon: &Polygon| {
        let exterior = snap(polygon.exterior())?;
        Some(std::iter::once(exterior).chain(polygon.interiors().iter().filter_map(snap)).collect())
    };
    geometry.polygons().iter().filter_map(rings).collect()
}

/// Cuts rings into borders.
struct Cutter {
    /// Each position of a ring, with what comes before and after it on every ring; `None` at a junction.
    passages: HashMap<Position, Option<[Position; 2]>>,
    borders: Vec<Border>,
    /// Borders by their first two positions, which no two of them share.
    known: HashMap<[Position; 2], usize>,
}

impl Cutter {
    fn new<'a>(rings: impl Iterator<Item = &'a Vec<Position>>) -> Self {
        let mut passages = HashMap::new();
        for ring in rings {
            for (index, &position) in ring.iter().enumerate() {
                let (before, after) = (ring[(index + ring.len() - 1) % ring.len()], ring[(index + 1) % ring.len()]);
                let passage = [before.min(after), before.max(after)];
                match passages.entry(position) {
                    Entry::Vacant(place) => drop(place.insert(Some(passage))),
                    Entry::Occupied(mut known) if *known.get() != Some(passage) => drop(known.insert(None)),
                    Entry::Occupied(_) => {}
                }
            }
        }
        Self { passages, borders: Vec::new(), known: HashMap::new() }
    }

    fn is_junction(&self, position: Position) -> bool {
        self.passages[&position].is_none()
    }

    /// The borders that a ring of a place runs along.
    fn cut(&mut self, ring: &[Position], place: usize) -> Ring {
        let junction = ring.iter().position(|&position| self.is_junction(position));
        // Without a junction all rings have to start at the same position.
        let start = junction.or_else(|| (0..ring.len()).min_by_key(|&index| ring[index])).unwrap_or(0);
        let around: Vec<Position> = (0..=ring.len()).map(|step| ring[(start + step) % ring.len()]).collect();
        let mut sides = Ring::new();
        let mut from = 0;
        for to in 1..around.len() {
            if to == around.len() - 1 || self.is_junction(around[to]) {
                sides.push(self.side(&around[from..=to], place));
                from = to;
            }
        }
        sides
    }

    /// The side of the border with these positions. Its own direction is the one with the lesser start.
    fn side(&mut self, positions: &[Position], place: usize) -> Side {
        let end = positions.len() - 1;
        let (forwards, backwards) = ([positions[0], positions[1]], [positions[end], positions[end - 1]]);
        let is_backwards = backwards < forwards;
        let border = *self.known.entry(forwards.min(backwards)).or_insert_with(|| {
            let mut positions = positions.to_vec();
            if is_backwards {
                positions.reverse();
            }
            self.borders.push(Border { positions, places: Vec::new() });
            self.borders.len() - 1
        });
        let places = &mut self.borders[border].places;
        if places.last() != Some(&place) {
            places.push(place);
        }
        Side { border, backwards: is_backwards }
    }
}
