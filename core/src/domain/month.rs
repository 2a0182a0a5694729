//! Calendar months, the finest unit of time in the data, and the intervals that a time series counts in.

use std::{fmt, str::FromStr};

/// A calendar month from 1900-01 to 2199-12: anything else in a file of card payments is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u16);

/// Why a text is not a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MonthError {
    /// Not of the form `2015-01`.
    #[error("is not a month such as 2015-01")]
    NotAMonth,
    /// Not of the form `2015-01-01`.
    #[error("is not a date such as 2015-01-01")]
    NotADate,
    /// A date, but not the first day of its month.
    #[error("is not the first day of a month")]
    NotFirstOfMonth,
    /// Outside 1900-01 to 2199-12.
    #[error("is outside 1900-01 to 2199-12")]
    OutOfRange,
}

/// What one point of a time series spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// A calendar month.
    Month,
    /// Three months, from January, April, July or October.
    Quarter,
    /// Twelve months from January.
    Year,
}

impl Month {
    const FIRST_YEAR: u16 = 1900;
    const LAST_YEAR: u16 = 2199;

    /// The last month that there is.
    pub const LAST: Self = Self((Self::LAST_YEAR - Self::FIRST_YEAR + 1) * 12 - 1);

    /// The month `month` (1 to 12) of `year`.
    pub fn new(year: u16, month: u8) -> Result<Self, MonthError> {
        if !(1..=12).contains(&month) {
            return Err(MonthError::NotAMonth);
        }
        if !(Self::FIRST_YEAR..=Self::LAST_YEAR).contains(&year) {
            return Err(MonthError::OutOfRange);
        }
        Ok(Self((year - Self::FIRST_YEAR) * 12 + u16::from(month) - 1))
    }

    /// Reads the first day of a month, `2015-01-01`, as the files write months.
    pub fn from_first_day(text: &str) -> Result<Self, MonthError> {
        let (month, day) = text.rsplit_once('-').ok_or(MonthError::NotADate)?;
        let month = match month.parse() {
            Err(MonthError::NotAMonth) => return Err(MonthError::NotADate),
            other => other?,
        };
        let day = number(day, 2).ok_or(MonthError::NotADate)?;
        match day {
            1 => Ok(month),
            2..=31 => Err(MonthError::NotFirstOfMonth),
            _ => Err(MonthError::NotADate),
        }
    }

    /// Its place among all months; those that follow each other have places that follow each other.
    pub fn index(self) -> u16 {
        self.0
    }

    /// The month of a place.
    pub fn from_index(index: u16) -> Option<Self> {
        (index <= Self::LAST.0).then_some(Self(index))
    }

    /// Calendar year.
    pub fn year(self) -> u16 {
        Self::FIRST_YEAR + self.0 / 12
    }

    /// Month of the year, 1 to 12.
    pub fn month(self) -> u8 {
        (self.0 % 12) as u8 + 1
    }

    /// The first month of the interval that holds this month.
    pub fn start_of(self, interval: Interval) -> Self {
        Self(self.0 - self.0 % interval.months())
    }

    /// The first months of every interval from this month's to that of `last`, both included.
    pub fn intervals_to(self, last: Self, interval: Interval) -> impl Iterator<Item = Self> {
        (self.start_of(interval).0..=last.0).step_by(usize::from(interval.months())).map(Self)
    }
}

impl Interval {
    fn months(self) -> u16 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
        }
    }
}

/// A number of exactly `digits` ASCII digits.
fn number(text: &str, digits: usize) -> Option<u16> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let (year, month) = text.split_once('-').ok_or(MonthError::NotAMonth)?;
        let year = number(year, 4).ok_or(MonthError::NotAMonth)?;
        let month = number(month, 2).ok_or(MonthError::NotAMonth)?;
        Self::new(year, month as u8)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.year(), u16::from(self.month()));
        let digits = [year / 1000, year / 100 % 10, year / 10 % 10, year % 10, month / 10, month % 10];
        let [a, b, c, d, e, g] = digits.map(|digit| b'0' + digit as u8);
        f.write_str(str::from_utf8(&[a, b, c, d, b'-', e, g]).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn months_are_read_and_written() {
        assert_eq!(Month::from_first_day("2015-01-01").unwrap().to_string(), "2015-01");
        assert_eq!(month("2199-12").to_string(), "2199-12");
        assert_eq!(month("1900-01").year(), 1900);
    }

    #[test]
    fn what_is_not_a_month_is_refused_with_its_reason() {
        for (text, reason) in [
            ("2015-13", MonthError::NotAMonth),
            ("2015-00", MonthError::NotAMonth),
            ("2015-1", MonthError::NotAMonth),
            ("15-01", MonthError::NotAMonth),
            ("2015-01-01", MonthError::NotAMonth),
            ("0215-01", MonthError::OutOfRange),
        ] {
            assert_eq!(text.parse::<Month>(), Err(reason), "{text}");
        }
        for (text, reason) in [
            ("2015-01-02", MonthError::NotFirstOfMonth),
            ("2015-01-32", MonthError::NotADate),
            ("2015-01-00", MonthError::NotADate),
            ("2015-01", MonthError::NotADate),
            ("01/01/2015", MonthError::NotADate),
            ("2015-01-01T00:00", MonthError::NotADate),
            ("2299-01-01", MonthError::OutOfRange),
            ("", MonthError::NotADate),
        ] {
            assert_eq!(Month::from_first_day(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn intervals_start_where_the_calendar_says() {
        assert_eq!(month("2015-05").start_of(Interval::Quarter), month("2015-04"));
        assert_eq!(month("2015-05").start_of(Interval::Year), month("2015-01"));
        let quarters: Vec<_> = month("2015-02").intervals_to(month("2015-12"), Interval::Quarter).collect();
        assert_eq!(quarters, ["2015-01", "2015-04", "2015-07", "2015-10"].map(month));
    }
}
