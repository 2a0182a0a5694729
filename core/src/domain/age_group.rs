//! Age groups of card holders, as the source data cuts them.

use std::str::FromStr;

/// An age group, in order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgeGroup {
    /// Up to 24 years.
    Under25,
    /// 25 to 34 years.
    From25To34,
    /// 35 to 44 years.
    From35To44,
    /// 45 to 54 years.
    From45To54,
    /// 55 to 64 years.
    From55To64,
    /// 65 years and more.
    From65,
}

/// A label that no age group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an age group: one of <=24, 25-34, 35-44, 45-54, 55-64, >=65")]
pub struct UnknownAgeGroup;

impl AgeGroup {
    /// Every age group, in order of age.
    pub const ALL: [Self; 6] =
        [Self::Under25, Self::From25To34, Self::From35To44, Self::From45To54, Self::From55To64, Self::From65];

    /// The name that the API and the store use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Under25 => "UNDER_25",
            Self::From25To34 => "FROM_25_TO_34",
            Self::From35To44 => "FROM_35_TO_44",
            Self::From45To54 => "FROM_45_TO_54",
            Self::From55To64 => "FROM_55_TO_64",
            Self::From65 => "FROM_65",
        }
    }

    /// The label that the files use.
    pub fn label(self) -> &'static str {
        match self {
            Self::Under25 => "<=24",
            Self::From25To34 => "25-34",
            Self::From35To44 => "35-44",
            Self::From45To54 => "45-54",
            Self::From55To64 => "55-64",
            Self::From65 => ">=65",
        }
    }

    /// The age group of a name of the API and the store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|age| age.name() == name)
    }
}

impl FromStr for AgeGroup {
    type Err = UnknownAgeGroup;

    /// Reads a label of the files.
    fn from_str(label: &str) -> Result<Self, UnknownAgeGroup> {
        Self::ALL.into_iter().find(|age| age.label() == label).ok_or(UnknownAgeGroup)
    }
}
