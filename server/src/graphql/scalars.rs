//! Scalars that JSON has no exact form for.

use std::{borrow::Cow, fmt::Display};

use async_graphql::{
    ContextSelectionSet, InputValueError, InputValueResult, Number, OutputType, Positioned, Scalar, ScalarType,
    ServerResult, Value, parser::types::Field, registry::Registry,
};
use paystats_core::domain;
use serde_json::value::RawValue;

/// An exact amount.
#[derive(Clone, Copy, Debug)]
pub struct Decimal(pub domain::Amount);

/// An exact decimal as a string, such as `"1276112517.0410399995"`: no float is ever involved. A single amount has at most 18
/// digits before the point and 16 after it. Whole numbers are also read from JSON numbers.
#[Scalar]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            Value::Number(number) => {
                return refused(format!("{number} is not exact as a number: write it as a string"));
            }
            other => return refused(format!("{other} is not an amount such as \"10.5\"")),
        };
        text.parse().map(Self).or_else(|reason| refused(format!("\"{text}\" {reason}")))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A month.
#[derive(Clone, Copy, Debug)]
pub struct Month(pub domain::Month);

/// A calendar month such as `"2015-01"`, from 1900-01 to 2199-12.
#[Scalar]
impl ScalarType for Month {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => text.parse().map(Self).or_else(|reason| refused(format!("\"{text}\" {reason}"))),
            other => refused(format!("{other} is not a month such as \"2015-01\"")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A number of 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct Long(pub i64);

/// A whole number that may pass 32 bits, as a JSON number.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = if let Value::Number(number) = &value { number.as_i64() } else { None };
        number.map(Self).map_or_else(|| refused(format!("{value} is not a whole number of 64 bits")), Ok)
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

/// GeoJSON that nobody has looked into yet.
#[derive(Clone, Debug)]
pub struct GeoJSON(pub serde_json::Value);

/// A GeoJSON object (RFC 7946) in WGS84, as JSON.
#[Scalar]
impl ScalarType for GeoJSON {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            object @ Value::Object(_) => object.into_json().map(Self).or_else(|_| refused("this is not JSON")),
            other => refused(format!("{other} is not an object such as {{type: \"Polygon\", coordinates: …}}")),
        }
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

/// GeoJSON that is text already, and goes into the answer as it is: a large map would take longer as a tree of values.
#[derive(Clone, Debug)]
pub struct GeoJSONText(pub Box<RawValue>);

impl OutputType for GeoJSONText {
    fn type_name() -> Cow<'static, str> {
        <GeoJSON as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <GeoJSON as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Binary(String::from(Box::<str>::from(self.0.clone())).into()))
    }
}

/// Refuses a value. Worded by us in every case, and so told apart from a document that does not fit the schema.
fn refused<T: ScalarType + async_graphql::InputType>(reason: impl Display) -> InputValueResult<T> {
    Err(InputValueError::custom(reason))
}
