//! The cells of one postal code, laid out for questions.

use std::ops::Range;

use paystats_core::domain::Cells;

/// Sums and counts of one postal code. It holds the months that have paystats and no others: a month that was mistyped by a century
/// costs no more than any other.
///
/// The cells of a month are added to those of the months before, so that any range of months is a difference of two rows.
#[derive(Debug)]
pub(super) struct Block {
    /// The months that have paystats, in order, by [`Month::index`](paystats_core::domain::Month::index).
    months: Box<[u16]>,
    rows: Box<[Row]>,
    /// Whether the rows are running sums. They are not where such a sum might leave the `i128`: then each row is its month's own.
    is_running: bool,
}

/// Sums, in units of 10^-16, and numbers of paystats by age group and gender, as [`Cells::place`] orders them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    pub units: [i128; Cells::A_MONTH],
    pub counts: [i64; Cells::A_MONTH],
}

impl Block {
    /// The block of these cells; `None` where they hold no paystats.
    pub fn new(cells: &Cells) -> Option<Self> {
        let first = cells.first_month()?.index();
        let (units, _) = cells.units().as_chunks();
        let (counts, _) = cells.counts().as_chunks();
        let of_months = (first..).zip(units.iter().zip(counts));
        let with_paystats = of_months.filter(|(_, (_, counts))| **counts != [0; Cells::A_MONTH]);
        let (months, mut rows): (Vec<u16>, Vec<Row>) = with_paystats
            .map(|(month, (&units, counts))| (month, Row { units, counts: counts.map(i64::from) }))
            .unzip();
        let is_running = sums_fit(&rows);
        if is_running {
            for at in 1..rows.len() {
                let before = rows[at - 1];
                rows[at].add(&before);
            }
        }
        (!months.is_empty()).then(|| Self { months: months.into(), rows: rows.into(), is_running })
    }

    /// Its months, in order.
    pub fn months(&self) -> &[u16] {
        &self.months
    }

    /// The places of its months that lie in a range of months.
    #[inline]
    pub fn places_in(&self, months: &Range<u16>) -> Range<usize> {
        let start = self.months.partition_point(|month| *month < months.start);
        let end = self.months.partition_point(|month| *month < months.end);
        start..end
    }

    /// The cells of the month at a place.
    #[inline]
    pub fn month(&self, place: usize) -> Row {
        self.difference(place..place + 1)
    }

    /// Cells that make up those of the months at these places, in as few rows as there are.
    #[inline]
    pub fn rows(&self, places: Range<usize>) -> impl Iterator<Item = Row> {
        let step = if self.is_running { places.len().max(1) } else { 1 };
        places.step_by(step).map(move |start| self.difference(start..start + step))
    }

    /// The cells of the months at these places, which is a single one where the rows are not running sums.
    #[inline]
    fn difference(&self, places: Range<usize>) -> Row {
        let mut row = self.rows[places.end - 1];
        if self.is_running && places.start > 0 {
            row.subtract(&self.rows[places.start - 1]);
        }
        row
    }
}

/// Whether the sums of any of these cells fit into the `i128`.
fn sums_fit(rows: &[Row]) -> bool {
    let mut sizes = rows.iter().flat_map(|row| row.units).map(i128::unsigned_abs);
    sizes.try_fold(0_u128, u128::checked_add).is_some_and(|size| size <= i128::MAX.unsigned_abs())
}

impl Row {
    fn add(&mut self, other: &Self) {
        for cell in 0..Cells::A_MONTH {
            self.units[cell] += other.units[cell];
            self.counts[cell] += other.counts[cell];
        }
    }

    fn subtract(&mut self, other: &Self) {
        for cell in 0..Cells::A_MONTH {
            self.units[cell] -= other.units[cell];
            self.counts[cell] -= other.counts[cell];
        }
    }
}
