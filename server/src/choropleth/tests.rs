//! What holds of every simplified map, on made-up ones of all kinds.

use std::collections::{BTreeMap, BTreeSet};

use geo::{Area, line_intersection::line_intersection};
use geo_types::{Coord, Line, LineString, Polygon};
use paystats_core::domain::{Geometry, PostalCode};

use super::{grid::Position, simplify::simplify, tolerance::Tolerance, topology::Topology};

const TOLERANCES: [f64; 6] = [0.5, 10.0, 60.0, 300.0, 1_500.0, 10_000.0];

/// A ring in metres around 40.4 N 3.7 W.
type Meters = Vec<(f64, f64)>;

fn line(ring: &[(f64, f64)]) -> LineString {
    let degrees = |&(x, y): &(f64, f64)| (-3.7 + x / 84_680.0, 40.4 + y / 111_195.0);
    let mut line: LineString = ring.iter().map(degrees).collect();
    line.close();
    line
}

fn area(polygons: &[Vec<Meters>]) -> Geometry {
    let polygon =
        |rings: &Vec<Meters>| Polygon::new(line(&rings[0]), rings[1..].iter().map(|ring| line(ring)).collect());
    Geometry::from_polygons(polygons.iter().map(polygon).collect()).unwrap()
}

fn codes(areas: Vec<Geometry>) -> Vec<PostalCode> {
    let code = |(index, geometry): (usize, Geometry)| PostalCode {
        id: (index as i32 + 1).try_into().unwrap(),
        code: index.to_string().parse().unwrap(),
        geometry,
    };
    areas.into_iter().enumerate().map(code).collect()
}

fn simplified(areas: Vec<Geometry>, meters: f64) -> Vec<Geometry> {
    simplify(&Topology::new(codes(areas)), Tolerance::new(Some(meters)).unwrap())
}

fn square(west: f64, south: f64, size: f64) -> Meters {
    vec![(west, south), (west + size, south), (west + size, south + size), (west, south + size)]
}

/// -1.0 to 1.0, the same each time for the same numbers.
fn chance(a: i64, b: i64, c: i64) -> f64 {
    let mut value =
        (a.wrapping_mul(0x9E37_79B9) ^ b.wrapping_mul(0x85EB_CA6B) ^ c.wrapping_mul(0xC2B2_AE35)).cast_unsigned();
    for _ in 0..3 {
        value = (value ^ (value >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (value >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// The way from one corner of a grid to a neighbouring one, without its end: crooked, and the same in both directions.
fn way(from: (i64, i64), to: (i64, i64), size: f64) -> Meters {
    const STEPS: i64 = 24;
    let (start, end) = (from.min(to), from.max(to));
    let corner =
        |(x, y): (i64, i64)| ((x as f64 + 0.2 * chance(x, y, 1)) * size, (y as f64 + 0.2 * chance(x, y, 2)) * size);
    let (a, b) = (corner(start), corner(end));
    let point = |step: i64| {
        let along = step as f64 / STEPS as f64;
        let seed = start.0 * 1_000 + start.1 * 10 + i64::from(start.0 == end.0);
        let aside = 0.06 * (along * 9.0 + seed as f64).sin() * (along * std::f64::consts::PI).sin()
            + 0.012 * chance(seed, step, 3) * along * (1.0 - along);
        (a.0 + along * (b.0 - a.0) - aside * (b.1 - a.1), a.1 + along * (b.1 - a.1) + aside * (b.0 - a.0))
    };
    let points: Meters = (0..STEPS).map(point).collect();
    if from == start {
        points
    } else {
        (1..=STEPS).rev().map(|step| if step == STEPS { b } else { point(step) }).collect()
    }
}

/// Crooked cells without gaps, `side` times `side`, of `size` metres; every fifth has an enclave of the next one.
fn city(side: i64, size: f64) -> Vec<Geometry> {
    let mut areas = Vec::new();
    let mut enclave: Option<Meters> = None;
    for y in 0..side {
        for x in 0..side {
            let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)];
            let exterior = (0..4).flat_map(|at| way(corners[at], corners[(at + 1) % 4], size)).collect();
            let mut polygons = vec![vec![exterior]];
            polygons.extend(enclave.take().map(|ring| vec![ring]));
            if (y * side + x) % 5 == 2 {
                let (middle_x, middle_y) = ((x as f64 + 0.5) * size, (y as f64 + 0.5) * size);
                let radius = |step: i64| size * (0.12 + 0.03 * chance(x, y, 10 + step));
                let ring = (0..20).map(|step| {
                    let angle = step as f64 * std::f64::consts::TAU / 20.0;
                    (middle_x + radius(step) * angle.cos(), middle_y + radius(step) * angle.sin())
                });
                let ring: Meters = ring.collect();
                polygons[0].push(ring.clone());
                enclave = Some(ring);
            }
            areas.push(area(&polygons));
        }
    }
    areas
}

fn rings(polygon: &Polygon) -> impl Iterator<Item = &LineString> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors())
}

/// The directed edges of the areas, exteriors counterclockwise, with the areas that have them.
fn edges(areas: &[Geometry]) -> BTreeMap<(Position, Position), Vec<usize>> {
    let mut edges: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, area) in areas.iter().enumerate() {
        for polygon in
            geo::Orient::orient(&geo_types::MultiPolygon(area.polygons().to_vec()), geo::orient::Direction::Default)
        {
            for ring in rings(&polygon) {
                for edge in ring.lines() {
                    let ends = (Position::nearest(edge.start), Position::nearest(edge.end));
                    edges.entry(ends).or_default().push(index);
                }
            }
        }
    }
    edges
}

/// Which areas share an edge.
fn neighbours(areas: &[Geometry]) -> BTreeSet<(usize, usize)> {
    let edges = edges(areas);
    let of = |(&(from, to), one): (&(Position, Position), &Vec<usize>)| {
        let other = edges.get(&(to, from)).cloned().unwrap_or_default();
        one.iter().flat_map(|&one| other.clone().into_iter().map(move |other| (one, other))).collect::<Vec<_>>()
    };
    edges.iter().flat_map(of).collect()
}

fn size(areas: &[Geometry]) -> f64 {
    areas.iter().flat_map(Geometry::polygons).map(Area::unsigned_area).sum()
}

/// Without gaps and overlaps before: neighbours are the same as before and share their borders exactly, and nothing crosses.
#[track_caller]
fn assert_fits(before: &[Geometry], after: &[Geometry], meters: f64) {
    assert_eq!(before.len(), after.len());
    assert_eq!(neighbours(before), neighbours(after), "at {meters} m");
    let edges = edges(after);
    assert!(edges.values().all(|of| of.len() == 1), "at {meters} m two areas lie on the same side of a border");
    let lines: Vec<Line> = edges
        .keys()
        .filter(|(from, to)| from < to || !edges.contains_key(&(*to, *from)))
        .map(|(from, to)| Line::new(from.parts(), to.parts()))
        .collect();
    for (index, a) in lines.iter().enumerate() {
        for b in &lines[index + 1..] {
            let common = [a.start, a.end].into_iter().any(|end: Coord| end == b.start || end == b.end);
            assert!(common || line_intersection(*a, *b).is_none(), "at {meters} m {a:?} crosses {b:?}");
        }
    }
    for area in after {
        assert!(area.polygons().iter().all(|polygon| polygon.unsigned_area() > 0.0));
        let text = serde_json::to_value(area.geojson()).unwrap();
        assert!(Geometry::from_geojson(text).is_ok());
    }
}

fn positions(areas: &[Geometry]) -> usize {
    areas.iter().flat_map(Geometry::polygons).map(|polygon| polygon.exterior().0.len()).sum()
}

#[test]
fn a_city_fits_together_at_every_tolerance() {
    let before = city(5, 1_000.0);
    let mut last = usize::MAX;
    for meters in TOLERANCES {
        let after = simplified(before.clone(), meters);
        assert_fits(&before, &after, meters);
        assert!(positions(&after) <= last, "a greater tolerance leaves more positions");
        last = positions(&after);
        let change = (size(&after) - size(&before)).abs() / size(&before);
        assert!(change < 0.12, "at {meters} m the areas change by {change}");
    }
    assert!(last < positions(&before) / 10);
}

#[test]
fn simplified_borders_stay_within_the_tolerance() {
    use geo::{Distance, Euclidean};
    let before = city(3, 1_000.0);
    let after = simplified(before.clone(), 30.0);
    let flat = |place: Coord| Coord { x: place.x * 84_680.0, y: place.y * 111_195.0 };
    let flat_line = |line: Line| Line::new(flat(line.start), flat(line.end));
    let polygons = after.iter().flat_map(Geometry::polygons);
    let lines: Vec<Line> =
        polygons.flat_map(rings).flat_map(|ring| ring.lines().map(flat_line).collect::<Vec<_>>()).collect();
    for place in before.iter().flat_map(Geometry::polygons).flat_map(|polygon| polygon.exterior().0.clone()) {
        let away = lines.iter().map(|line| Euclidean.distance(flat(place), line)).fold(f64::MAX, f64::min);
        assert!(away < 30.2, "{away}");
    }
}

#[test]
fn islands_stay_on_their_side_and_small_areas_stay() {
    // A bay with an island in it, an island that is nobody's neighbour, and a sliver between two areas.
    let coast = vec![
        (0.0, 0.0),
        (1_000.0, 0.0),
        (1_000.0, 500.0),
        (600.0, 480.0),
        (500.0, 380.0),
        (400.0, 480.0),
        (0.0, 500.0),
    ];
    let before = vec![
        area(&[vec![coast]]),
        area(&[vec![square(480.0, 440.0, 20.0)]]),
        area(&[vec![square(5_000.0, 0.0, 3.0)], vec![square(5_010.0, 0.0, 0.5)]]),
        area(&[vec![vec![(0.0, -900.0), (500.0, -910.0), (1_000.0, -900.0), (1_000.0, 0.0), (0.0, 0.0)]]]),
        area(&[vec![vec![(0.0, -900.0), (500.0, -930.0), (1_000.0, -900.0), (500.0, -910.0)]]]),
        area(&[vec![vec![(0.0, -900.0), (0.0, -2_000.0), (1_000.0, -2_000.0), (1_000.0, -900.0), (500.0, -930.0)]]]),
    ];
    for meters in TOLERANCES {
        let after = simplified(before.clone(), meters);
        assert_fits(&before, &after, meters);
        assert_eq!(after[2].polygons().len(), 2);
        let island = after[1].polygons()[0].exterior().0[0];
        let position = geo::CoordinatePosition::coordinate_position(&after[0].polygons()[0], &island);
        assert_eq!(position, geo::coordinate_position::CoordPos::Outside, "at {meters} m the island lies on land");
    }
}

#[test]
fn borders_that_the_data_tells_differently_keep_their_areas_valid() {
    // Both wave around the same line, and cross each other many times.
    let wave = |height: f64, phase: f64| -> Meters {
        (0..=100).map(|step| (f64::from(step) * 10.0, height * (f64::from(step) * 0.7 + phase).sin())).collect()
    };
    let north = [wave(3.0, 0.0), vec![(1_000.0, 800.0), (0.0, 800.0)]].concat();
    let south = [wave(3.0, 1.0).into_iter().rev().collect(), vec![(0.0, -800.0), (1_000.0, -800.0)]].concat();
    let before = vec![area(&[vec![north]]), area(&[vec![south]])];
    for meters in TOLERANCES {
        let after = simplified(before.clone(), meters);
        let change = (size(&after) - size(&before)).abs() / size(&before);
        assert!(meters > 100.0 || change < 0.02, "at {meters} m the areas change by {change}");
        assert!(meters < 10.0 || positions(&after) < 20, "{} positions stay", positions(&after));
    }
}

#[test]
fn what_is_too_small_for_the_grid_stays_as_it_is() {
    let small = area(&[vec![square(0.0, 0.0, 0.02)]]);
    let beside = area(&[vec![square(500.0, 0.0, 100.0)]]);
    let after = simplified(vec![small.clone(), beside.clone()], 50.0);
    assert_eq!(after[0], small);
    assert_eq!(after[1].polygons()[0].exterior().0.len(), 5);
    assert!(simplified(Vec::new(), 50.0).is_empty());
}

#[test]
fn a_border_of_very_many_positions_is_simplified_in_time() {
    let ring = (0..30_000).map(|step| {
        let angle = f64::from(step) * std::f64::consts::TAU / 30_000.0;
        let radius = 50_000.0 + 200.0 * (angle * 1_500.0).sin();
        (radius * angle.cos(), radius * angle.sin())
    });
    let after = simplified(vec![area(&[vec![ring.collect()]])], 1_000.0);
    assert!(positions(&after) < 200, "{}", positions(&after));
}
