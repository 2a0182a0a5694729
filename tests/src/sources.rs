//! Sources for loads: rows that are right, to be written as they are or spoiled, and random ones.

use std::fmt::{Display, Write};

use fastrand::Rng;
use paystats_core::domain::{AgeGroup, Amount, Gender, Geometry, Month, Paystat, PostalCode, PostalCodeId};
use serde_json::{Value, json};

/// Columns of [`paystat_row`].
pub const PAYSTAT_COLUMNS: &str = "amount,p_month,p_age,p_gender,postal_code_id,id";
/// Columns of [`postal_code_row`].
pub const POSTAL_CODE_COLUMNS: &str = "the_geom,code,id";

/// A source of paystats.
pub fn paystats<R: Display>(rows: impl IntoIterator<Item = R>) -> String {
    source(PAYSTAT_COLUMNS, rows)
}

/// A source of postal codes.
pub fn postal_codes<R: Display>(rows: impl IntoIterator<Item = R>) -> String {
    source(POSTAL_CODE_COLUMNS, rows)
}

fn source<R: Display>(columns: &str, rows: impl IntoIterator<Item = R>) -> String {
    let mut text = format!("{columns}\n");
    for row in rows {
        writeln!(text, "{row}").unwrap();
    }
    text
}

/// A paystat of postal code 1. Its amount is its number and a half.
pub fn paystat(id: i64) -> Paystat {
    Paystat {
        id: id.try_into().unwrap(),
        amount: amount(&format!("{id}.5")),
        month: month("2015-01"),
        age: AgeGroup::From25To34,
        gender: Gender::F,
        postal_code_id: 1.try_into().unwrap(),
    }
}

/// A paystat as a line of a source.
pub fn paystat_row(paystat: &Paystat) -> String {
    let Paystat { id, amount, month, age, gender, postal_code_id } = paystat;
    format!("{amount},{month}-01,{},{},{postal_code_id},{id}", age.label(), gender.name())
}

/// Paystats with the numbers 1, 2, … in random order, over three years and these postal codes. Amounts have up to 16 decimals, and some
/// are negative.
pub fn random_paystats(random: &mut Rng, count: i64, postal_codes: &[PostalCodeId]) -> Vec<Paystat> {
    let mut rows: Vec<Paystat> = (1..=count)
        .map(|id| Paystat {
            id: id.try_into().unwrap(),
            amount: random_amount(random),
            month: Month::new(random.u16(2014..=2016), random.u8(1..=12)).unwrap(),
            age: random.choice(AgeGroup::ALL).unwrap(),
            gender: random.choice(Gender::ALL).unwrap(),
            postal_code_id: *random.choice(postal_codes).unwrap(),
        })
        .collect();
    random.shuffle(&mut rows);
    rows
}

/// A source of paystats with these ids in random order, and a column for notes, some of which have line breaks. A few rows are wrong, each
/// in one of the ways that a row can be wrong, and some ids stand there twice.
pub fn random_source(random: &mut Rng, ids: std::ops::Range<i64>, postal_codes: &[PostalCodeId]) -> String {
    let mut text = format!("{PAYSTAT_COLUMNS},note\n");
    for row in random_paystats(random, ids.end - ids.start, postal_codes) {
        let id = row.id.get() - 1 + ids.start;
        let row = Paystat { id: id.try_into().unwrap(), ..row };
        let good = paystat_row(&row);
        let with_amount = |amount: &str| format!("{amount},{}", good.split_once(',').unwrap().1);
        let line = match random.u8(..) {
            0 => with_amount("much") + ",",
            1 => with_amount("0.00000000000000001") + ",",
            2 => good.replacen("-01,", "-02,", 1) + ",",
            3 => good.replacen(row.age.label(), "old", 1) + ",",
            4 => good.replacen(&format!(",{},", row.gender.name()), ",X,", 1) + ",",
            5 => paystat_row(&Paystat { postal_code_id: 999.try_into().unwrap(), ..row }) + ",",
            6 => good.strip_suffix(&id.to_string()).unwrap().to_owned() + "-7,",
            7 => good + ",,",
            8 => format!("{good},\n{},the same id", with_amount("7")),
            9 => format!("{},\n{good},the same id", with_amount("much")),
            10..20 => format!("{good},\"a note\nof \"\"two\"\" lines\"\n"),
            _ => good + ",",
        };
        writeln!(text, "{line}").unwrap();
    }
    text
}

fn random_amount(random: &mut Rng) -> Amount {
    let decimals = random.u32(0..=16);
    let units = random.i128(-1_000_000..10_000_000) * 10_i128.pow(16) + random.i128(0..10_i128.pow(16));
    let step = 10_i128.pow(16 - decimals);
    Amount::from_units(units / step * step)
}

/// Postal code `id`, from 1: its code is 28000 and its number, its area [`postal_code_square`].
pub fn postal_code(id: i32) -> PostalCode {
    let code = format!("{}", 28_000 + id).parse().unwrap();
    PostalCode { id: id.try_into().unwrap(), code, geometry: postal_code_square(id) }
}

/// The square of postal code `id`: 0.05 degrees wide, in rows of ten, 0.1 degrees apart, from 4° W 40° N to the east and north.
pub fn postal_code_square(id: i32) -> Geometry {
    let (column, row) = (f64::from((id - 1) % 10), f64::from((id - 1) / 10));
    square(-4.0 + column / 10.0, 40.0 + row / 10.0, 0.05)
}

/// A postal code as a line of a source.
pub fn postal_code_row(code: &PostalCode) -> String {
    format!("{},{},{}", code.geometry.ewkb_hex(), code.code, code.id)
}

/// A square of `size` degrees.
pub fn square(west: f64, south: f64, size: f64) -> Geometry {
    Geometry::from_geojson(polygon(&square_ring(west, south, size))).unwrap()
}

/// The corners of a square, counterclockwise and closed.
pub fn square_ring(west: f64, south: f64, size: f64) -> Vec<[f64; 2]> {
    let (east, north) = (west + size, south + size);
    vec![[west, south], [east, south], [east, north], [west, north], [west, south]]
}

/// A ring as a GeoJSON polygon, right or wrong.
pub fn polygon(ring: &[[f64; 2]]) -> Value {
    json!({ "type": "Polygon", "coordinates": [ring] })
}

/// A circle of so many different points around 0° 0°, one degree wide; closed.
pub fn circle_ring(points: u32) -> Vec<[f64; 2]> {
    let angles = (0..points).map(|point| f64::from(point) / f64::from(points) * std::f64::consts::TAU);
    let mut ring: Vec<[f64; 2]> = angles.map(|angle| [angle.cos(), angle.sin()]).collect();
    ring.push(ring[0]);
    ring
}

/// A ring as a polygon in EWKB, little-endian: also what [`Geometry`] would refuse to build.
pub fn ewkb(srid: u32, ring: &[[f64; 2]]) -> Vec<u8> {
    const POLYGON_WITH_SRID: u32 = 0x2000_0003;
    let mut bytes = vec![1];
    for word in [POLYGON_WITH_SRID, srid, 1, ring.len() as u32] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(ring.iter().flatten().flat_map(|number| number.to_le_bytes()));
    bytes
}

/// An amount; panics if it is none.
pub fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A month; panics if it is none.
pub fn month(text: &str) -> Month {
    text.parse().unwrap()
}
