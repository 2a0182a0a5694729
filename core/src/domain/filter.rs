//! Which paystats a question is about.

use super::{AgeGroup, Amount, Area, Gender, Month, PostalCodeCode, PostalCodeId};

/// Paystats by time, people and place. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatsFilter {
    /// First month.
    pub from: Option<Month>,
    /// Last month, included.
    pub to: Option<Month>,
    /// Any of these age groups.
    pub ages: Option<Vec<AgeGroup>>,
    /// Any of these genders.
    pub genders: Option<Vec<Gender>>,
    /// Any of these postal codes.
    pub postal_codes: Option<Vec<PostalCodeCode>>,
    /// Postal codes that meet every one of these areas.
    pub areas: Vec<Area>,
}

/// A [`StatsFilter`] whose places were looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PaystatScope {
    /// First month.
    pub from: Option<Month>,
    /// Last month, included.
    pub to: Option<Month>,
    /// Any of these age groups.
    pub ages: Option<Vec<AgeGroup>>,
    /// Any of these genders.
    pub genders: Option<Vec<Gender>>,
    /// Any of these postal codes.
    pub postal_code_ids: Option<Vec<PostalCodeId>>,
    /// Least amount.
    pub min_amount: Option<Amount>,
    /// Greatest amount, included.
    pub max_amount: Option<Amount>,
}

/// A key that totals are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Month.
    Month,
    /// Age group.
    Age,
    /// Gender.
    Gender,
    /// Postal code.
    PostalCode,
}
