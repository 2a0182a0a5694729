//! Rows of totals by any keys: which keys, the order of rows by them, and how many rows an answer holds. `stats` and `compare` share it.

use std::cmp::Ordering;

use paystats_core::{
    domain::{AgeGroup, Amount, Dimension, Gender, Interval, Month, PaystatScope, PostalCodeId},
    store::{Direction, GroupTotal},
};

use super::ActionError;
use crate::cube::Cube;

/// Most rows of an answer.
pub const MAX_ROWS: usize = 20_000;

/// Most groups that an answer is made from.
const MAX_GROUPS: usize = 2_000_000;

/// Groups that are looked at in less time than a change of threads is worth.
const FEW_GROUPS: usize = 1_000;

/// A key that rows are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKey {
    /// Postal code.
    PostalCode,
    /// Interval of time.
    Interval(Interval),
    /// Age group.
    Age,
    /// Gender.
    Gender,
}

/// The keys that rows are grouped by, in the order in which rows are sorted by them: none twice, and at most one interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping(Vec<GroupKey>);

/// The keys of one row. Those that rows are not grouped by are `None`.
///
/// In its own order the intervals of a group follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// Postal code.
    pub postal_code_id: Option<PostalCodeId>,
    /// Age group.
    pub age: Option<AgeGroup>,
    /// Gender.
    pub gender: Option<Gender>,
    /// First month of the interval.
    pub period: Option<Month>,
}

impl GroupKey {
    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostalCode => "POSTAL_CODE",
            Self::Interval(Interval::Month) => "MONTH",
            Self::Interval(Interval::Quarter) => "QUARTER",
            Self::Interval(Interval::Year) => "YEAR",
            Self::Age => "AGE",
            Self::Gender => "GENDER",
        }
    }

    fn dimension(self) -> Dimension {
        match self {
            Self::PostalCode => Dimension::PostalCode,
            Self::Interval(_) => Dimension::Month,
            Self::Age => Dimension::Age,
            Self::Gender => Dimension::Gender,
        }
    }
}

impl Grouping {
    /// Refuses a key that is there twice, and a second interval.
    pub fn new(keys: Vec<GroupKey>) -> Result<Self, ActionError> {
        for (place, key) in keys.iter().enumerate() {
            for earlier in &keys[..place] {
                if key == earlier {
                    return Err(ActionError::bad_input(format!("groupBy names {} twice", key.name())));
                }
                if let (GroupKey::Interval(_), GroupKey::Interval(_)) = (earlier, key) {
                    let (one, other) = (earlier.name(), key.name());
                    return Err(ActionError::bad_input(format!(
                        "groupBy names both {one} and {other}: a row has one interval"
                    )));
                }
            }
        }
        Ok(Self(keys))
    }

    /// Whether all paystats are one row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The interval that rows are grouped by.
    pub fn interval(&self) -> Option<Interval> {
        self.0.iter().find_map(|key| match key {
            GroupKey::Interval(interval) => Some(*interval),
            GroupKey::PostalCode | GroupKey::Age | GroupKey::Gender => None,
        })
    }

    /// The dimensions of the question behind the rows.
    pub fn dimensions(&self) -> Vec<Dimension> {
        self.0.iter().map(|key| key.dimension()).collect()
    }

    /// The row that a group belongs to.
    pub(super) fn key_of(&self, group: &GroupTotal) -> RowKey {
        let period = self.interval().zip(group.month).map(|(interval, month)| month.start_of(interval));
        RowKey { postal_code_id: group.postal_code_id, age: group.age, gender: group.gender, period }
    }

    /// The order of rows by their keys.
    pub(super) fn compare(&self, a: &RowKey, b: &RowKey) -> Ordering {
        let by = |key: &GroupKey| match key {
            GroupKey::PostalCode => a.postal_code_id.cmp(&b.postal_code_id),
            GroupKey::Interval(_) => a.period.cmp(&b.period),
            GroupKey::Age => a.age.cmp(&b.age),
            GroupKey::Gender => a.gender.cmp(&b.gender),
        };
        self.0.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

/// The first rows of an order, however many come: never many more than asked for are kept.
pub(super) struct FirstRows<T, O> {
    rows: Vec<T>,
    first: Option<usize>,
    order: O,
}

impl<T, O: Fn(&T, &T) -> Ordering> FirstRows<T, O> {
    /// The `first` rows, or where that is `None`, all of up to [`MAX_ROWS`].
    pub(super) fn new(first: Option<usize>, order: O) -> Self {
        Self { rows: Vec::new(), first, order }
    }

    /// Takes a row. Refuses one more than an answer holds, rather than leave it out unseen.
    pub(super) fn push(&mut self, row: T) -> Result<(), ActionError> {
        self.rows.push(row);
        match self.first {
            None if self.rows.len() > MAX_ROWS => Err(ActionError::bad_input(format!(
                "there are more than {MAX_ROWS} rows: name how many by first, narrow the filter, or group by less"
            ))),
            None => Ok(()),
            Some(first) => {
                // Sifted once in so many rows, each costs a few comparisons.
                if self.rows.len() > 2 * first + 1_000 {
                    self.sift(first);
                }
                Ok(())
            }
        }
    }

    /// The rows in order.
    pub(super) fn sorted(mut self) -> Vec<T> {
        if let Some(first) = self.first {
            self.sift(first);
        }
        self.rows.sort_unstable_by(self.order);
        self.rows
    }

    fn sift(&mut self, first: usize) {
        if self.rows.len() > first {
            self.rows.select_nth_unstable_by(first, &self.order);
            self.rows.truncate(first);
        }
    }
}

/// An order the other way round, where that is the direction.
pub(super) fn directed(order: Ordering, direction: Direction) -> Ordering {
    match direction {
        Direction::Ascending => order,
        Direction::Descending => order.reverse(),
    }
}

/// What `a` is more than `b`, exactly.
pub(super) fn difference(a: Amount, b: Amount) -> Result<Amount, ActionError> {
    let units = a.units().checked_sub(b.units());
    units.map(Amount::from_units).ok_or_else(|| ActionError::internal("a difference of amounts is too large"))
}

/// `a` over `b`: the only place where amounts are rounded. `None` where `b` is zero.
pub(super) fn quotient(a: Amount, b: Amount) -> Option<f64> {
    match (a.units(), b.units()) {
        (_, 0) => None,
        // Not -0, which JSON would show.
        (0, _) => Some(0.0),
        (a, b) => Some(a as f64 / b as f64),
    }
}

/// How many groups a scope has at most.
pub(super) fn most_groups(cube: &Cube, scope: &PaystatScope, dimensions: &[Dimension]) -> usize {
    dimensions.iter().fold(1, |most, dimension| {
        most * match dimension {
            Dimension::PostalCode => {
                scope.postal_code_ids.as_ref().map_or_else(|| cube.postal_codes().count(), Vec::len)
            }
            Dimension::Month => cube.months().map_or(0, |(first, last)| {
                let (first, last) =
                    (scope.from.map_or(first, |from| from.max(first)), scope.to.map_or(last, |to| to.min(last)));
                usize::from((last.index() + 1).saturating_sub(first.index()))
            }),
            Dimension::Age => AgeGroup::ALL.len(),
            Dimension::Gender => Gender::ALL.len(),
        }
    })
}

/// The groups of a scope that rows are made of. Refuses a question with so many that they would fill the memory.
pub(super) fn groups(
    cube: &Cube,
    scope: &PaystatScope,
    dimensions: &[Dimension],
) -> Result<Vec<GroupTotal>, ActionError> {
    let most = most_groups(cube, scope, dimensions);
    if most > MAX_GROUPS {
        return Err(ActionError::bad_input(format!(
            "groupBy and filter make up to {most} groups, and at most {MAX_GROUPS} can be looked at: ask for fewer postal codes or months"
        )));
    }
    Ok(cube.by(scope, dimensions)?)
}

/// Runs work over at most so many groups; where it may take long, there where it keeps no other request from going on.
pub(super) async fn work_over<T: Send + 'static>(
    groups: usize,
    work: impl FnOnce() -> Result<T, ActionError> + Send + 'static,
) -> Result<T, ActionError> {
    if groups <= FEW_GROUPS {
        return work();
    }
    tokio::task::spawn_blocking(work).await.map_err(ActionError::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_refused() {
        let twice = Grouping::new(vec![GroupKey::Age, GroupKey::Gender, GroupKey::Age]);
        assert_eq!(twice.unwrap_err().message, "groupBy names AGE twice");
        let month = GroupKey::Interval(Interval::Month);
        assert_eq!(Grouping::new(vec![month, month]).unwrap_err().message, "groupBy names MONTH twice");
    }

    #[test]
    fn a_second_interval_is_refused() {
        let [month, year] = [Interval::Month, Interval::Year].map(GroupKey::Interval);
        let both = Grouping::new(vec![month, GroupKey::Age, year]);
        assert_eq!(both.unwrap_err().message, "groupBy names both MONTH and YEAR: a row has one interval");
    }

    #[test]
    fn keys_are_compared_in_the_order_of_the_grouping() {
        let key = |age, gender| RowKey { age: Some(age), gender: Some(gender), ..RowKey::default() };
        let young_man = key(AgeGroup::Under25, Gender::M);
        let old_woman = key(AgeGroup::From65, Gender::F);
        let by = |keys| Grouping::new(keys).unwrap().compare(&young_man, &old_woman);
        assert_eq!(by(vec![GroupKey::Age, GroupKey::Gender]), Ordering::Less);
        assert_eq!(by(vec![GroupKey::Gender, GroupKey::Age]), Ordering::Greater);
        assert_eq!(by(vec![]), Ordering::Equal);
    }

    #[test]
    fn the_first_rows_are_those_of_all_in_order() {
        let numbers: Vec<u64> = (0..50_000_u64).map(|number| number * 7_919 % 50_021).collect();
        let mut all = numbers.clone();
        all.sort_unstable();
        for first in [0, 1, 999, 20_000] {
            let mut rows = FirstRows::new(Some(first), Ord::cmp);
            for number in &numbers {
                rows.push(*number).unwrap();
                assert!(rows.rows.len() <= 2 * first + 1_000);
            }
            assert_eq!(rows.sorted(), all[..first]);
        }
    }

    #[test]
    fn rows_that_no_answer_holds_are_refused_unless_their_number_is_named() {
        let mut rows = FirstRows::new(None, Ord::cmp);
        for number in 0..MAX_ROWS {
            rows.push(number).unwrap();
        }
        let refusal = rows.push(MAX_ROWS).unwrap_err().message;
        assert_eq!(
            refusal,
            "there are more than 20000 rows: name how many by first, narrow the filter, or group by less"
        );
    }

    #[test]
    fn quotients_are_rounded_once_and_never_over_zero() {
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        assert_eq!(quotient(amount("1"), amount("3")), Some(1.0 / 3.0));
        assert_eq!(quotient(amount("-0.0000000000000001"), amount("999999999999999999")), Some(-1.0 / 1e34));
        assert_eq!(quotient(amount("5"), Amount::ZERO), None);
        assert!(quotient(Amount::ZERO, amount("-5")).is_some_and(f64::is_sign_positive));
    }
}
