//! A postal code: its number, its code and the area that it covers.

use std::{fmt, str::FromStr};

use super::Geometry;

/// The number under which the data source knows a postal code: 0 to 2^31 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostalCodeId(i32);

/// The code itself, such as `28001`: 1 to 16 ASCII letters, digits, spaces or hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostalCodeCode(String);

/// A postal code with the area that it covers.
#[derive(Clone, Debug, PartialEq)]
pub struct PostalCode {
    /// Number given by the source; unique.
    pub id: PostalCodeId,
    /// The code; unique.
    pub code: PostalCodeCode,
    /// Area in WGS84.
    pub geometry: Geometry,
}

/// Why a value is not a postal code's id or code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostalCodeError {
    /// Not a whole number from 0 to 2^31 - 1.
    #[error("is not a whole number from 0 to 2147483647")]
    Id,
    /// Not a code.
    #[error("is not 1 to 16 letters, digits, spaces or hyphens, without a space at either end")]
    Code,
}

impl PostalCodeId {
    /// The number itself.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for PostalCodeId {
    type Error = PostalCodeError;

    fn try_from(id: i32) -> Result<Self, PostalCodeError> {
        if id < 0 { Err(PostalCodeError::Id) } else { Ok(Self(id)) }
    }
}

impl FromStr for PostalCodeId {
    type Err = PostalCodeError;

    fn from_str(text: &str) -> Result<Self, PostalCodeError> {
        text.parse::<i32>().map_err(|_| PostalCodeError::Id)?.try_into()
    }
}

impl fmt::Display for PostalCodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PostalCodeCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PostalCodeCode {
    type Err = PostalCodeError;

    fn from_str(text: &str) -> Result<Self, PostalCodeError> {
        let fits = (1..=16).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ' || byte == b'-')
            && text.trim() == text;
        if fits { Ok(Self(text.to_owned())) } else { Err(PostalCodeError::Code) }
    }
}

impl fmt::Display for PostalCodeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
