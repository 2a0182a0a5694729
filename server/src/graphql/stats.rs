//! Questions for totals by any keys.

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use paystats_core::{domain, store::Direction};

use super::{
    cost::list_cost,
    enums::{AgeGroup, Dimension, Gender, OrderDirection},
    filter::StatsFilter,
    postal_code::{self, PostalCode},
    scalars::{Decimal, Month},
    snapshot::{scope, snapshot},
    text::{AsText, Row, Selected, Writer, float, string},
    totals::Total,
};
use crate::actions::{self, ActionError, GroupKey, Grouping, MAX_ROWS, StatsQuestion};

/// The total of one group of paystats.
pub struct StatsRow(actions::StatsRow);

/// How the total of a group differs from that of the same group in the interval before.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Change {
    /// The total of the interval before as a whole, also of its months before `filter.from`; zero where the group has no paystats there.
    previous: Total,
    /// The exact difference of the amounts; negative where it shrank.
    amount: Decimal,
    /// The difference over the amount before: 0.1 is a tenth more. Null where the amount before is 0.
    ratio: Option<f64>,
}

/// What rows of totals are ordered by; equal ones are in ascending order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "actions::StatsOrderField")]
pub enum StatsOrderField {
    /// Sum of the amounts.
    Amount,
    /// Number of paystats.
    Count,
    /// Share of the whole.
    Share,
    /// Keys, in the order in which `groupBy` names them; postal codes by id.
    Key,
    /// Difference from the interval before. `groupBy` has to name an interval.
    Change,
}

/// An order of rows of totals.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct StatsOrder {
    /// What they are ordered by.
    field: StatsOrderField,
    /// Direction. If left out, keys come in ascending order, and of all else the greatest first.
    direction: Option<OrderDirection>,
}

/// The total of one group of paystats.
#[Object]
impl StatsRow {
    /// Postal code, where rows are grouped by it.
    async fn postal_code(&self, context: &Context<'_>) -> Result<Option<PostalCode>> {
        postal_code(context, self.0.key.postal_code_id).await
    }

    /// First month of the interval, where rows are grouped by one.
    async fn period(&self) -> Option<Month> {
        self.0.key.period.map(Month)
    }

    /// Age group, where rows are grouped by it.
    async fn age(&self) -> Option<AgeGroup> {
        self.0.key.age.map(Into::into)
    }

    /// Gender, where rows are grouped by it.
    async fn gender(&self) -> Option<Gender> {
        self.0.key.gender.map(Into::into)
    }

    /// Sum and count.
    async fn total(&self) -> Total {
        self.0.total.into()
    }

    /// Its amount over the amount of all rows, also of those that `first` leaves out; 0 where that is 0. The shares of all rows add up
    /// to 1. With negative amounts one can be below 0 or above 1.
    async fn share(&self) -> f64 {
        self.0.share
    }

    /// What changed since the interval before; null where rows are not grouped by an interval.
    async fn change(&self) -> Option<Change> {
        self.0.change.map(Into::into)
    }
}

impl Row for StatsRow {
    const TYPE: &'static str = "StatsRow";

    fn field(name: &str, selected: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "postalCode" => postal_code::writer(selected, |row: &Self| row.0.key.postal_code_id),
            "period" => string(|row: &Self| row.0.key.period),
            "age" => string(|row: &Self| Some(row.0.key.age?.name())),
            "gender" => string(|row: &Self| Some(row.0.key.gender?.name())),
            "total" => selected.nested(|row: &Self| Some(Total::from(row.0.total))),
            "share" => float(|row: &Self| Some(row.0.share)),
            "change" => selected.nested(|row: &Self| row.0.change.map(Change::from)),
            _ => None,
        }
    }
}

impl Row for Change {
    const TYPE: &'static str = "Change";

    fn field(name: &str, selected: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "previous" => selected.nested(|change: &Self| Some(change.previous)),
            "amount" => string(|change: &Self| Some(change.amount.0)),
            "ratio" => float(|change: &Self| change.ratio),
            _ => None,
        }
    }
}

/// Questions for totals by any keys.
#[derive(Default)]
pub struct StatsQuery;

#[Object]
impl StatsQuery {
    /// The totals by any keys: a row for each group that has paystats, with its share of the whole and its change since the interval
    /// before. Without keys: one row of the whole. Where `filter.from` or `filter.to` cut an interval in two, its row counts the months
    /// within; `change` always compares with the whole interval before.
    #[graphql(complexity = "list_cost(first, child_complexity)")]
    async fn stats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
        #[graphql(desc = "Keys that rows are grouped by: none twice, and at most one of `MONTH`, `QUARTER`, `YEAR`.")]
        group_by: Vec<Dimension>,
        #[graphql(desc = "Their order; by key if left out.")] order_by: Option<StatsOrder>,
        #[graphql(desc = "At most this many, up to 20000. If left out, all of them; more than 20000 are refused.")]
        first: Option<i32>,
    ) -> Result<AsText<StatsRow>> {
        let question = StatsQuestion::new(grouping(group_by)?, order_by.map(Into::into), limit(first)?)?;
        let scope = scope(context, filter).await?;
        let rows = actions::stats(snapshot(context).cube.clone(), scope, question).await?;
        Ok(AsText(rows.into_iter().map(StatsRow).collect()))
    }
}

/// The postal code of a row, where it has one.
pub async fn postal_code(context: &Context<'_>, id: Option<domain::PostalCodeId>) -> Result<Option<PostalCode>> {
    Ok(match id {
        Some(id) => Some(postal_code::of_paystats(context, id).await?),
        None => None,
    })
}

/// The keys that a client wants rows to be grouped by.
pub fn grouping(group_by: Vec<Dimension>) -> Result<Grouping, ActionError> {
    Grouping::new(group_by.into_iter().map(Into::into).collect())
}

/// How many rows a client wants.
pub fn limit(first: Option<i32>) -> Result<Option<usize>, ActionError> {
    let limit = |first| usize::try_from(first).ok().filter(|first| *first <= MAX_ROWS);
    first
        .map(|first| limit(first).ok_or_else(|| ActionError::bad_input(format!("first must be from 0 to {MAX_ROWS}"))))
        .transpose()
}

/// The direction of an order by keys or by something else.
pub fn direction(direction: Option<OrderDirection>, by_key: bool) -> Direction {
    let by_default = if by_key { OrderDirection::Ascending } else { OrderDirection::Descending };
    direction.unwrap_or(by_default).into()
}

impl From<Dimension> for GroupKey {
    fn from(dimension: Dimension) -> Self {
        match dimension {
            Dimension::PostalCode => Self::PostalCode,
            Dimension::Month => Self::Interval(domain::Interval::Month),
            Dimension::Quarter => Self::Interval(domain::Interval::Quarter),
            Dimension::Year => Self::Interval(domain::Interval::Year),
            Dimension::Age => Self::Age,
            Dimension::Gender => Self::Gender,
        }
    }
}

impl From<StatsOrder> for actions::StatsOrder {
    fn from(order: StatsOrder) -> Self {
        let direction = direction(order.direction, order.field == StatsOrderField::Key);
        Self { field: order.field.into(), direction }
    }
}

impl From<actions::Change> for Change {
    fn from(change: actions::Change) -> Self {
        Self { previous: change.previous.into(), amount: Decimal(change.amount), ratio: change.ratio }
    }
}
