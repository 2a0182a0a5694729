//! What differs between two ranges of months: in all, and group by group.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use paystats_core::{
    domain::{Amount, Month, PaystatScope, Total},
    store::{Direction, GroupTotal},
};

use super::{
    ActionError,
    grouping::{FirstRows, Grouping, RowKey, difference, directed, groups, most_groups, quotient, work_over},
    totals::sum,
};
use crate::cube::Cube;

/// Months from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthRange {
    from: Month,
    to: Month,
}

/// What is asked of the paystats of two ranges of months.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareQuestion {
    months: MonthRange,
    against: MonthRange,
    grouping: Grouping,
    order: ComparisonOrder,
    first: Option<usize>,
}

/// An order of rows. Equal ones are in ascending order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComparisonOrder {
    /// What they are ordered by.
    pub field: ComparisonOrderField,
    /// Direction.
    pub direction: Direction,
}

/// What rows of a comparison are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOrderField {
    /// Sum of the amounts in the months that are compared.
    Amount,
    /// Number of paystats in these months.
    Count,
    /// Difference of the amounts.
    Difference,
    /// The difference over the amount that is compared with. Rows without one come last, in either direction.
    Ratio,
    /// Keys.
    Key,
}

/// Two ranges of months beside each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// All paystats.
    pub whole: ComparisonRow,
    /// Groups that have paystats in either range.
    pub rows: Vec<ComparisonRow>,
}

/// The totals of one group in both ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComparisonRow {
    /// Its keys; there is no interval among them.
    pub key: RowKey,
    /// The total of the months that are compared.
    pub total: Total,
    /// The total that it is compared with.
    pub against: Total,
    /// What the first amount is more than the second.
    pub difference: Amount,
    /// The difference over the second amount; `None` where that is zero.
    pub ratio: Option<f64>,
    /// The difference over that of the whole; `None` where that is zero. Where some groups grow and others shrink it can be below 0 or
    /// above 1.
    pub share_of_difference: Option<f64>,
}

impl MonthRange {
    /// The range that the argument `name` gives.
    pub fn new(name: &str, from: Month, to: Month) -> Result<Self, ActionError> {
        if from > to {
            return Err(ActionError::bad_input(format!("{name}: from ({from}) must not be after to ({to})")));
        }
        Ok(Self { from, to })
    }

    fn of(self, scope: &PaystatScope) -> PaystatScope {
        PaystatScope { from: Some(self.from), to: Some(self.to), ..scope.clone() }
    }
}

impl CompareQuestion {
    /// `months` compared with `against`, by `grouping`, in an order, by key where that is `None`: the `first` rows, or all of them where
    /// that is `None`.
    pub fn new(
        months: MonthRange,
        against: MonthRange,
        grouping: Grouping,
        order: Option<ComparisonOrder>,
        first: Option<usize>,
    ) -> Result<Self, ActionError> {
        if grouping.interval().is_some() {
            return Err(ActionError::bad_input(
                "compare does not group by MONTH, QUARTER or YEAR: stats tells the change of each against the one before",
            ));
        }
        let by_key = ComparisonOrder { field: ComparisonOrderField::Key, direction: Direction::Ascending };
        Ok(Self { months, against, grouping, order: order.unwrap_or(by_key), first })
    }

    fn compare(&self, a: &ComparisonRow, b: &ComparisonRow) -> Ordering {
        let direction = self.order.direction;
        let by_field = match self.order.field {
            ComparisonOrderField::Amount => directed(a.total.amount.cmp(&b.total.amount), direction),
            ComparisonOrderField::Count => directed(a.total.count.cmp(&b.total.count), direction),
            ComparisonOrderField::Difference => directed(a.difference.cmp(&b.difference), direction),
            ComparisonOrderField::Ratio => match (a.ratio, b.ratio) {
                (Some(a), Some(b)) => directed(a.total_cmp(&b), direction),
                (a, b) => a.is_none().cmp(&b.is_none()),
            },
            ComparisonOrderField::Key => directed(self.grouping.compare(&a.key, &b.key), direction),
        };
        by_field.then_with(|| self.grouping.compare(&a.key, &b.key))
    }
}

/// Two ranges of months of a scope beside each other. Months of the scope itself do not count.
pub async fn compare(
    cube: Arc<Cube>,
    scope: PaystatScope,
    question: CompareQuestion,
) -> Result<Comparison, ActionError> {
    let dimensions = question.grouping.dimensions();
    let (months, against) = (question.months.of(&scope), question.against.of(&scope));
    work_over(2 * most_groups(&cube, &months, &dimensions), move || {
        let months = groups(&cube, &months, &dimensions)?;
        let against = groups(&cube, &against, &dimensions)?;
        comparison(&months, &against, &question)
    })
    .await
}

/// The answer to a question, from the groups of both ranges.
fn comparison(
    months: &[GroupTotal],
    against: &[GroupTotal],
    question: &CompareQuestion,
) -> Result<Comparison, ActionError> {
    let whole = Pair { total: sum(months)?, against: sum(against)? };
    let whole_difference = whole.difference()?;
    let mut pairs: BTreeMap<RowKey, Pair> = BTreeMap::new();
    if question.grouping.is_empty() {
        pairs.insert(RowKey::default(), whole);
    }
    for group in months {
        pairs.entry(question.grouping.key_of(group)).or_default().total = group.total;
    }
    for group in against {
        pairs.entry(question.grouping.key_of(group)).or_default().against = group.total;
    }

    let mut rows = FirstRows::new(question.first, |a: &ComparisonRow, b: &ComparisonRow| question.compare(a, b));
    for (key, pair) in pairs {
        rows.push(pair.row(key, whole_difference)?)?;
    }
    Ok(Comparison { whole: whole.row(RowKey::default(), whole_difference)?, rows: rows.sorted() })
}

/// The totals of a group in both ranges.
#[derive(Clone, Copy, Default)]
struct Pair {
    total: Total,
    against: Total,
}

impl Pair {
    fn difference(self) -> Result<Amount, ActionError> {
        difference(self.total.amount, self.against.amount)
    }

    fn row(self, key: RowKey, whole_difference: Amount) -> Result<ComparisonRow, ActionError> {
        let difference = self.difference()?;
        Ok(ComparisonRow {
            key,
            total: self.total,
            against: self.against,
            difference,
            ratio: quotient(difference, self.against.amount),
            share_of_difference: quotient(difference, whole_difference),
        })
    }
}

#[cfg(test)]
mod tests;
