//! The collection `load_sums`: what the new rows of chunks add up to, by postal code, month, age group and gender, until their load has ended.
//!
//! With it the end of a load of new rows adds to the totals that count, in place of reading all rows of its postal codes again. Only rows that
//! are new to the store are in it. It is never needed: where a chunk also replaced rows, or was taken over by another worker in the
//! middle, its postal codes are added up from their rows.

use std::collections::HashMap;

use mongodb::{
    ClientSession, Collection, Database, IndexModel,
    bson::{Binary, Bson, doc, spec::BinarySubtype},
    error::Error,
};
use serde::{Deserialize, Serialize};

use super::{
    BATCH_SIZE, Loads, Store, StoreError,
    load_batches::failed,
    packed_cells::{scale_of, unit_of, unit_of_read},
    rollups::VERSION,
};
use crate::domain::{Amount, Cells, Month, Paystat, Total};

/// What was added up of a chunk and is not written yet.
#[derive(Clone, Debug)]
pub struct NewRows {
    /// The data's version when none of these rows was there yet.
    since: i64,
    rows: Vec<Cell>,
}

/// Sums of some postal codes, to be written with the batch that completes them.
#[derive(Clone, Debug)]
pub struct LoadSum {
    since: i64,
    first_postal_code_id: i32,
    last_postal_code_id: i32,
    packed: Vec<u8>,
}

/// A part of the cells of a postal code.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cell {
    postal_code_id: i32,
    month: u16,
    people: u8,
    /// In units of 10^-16, or of 10^-scale where it is packed.
    units: i128,
    count: u32,
}

/// What the new rows of a load add to a postal code.
#[derive(Debug)]
pub(super) struct Added {
    pub cells: Cells,
    /// The data's version before the first of them was there.
    pub since: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SumDocument {
    load: i64,
    first_postal_code_id: i32,
    last_postal_code_id: i32,
    since: i64,
    /// As packed in [`LoadSum`].
    cells: Binary,
}

/// What new rows of loads add up to.
#[derive(Clone, Debug)]
pub(super) struct LoadSums {
    sums: Collection<SumDocument>,
    loads: Loads,
}

pub(super) const COLLECTION: &str = "load_sums";

/// Cells in one document: so few that who wants some postal codes reads little of others.
const CELLS: usize = 1_000;

impl NewRows {
    /// So many rows are held in memory, some 32 bytes each.
    pub const MOST: usize = 100_000;

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds rows that were new.
    pub fn add<'a>(&mut self, rows: impl IntoIterator<Item = &'a Paystat>) {
        self.rows.extend(rows.into_iter().map(Cell::of));
    }

    /// Starts over, once all was written.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// All rows added up, those of a batch that is not among them yet included.
    pub fn add_up<'a>(&self, batch: impl IntoIterator<Item = &'a Paystat>) -> Result<Vec<LoadSum>, StoreError> {
        let mut cells = self.rows.clone();
        cells.extend(batch.into_iter().map(Cell::of));
        cells.sort_unstable_by_key(Cell::place);
        let mut is_too_large = false;
        cells.dedup_by(|next, cell| {
            let is_same = next.place() == cell.place();
            if is_same {
                is_too_large |= !cell.add(next);
            }
            is_same
        });
        if is_too_large {
            return Err(corrupt("a sum or a count is too large"));
        }
        cells.chunks_mut(CELLS).map(|cells| LoadSum::of(self.since, cells)).collect()
    }
}

impl LoadSum {
    fn of(since: i64, cells: &mut [Cell]) -> Result<Self, StoreError> {
        let scale = scale_of(cells.iter().map(|cell| cell.units));
        let unit = unit_of(scale);
        cells.iter_mut().for_each(|cell| cell.units /= unit);
        let ends = cells.first().zip(cells.last()).ok_or_else(|| corrupt("no cells"))?;
        let (first_postal_code_id, last_postal_code_id) = (ends.0.postal_code_id, ends.1.postal_code_id);
        let packed = postcard::to_allocvec(&(scale, &*cells)).map_err(|error| corrupt(&error.to_string()))?;
        Ok(Self { since, first_postal_code_id, last_postal_code_id, packed })
    }
}

impl Cell {
    fn of(row: &Paystat) -> Self {
        Self {
            postal_code_id: row.postal_code_id.get(),
            month: row.month.index(),
            people: Cells::place(row.age, row.gender) as u8,
            units: row.amount.units(),
            count: 1,
        }
    }

    fn place(&self) -> (i32, u16, u8) {
        (self.postal_code_id, self.month, self.people)
    }

    /// Adds another one of the same place. `false` where that is too large.
    fn add(&mut self, other: &Self) -> bool {
        let sum = self.units.checked_add(other.units).zip(self.count.checked_add(other.count));
        if let Some((units, count)) = sum {
            (self.units, self.count) = (units, count);
        }
        sum.is_some()
    }

    fn add_to(&self, cells: &mut Cells) -> Result<(), StoreError> {
        let month = Month::from_index(self.month).ok_or_else(|| corrupt("no month"))?;
        let (age, gender) = Cells::people(self.people.into()).ok_or_else(|| corrupt("no people"))?;
        let total = Total { amount: Amount::from_units(self.units), count: self.count.into() };
        cells.add(month, age, gender, total).map_err(|error| corrupt(&error.to_string()))
    }
}

impl Store {
    /// The sums of a chunk that starts now.
    pub async fn new_rows(&self) -> Result<NewRows, StoreError> {
        // A version that a dying primary takes back must not be taken for one that was.
        let since = self.counters.last_acknowledged(VERSION).await?;
        Ok(NewRows { since, rows: Vec::new() })
    }
}

impl LoadSums {
    pub(super) fn new(database: &Database, loads: Loads) -> Self {
        Self { sums: database.collection(COLLECTION), loads }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        let by_range = doc! { "load": 1, "first_postal_code_id": 1, "last_postal_code_id": 1 };
        self.sums.create_index(IndexModel::builder().keys(by_range).build()).await?;
        Ok(())
    }

    /// Keeps sums, inside the transaction of the batch that completes them.
    pub(super) async fn insert(&self, load: i64, sums: &[LoadSum], session: &mut ClientSession) -> Result<(), Error> {
        if !sums.is_empty() {
            let documents = sums.iter().map(|sum| SumDocument::new(load, sum));
            self.sums.insert_many(documents).session(session).await?;
        }
        Ok(())
    }

    /// What the new rows of a load add to some postal codes, in order, inside a transaction.
    pub(super) async fn added(
        &self,
        load: i64,
        postal_codes: &[i32],
        session: &mut ClientSession,
    ) -> Result<HashMap<i32, Added>, Error> {
        let mut added = HashMap::new();
        let (Some(first), Some(last)) = (postal_codes.first(), postal_codes.last()) else { return Ok(added) };
        let filter = doc! {
            "load": load, "first_postal_code_id": { "$lte": last }, "last_postal_code_id": { "$gte": first },
        };
        let mut sums = self.sums.find(filter).batch_size(BATCH_SIZE).session(&mut *session).await?;
        while let Some(of_some) = sums.next(&mut *session).await.transpose()? {
            let cells = of_some.cells().map_err(failed)?;
            for cells in cells.chunk_by(|cell, next| cell.postal_code_id == next.postal_code_id) {
                let Some(Cell { postal_code_id, .. }) = cells.first() else { continue };
                if postal_codes.binary_search(postal_code_id).is_ok() {
                    let first = || Added { cells: Cells::default(), since: of_some.since };
                    let sum = added.entry(*postal_code_id).or_insert_with(first);
                    cells.iter().try_for_each(|cell| cell.add_to(&mut sum.cells)).map_err(failed)?;
                    sum.since = sum.since.min(of_some.since);
                }
            }
        }
        Ok(added)
    }

    /// Removes those of loads that have ended.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        let loads = self.sums.distinct("load", doc! {}).await?;
        let loads: Vec<i64> = loads.iter().filter_map(Bson::as_i64).collect();
        let ended = self.loads.ended(&loads).await?;
        if !ended.is_empty() {
            self.sums.delete_many(doc! { "load": { "$in": ended } }).await?;
        }
        Ok(())
    }
}

impl SumDocument {
    fn new(load: i64, sum: &LoadSum) -> Self {
        let LoadSum { since, first_postal_code_id, last_postal_code_id, ref packed } = *sum;
        let cells = Binary { subtype: BinarySubtype::Generic, bytes: packed.clone() };
        Self { load, first_postal_code_id, last_postal_code_id, since, cells }
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let (scale, mut cells): (u8, Vec<Cell>) =
            postcard::from_bytes(&self.cells.bytes).map_err(|error| corrupt(&error.to_string()))?;
        let unit = unit_of_read(scale).ok_or_else(|| corrupt("no scale"))?;
        for cell in &mut cells {
            cell.units = cell.units.checked_mul(unit).ok_or_else(|| corrupt("a sum is too large"))?;
        }
        Ok(cells)
    }
}

fn corrupt(reason: &str) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgeGroup, Gender};

    fn row(id: i64, postal_code: i32, month: &str, amount: &str) -> Paystat {
        Paystat {
            id: id.try_into().unwrap(),
            postal_code_id: postal_code.try_into().unwrap(),
            month: month.parse().unwrap(),
            age: AgeGroup::From65,
            gender: Gender::M,
            amount: amount.parse().unwrap(),
        }
    }

    /// By place, as the store gives them back.
    fn told(sums: &[LoadSum]) -> Vec<(i32, u16, String, u32)> {
        let cells = sums.iter().flat_map(|sum| SumDocument::new(7, sum).cells().unwrap());
        cells
            .map(|cell| (cell.postal_code_id, cell.month, Amount::from_units(cell.units).to_string(), cell.count))
            .collect()
    }

    #[test]
    fn rows_of_batches_are_added_up_exactly_and_as_often_as_is_asked_for() {
        let mut new_rows = NewRows { since: 3, rows: Vec::new() };
        let january = "2015-01".parse::<Month>().unwrap().index();
        new_rows.add(&[row(1, 9, "2015-01", "0.1"), row(2, 4, "2015-02", "-7"), row(3, 9, "2015-01", "0.2")]);
        let last = [row(4, 9, "2015-01", "0.0000000000000001"), row(5, 4, "2015-01", "70000.25")];
        for _ in 0..2 {
            let sums = new_rows.add_up(&last).unwrap();
            let expected = [
                (4, january, "70000.25".to_owned(), 1),
                (4, january + 1, "-7".to_owned(), 1),
                (9, january, "0.3000000000000001".to_owned(), 3),
            ];
            assert_eq!(told(&sums), expected);
            assert_eq!((sums[0].since, sums[0].first_postal_code_id, sums[0].last_postal_code_id), (3, 4, 9));
        }
        new_rows.clear();
        assert!(new_rows.is_empty() && new_rows.add_up(&[]).unwrap().is_empty());
    }

    #[test]
    fn many_cells_are_several_documents_in_order() {
        let new_rows = NewRows { since: 0, rows: Vec::new() };
        let rows: Vec<_> = (0..2_500).rev().map(|id| row(id, id as i32 / 3, "2015-01", "1.5")).collect();
        let sums = new_rows.add_up(&rows).unwrap();
        let ranges: Vec<_> = sums.iter().map(|sum| (sum.first_postal_code_id, sum.last_postal_code_id)).collect();
        assert_eq!(ranges, [(0, 833)], "three rows are one cell");
        let rows: Vec<_> = (0..2_500).rev().map(|id| row(id, id as i32, "2015-01", "1.5")).collect();
        let sums = new_rows.add_up(&rows).unwrap();
        let ranges: Vec<_> = sums.iter().map(|sum| (sum.first_postal_code_id, sum.last_postal_code_id)).collect();
        assert_eq!(ranges, [(0, 999), (1_000, 1_999), (2_000, 2_499)]);
        assert_eq!(told(&sums).len(), 2_500);
        assert!(sums.iter().all(|sum| sum.packed.len() < 12 * CELLS), "a cell takes few bytes");
    }

    #[test]
    fn what_is_no_sums_is_refused() {
        let cell = Cell { postal_code_id: 9, month: 0, people: 0, units: i128::MAX, count: 1 };
        for (scale, refused) in [(Amount::DECIMALS as u8, false), (0, true), (Amount::DECIMALS as u8 + 1, true)] {
            let packed = postcard::to_allocvec(&(scale, vec![cell])).unwrap();
            let sum = LoadSum { since: 0, first_postal_code_id: 9, last_postal_code_id: 9, packed };
            assert_eq!(SumDocument::new(7, &sum).cells().is_err(), refused, "{scale}");
        }
    }
}
