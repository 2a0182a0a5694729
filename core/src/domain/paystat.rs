//! A paystat: what was paid by card in one postal code, month, age group and gender.

use std::{fmt, str::FromStr};

use super::{AgeGroup, Amount, Gender, Month, PostalCodeId};

/// The number under which the data source knows a paystat: 0 to 2^63 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaystatId(i64);

/// One row of card-payment statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paystat {
    /// Number given by the source; unique.
    pub id: PaystatId,
    /// Sum paid.
    pub amount: Amount,
    /// When.
    pub month: Month,
    /// Age group of the card holders.
    pub age: AgeGroup,
    /// Gender of the card holders.
    pub gender: Gender,
    /// Where.
    pub postal_code_id: PostalCodeId,
}

/// Sum and number of some paystats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Exact sum of the amounts.
    pub amount: Amount,
    /// Number of paystats: tells no data from zero.
    pub count: i64,
}

impl PaystatId {
    /// The number itself.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// Not a whole number from 0 to 2^63 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a whole number from 0 to 9223372036854775807")]
pub struct PaystatIdError;

impl TryFrom<i64> for PaystatId {
    type Error = PaystatIdError;

    fn try_from(id: i64) -> Result<Self, PaystatIdError> {
        if id < 0 { Err(PaystatIdError) } else { Ok(Self(id)) }
    }
}

impl FromStr for PaystatId {
    type Err = PaystatIdError;

    fn from_str(text: &str) -> Result<Self, PaystatIdError> {
        text.parse::<i64>().map_err(|_| PaystatIdError)?.try_into()
    }
}

impl fmt::Display for PaystatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
