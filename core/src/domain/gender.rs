//! Gender of card holders, as the source data tells it.

use std::str::FromStr;

/// A gender, in the order in which breakdowns list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gender {
    /// Female.
    F,
    /// Male.
    M,
}

/// A label that no gender has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a gender: F or M")]
pub struct UnknownGender;

impl Gender {
    /// Every gender, in order.
    pub const ALL: [Self; 2] = [Self::F, Self::M];

    /// The name that files, API and store use.
    pub fn name(self) -> &'static str {
        match self {
            Self::F => "F",
            Self::M => "M",
        }
    }
}

impl FromStr for Gender {
    type Err = UnknownGender;

    fn from_str(name: &str) -> Result<Self, UnknownGender> {
        Self::ALL.into_iter().find(|gender| gender.name() == name).ok_or(UnknownGender)
    }
}
