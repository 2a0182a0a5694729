//! The cells of all postal codes together.

use std::{collections::BTreeMap, ops::Range};

use paystats_core::domain::{Cells, Month};

use super::{block::Block, sum::Sum};

/// The sums of all blocks of a cube, kept current by taking old blocks away and adding new ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Everything {
    /// The months that have paystats, by [`Month::index`].
    months: BTreeMap<u16, [Sum; Cells::A_MONTH]>,
}

impl Everything {
    /// Adds a block.
    pub fn add(&mut self, block: &Block) {
        for (place, month) in block.months().iter().enumerate() {
            let row = block.month(place);
            let sums = self.months.entry(*month).or_default();
            for (cell, sum) in sums.iter_mut().enumerate() {
                sum.add(row.units[cell], row.counts[cell]);
            }
        }
    }

    /// Takes away a block that was added.
    pub fn subtract(&mut self, block: &Block) {
        for (place, month) in block.months().iter().enumerate() {
            let row = block.month(place);
            let sums = self.months.entry(*month).or_default();
            for (cell, sum) in sums.iter_mut().enumerate() {
                sum.subtract(row.units[cell], row.counts[cell]);
            }
            if !sums.iter().any(|sum| sum.has_paystats()) {
                self.months.remove(month);
            }
        }
    }

    /// The first and the last month.
    pub fn months(&self) -> Option<(Month, Month)> {
        let month = |index: &u16| Month::from_index(*index);
        Some((month(self.months.first_key_value()?.0)?, month(self.months.last_key_value()?.0)?))
    }

    /// The cells of the months in a range, which must not end before it starts.
    pub fn in_months(&self, months: &Range<u16>) -> impl Iterator<Item = (u16, &[Sum; Cells::A_MONTH])> {
        self.months.range(months.clone()).map(|(month, sums)| (*month, sums))
    }
}
