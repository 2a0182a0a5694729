//! What a load changes in the totals: of which months by how much, and of which postal codes.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use crate::domain::{Amount, Month, PostalCodeId};

/// The change of the total of one month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalChange {
    /// What its amounts grew by; negative where they shrank.
    pub amount: Amount,
    /// What the number of its paystats grew by.
    pub count: i64,
}

/// What a load changes in the totals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TotalChanges {
    by_month: BTreeMap<Month, TotalChange>,
    postal_codes: RoaringBitmap,
}

/// The sum of a month's amounts leaves the range of [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amounts of a month add up to more than an exact sum can hold")]
pub struct SumOutOfRange;

impl TotalChanges {
    /// A paystat comes.
    pub fn add(&mut self, postal_code: PostalCodeId, month: Month, amount: Amount) -> Result<(), SumOutOfRange> {
        self.touch(postal_code);
        self.change(month, TotalChange { amount, count: 1 })
    }

    /// A paystat goes.
    pub fn remove(&mut self, postal_code: PostalCodeId, month: Month, amount: Amount) -> Result<(), SumOutOfRange> {
        self.touch(postal_code);
        self.change(month, TotalChange { amount: Amount::from_units(-amount.units()), count: -1 })
    }

    /// The totals of a postal code may change.
    pub fn touch(&mut self, postal_code: PostalCodeId) {
        self.postal_codes.insert(postal_code.get().cast_unsigned());
    }

    /// The same of several, by number.
    pub fn touch_all(&mut self, postal_codes: &RoaringBitmap) {
        self.postal_codes |= postal_codes;
    }

    /// Numbers of the postal codes whose totals may change.
    pub fn postal_codes(&self) -> &RoaringBitmap {
        &self.postal_codes
    }

    /// All changes of `others` too.
    pub fn merge(&mut self, others: &Self) -> Result<(), SumOutOfRange> {
        self.touch_all(&others.postal_codes);
        others.iter().try_for_each(|(month, change)| self.change(month, change))
    }

    /// The months that change, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Month, TotalChange)> + '_ {
        self.by_month
            .iter()
            .map(|(month, change)| (*month, *change))
            .filter(|(_, change)| *change != TotalChange::default())
    }

    /// Adds to one month.
    pub fn change(&mut self, month: Month, by: TotalChange) -> Result<(), SumOutOfRange> {
        let known = self.by_month.entry(month).or_default();
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
        let (here, there): (PostalCodeId, PostalCodeId) = (7.try_into().unwrap(), 9.try_into().unwrap());
        let mut changes = TotalChanges::default();
        changes.add(here, january, "1.5".parse().unwrap()).unwrap();
        changes.add(there, may, "2".parse().unwrap()).unwrap();
        changes.remove(here, january, "1.5".parse().unwrap()).unwrap();
        let mut twice = changes.clone();
        twice.merge(&changes).unwrap();
        let four = TotalChange { amount: "4".parse().unwrap(), count: 2 };
        assert_eq!(twice.iter().collect::<Vec<_>>(), [(may, four)]);
        assert_eq!(twice.postal_codes(), &RoaringBitmap::from([7, 9]));
    }
}
