//! The map of a made-up city: postal codes without gaps or overlaps, rings of them around the centre.
//!
//! Postal codes are the cells of a hexagonal lattice with crooked borders. A corner of a cell and each bend of a border is computed from
//! its place in the lattice, in whole millionths of a degree, so neighbours have exactly the same border. Every 25th postal code has an
//! enclave that belongs to the next one, which makes that one a multipolygon.

use super::{
    ewkb::{Polygon, Position, Ring},
    noise::Noise,
};

/// Kilometres of a degree of longitude and of latitude, around Madrid.
const KM_PER_DEGREE: (f64, f64) = (84.76, 111.2);

/// The side of a cell in kilometres: a cell has about 3 km².
const SIDE: f64 = 1.1;

/// How far a corner may be from where the lattice has it, along each axis, in sides.
const CORNER_OFFSET: f64 = 0.18;

/// How far a bend may be from the straight line between two corners, in that line's length. Small enough that the borders that meet at a
/// corner, at 120 degrees give or take the corners' offsets, cannot cross.
const BEND_OFFSET: f64 = 0.08;

/// Where on a border its bends are.
const BENDS: [f64; 3] = [0.25, 0.5, 0.75];

const SQRT_3: f64 = 1.732_050_807_568_877_2;

/// Column and row of a cell in the lattice (axial coordinates): rows go north, columns east.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cell(i64, i64);

/// Every corner of the lattice is the northernmost or the southernmost one of exactly one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Corner {
    North(Cell),
    South(Cell),
}

/// The map: postal codes from the centre outwards.
#[derive(Debug)]
pub(super) struct City {
    /// Longitude and latitude, in degrees.
    centre: (f64, f64),
    noise: Noise,
    cells: Vec<Cell>,
    rings: Vec<u32>,
}

impl City {
    pub(super) fn new(centre: (f64, f64), noise: Noise, postal_codes: usize) -> Self {
        let (cells, rings) = spiral().take(postal_codes).unzip();
        Self { centre, noise, cells, rings }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// How many postal codes lie between this one and the centre.
    pub(super) fn ring(&self, index: usize) -> u32 {
        self.rings[index]
    }

    /// The area of a postal code: outer rings counterclockwise, holes clockwise.
    pub(super) fn area(&self, index: usize) -> Vec<Polygon> {
        let mut own = vec![self.border(self.cells[index])];
        if self.has_enclave(index) {
            own.push(self.enclave(index).into_iter().rev().collect());
        }
        match index.checked_sub(1).filter(|&previous| self.has_enclave(previous)) {
            Some(previous) => vec![own, vec![self.enclave(previous)]],
            None => vec![own],
        }
    }

    fn has_enclave(&self, index: usize) -> bool {
        index % 25 == 10 && index + 1 < self.len()
    }

    fn border(&self, Cell(column, row): Cell) -> Ring {
        let corners = [
            Corner::North(Cell(column + 1, row - 1)),
            Corner::South(Cell(column, row + 1)),
            Corner::North(Cell(column, row)),
            Corner::South(Cell(column - 1, row + 1)),
            Corner::North(Cell(column, row - 1)),
            Corner::South(Cell(column, row)),
        ];
        let mut ring = Ring::new();
        for (index, &from) in corners.iter().enumerate() {
            let to = corners[(index + 1) % corners.len()];
            ring.push(self.position(self.corner(from)));
            let mut bends = self.bends(from.min(to), from.max(to));
            if from > to {
                bends.reverse();
            }
            ring.extend(bends);
        }
        ring.push(ring[0]);
        ring
    }

    /// In kilometres from the centre.
    fn corner(&self, corner: Corner) -> (f64, f64) {
        let (cell, side, north) = match corner {
            Corner::North(cell) => (cell, 1, SIDE),
            Corner::South(cell) => (cell, 2, -SIDE),
        };
        let noise = self.noise.of(side).of(cell.0).of(cell.1);
        let (x, y) = middle(cell);
        (x + CORNER_OFFSET * SIDE * noise.of(1).offset(), y + north + CORNER_OFFSET * SIDE * noise.of(2).offset())
    }

    fn bends(&self, from: Corner, to: Corner) -> [Position; 3] {
        // One end is a northern corner, the other a southern one: their cells tell borders apart.
        let (Corner::North(a) | Corner::South(a)) = from;
        let (Corner::North(b) | Corner::South(b)) = to;
        let noise = self.noise.of(3).of(a.0).of(a.1).of(b.0).of(b.1);
        let (from, to) = (self.corner(from), self.corner(to));
        let along = (to.0 - from.0, to.1 - from.1);
        let mut name = 0;
        BENDS.map(|share| {
            name += 1;
            let aside = BEND_OFFSET * noise.of(name).offset();
            self.position((from.0 + share * along.0 - aside * along.1, from.1 + share * along.1 + aside * along.0))
        })
    }

    /// A small hexagon around the middle of a cell, counterclockwise.
    fn enclave(&self, index: usize) -> Ring {
        let cell = self.cells[index];
        let noise = self.noise.of(4).of(cell.0).of(cell.1);
        let (x, y) = middle(cell);
        let mut name = 0;
        let mut ring = Ring::from([(1.0, 0.0), (0.5, 0.9), (-0.5, 0.9), (-1.0, 0.0), (-0.5, -0.9), (0.5, -0.9)].map(
            |(east, north)| {
                name += 1;
                let radius = SIDE * (0.3 + 0.08 * noise.of(name).offset());
                self.position((x + radius * east, y + radius * north))
            },
        ));
        ring.push(ring[0]);
        ring
    }

    /// Of kilometres from the centre.
    fn position(&self, (x, y): (f64, f64)) -> Position {
        let millionths = |degrees: f64| (degrees * 1e6).round() as i64;
        let (longitude, latitude) = self.centre;
        (millionths(longitude + x / KM_PER_DEGREE.0), millionths(latitude + y / KM_PER_DEGREE.1))
    }
}

/// Kilometres from the centre to the middle of a cell.
fn middle(Cell(column, row): Cell) -> (f64, f64) {
    let (column, row) = (column as f64, row as f64);
    (SIDE * SQRT_3 * (column + row / 2.0), SIDE * 1.5 * row)
}

/// The cells in rings around the one in the centre, each with the number of its ring.
fn spiral() -> impl Iterator<Item = (Cell, u32)> {
    const DIRECTIONS: [(i64, i64); 6] = [(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)];
    let ring = |number: u32| {
        let distance = i64::from(number);
        let mut cell = Cell(0, -distance);
        DIRECTIONS.into_iter().flat_map(move |direction| (0..distance).map(move |_| direction)).map(
            move |(columns, rows)| {
                let here = cell;
                cell = Cell(cell.0 + columns, cell.1 + rows);
                (here, number)
            },
        )
    };
    std::iter::once((Cell(0, 0), 0)).chain((1..).flat_map(ring))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use geo::{Area as _, LineString, Validation as _};

    use super::*;

    fn line(ring: &Ring) -> LineString {
        ring.iter().map(|&(longitude, latitude)| (longitude as f64 / 1e6, latitude as f64 / 1e6)).collect()
    }

    #[test]
    fn cells_come_in_rings_and_none_comes_twice() {
        let cells: Vec<_> = spiral().take(1 + 6 + 12 + 18).collect();
        assert_eq!(cells.iter().map(|&(cell, _)| cell).collect::<BTreeSet<_>>().len(), cells.len());
        for (Cell(column, row), ring) in cells {
            let distance = (column.abs() + row.abs() + (column + row).abs()) / 2;
            assert_eq!(distance, i64::from(ring));
        }
    }

    #[test]
    fn areas_are_valid_polygons() {
        let city = City::new((-3.7, 40.4), Noise::new(7), 300);
        for index in 0..city.len() {
            for rings in city.area(index) {
                assert!(rings.iter().all(|ring| ring.first() == ring.last()), "postal code {index} has an open ring");
                let polygon = geo::Polygon::new(line(&rings[0]), rings[1..].iter().map(line).collect());
                assert!(polygon.is_valid(), "postal code {index}: {:?}", polygon.validation_errors());
                assert!(polygon.signed_area() > 0.0, "postal code {index} is clockwise");
            }
        }
    }

    /// Each piece of border is walked once in each direction, except around the city, where it is walked once: there is neither a gap nor
    /// an overlap inside.
    #[test]
    fn neighbours_share_their_borders_exactly() {
        let city = City::new((-3.7, 40.4), Noise::new(7), 1 + 6 + 12 + 18);
        let mut walked: BTreeMap<(Position, Position), u32> = BTreeMap::new();
        for index in 0..city.len() {
            for ring in city.area(index).iter().flatten() {
                for step in ring.windows(2) {
                    *walked.entry((step[0], step[1])).or_default() += 1;
                }
            }
        }
        assert!(walked.values().all(|&times| times == 1));
        let outside = walked.keys().filter(|&&(from, to)| !walked.contains_key(&(to, from))).count();
        // The outer ring has 18 cells: six of them show three sides, twelve show two; a side is four pieces.
        assert_eq!(outside, (6 * 3 + 12 * 2) * 4);
    }

    #[test]
    fn an_enclave_makes_a_hole_and_a_multipolygon() {
        let city = City::new((-3.7, 40.4), Noise::new(7), 37);
        assert_eq!(city.area(9).len(), 1);
        assert_eq!(city.area(10)[0].len(), 2);
        assert_eq!(city.area(11).len(), 2);
    }
}
