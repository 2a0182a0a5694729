//! Sums that stay exact whatever is added and in whatever order.

use paystats_core::domain::{Amount, Total};

use super::CubeError;

/// A sum of amounts, in units of 10^-16, and a number of paystats. The sum may leave the `i128` on its way, and come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// The sum modulo 2^128.
    units: i128,
    /// How many times 2^128 the sum is more than that.
    turns: i64,
    /// Number of paystats.
    count: i64,
}

impl Sum {
    /// Adds a sum that fits.
    #[inline]
    pub fn add(&mut self, units: i128, count: i64) {
        let (sum, left_the_range) = self.units.overflowing_add(units);
        if left_the_range {
            self.turns += if units > 0 { 1 } else { -1 };
        }
        self.units = sum;
        self.count += count;
    }

    /// Takes away a sum that fits.
    #[inline]
    pub fn subtract(&mut self, units: i128, count: i64) {
        let (sum, left_the_range) = self.units.overflowing_sub(units);
        if left_the_range {
            self.turns += if units > 0 { -1 } else { 1 };
        }
        self.units = sum;
        self.count -= count;
    }

    /// Adds any sum.
    pub fn add_sum(&mut self, other: Self) {
        self.add(other.units, other.count);
        self.turns += other.turns;
    }

    /// Whether there are paystats in it.
    pub fn has_paystats(self) -> bool {
        self.count > 0
    }

    /// The total, where it is one.
    pub fn total(self) -> Result<Total, CubeError> {
        if self.turns == 0 {
            Ok(Total { amount: Amount::from_units(self.units), count: self.count })
        } else {
            Err(CubeError::SumTooLarge)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_may_leave_the_range_and_come_back() {
        let mut sum = Sum::default();
        for units in [i128::MAX, i128::MAX, 3] {
            sum.add(units, 1);
        }
        assert_eq!(sum.total(), Err(CubeError::SumTooLarge));
        let twice = {
            let mut twice = sum;
            twice.add_sum(sum);
            twice
        };
        assert_eq!(twice.total(), Err(CubeError::SumTooLarge));
        sum.subtract(i128::MAX, 1);
        sum.add(i128::MIN, 1);
        assert_eq!(sum.total(), Ok(Total { amount: Amount::from_units(2), count: 3 }));
        sum.subtract(i128::MIN, 1);
        sum.subtract(i128::MAX, 1);
        assert_eq!(sum.total(), Ok(Total { amount: Amount::from_units(3), count: 1 }));
    }
}
