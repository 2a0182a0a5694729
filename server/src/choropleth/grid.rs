//! The grid of whole millionths of a degree, on which all borders lie. What is equal on it is equal in the answer, and geometry on it
//! is exact: a product of two differences fits into the 53 bits of an `f64` or is decided by `geo`'s robust predicates.

use geo_types::{Coord, LineString};

/// Decimals of a coordinate in degrees: what RFC 7946 (section 11.2) recommends, 0.1 m.
pub const DECIMALS: u32 = 6;

/// Parts of a degree.
const PARTS: f64 = 10_i32.pow(DECIMALS) as f64;

/// Longitude and latitude in millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    x: i32,
    y: i32,
}

impl Position {
    /// The nearest to a place in degrees of WGS84.
    pub fn nearest(place: Coord) -> Self {
        // 180 degrees are far from the end of an i32.
        Self { x: (place.x * PARTS).round() as i32, y: (place.y * PARTS).round() as i32 }
    }

    /// In degrees.
    pub fn degrees(self) -> Coord {
        Coord { x: f64::from(self.x) / PARTS, y: f64::from(self.y) / PARTS }
    }

    /// In millionths of a degree.
    pub fn parts(self) -> Coord {
        Coord { x: self.x.into(), y: self.y.into() }
    }
}

/// A ring on the grid, without its last position, which is its first. Positions that rounding made equal to the one before are left
/// out, and so is what leads somewhere and straight back. `None` where less than a triangle is left.
pub fn snap(ring: &LineString) -> Option<Vec<Position>> {
    let mut snapped: Vec<Position> = Vec::with_capacity(ring.0.len());
    for &place in &ring.0 {
        let position = Position::nearest(place);
        match snapped.as_slice() {
            [.., last] if *last == position => {}
            [.., before, _] if *before == position => drop(snapped.pop()),
            _ => snapped.push(position),
        }
    }
    // The same around the ring's ends.
    let mut start = 0;
    while snapped.len() - start >= 3 {
        let ring = &snapped[start..];
        let end = ring.len() - 1;
        if ring[0] == ring[end] || ring[0] == ring[end - 1] {
            snapped.pop();
        } else if ring[1] == ring[end] {
            start += 1;
        } else {
            return Some(snapped.split_off(start));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapped(places: &[(f64, f64)]) -> Option<Vec<(i32, i32)>> {
        let ring: LineString = places.iter().map(|&(x, y)| (x / PARTS, y / PARTS)).collect();
        snap(&ring).map(|ring| ring.into_iter().map(|position| (position.x, position.y)).collect())
    }

    #[test]
    fn rings_lose_what_rounding_made_equal_and_their_spikes() {
        let square = vec![(0, 0), (9, 0), (9, 9), (0, 9)];
        let corners = [(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0), (0.0, 0.0)];
        assert_eq!(snapped(&corners), Some(square.clone()));
        let repeated = [(0.1, 0.2), (0.3, 0.1), (9.0, 0.0), (9.0, 9.2), (9.1, 9.0), (0.0, 9.0), (0.4, 0.4), (0.0, 0.0)];
        assert_eq!(snapped(&repeated), Some(square.clone()));
        let spike = [(0.0, 0.0), (9.0, 0.0), (20.0, 0.0), (30.0, 0.0), (20.3, 0.0), (9.0, 0.1), (9.0, 9.0), (0.0, 9.0)];
        assert_eq!(snapped(&[&spike[..], &[(0.0, 0.0)]].concat()), Some(square.clone()));
        let at_the_start = [(-5.0, 0.0), (0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0), (0.2, 0.0), (-5.0, 0.0)];
        assert_eq!(snapped(&at_the_start).map(|ring| ring.len()), Some(4));
    }

    #[test]
    fn a_ring_without_extent_vanishes() {
        assert_eq!(snapped(&[(0.0, 0.0), (0.2, 0.0), (0.2, 0.2), (0.0, 0.0)]), None);
        assert_eq!(snapped(&[(0.0, 0.0), (5.0, 0.0), (5.2, 0.2), (0.0, 0.0)]), None);
        assert_eq!(snapped(&[(0.0, 0.0), (5.0, 0.0), (9.0, 0.0), (5.0, 0.3), (0.0, 0.0)]), None);
    }
}
