//! Questions for two ranges of months beside each other.

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};

use super::{
    cost::list_cost,
    enums::{AgeGroup, Dimension, Gender, OrderDirection},
    filter::StatsFilter,
    postal_code::{self, PostalCode},
    scalars::{Decimal, Month},
    snapshot::{scope, snapshot},
    stats::{direction, grouping, limit, postal_code},
    text::{AsText, Row, Selected, Writer, float, string},
    totals::Total,
};
use crate::actions::{self, ActionError, CompareQuestion, MonthRange};

/// Months from one to another.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct MonthRangeInput {
    /// First month.
    from: Month,
    /// Last month, included.
    to: Month,
}

/// Two ranges of months beside each other.
#[derive(SimpleObject)]
pub struct Comparison {
    /// All paystats that match.
    whole: ComparisonRow,
    /// A row for each group that has paystats in either range.
    rows: AsText<ComparisonRow>,
}

/// The totals of one group of paystats in two ranges of months.
pub struct ComparisonRow(actions::ComparisonRow);

/// What rows of a comparison are ordered by; equal ones are in ascending order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "actions::ComparisonOrderField")]
pub enum ComparisonOrderField {
    /// Sum of the amounts in `months`.
    Amount,
    /// Number of paystats in `months`.
    Count,
    /// Difference of the amounts.
    Difference,
    /// Ratio of the difference. Rows without one come last, in either direction.
    Ratio,
    /// Keys, in the order in which `groupBy` names them; postal codes by id.
    Key,
}

/// An order of rows of a comparison.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct ComparisonOrder {
    /// What they are ordered by.
    field: ComparisonOrderField,
    /// Direction. If left out, keys come in ascending order, and of all else the greatest first.
    direction: Option<OrderDirection>,
}

/// The totals of one group of paystats in two ranges of months.
#[Object]
impl ComparisonRow {
    /// Postal code, where rows are grouped by it.
    async fn postal_code(&self, context: &Context<'_>) -> Result<Option<PostalCode>> {
        postal_code(context, self.0.key.postal_code_id).await
    }

    /// Age group, where rows are grouped by it.
    async fn age(&self) -> Option<AgeGroup> {
        self.0.key.age.map(Into::into)
    }

    /// Gender, where rows are grouped by it.
    async fn gender(&self) -> Option<Gender> {
        self.0.key.gender.map(Into::into)
    }

    /// Sum and count of `months`; zero where the group has no paystats there.
    async fn total(&self) -> Total {
        self.0.total.into()
    }

    /// Sum and count of `against`; zero where the group has no paystats there.
    async fn against(&self) -> Total {
        self.0.against.into()
    }

    /// What the amount of `months` is more than that of `against`, exactly; negative where it is less.
    async fn difference(&self) -> Decimal {
        Decimal(self.0.difference)
    }

    /// The difference over the amount of `against`: 0.1 is a tenth more. Null where that amount is 0.
    async fn ratio(&self) -> Option<f64> {
        self.0.ratio
    }

    /// The difference over that of the whole; null where the whole does not differ. The shares of all rows add up to 1. Where some
    /// groups grow and others shrink one can be below 0 or above 1.
    async fn share_of_difference(&self) -> Option<f64> {
        self.0.share_of_difference
    }
}

impl Row for ComparisonRow {
    const TYPE: &'static str = "ComparisonRow";

    fn field(name: &str, selected: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "postalCode" => postal_code::writer(selected, |row: &Self| row.0.key.postal_code_id),
            "age" => string(|row: &Self| Some(row.0.key.age?.name())),
            "gender" => string(|row: &Self| Some(row.0.key.gender?.name())),
            "total" => selected.nested(|row: &Self| Some(Total::from(row.0.total))),
            "against" => selected.nested(|row: &Self| Some(Total::from(row.0.against))),
            "difference" => string(|row: &Self| Some(row.0.difference)),
            "ratio" => float(|row: &Self| row.0.ratio),
            "shareOfDifference" => float(|row: &Self| row.0.share_of_difference),
            _ => None,
        }
    }
}

/// Questions for two ranges of months beside each other.
#[derive(Default)]
pub struct CompareQuery;

#[Object]
impl CompareQuery {
    /// What differs between two ranges of months, in all and by any keys. The ranges may differ in length, and may overlap: the totals
    /// of each are compared as they are.
    #[expect(clippy::too_many_arguments, reason = "two ranges, a filter, keys, an order and a limit")]
    #[graphql(complexity = "list_cost(first, child_complexity)")]
    async fn compare(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out. `from` and `to` have to be left out.")] filter: Option<
            StatsFilter,
        >,
        #[graphql(desc = "The months that are compared.")] months: MonthRangeInput,
        #[graphql(desc = "The months that they are compared with.")] against: MonthRangeInput,
        #[graphql(
            desc = "Keys that rows are grouped by, none twice: `POSTAL_CODE`, `AGE`, `GENDER`. One row of the whole if left out."
        )]
        group_by: Option<Vec<Dimension>>,
        #[graphql(desc = "The order of rows; by key if left out.")] order_by: Option<ComparisonOrder>,
        #[graphql(
            desc = "At most this many rows, up to 20000. If left out, all of them; more than 20000 are refused."
        )]
        first: Option<i32>,
    ) -> Result<Comparison> {
        let filter = filter.unwrap_or_default();
        if filter.from.is_some() || filter.to.is_some() {
            let reason = "the filter of compare has no from and no to: months and against say which months";
            return Err(ActionError::bad_input(reason).into());
        }
        let question = CompareQuestion::new(
            MonthRange::new("months", months.from.0, months.to.0)?,
            MonthRange::new("against", against.from.0, against.to.0)?,
            grouping(group_by.unwrap_or_default())?,
            order_by.map(Into::into),
            limit(first)?,
        )?;
        let scope = scope(context, Some(filter)).await?;
        Ok(actions::compare(snapshot(context).cube.clone(), scope, question).await?.into())
    }
}

impl From<ComparisonOrder> for actions::ComparisonOrder {
    fn from(order: ComparisonOrder) -> Self {
        let direction = direction(order.direction, order.field == ComparisonOrderField::Key);
        Self { field: order.field.into(), direction }
    }
}

impl From<actions::Comparison> for Comparison {
    fn from(comparison: actions::Comparison) -> Self {
        Self {
            whole: ComparisonRow(comparison.whole),
            rows: AsText(comparison.rows.into_iter().map(ComparisonRow).collect()),
        }
    }
}
