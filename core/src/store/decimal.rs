//! Amounts as Decimal128, bit by bit after IEEE 754-2008's binary integer encoding, so nothing is rounded on the way.

use mongodb::bson::Decimal128;

use super::StoreError;
use crate::domain::Amount;

const EXPONENT_BIAS: i32 = 6176;
const EXPONENT_SHIFT: u32 = 113;
const SIGN: u128 = 1 << 127;

pub(super) fn to_decimal128(amount: Amount) -> Decimal128 {
    let (coefficient, decimals) = amount.to_parts();
    let exponent = (EXPONENT_BIAS - decimals as i32) as u128;
    let sign = if coefficient < 0 { SIGN } else { 0 };
    Decimal128::from_bytes((sign | exponent << EXPONENT_SHIFT | coefficient.unsigned_abs()).to_le_bytes())
}

/// Fails for NaN, infinities, and what no sum of amounts can be.
pub(super) fn from_decimal128(decimal: Decimal128) -> Result<Amount, StoreError> {
    let bits = u128::from_le_bytes(decimal.bytes());
    let coefficient = (bits & ((1 << EXPONENT_SHIFT) - 1)) as i128;
    let exponent = ((bits & !SIGN) >> EXPONENT_SHIFT) as i32 - EXPONENT_BIAS;
    // Both bits below the sign set: NaN, infinity, or a coefficient that is too large to be canonical.
    let special = bits >> 125 & 0b11 == 0b11;
    let signed = if bits & SIGN == 0 { coefficient } else { -coefficient };
    (!special)
        .then(|| Amount::from_parts(signed, exponent))
        .flatten()
        .ok_or_else(|| StoreError::Corrupt { collection: "paystats", reason: format!("{decimal} is not an amount") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_the_decimals_that_they_print_as() {
        for text in ["0", "1", "-1", "69731.3602", "-0.0410399995", "1000", "999999999999999999.9999999999999999"] {
            let amount: Amount = text.parse().unwrap();
            let decimal = to_decimal128(amount);
            assert_eq!(decimal, text.parse::<Decimal128>().unwrap(), "{text}");
            assert_eq!(from_decimal128(decimal).unwrap(), amount, "{text}");
        }
    }

    #[test]
    fn sums_with_trailing_zeros_and_exponents_are_read() {
        assert_eq!(from_decimal128("10.50".parse().unwrap()).unwrap(), "10.5".parse().unwrap());
        assert_eq!(from_decimal128("1E+3".parse().unwrap()).unwrap(), "1000".parse().unwrap());
    }

    #[test]
    fn what_is_no_sum_of_amounts_is_refused() {
        for text in ["NaN", "Infinity", "-Infinity", "1E-17", "1E+6000"] {
            assert!(from_decimal128(text.parse().unwrap()).is_err(), "{text}");
        }
    }
}
