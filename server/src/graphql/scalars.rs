//! Scalars that JSON has no exact form for.

use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};
use paystats_core::domain;

/// An exact decimal as a string, such as `"1276112517.0410399995"`: no float is ever involved. A single amount has at most 18
/// digits before the point and 16 after it. Whole numbers are also read from JSON numbers.
#[derive(Clone, Copy, Debug)]
pub struct Decimal(pub domain::Amount);

#[Scalar]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            Value::Number(_) => {
                let reason = "a JSON number with decimals is not exact: write the amount as a string";
                return Err(InputValueError::custom(reason));
            }
            _ => return Err(InputValueError::expected_type(value)),
        };
        text.parse().map(Self).map_err(|reason| InputValueError::custom(format!("\"{text}\" {reason}")))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A calendar month such as `"2015-01"`, from 1900-01 to 2199-12.
#[derive(Clone, Copy, Debug)]
pub struct Month(pub domain::Month);

#[Scalar]
impl ScalarType for Month {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => {
                text.parse().map(Self).map_err(|reason| InputValueError::custom(format!("\"{text}\" {reason}")))
            }
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A whole number that may pass 32 bits, as a JSON number.
#[derive(Clone, Copy, Debug)]
pub struct Long(pub i64);

#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number
                .as_i64()
                .map(Self)
                .ok_or_else(|| InputValueError::custom(format!("{number} is not a whole number of 64 bits"))),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0))
    }
}

impl From<u64> for Long {
    fn from(number: u64) -> Self {
        // Counts of rows and bytes stay far below 2^63.
        Self(number as i64)
    }
}

/// A GeoJSON object (RFC 7946) in WGS84, as JSON.
#[derive(Clone, Debug)]
pub struct GeoJSON(pub serde_json::Value);

#[Scalar]
impl ScalarType for GeoJSON {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Object(_) => value.into_json().map(Self).map_err(|_| InputValueError::custom("this is not JSON")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}
