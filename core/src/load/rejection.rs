//! A row that was refused, and why.

use serde::{Deserialize, Serialize};

/// What was wrong with a row: stable names for code that acts on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl RejectionCode {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::WrongFieldCount,
        Self::InvalidId,
        Self::DuplicateId,
        Self::InvalidAmount,
        Self::InvalidMonth,
        Self::UnknownAgeGroup,
        Self::UnknownGender,
        Self::UnknownPostalCode,
        Self::InvalidCode,
        Self::DuplicateCode,
        Self::InvalidGeometry,
    ];

    /// The name that the API and the store use.
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongFieldCount => "WRONG_FIELD_COUNT",
            Self::InvalidId => "INVALID_ID",
            Self::DuplicateId => "DUPLICATE_ID",
            Self::InvalidAmount => "INVALID_AMOUNT",
            Self::InvalidMonth => "INVALID_MONTH",
            Self::UnknownAgeGroup => "UNKNOWN_AGE_GROUP",
            Self::UnknownGender => "UNKNOWN_GENDER",
            Self::UnknownPostalCode => "UNKNOWN_POSTAL_CODE",
            Self::InvalidCode => "INVALID_CODE",
            Self::DuplicateCode => "DUPLICATE_CODE",
            Self::InvalidGeometry => "INVALID_GEOMETRY",
        }
    }
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
    /// The record's fields as the source has them, each cut to 10,000 characters.
    #[serde(default)]
    pub fields: Vec<String>,
}

/// Refused rows that have the same thing wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionCount {
    /// What is wrong.
    pub code: RejectionCode,
    /// In which column; `None` where the record as a whole is wrong.
    pub column: Option<String>,
    /// Number of rows.
    pub count: u64,
}

impl RejectionCount {
    /// Adds `count` rows to the counts.
    pub fn add(counts: &mut Vec<Self>, code: RejectionCode, column: Option<&str>, count: u64) {
        match counts.iter_mut().find(|known| known.code == code && known.column.as_deref() == column) {
            Some(known) => known.count += count,
            None => counts.push(Self { code, column: column.map(str::to_owned), count }),
        }
    }
}

impl Rejection {
    /// Longest value that is kept.
    const VALUE_CHARS: usize = 200;
    /// Longest field that is kept.
    const FIELD_CHARS: usize = 10_000;

    /// The same, with the fields of its record.
    #[must_use]
    pub fn with_fields<'a>(mut self, fields: impl Iterator<Item = &'a str>) -> Self {
        self.fields = fields.map(|field| cut(field, Self::FIELD_CHARS)).collect();
        self
    }

    /// A refusal because of one column's value.
    pub fn of_column(
        line: u64,
        column: &str,
        code: RejectionCode,
        value: &str,
        reason: impl std::fmt::Display,
    ) -> Self {
        let (value, reason) = (Some(cut(value, Self::VALUE_CHARS)), format!("{column} {reason}"));
        Self { line, column: Some(column.to_owned()), code, value, reason, fields: Vec::new() }
    }

    /// A refusal of the record as a whole.
    pub fn of_record(line: u64, code: RejectionCode, reason: String) -> Self {
        Self { line, column: None, code, value: None, reason, fields: Vec::new() }
    }
}

fn cut(text: &str, chars: usize) -> String {
    let mut kept: String = text.chars().take(chars).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_stored_by_its_name() {
        for code in RejectionCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }
}
