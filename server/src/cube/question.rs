//! A question, in terms of cells: which of them count, and for which group.

use std::ops::Range;

use paystats_core::{
    domain::{AgeGroup, Cells, Dimension, Gender, Month, PaystatScope, PostalCodeId},
    store::GroupTotal,
};

use super::{
    CubeError,
    block::{Block, Row},
    everything::Everything,
    sum::Sum,
};

/// A scope and dimensions, worked out once for all postal codes.
#[derive(Debug)]
pub(super) struct Question {
    /// Whether each postal code is a group.
    pub by_place: bool,
    /// Whether each month is a group.
    by_month: bool,
    /// The months that count, by [`Month::index`]; it does not end before it starts.
    months: Range<u16>,
    /// The cells of a month that count, each with its place in `people`.
    cells: Vec<(usize, usize)>,
    /// The groups of people. A key is `None` where it is not grouped by.
    people: Vec<(Option<AgeGroup>, Option<Gender>)>,
}

impl Question {
    /// The question behind a scope and dimensions. Postal codes and amounts of the scope are left to the caller.
    pub fn new(scope: &PaystatScope, dimensions: &[Dimension]) -> Self {
        let by = |dimension| dimensions.contains(&dimension);
        let start = scope.from.map_or(0, Month::index);
        let end = scope.to.unwrap_or(Month::LAST).index() + 1;
        let (mut cells, mut people) = (Vec::new(), Vec::new());
        for age in AgeGroup::ALL.into_iter().filter(|age| is_any_of(*age, scope.ages.as_deref())) {
            for gender in Gender::ALL.into_iter().filter(|gender| is_any_of(*gender, scope.genders.as_deref())) {
                let key = (by(Dimension::Age).then_some(age), by(Dimension::Gender).then_some(gender));
                let place = people.iter().position(|other| *other == key).unwrap_or_else(|| {
                    people.push(key);
                    people.len() - 1
                });
                cells.push((Cells::place(age, gender), place));
            }
        }
        Self {
            by_place: by(Dimension::PostalCode),
            by_month: by(Dimension::Month),
            months: start..end.max(start),
            cells,
            people,
        }
    }

    /// The groups of all postal codes together.
    pub fn of_everything(&self, everything: &Everything) -> Result<Vec<GroupTotal>, CubeError> {
        let mut groups = Vec::new();
        let mut sums = self.no_sums(1);
        for (month, cells) in everything.in_months(&self.months) {
            for (cell, place) in &self.cells {
                sums[*place].add_sum(cells[*cell]);
            }
            if self.by_month {
                self.put(&mut groups, Some(month), None, &sums)?;
                sums.fill(Sum::default());
            }
        }
        if !self.by_month {
            self.put(&mut groups, None, None, &sums)?;
        }
        Ok(groups)
    }

    /// The groups of some postal codes, none of which comes twice. `everything` is of all postal codes.
    pub fn of_places<'a>(
        &self,
        places: impl Iterator<Item = (PostalCodeId, &'a Block)>,
        everything: &Everything,
    ) -> Result<Vec<GroupTotal>, CubeError> {
        if self.by_place { self.by_place(places) } else { self.together(places, everything) }
    }

    fn by_place<'a>(
        &self,
        places: impl Iterator<Item = (PostalCodeId, &'a Block)>,
    ) -> Result<Vec<GroupTotal>, CubeError> {
        let mut groups = Vec::new();
        let mut sums = self.no_sums(1);
        for (id, block) in places {
            let rows = block.places_in(&self.months);
            if self.by_month {
                for place in rows {
                    sums.fill(Sum::default());
                    self.add(&mut sums, &block.month(place));
                    self.put(&mut groups, Some(block.months()[place]), Some(id), &sums)?;
                }
            } else {
                sums.fill(Sum::default());
                for row in block.rows(rows) {
                    self.add(&mut sums, &row);
                }
                self.put(&mut groups, None, Some(id), &sums)?;
            }
        }
        Ok(groups)
    }

    fn together<'a>(
        &self,
        places: impl Iterator<Item = (PostalCodeId, &'a Block)>,
        everything: &Everything,
    ) -> Result<Vec<GroupTotal>, CubeError> {
        let mut groups = Vec::new();
        if !self.by_month {
            let mut sums = self.no_sums(1);
            for (_, block) in places {
                for row in block.rows(block.places_in(&self.months)) {
                    self.add(&mut sums, &row);
                }
            }
            self.put(&mut groups, None, None, &sums)?;
            return Ok(groups);
        }
        let Some((first, last)) = everything.months() else { return Ok(groups) };
        let months = self.months.start.max(first.index())..self.months.end.min(last.index() + 1);
        let mut sums = self.no_sums(months.len());
        let place_of = |month: u16| usize::from(month - months.start) * self.people.len();
        for (_, block) in places {
            for place in block.places_in(&months) {
                let start = place_of(block.months()[place]);
                self.add(&mut sums[start..start + self.people.len()], &block.month(place));
            }
        }
        for month in months.clone() {
            let start = place_of(month);
            self.put(&mut groups, Some(month), None, &sums[start..start + self.people.len()])?;
        }
        Ok(groups)
    }

    /// Sums for each group of people, so many times.
    fn no_sums(&self, times: usize) -> Vec<Sum> {
        vec![Sum::default(); times * self.people.len()]
    }

    /// Adds the cells of a row, each to the sum of its group.
    #[inline]
    fn add(&self, sums: &mut [Sum], row: &Row) {
        for (cell, place) in &self.cells {
            sums[*place].add(row.units[*cell], row.counts[*cell]);
        }
    }

    /// Puts the groups that have paystats to the others.
    fn put(
        &self,
        groups: &mut Vec<GroupTotal>,
        month: Option<u16>,
        postal_code_id: Option<PostalCodeId>,
        sums: &[Sum],
    ) -> Result<(), CubeError> {
        let month = month.and_then(Month::from_index);
        for (&(age, gender), sum) in self.people.iter().zip(sums).filter(|(_, sum)| sum.has_paystats()) {
            groups.push(GroupTotal { month, age, gender, postal_code_id, total: sum.total()? });
        }
        Ok(())
    }
}

fn is_any_of<T: PartialEq>(value: T, some: Option<&[T]>) -> bool {
    some.is_none_or(|some| some.contains(&value))
}
