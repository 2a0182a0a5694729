//! Questions about sums and counts.

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use paystats_core::{
    domain::{self, Dimension as Key, PaystatScope},
    store::GroupTotal,
};

use super::{
    cost::list_cost,
    enums::{AgeGroup, Dimension, Gender, Interval, OrderDirection},
    filter::StatsFilter,
    postal_code::{self, PostalCode},
    scalars::{Decimal, Long, Month},
    snapshot::{scope, snapshot, totals},
    text::{AsText, Row, Selected, Writer, number, string},
};
use crate::actions::{self, ActionError, Breakdown};

/// Sum and number of some paystats.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Total {
    /// Exact sum of the amounts.
    pub amount: Decimal,
    /// Number of paystats: tells no data from zero.
    pub count: Long,
}

/// Totals over time, without gaps.
#[derive(Clone, Debug, SimpleObject)]
pub struct TimeSeries {
    /// Gender of the series, where it is split by gender.
    pub gender: Option<Gender>,
    /// Age group of the series, where it is split by age.
    pub age: Option<AgeGroup>,
    /// Its points in order of time. All series of an answer span the same time.
    pub points: Vec<TimePoint>,
}

/// The total of one interval.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct TimePoint {
    /// First month of the interval.
    pub period: Month,
    /// Sum and count of the interval; zero where there are no paystats.
    pub total: Total,
}

/// The total of one age group and gender.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct AgeGenderTotal {
    /// Age group.
    pub age: AgeGroup,
    /// Gender.
    pub gender: Gender,
    /// Sum and count.
    pub total: Total,
}

/// The total of one postal code.
pub struct PostalCodeTotal {
    postal_code_id: domain::PostalCodeId,
    total: Total,
}

impl Row for Total {
    const TYPE: &'static str = "Total";

    fn field(name: &str, _: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "amount" => string(|total: &Self| Some(total.amount.0)),
            "count" => number(|total: &Self| Some(total.count.0)),
            _ => None,
        }
    }
}

impl Row for TimeSeries {
    const TYPE: &'static str = "TimeSeries";

    fn field(name: &str, selected: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "gender" => string(|series: &Self| series.gender.map(Gender::name)),
            "age" => string(|series: &Self| series.age.map(AgeGroup::name)),
            "points" => selected.list(|series: &Self| &series.points),
            _ => None,
        }
    }
}

impl Row for TimePoint {
    const TYPE: &'static str = "TimePoint";

    fn field(name: &str, selected: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "period" => string(|point: &Self| Some(point.period.0)),
            "total" => selected.nested(|point: &Self| Some(point.total)),
            _ => None,
        }
    }
}

impl Row for AgeGenderTotal {
    const TYPE: &'static str = "AgeGenderTotal";

    fn field(name: &str, selected: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "age" => string(|row: &Self| Some(row.age.name())),
            "gender" => string(|row: &Self| Some(row.gender.name())),
            "total" => selected.nested(|row: &Self| Some(row.total)),
            _ => None,
        }
    }
}

impl Row for PostalCodeTotal {
    const TYPE: &'static str = "PostalCodeTotal";

    fn field(name: &str, selected: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "postalCode" => postal_code::writer(selected, |row: &Self| Some(row.postal_code_id)),
            "total" => selected.nested(|row: &Self| Some(row.total)),
            _ => None,
        }
    }
}

/// What totals of postal codes are ordered by; equal ones are ordered by the postal code's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PostalCodeTotalOrderField {
    /// Sum of the amounts.
    Amount,
    /// Number of paystats.
    Count,
    /// Id of the postal code.
    Id,
}

/// An order of totals of postal codes.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct PostalCodeTotalOrder {
    /// What they are ordered by.
    pub field: PostalCodeTotalOrderField,
    /// Direction.
    #[graphql(default_with = "OrderDirection::Descending")]
    pub direction: OrderDirection,
}

/// Most entries of a list of totals by postal code.
const MAX_POSTAL_CODES: i32 = 20_000;

/// The total of one postal code.
#[Object]
impl PostalCodeTotal {
    /// The postal code.
    async fn postal_code(&self, context: &Context<'_>) -> Result<PostalCode> {
        Ok(postal_code::of_paystats(context, self.postal_code_id).await?)
    }

    /// Sum and count.
    async fn total(&self) -> Total {
        self.total
    }
}

/// Questions about everything.
#[derive(Default)]
pub struct TotalsQuery;

#[Object]
impl TotalsQuery {
    /// The state of the data that totals are answered from: it grows with each load that ends and each edit. All totals of one query are of
    /// one state; two servers that tell the same version give the same totals.
    async fn data_version(&self, context: &Context<'_>) -> Long {
        Long(snapshot(context).versions.data.cast_signed())
    }

    /// The total of all paystats that match.
    async fn total(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
    ) -> Result<Total> {
        let scope = scope(context, filter).await?;
        Ok(actions::sum(&totals(context, &scope, &[])?)?.into())
    }

    /// The totals over time. The series run from `filter.from` to `filter.to`, or where these are left out, from the first
    /// interval that has data to the last; intervals without data are zero. `by` splits them: one series for each age group,
    /// gender, or both.
    async fn time_series(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
        #[graphql(default_with = "Interval::Month", desc = "What one point spans.")] interval: Interval,
        #[graphql(desc = "What they are split by, `AGE`, `GENDER` or both; nothing if left out.")] by: Option<
            Vec<Dimension>,
        >,
    ) -> Result<AsText<TimeSeries>> {
        let scope = scope(context, filter).await?;
        let breakdown = breakdown(by)?;
        let groups = totals(context, &scope, &breakdown.dimensions())?;
        series(&groups, &scope, interval, breakdown)
    }

    /// The totals by age group and gender, ordered by age, then gender. Pairs without paystats are left out.
    async fn by_age_and_gender(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
    ) -> Result<AsText<AgeGenderTotal>> {
        let scope = scope(context, filter).await?;
        Ok(age_gender_totals(totals(context, &scope, &[Key::Age, Key::Gender])?))
    }

    /// The totals of postal codes, the greatest amount first unless ordered otherwise. Postal codes without paystats are
    /// left out.
    #[graphql(complexity = "list_cost(first, child_complexity)")]
    async fn by_postal_code(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
        #[graphql(desc = "Their order; the greatest amount first if left out.")] order_by: Option<PostalCodeTotalOrder>,
        #[graphql(desc = "At most this many, up to 20000, which is the default too.")] first: Option<i32>,
    ) -> Result<AsText<PostalCodeTotal>> {
        let limit = match first {
            None => MAX_POSTAL_CODES as usize,
            Some(first @ 0..=MAX_POSTAL_CODES) => first as usize,
            Some(_) => {
                return Err(ActionError::bad_input(format!("first must be from 0 to {MAX_POSTAL_CODES}")).into());
            }
        };
        let order = order_by.unwrap_or(PostalCodeTotalOrder {
            field: PostalCodeTotalOrderField::Amount,
            direction: OrderDirection::Descending,
        });
        let scope = scope(context, filter).await?;
        let mut totals: Vec<PostalCodeTotal> = totals(context, &scope, &[Key::PostalCode])?
            .into_iter()
            .filter_map(|group| {
                Some(PostalCodeTotal { postal_code_id: group.postal_code_id?, total: group.total.into() })
            })
            .collect();
        totals.sort_by(|a, b| {
            let by_field = match order.field {
                PostalCodeTotalOrderField::Amount => a.total.amount.0.cmp(&b.total.amount.0),
                PostalCodeTotalOrderField::Count => a.total.count.0.cmp(&b.total.count.0),
                PostalCodeTotalOrderField::Id => a.postal_code_id.cmp(&b.postal_code_id),
            };
            let directed = match order.direction {
                OrderDirection::Ascending => by_field,
                OrderDirection::Descending => by_field.reverse(),
            };
            directed.then(a.postal_code_id.cmp(&b.postal_code_id))
        });
        totals.truncate(limit);
        Ok(AsText(totals))
    }
}

/// The keys that a client wants series to be split by. Refuses those that `stats` is for.
pub fn breakdown(by: Option<Vec<Dimension>>) -> Result<Breakdown, ActionError> {
    let mut breakdown = Breakdown::default();
    for dimension in by.unwrap_or_default() {
        let instead = match dimension {
            Dimension::Age => {
                breakdown.age = true;
                continue;
            }
            Dimension::Gender => {
                breakdown.gender = true;
                continue;
            }
            Dimension::PostalCode => "POSTAL_CODE; ask stats with groupBy: [POSTAL_CODE, MONTH]",
            Dimension::Month => "MONTH; its points are months with interval: MONTH",
            Dimension::Quarter => "QUARTER; its points are quarters with interval: QUARTER",
            Dimension::Year => "YEAR; its points are years with interval: YEAR",
        };
        return Err(ActionError::bad_input(format!("timeSeries is not split by {instead}")));
    }
    Ok(breakdown)
}

/// Time series from totals by month.
pub fn series(
    groups: &[GroupTotal],
    scope: &PaystatScope,
    interval: Interval,
    breakdown: Breakdown,
) -> Result<AsText<TimeSeries>> {
    let series = actions::time_series(groups, scope, interval.into(), breakdown)?;
    Ok(AsText(series.into_iter().map(TimeSeries::from).collect()))
}

/// Totals by age and gender, in order.
pub fn age_gender_totals(groups: Vec<GroupTotal>) -> AsText<AgeGenderTotal> {
    let row = |group: GroupTotal| {
        Some(AgeGenderTotal { age: group.age?.into(), gender: group.gender?.into(), total: group.total.into() })
    };
    AsText(actions::by_age_and_gender(groups).into_iter().filter_map(row).collect())
}

impl From<domain::Total> for Total {
    fn from(total: domain::Total) -> Self {
        Self { amount: Decimal(total.amount), count: Long(total.count) }
    }
}

impl From<actions::Series> for TimeSeries {
    fn from(series: actions::Series) -> Self {
        let point = |point: actions::TimePoint| TimePoint { period: Month(point.period), total: point.total.into() };
        Self {
            gender: series.gender.map(Into::into),
            age: series.age.map(Into::into),
            points: series.points.into_iter().map(point).collect(),
        }
    }
}
