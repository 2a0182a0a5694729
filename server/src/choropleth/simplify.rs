//! Simplifies every border of the map once, so that neighbours keep it in common.
//!
//! The Douglas-Peucker algorithm leaves out what lies within the tolerance. Where the simplified map would then say something else than
//! the real one (borders that cross, a ring that collapses, an island on the wrong side), the borders that take part get half the
//! tolerance, again and again, and in the end all of their positions.

use geo::{Distance, Euclidean, SimplifyIdx};
use geo_types::{Coord, Line, LineString};
use paystats_core::domain::Geometry;

use super::{
    conflicts::Conflicts,
    grid::Position,
    tolerance::Tolerance,
    topology::{Border, Topology},
};

/// Metres of a millionth of a degree of latitude.
const METERS: f64 = 0.111_195;

/// Positions that are simplified in one go: the work of Douglas-Peucker, and how deep it recurses, may grow as fast as their square.
const PIECE: usize = 1_000;

/// Rounds in which tolerances are halved. What still is in a conflict after them keeps all of its positions.
const HALVINGS: u32 = 20;

/// The areas of all postal codes, in the order of [`Topology::places`], simplified.
pub fn simplify(topology: &Topology, tolerance: Tolerance) -> Vec<Geometry> {
    let mut tolerances = vec![tolerance.meters(); topology.borders.len()];
    let mut kept: Vec<Vec<usize>> =
        topology.borders.iter().zip(&tolerances).map(|(border, &meters)| kept(border, meters)).collect();
    let mut conflicts = Conflicts::new(topology);
    let mut rounds = 0;
    loop {
        let mut blurred = conflicts.find(&kept);
        blurred.retain(|&border| tolerances[border] > 0.0);
        if blurred.is_empty() {
            let areas: Vec<Option<Geometry>> =
                (0..topology.places.len()).map(|place| drawn(topology, place, &kept)).collect();
            // Nothing is known that leads to an area that is not valid; with all of its positions it is.
            let invalid = (0..areas.len()).filter(|&place| areas[place].is_none());
            blurred.extend(invalid.flat_map(|place| topology.borders_of(place)));
            blurred.retain(|&border| tolerances[border] > 0.0);
            rounds = HALVINGS;
            if blurred.is_empty() {
                let valid = |area: Option<Geometry>| area.expect("an area with all of its positions is valid");
                return areas.into_iter().map(valid).collect();
            }
        }
        for border in blurred {
            tolerances[border] = if rounds < HALVINGS { tolerances[border] / 2.0 } else { 0.0 };
            kept[border] = self::kept(&topology.borders[border], tolerances[border]);
        }
        rounds += 1;
    }
}

/// The area of a postal code, with these positions of the borders.
fn drawn(topology: &Topology, place: usize, kept: &[Vec<usize>]) -> Option<Geometry> {
    if let Some(unrounded) = &topology.places[place].unrounded {
        return Some(unrounded.clone());
    }
    let positions = |border: usize| kept[border].iter().map(move |&index| topology.borders[border].positions[index]);
    topology.area(place, positions).ok()
}

/// Which positions of a border stay.
fn kept(border: &Border, tolerance: f64) -> Vec<usize> {
    let end = border.positions.len() - 1;
    if tolerance <= 0.0 {
        return (0..=end).collect();
    }
    let places = in_meters(&border.positions);
    let mut anchors: Vec<usize> = (0..end).step_by(PIECE).chain([end]).collect();
    if border.is_closed() {
        // Three corners, so that the ring keeps an inside.
        let away = farthest(&places, |place| Euclidean.distance(place, places[0]));
        let aside = farthest(&places, |place| Euclidean.distance(place, &Line::new(places[0], places[away])));
        anchors.extend([away, aside]);
        anchors.sort_unstable();
        anchors.dedup();
    }
    let mut kept = vec![0];
    for piece in anchors.windows(2) {
        let (from, to) = (piece[0], piece[1]);
        let line = LineString(places[from..=to].to_vec());
        kept.extend(line.simplify_idx(tolerance).into_iter().skip(1).map(|index| from + index));
    }
    kept
}

/// A border in metres, on the plane that touches the earth in its middle.
fn in_meters(positions: &[Position]) -> Vec<Coord> {
    let latitudes = || positions.iter().map(|position| position.degrees().y);
    let middle = (latitudes().fold(f64::MAX, f64::min) + latitudes().fold(f64::MIN, f64::max)) / 2.0;
    let narrowing = middle.to_radians().cos();
    let place = |position: &Position| {
        let Coord { x, y } = position.parts();
        Coord { x: x * METERS * narrowing, y: y * METERS }
    };
    positions.iter().map(place).collect()
}

fn farthest(places: &[Coord], distance: impl Fn(Coord) -> f64) -> usize {
    let distances = places.iter().map(|&place| distance(place)).enumerate();
    distances.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index)
}
