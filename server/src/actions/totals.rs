//! Totals: of everything, over time, by age and gender, by postal code.

use std::time::Duration;

use futures_util::{Stream, stream};
use paystats_core::{
    domain::{AgeGroup, Amount, Dimension, Gender, Interval, Month, PaystatScope, StatsFilter, Total},
    store::GroupTotal,
};
use tokio::time::sleep;

use super::{ActionError, Actions, ErrorCode};
use crate::memory::Snapshot;

/// Time between two tries to find out what a watched filter means.
const ASKING_AGAIN: Duration = Duration::from_secs(1);

/// The keys that a time series can be split by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Breakdown {
    /// A series an age group.
    pub age: bool,
    /// A series a gender.
    pub gender: bool,
}

/// One time series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Its age group, where it is split by that.
    pub age: Option<AgeGroup>,
    /// Its gender, where it is split by that.
    pub gender: Option<Gender>,
    /// Its points, without gaps.
    pub points: Vec<TimePoint>,
}

/// The total of one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimePoint {
    /// First month of the interval.
    pub period: Month,
    /// Sum and count.
    pub total: Total,
}

impl Breakdown {
    /// The dimensions of the question behind a series.
    pub fn dimensions(self) -> Vec<Dimension> {
        let mut dimensions = vec![Dimension::Month];
        dimensions.extend(self.age.then_some(Dimension::Age));
        dimensions.extend(self.gender.then_some(Dimension::Gender));
        dimensions
    }
}

impl Actions {
    /// The version of the data now, and the total of what matches.
    pub async fn total_now(&self, filter: &StatsFilter) -> Result<(u64, Total), ActionError> {
        let now = self.memory.now();
        Ok((now.versions.data, self.total_in(&now, filter).await?))
    }

    /// The total of what matches, each time that it changes from now on, and the version of the data in which it has changed.
    ///
    /// Which postal codes a filter's codes and areas mean is looked up again for each state of the data.
    pub async fn watch_total(
        &self,
        filter: StatsFilter,
    ) -> Result<impl Stream<Item = Result<(u64, Total), ActionError>> + use<>, ActionError> {
        let mut states = self.memory.subscribe();
        let now = states.borrow_and_update().clone();
        let known = self.total_in(&now, &filter).await?;
        let watched = (self.clone(), filter, states, known);
        Ok(stream::unfold(watched, |(actions, filter, mut states, known)| async move {
            loop {
                states.changed().await.ok()?;
                let now = states.borrow_and_update().clone();
                let total = loop {
                    match actions.total_in(&now, &filter).await {
                        // What the filter's areas hold is asked again, or else the change would never be told.
                        Err(error) if error.code == ErrorCode::Unavailable => sleep(ASKING_AGAIN).await,
                        total => break total,
                    }
                };
                match total {
                    Ok(total) if total == known => {}
                    Ok(total) => return Some((Ok((now.versions.data, total)), (actions, filter, states, total))),
                    Err(error) => return Some((Err(error), (actions, filter, states, known))),
                }
            }
        }))
    }

    async fn total_in(&self, now: &Snapshot, filter: &StatsFilter) -> Result<Total, ActionError> {
        let scope = self.scope(&now.postal_codes, filter.clone()).await?;
        sum(&now.cube.by(&scope, &[])?)
    }
}

/// The total of all groups.
pub fn sum(groups: &[GroupTotal]) -> Result<Total, ActionError> {
    groups.iter().try_fold(Total::default(), |sum, group| add(sum, group.total))
}

/// The groups of a breakdown by age and gender, in order.
pub fn by_age_and_gender(mut groups: Vec<GroupTotal>) -> Vec<GroupTotal> {
    groups.sort_by_key(|group| (group.age, group.gender));
    groups
}

/// Time series from totals by month and by the keys of `breakdown`.
///
/// They run from the scope's first month to its last, or where it names none, from the first month that has data to the
/// last; all series of an answer span the same time. Intervals without data are zero.
pub fn time_series(
    groups: &[GroupTotal],
    scope: &PaystatScope,
    interval: Interval,
    breakdown: Breakdown,
) -> Result<Vec<Series>, ActionError> {
    let months = || groups.iter().filter_map(|group| group.month);
    let from = scope.from.or_else(|| months().min());
    let to = scope.to.or_else(|| months().max());
    let periods: Vec<Month> = match (from, to) {
        (Some(from), Some(to)) => from.intervals_to(to, interval).collect(),
        _ => Vec::new(),
    };
    let ages = keys(breakdown.age, scope.ages.as_deref().unwrap_or(&AgeGroup::ALL));
    let genders = keys(breakdown.gender, scope.genders.as_deref().unwrap_or(&Gender::ALL));

    let mut series = Vec::new();
    for &age in &ages {
        for &gender in &genders {
            let mut points: Vec<TimePoint> =
                periods.iter().map(|&period| TimePoint { period, total: Total::default() }).collect();
            for group in groups.iter().filter(|group| group.age == age && group.gender == gender) {
                let period = group.month.map(|month| month.start_of(interval));
                let point = period.and_then(|period| points.binary_search_by_key(&period, |point| point.period).ok());
                if let Some(point) = point {
                    points[point].total = add(points[point].total, group.total)?;
                }
            }
            series.push(Series { age, gender, points });
        }
    }
    Ok(series)
}

/// The values of a key that series are split by, in order and once each; just "any" where they are not.
fn keys<T: Copy + Ord>(split: bool, values: &[T]) -> Vec<Option<T>> {
    if !split {
        return vec![None];
    }
    let mut keys = values.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().map(Some).collect()
}

/// The total of both.
pub(super) fn add(a: Total, b: Total) -> Result<Total, ActionError> {
    let amount: Option<Amount> = a.amount.checked_add(b.amount);
    let amount = amount.ok_or_else(|| ActionError::internal("a sum of amounts is too large"))?;
    Ok(Total { amount, count: a.count + b.count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(month: &str, gender: Gender, amount: &str) -> GroupTotal {
        GroupTotal {
            month: Some(month.parse().unwrap()),
            age: None,
            gender: Some(gender),
            postal_code_id: None,
            total: Total { amount: amount.parse().unwrap(), count: 1 },
        }
    }

    fn texts(series: &Series) -> Vec<String> {
        let text = |point: &TimePoint| format!("{} {} {}", point.period, point.total.amount, point.total.count);
        series.points.iter().map(text).collect()
    }

    #[test]
    fn gaps_are_filled_and_all_series_span_the_same_time() {
        let groups = [group("2015-01", Gender::F, "1.5"), group("2015-03", Gender::M, "2")];
        let by_gender = Breakdown { age: false, gender: true };
        let series = time_series(&groups, &PaystatScope::default(), Interval::Month, by_gender).unwrap();
        assert_eq!(series.len(), 2);
        assert_eq!(texts(&series[0]), ["2015-01 1.5 1", "2015-02 0 0", "2015-03 0 0"]);
        assert_eq!(texts(&series[1]), ["2015-01 0 0", "2015-02 0 0", "2015-03 2 1"]);
    }

    #[test]
    fn a_filter_sets_the_span_and_quarters_add_up() {
        let groups = [group("2015-01", Gender::F, "0.1"), group("2015-03", Gender::F, "0.2")];
        let scope = PaystatScope {
            from: Some("2014-12".parse().unwrap()),
            to: Some("2015-04".parse().unwrap()),
            genders: Some(vec![Gender::F]),
            ..PaystatScope::default()
        };
        let by_gender = Breakdown { age: false, gender: true };
        let series = time_series(&groups, &scope, Interval::Quarter, by_gender).unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!(texts(&series[0]), ["2014-10 0 0", "2015-01 0.3 2", "2015-04 0 0"]);
    }

    #[test]
    fn without_data_and_months_a_series_has_no_points() {
        let series = time_series(&[], &PaystatScope::default(), Interval::Month, Breakdown::default()).unwrap();
        assert_eq!((series.len(), series[0].points.len()), (1, 0));
    }
}
