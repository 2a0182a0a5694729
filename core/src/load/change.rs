//! What a load changes in the total, by month.

use std::collections::BTreeMap;

use crate::domain::{Amount, Month};

/// The change of the total of one month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalChange {
    /// What its amounts grew by; negative where they shrank.
    pub amount: Amount,
    /// What the number of its paystats grew by.
    pub count: i64,
}

/// The change of the total by month. Months that do not change are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TotalChanges(BTreeMap<Month, TotalChange>);

/// The sum of a month's amounts leaves the range of [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amounts of a month add up to more than an exact sum can hold")]
pub struct SumOutOfRange;

impl TotalChanges {
    /// A paystat comes.
    pub fn add(&mut self, month: Month, amount: Amount) -> Result<(), SumOutOfRange> {
        self.change(month, TotalChange { amount, count: 1 })
    }

    /// A paystat goes.
    pub fn remove(&mut self, month: Month, amount: Amount) -> Result<(), SumOutOfRange> {
        self.change(month, TotalChange { amount: Amount::from_units(-amount.units()), count: -1 })
    }

    /// All changes of `others` too.
    pub fn merge(&mut self, others: &Self) -> Result<(), SumOutOfRange> {
        others.iter().try_for_each(|(month, change)| self.change(month, change))
    }

    /// The months that change, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Month, TotalChange)> + '_ {
        self.0.iter().map(|(month, change)| (*month, *change)).filter(|(_, change)| *change != TotalChange::default())
    }

    /// Adds to one month.
    pub fn change(&mut self, month: Month, by: TotalChange) -> Result<(), SumOutOfRange> {
        let known = self.0.entry(month).or_default();
        known.amount = known.amount.checked_add(by.amount).ok_or(SumOutOfRange)?;
        known.count += by.count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_again_is_no_change() {
        let (january, may): (Month, Month) = ("2015-01".parse().unwrap(), "2015-05".parse().unwrap());
        let mut changes = TotalChanges::default();
        changes.add(january, "1.5".parse().unwrap()).unwrap();
        changes.add(may, "2".parse().unwrap()).unwrap();
        changes.remove(january, "1.5".parse().unwrap()).unwrap();
        let mut twice = changes.clone();
        twice.merge(&changes).unwrap();
        let four = TotalChange { amount: "4".parse().unwrap(), count: 2 };
        assert_eq!(twice.iter().collect::<Vec<_>>(), [(may, four)]);
    }
}
