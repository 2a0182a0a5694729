//! A row that was refused, and why.

use serde::{Deserialize, Serialize};

/// What was wrong with a row: stable names for code that acts on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionCode {
    /// More or fewer fields than the header has.
    WrongFieldCount,
    /// Not a whole number in range.
    InvalidId,
    /// The id stands on an earlier line of the same file.
    DuplicateId,
    /// Not an exact decimal amount in range.
    InvalidAmount,
    /// Not the first day of a month in range.
    InvalidMonth,
    /// Not one of the known age groups.
    UnknownAgeGroup,
    /// Not one of the known genders.
    UnknownGender,
    /// No postal code has this id.
    UnknownPostalCode,
    /// Not a code.
    InvalidCode,
    /// Another postal code has this code.
    DuplicateCode,
    /// Not a valid polygon in WGS84.
    InvalidGeometry,
}

/// One refused row. Lines count from 1, the header is line 1, and a record's line is where it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Line of the source where the record starts.
    pub line: u64,
    /// Column that is wrong; `None` where the record as a whole is.
    pub column: Option<String>,
    /// What is wrong, for code.
    pub code: RejectionCode,
    /// The value that is wrong, cut to 200 characters.
    pub value: Option<String>,
    /// What is wrong, for people.
    pub reason: String,
}

impl Rejection {
    /// Longest value that is kept.
    const VALUE_CHARS: usize = 200;

    /// A refusal because of one column's value.
    pub fn of_column(
        line: u64,
        column: &str,
        code: RejectionCode,
        value: &str,
        reason: impl std::fmt::Display,
    ) -> Self {
        let mut kept: String = value.chars().take(Self::VALUE_CHARS).collect();
        if kept.len() < value.len() {
            kept.push('…');
        }
        Self { line, column: Some(column.to_owned()), code, value: Some(kept), reason: format!("{column} {reason}") }
    }

    /// A refusal of the record as a whole.
    pub fn of_record(line: u64, code: RejectionCode, reason: String) -> Self {
        Self { line, column: None, code, value: None, reason }
    }
}
