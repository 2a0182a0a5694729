//! Totals by any keys, each with its share of the whole and its change against the previous interval.

use std::{cmp::Ordering, sync::Arc};

use paystats_core::{
    domain::{Amount, Interval, Month, PaystatScope, Total},
    store::{Direction, GroupTotal},
};

use super::{
    ActionError,
    grouping::{FirstRows, Grouping, RowKey, difference, directed, groups, most_groups, quotient, work_over},
    totals::add,
};
use crate::cube::Cube;

/// What is asked of the paystats of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsQuestion {
    grouping: Grouping,
    order: StatsOrder,
    first: Option<usize>,
}

/// An order of rows. Equal ones are in ascending order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsOrder {
    /// What they are ordered by.
    pub field: StatsOrderField,
    /// Direction.
    pub direction: Direction,
}

/// What rows are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsOrderField {
    /// Sum of the amounts.
    Amount,
    /// Number of paystats.
    Count,
    /// Share of the whole.
    Share,
    /// Keys.
    Key,
    /// Difference from the previous interval.
    Change,
}

/// The total of one group that has paystats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatsRow {
    /// Its keys.
    pub key: RowKey,
    /// Sum and count.
    pub total: Total,
    /// Its amount over that of the whole, 0 where that is zero. With negative amounts it can be below 0 or above 1.
    pub share: f64,
    /// Where rows are grouped by an interval.
    pub change: Option<Change>,
}

/// How a total differs from that of the same group in the previous interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The total of the whole previous interval, zero where it has no paystats.
    pub previous: Total,
    /// What the amount grew by.
    pub amount: Amount,
    /// The same over the previous amount; `None` where that is zero.
    pub ratio: Option<f64>,
}

impl StatsQuestion {
    /// Rows by `grouping` in an order, by key where that is `None`: the `first` ones, or all of them where that is `None`.
    pub fn new(grouping: Grouping, order: Option<StatsOrder>, first: Option<usize>) -> Result<Self, ActionError> {
        let order = order.unwrap_or(StatsOrder { field: StatsOrderField::Key, direction: Direction::Ascending });
        if order.field == StatsOrderField::Change && grouping.interval().is_none() {
            return Err(ActionError::bad_input(
                "an order by CHANGE needs an interval: add MONTH, QUARTER or YEAR to groupBy",
            ));
        }
        Ok(Self { grouping, order, first })
    }

    /// The scope with the months before it that its first intervals are compared with.
    fn widened(&self, scope: &PaystatScope) -> PaystatScope {
        let mut widened = scope.clone();
        if let (Some(interval), Some(from)) = (self.grouping.interval(), scope.from) {
            widened.from = Some(previous_interval(from, interval).unwrap_or(from.start_of(interval)));
        }
        widened
    }

    fn compare(&self, a: &StatsRow, b: &StatsRow, whole: Total) -> Ordering {
        let by_amount = a.total.amount.cmp(&b.total.amount);
        let by_field = match self.order.field {
            StatsOrderField::Amount => by_amount,
            StatsOrderField::Count => a.total.count.cmp(&b.total.count),
            // As the exact shares are ordered, of which those in the rows are rounded.
            StatsOrderField::Share => match whole.amount.cmp(&Amount::ZERO) {
                Ordering::Greater => by_amount,
                Ordering::Equal => Ordering::Equal,
                Ordering::Less => by_amount.reverse(),
            },
            StatsOrderField::Key => self.grouping.compare(&a.key, &b.key),
            StatsOrderField::Change => a.change.map(|change| change.amount).cmp(&b.change.map(|change| change.amount)),
        };
        directed(by_field, self.order.direction).then_with(|| self.grouping.compare(&a.key, &b.key))
    }
}

/// The totals of a scope by any keys.
pub async fn stats(
    cube: Arc<Cube>,
    scope: PaystatScope,
    question: StatsQuestion,
) -> Result<Vec<StatsRow>, ActionError> {
    let (widened, dimensions) = (question.widened(&scope), question.grouping.dimensions());
    work_over(most_groups(&cube, &widened, &dimensions), move || {
        rows(groups(&cube, &widened, &dimensions)?, scope.from, &question)
    })
    .await
}

/// The rows that answer a question, from the groups of its widened scope. Months before `from` are there for changes alone.
fn rows(
    mut groups: Vec<GroupTotal>,
    from: Option<Month>,
    question: &StatsQuestion,
) -> Result<Vec<StatsRow>, ActionError> {
    let grouping = &question.grouping;
    let is_within = |group: &&GroupTotal| group.month.is_none_or(|month| from.is_none_or(|from| month >= from));
    let whole = sum(groups.iter().filter(is_within))?;
    let mut rows = FirstRows::new(question.first, |a: &StatsRow, b: &StatsRow| question.compare(a, b, whole));
    if grouping.is_empty() {
        rows.push(row(RowKey::default(), whole, whole, None)?)?;
        return Ok(rows.sorted());
    }

    // The intervals of a group come one after the other, so the last one is the only one that can be the previous.
    groups.sort_unstable_by_key(|group| grouping.key_of(group));
    let mut last: Option<(RowKey, Total)> = None;
    for of_row in groups.chunk_by(|a, b| grouping.key_of(a) == grouping.key_of(b)) {
        let key = grouping.key_of(&of_row[0]);
        let previous = grouping.interval().zip(key.period).map(|(interval, period)| {
            let wanted = RowKey { period: previous_interval(period, interval), ..key };
            last.filter(|(key, _)| *key == wanted).map_or_else(Total::default, |(_, total)| total)
        });
        let total = sum(of_row.iter().filter(is_within))?;
        if total.count > 0 {
            rows.push(row(key, total, whole, previous)?)?;
        }
        last = Some((key, sum(of_row)?));
    }
    Ok(rows.sorted())
}

fn row(key: RowKey, total: Total, whole: Total, previous: Option<Total>) -> Result<StatsRow, ActionError> {
    let share = quotient(total.amount, whole.amount).unwrap_or(0.0);
    let change = previous.map(|previous| {
        let amount = difference(total.amount, previous.amount)?;
        Ok::<_, ActionError>(Change { previous, amount, ratio: quotient(amount, previous.amount) })
    });
    Ok(StatsRow { key, total, share, change: change.transpose()? })
}

/// The first month of the interval before the one that holds `month`; `None` before the first of all.
fn previous_interval(month: Month, interval: Interval) -> Option<Month> {
    let last = month.start_of(interval).index().checked_sub(1).and_then(Month::from_index)?;
    Some(last.start_of(interval))
}

fn sum<'a>(groups: impl IntoIterator<Item = &'a GroupTotal>) -> Result<Total, ActionError> {
    groups.into_iter().try_fold(Total::default(), |sum, group| add(sum, group.total))
}

#[cfg(test)]
mod tests;
