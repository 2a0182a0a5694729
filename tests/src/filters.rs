//! Random filters of paystats, as the API takes them and as the plain rule that they stand for.

use fastrand::Rng;
use paystats_core::domain::{AgeGroup, Gender, Month, Paystat, PaystatScope, PostalCodeId};
use serde_json::{Map, Value, json};

use crate::sources::polygon;

/// Columns of the grid that [`sources::postal_code_square`](crate::sources::postal_code_square) lays postal codes out in.
const COLUMNS: i32 = 10;

/// A random `StatsFilter`. Each of its conditions is there or not.
#[derive(Clone, Debug, Default)]
pub struct RandomFilter {
    /// The filter as the API takes it.
    pub input: Map<String, Value>,
    /// First month.
    pub from: Option<Month>,
    /// Last month, included.
    pub to: Option<Month>,
    /// Any of these age groups.
    pub ages: Option<Vec<AgeGroup>>,
    /// Any of these genders.
    pub genders: Option<Vec<Gender>>,
    /// Any of these codes.
    codes: Option<Vec<String>>,
    /// Postal codes in each of these parts of the grid.
    parts: Vec<GridPart>,
    /// How many postal codes there are.
    postal_codes: i32,
}

/// A part of the grid of postal codes, its last column and row included.
#[derive(Clone, Copy, Debug)]
struct GridPart {
    columns: (i32, i32),
    rows: (i32, i32),
}

impl RandomFilter {
    /// A filter for [`random_paystats`](crate::sources::random_paystats) of the postal codes 1 to `postal_codes`.
    pub fn new(random: &mut Rng, postal_codes: i32) -> Self {
        let mut filter = Self { postal_codes, ..Self::default() };
        if random.bool() {
            filter.set_months(random);
        }
        if random.u8(..3) == 0 {
            let ages = some_of(random, &AgeGroup::ALL);
            filter.input.insert("ages".to_owned(), ages.iter().map(|age| age.name()).collect());
            filter.ages = Some(ages);
        }
        if random.u8(..3) == 0 {
            let genders = some_of(random, &Gender::ALL);
            filter.input.insert("genders".to_owned(), genders.iter().map(|gender| gender.name()).collect());
            filter.genders = Some(genders);
        }
        if random.u8(..3) == 0 {
            // The last ones do not exist.
            let codes: Vec<String> =
                (0..random.i32(0..5)).map(|_| code(random.i32(1..=postal_codes + postal_codes / 5))).collect();
            filter.input.insert("postalCodes".to_owned(), json!(codes));
            filter.codes = Some(codes);
        }
        if random.u8(..3) == 0 {
            let part = GridPart::new(random, postal_codes);
            let [west, south, east, north] = part.bounds();
            filter
                .input
                .insert("bbox".to_owned(), json!({ "west": west, "south": south, "east": east, "north": north }));
            filter.parts.push(part);
        }
        if random.u8(..3) == 0 {
            let part = GridPart::new(random, postal_codes);
            let [west, south, east, north] = part.bounds();
            let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
            filter.input.insert("within".to_owned(), polygon(&ring));
            filter.parts.push(part);
        }
        filter
    }

    /// A year or two somewhere around the data, open at either end or closed.
    fn set_months(&mut self, random: &mut Rng) {
        let mut months = [(); 2].map(|()| Month::new(random.u16(2013..=2017), random.u8(1..=12)).unwrap());
        months.sort();
        let (with_from, with_to) = (random.u8(..4) > 0, random.u8(..4) > 0);
        for (name, month, place) in [
            ("from", with_from.then_some(months[0]), &mut self.from),
            ("to", with_to.then_some(months[1]), &mut self.to),
        ] {
            if let Some(month) = month {
                self.input.insert(name.to_owned(), month.to_string().into());
            }
            *place = month;
        }
    }

    /// Whether a paystat matches.
    pub fn matches(&self, row: &Paystat) -> bool {
        self.from.is_none_or(|from| row.month >= from)
            && self.to.is_none_or(|to| row.month <= to)
            && self.ages.as_ref().is_none_or(|ages| ages.contains(&row.age))
            && self.genders.as_ref().is_none_or(|genders| genders.contains(&row.gender))
            && self.holds_place(row.postal_code_id.get())
    }

    fn holds_place(&self, id: i32) -> bool {
        self.codes.as_ref().is_none_or(|codes| codes.contains(&code(id)))
            && self.parts.iter().all(|part| part.holds(id))
    }

    /// The same as the store takes it, with its places as numbers of postal codes.
    pub fn scope(&self) -> PaystatScope {
        let names_places = self.codes.is_some() || !self.parts.is_empty();
        let places = || (1..=self.postal_codes).filter(|id| self.holds_place(*id));
        let ids = || places().filter_map(|id| PostalCodeId::try_from(id).ok()).collect();
        PaystatScope {
            from: self.from,
            to: self.to,
            ages: self.ages.clone(),
            genders: self.genders.clone(),
            postal_code_ids: names_places.then(ids),
            ..PaystatScope::default()
        }
    }
}

impl GridPart {
    fn new(random: &mut Rng, postal_codes: i32) -> Self {
        let mut range = |end: i32| {
            let (a, b) = (random.i32(0..end), random.i32(0..end));
            (a.min(b), a.max(b))
        };
        let columns = range(COLUMNS);
        Self { columns, rows: range((postal_codes - 1) / COLUMNS + 1) }
    }

    /// West, south, east, north: through the gaps between the squares.
    fn bounds(self) -> [f64; 4] {
        let (west, east) = (-4.0 + f64::from(self.columns.0) / 10.0, -4.0 + f64::from(self.columns.1) / 10.0);
        let (south, north) = (40.0 + f64::from(self.rows.0) / 10.0, 40.0 + f64::from(self.rows.1) / 10.0);
        [west - 0.02, south - 0.02, east + 0.07, north + 0.07]
    }

    fn holds(self, id: i32) -> bool {
        let (column, row) = ((id - 1) % COLUMNS, (id - 1) / COLUMNS);
        (self.columns.0..=self.columns.1).contains(&column) && (self.rows.0..=self.rows.1).contains(&row)
    }
}

/// The code of [`sources::postal_code`](crate::sources::postal_code) `id`.
fn code(id: i32) -> String {
    (28_000 + id).to_string()
}

fn some_of<T: Copy>(random: &mut Rng, all: &[T]) -> Vec<T> {
    let mut some: Vec<T> = all.iter().copied().filter(|_| random.bool()).collect();
    // Twice the same is the same.
    some.extend(some.first().copied());
    some
}
