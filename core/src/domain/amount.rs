//! Money, exact: a fixed-point decimal with 16 decimals in an `i128`. No float is ever involved.
//!
//! A single amount has at most 18 digits before the point and 16 after it. That is 34 digits in all, what a Decimal128
//! holds, and leaves room to add up ten thousand amounts of the largest size before a sum leaves the `i128`.

use std::{fmt, str::FromStr};

/// An exact amount of money, or an exact sum of amounts. The currency is the data set's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Not a decimal number.
    #[error("is not a decimal number")]
    NotANumber,
    /// NaN or an infinity.
    #[error("is not a finite number")]
    NotFinite,
    /// More significant digits than a Decimal128 holds.
    #[error("has more than 34 significant digits")]
    TooManyDigits,
    /// More than 16 decimals.
    #[error("has more than 16 decimals")]
    TooManyDecimals,
    /// More than 18 digits before the point.
    #[error("has more than 18 digits before the decimal point")]
    OutOfRange,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Decimals of the fixed-point representation.
    pub const DECIMALS: u32 = 16;
    /// Largest number of significant digits, the same as a Decimal128's.
    const MAX_DIGITS: usize = 34;
    /// One more than the largest single amount, in units of 10^-16.
    const LIMIT: i128 = 10_i128.pow(18 + Self::DECIMALS);

    /// The amount in units of 10^-16.
    pub fn units(self) -> i128 {
        self.0
    }

    /// A sum from units of 10^-16. Sums may pass the range of a single amount.
    pub fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// The exact sum; `None` where it leaves the `i128`.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The shortest form `coefficient * 10^-decimals`, without trailing zeros.
    pub fn to_parts(self) -> (i128, u32) {
        let (mut coefficient, mut decimals) = (self.0, Self::DECIMALS);
        // Large steps first: divisions of 128 bits are slow, and every row that is loaded comes through here.
        for step in [8, 4, 2, 1] {
            let power = 10_i128.pow(step);
            // What ends in as many zeros by tens does so by twos.
            while decimals >= step && coefficient.trailing_zeros() >= step {
                let shorter = coefficient / power;
                if shorter * power != coefficient {
                    break;
                }
                (coefficient, decimals) = (shorter, decimals - step);
            }
        }
        (coefficient, decimals)
    }

    /// `coefficient * 10^exponent`, exactly; `None` where that has more than 16 decimals or leaves the `i128`.
    pub fn from_parts(coefficient: i128, exponent: i32) -> Option<Self> {
        if coefficient == 0 {
            return Some(Self::ZERO);
        }
        let shift = exponent.checked_add(Self::DECIMALS as i32)?;
        let power = 10_i128.checked_pow(shift.unsigned_abs())?;
        if shift >= 0 {
            coefficient.checked_mul(power).map(Self)
        } else {
            (coefficient % power == 0).then(|| Self(coefficient / power))
        }
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    /// Reads `[+-]digits[.digits][e[+-]digits]`, as data lakes write numbers.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        if text.is_empty() {
            return Err(AmountError::Empty);
        }
        let (negative, unsigned) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if ["nan", "inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
            return Err(AmountError::NotFinite);
        }
        let (number, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
            None => (unsigned, None),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return Err(AmountError::NotANumber);
        }
        let exponent = exponent.map_or(Ok(0), parse_exponent)?;

        // Leading and trailing zeros carry no value: `1.50000000000000000000` is as good as `1.5`.
        let fraction = fraction.trim_end_matches('0');
        let mut scale = exponent.saturating_sub(fraction.len() as i64);
        let (mut whole, fraction) = match whole.trim_start_matches('0') {
            "" => ("", fraction.trim_start_matches('0')),
            whole => (whole, fraction),
        };
        if fraction.is_empty() {
            let without_zeros = whole.trim_end_matches('0');
            scale = scale.saturating_add((whole.len() - without_zeros.len()) as i64);
            whole = without_zeros;
        }
        let digits = whole.len() + fraction.len();
        if digits == 0 {
            return Ok(Self::ZERO);
        }
        if digits > Self::MAX_DIGITS {
            return Err(AmountError::TooManyDigits);
        }
        if scale < -i64::from(Self::DECIMALS) {
            return Err(AmountError::TooManyDecimals);
        }
        if digits as i64 + scale > 18 {
            return Err(AmountError::OutOfRange);
        }
        let digits = whole.bytes().chain(fraction.bytes());
        let coefficient = digits.fold(0, |value, digit| value * 10 + i128::from(digit - b'0'));
        let amount = Self::from_parts(coefficient, scale as i32).ok_or(AmountError::OutOfRange)?;
        debug_assert!(amount.0 < Self::LIMIT);
        Ok(if negative { Self(-amount.0) } else { amount })
    }
}

/// Reads an exponent. Absurdly long ones saturate: they are out of range either way.
fn parse_exponent(text: &str) -> Result<i64, AmountError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Ok(if text.starts_with('-') { -size } else { size })
}

impl fmt::Display for Amount {
    /// Plain decimal notation without trailing zeros: `1276112517.0410399995`, `-3.5`, `0`.
    ///
    /// From the last digit to the first, and by 64 bits as far as possible: answers are mostly amounts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: u128 = 10_u128.pow(Amount::DECIMALS);
        // A sign, 39 digits and a point.
        let mut text = [b'-'; 41];
        let mut start = text.len();
        let mut push = |byte| {
            start -= 1;
            text[start] = byte;
        };
        let (mut whole, mut fraction) = (self.0.unsigned_abs() / UNITS, (self.0.unsigned_abs() % UNITS) as u64);
        if fraction > 0 {
            let mut decimals = Self::DECIMALS;
            while fraction.is_multiple_of(10) {
                fraction /= 10;
                decimals -= 1;
            }
            for _ in 0..decimals {
                push(digit(fraction % 10));
                fraction /= 10;
            }
            push(b'.');
        }
        while whole > u64::MAX.into() {
            push(digit((whole % 10) as u64));
            whole /= 10;
        }
        let mut whole = whole as u64;
        while whole > 9 {
            push(digit(whole % 10));
            whole /= 10;
        }
        push(digit(whole));
        if self.0 < 0 {
            push(b'-');
        }
        f.write_str(str::from_utf8(&text[start..]).map_err(|_| fmt::Error)?)
    }
}

fn digit(value: u64) -> u8 {
    b'0' + value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_any_size_are_written_with_all_their_digits() {
        for (units, text) in [
            (i128::MIN, "-17014118346046923173168.7303715884105728"),
            (i128::MAX, "17014118346046923173168.7303715884105727"),
            (1, "0.0000000000000001"),
            (-10_i128.pow(16), "-1"),
            (10_i128.pow(36), "100000000000000000000"),
            (i128::from(u64::MAX) * 10_i128.pow(16), "18446744073709551615"),
        ] {
            assert_eq!(Amount::from_units(units).to_string(), text);
        }
    }

    #[test]
    fn texts_come_back_in_plain_canonical_notation() {
        for (text, canonical) in [
            ("69731.3602", "69731.3602"),
            ("0.0410399995", "0.0410399995"),
            ("10.50", "10.5"),
            ("-3.5", "-3.5"),
            ("+7", "7"),
            ("1e3", "1000"),
            ("12.5E-2", "0.125"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-0", "0"),
            ("0e999999999999999999999999", "0"),
            ("100", "100"),
            ("1.500000000000000000000000000000000000000000", "1.5"),
            ("999999999999999999.9999999999999999", "999999999999999999.9999999999999999"),
        ] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", AmountError::Empty),
            ("abc", AmountError::NotANumber),
            ("1,5", AmountError::NotANumber),
            (" 1", AmountError::NotANumber),
            ("1.2.3", AmountError::NotANumber),
            (".", AmountError::NotANumber),
            ("-", AmountError::NotANumber),
            ("1e", AmountError::NotANumber),
            ("0x10", AmountError::NotANumber),
            ("NaN", AmountError::NotFinite),
            ("-Infinity", AmountError::NotFinite),
            ("1E6145", AmountError::OutOfRange),
            ("1e99999999999999999999", AmountError::OutOfRange),
            ("1000000000000000000", AmountError::OutOfRange),
            ("1e-6177", AmountError::TooManyDecimals),
            ("0.12345678901234567", AmountError::TooManyDecimals),
            ("12345678901234567890123456789012345", AmountError::TooManyDigits),
        ] {
            assert_eq!(text.parse::<Amount>(), Err(reason), "{text}");
        }
    }

    #[test]
    fn sums_are_exact() {
        let tenth: Amount = "0.1".parse().unwrap();
        let sum = (0..10).fold(Amount::ZERO, |sum, _| sum.checked_add(tenth).unwrap());
        assert_eq!(sum, "1".parse().unwrap());
    }
}
