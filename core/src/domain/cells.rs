//! The cells of one postal code: exact sums and counts by month, age group and gender.

use super::{AgeGroup, Amount, Gender, Month, Total};

/// Sums and counts of one postal code, dense from its first month to its last: [`Cells::A_MONTH`] cells a month, by age group, then
/// gender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    /// Month of the first cells; whatever where there are none.
    first: u16,
    units: Vec<i128>,
    counts: Vec<u32>,
}

/// A sum or a count is too large, or what was to be cells has another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sum or a count of paystats is too large")]
pub struct CellsError;

impl Cells {
    /// Cells of one month.
    pub const A_MONTH: usize = AgeGroup::ALL.len() * Gender::ALL.len();

    /// Cells that were taken apart by [`Cells::first_month`], [`Cells::units`] and [`Cells::counts`].
    pub fn from_parts(first: Month, units: Vec<i128>, counts: Vec<u32>) -> Result<Self, CellsError> {
        let months = units.len() / Self::A_MONTH;
        let fits = units.len() == counts.len()
            && units.len().is_multiple_of(Self::A_MONTH)
            && usize::from(first.index()) + months <= usize::from(Month::LAST.index()) + 1;
        if fits { Ok(Self { first: first.index(), units, counts }) } else { Err(CellsError) }
    }

    /// Adds paystats of one month, age group and gender.
    pub fn add(&mut self, month: Month, age: AgeGroup, gender: Gender, total: Total) -> Result<(), CellsError> {
        let start = self.make_room(month.index());
        let cell = start + Self::place(age, gender);
        let count = u32::try_from(total.count).map_err(|_| CellsError)?;
        self.units[cell] = self.units[cell].checked_add(total.amount.units()).ok_or(CellsError)?;
        self.counts[cell] = self.counts[cell].checked_add(count).ok_or(CellsError)?;
        Ok(())
    }

    /// Adds the paystats of other cells.
    pub fn add_all(&mut self, other: &Self) -> Result<(), CellsError> {
        other.iter().try_for_each(|(month, age, gender, total)| self.add(month, age, gender, total))
    }

    /// Where the cells of a month start, once there is room for them.
    fn make_room(&mut self, month: u16) -> usize {
        if self.units.is_empty() {
            self.first = month;
        }
        if month < self.first {
            let missing = usize::from(self.first - month) * Self::A_MONTH;
            self.units.splice(0..0, std::iter::repeat_n(0, missing));
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = month;
        }
        let start = usize::from(month - self.first) * Self::A_MONTH;
        if self.units.len() < start + Self::A_MONTH {
            self.units.resize(start + Self::A_MONTH, 0);
            self.counts.resize(start + Self::A_MONTH, 0);
        }
        start
    }

    /// The place of an age group and gender among the cells of a month.
    pub fn place(age: AgeGroup, gender: Gender) -> usize {
        age as usize * Gender::ALL.len() + gender as usize
    }

    /// The age group and gender at a place.
    pub fn people(place: usize) -> Option<(AgeGroup, Gender)> {
        let genders = Gender::ALL.len();
        Some((*AgeGroup::ALL.get(place / genders)?, Gender::ALL[place % genders]))
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Month of the first cells; `None` where there are none.
    pub fn first_month(&self) -> Option<Month> {
        (!self.is_empty()).then(|| Month::from_index(self.first).expect("months came in as months"))
    }

    /// Sums in units of 10^-16, month by month.
    pub fn units(&self) -> &[i128] {
        &self.units
    }

    /// Numbers of paystats, month by month.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The cells that have paystats, in order of month, age group and gender.
    pub fn iter(&self) -> impl Iterator<Item = (Month, AgeGroup, Gender, Total)> {
        let people = || AgeGroup::ALL.into_iter().flat_map(|age| Gender::ALL.map(|gender| (age, gender)));
        let months =
            (0..self.units.len() / Self::A_MONTH).filter_map(|month| Month::from_index(self.first + month as u16));
        let cells = months.flat_map(move |month| people().map(move |(age, gender)| (month, age, gender)));
        cells.zip(self.units.iter().zip(&self.counts)).filter(|(_, (_, count))| **count > 0).map(
            |((month, age, gender), (&units, &count))| {
                (month, age, gender, Total { amount: Amount::from_units(units), count: count.into() })
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(amount: &str, count: i64) -> Total {
        Total { amount: amount.parse().unwrap(), count }
    }

    #[test]
    fn months_may_come_in_any_order() {
        let mut cells = Cells::default();
        assert!(cells.is_empty() && cells.first_month().is_none());
        for (month, gender, amount) in
            [("2015-03", Gender::M, "0.1"), ("2015-01", Gender::F, "-2"), ("2015-03", Gender::M, "0.2")]
        {
            cells.add(month.parse().unwrap(), AgeGroup::From65, gender, total(amount, 1)).unwrap();
        }
        assert_eq!(cells.first_month().unwrap().to_string(), "2015-01");
        assert_eq!((cells.units().len(), cells.counts().len()), (3 * Cells::A_MONTH, 3 * Cells::A_MONTH));
        let found: Vec<_> = cells.iter().map(|(month, _, gender, total)| (month.to_string(), gender, total)).collect();
        assert_eq!(
            found,
            [("2015-01".to_owned(), Gender::F, total("-2", 1)), ("2015-03".to_owned(), Gender::M, total("0.3", 2))]
        );
        let same = Cells::from_parts(cells.first_month().unwrap(), cells.units().to_vec(), cells.counts().to_vec());
        assert_eq!(same.unwrap(), cells);
    }

    #[test]
    fn what_is_too_large_or_has_another_shape_is_refused() {
        let mut cells = Cells::default();
        let month = Month::LAST;
        let most = Total { amount: Amount::from_units(i128::MAX), count: i64::from(u32::MAX) };
        cells.add(month, AgeGroup::Under25, Gender::F, most).unwrap();
        assert_eq!(cells.add(month, AgeGroup::Under25, Gender::F, total("1", 0)), Err(CellsError));
        assert_eq!(cells.add(month, AgeGroup::Under25, Gender::F, total("0", 1)), Err(CellsError));
        assert_eq!(Cells::from_parts(month, vec![0; 12], vec![0; 24]), Err(CellsError));
        assert_eq!(Cells::from_parts(month, vec![0; 11], vec![0; 11]), Err(CellsError));
        assert_eq!(Cells::from_parts(month, vec![0; 24], vec![0; 24]), Err(CellsError));
    }
}
