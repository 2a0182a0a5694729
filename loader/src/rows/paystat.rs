//! Paystats: `amount`, `p_month` (first day of a month), `p_age`, `p_gender`, `postal_code_id`, `id`.

use std::{collections::HashSet, fmt::Display, str::FromStr};

use csv_async::ByteRecord;
use paystats_core::{
    domain::{Month, Paystat, PostalCodeId},
    load::{Rejection, RejectionCode},
};

use super::{ID, Rows, fields};
use crate::columns::{Columns, HeaderError};

pub(super) const COLUMNS: [&str; 6] = ["amount", "p_month", "p_age", "p_gender", "postal_code_id", ID];

/// Reads paystats of a source.
pub struct PaystatRows {
    columns: Columns<6>,
    postal_codes: HashSet<PostalCodeId>,
}

impl PaystatRows {
    /// For a source with this header; `postal_codes` are the ones that rows may name.
    pub fn new(header: &[String], postal_codes: HashSet<PostalCodeId>) -> Result<Self, HeaderError> {
        Ok(Self { columns: Columns::find(header, COLUMNS)?, postal_codes })
    }
}

impl Rows for PaystatRows {
    type Row = Paystat;
    const BATCH_ROWS: usize = 32_000;
    const MAY_BE_REFUSED: bool = false;

    fn parse(&self, record: &ByteRecord, line: u64) -> Result<Paystat, Rejection> {
        let [amount, month, age, gender, postal_code_id, id] = fields(&self.columns, record, line)?;
        let row = Paystat {
            id: field(line, ID, id, RejectionCode::InvalidId)?,
            amount: field(line, "amount", amount, RejectionCode::InvalidAmount)?,
            month: Month::from_first_day(month)
                .map_err(|reason| Rejection::of_column(line, "p_month", RejectionCode::InvalidMonth, month, reason))?,
            age: field(line, "p_age", age, RejectionCode::UnknownAgeGroup)?,
            gender: field(line, "p_gender", gender, RejectionCode::UnknownGender)?,
            postal_code_id: field(line, "postal_code_id", postal_code_id, RejectionCode::UnknownPostalCode)?,
        };
        if !self.postal_codes.contains(&row.postal_code_id) {
            let reason = "is not the id of a known postal code";
            let code = RejectionCode::UnknownPostalCode;
            return Err(Rejection::of_column(line, "postal_code_id", code, postal_code_id, reason));
        }
        Ok(row)
    }

    fn id(row: &Paystat) -> String {
        row.id.to_string()
    }

    fn geometry(_: &Paystat) -> String {
        String::new()
    }

    fn unique_value(_: &Paystat) -> Option<String> {
        None
    }

    fn reject_duplicate_value(line: u64, row: &Paystat) -> Rejection {
        // Nothing but the id is unique.
        super::reject_duplicate_id(line, &Self::id(row))
    }
}

/// Reads one field, or says what is wrong with it.
pub(super) fn field<T>(line: u64, column: &str, value: &str, code: RejectionCode) -> Result<T, Rejection>
where
    T: FromStr,
    T::Err: Display,
{
    value.parse().map_err(|reason| Rejection::of_column(line, column, code, value, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: [&str; 6]) -> Result<Paystat, Rejection> {
        let header: Vec<String> = COLUMNS.iter().map(|&name| name.to_owned()).collect();
        let rows = PaystatRows::new(&header, HashSet::from(["6055".parse().unwrap()])).unwrap();
        rows.parse(&ByteRecord::from(fields.to_vec()), 7)
    }

    const GOOD: [&str; 6] = ["69731.3602", "2015-01-01", "<=24", "F", "6055", "1117"];

    #[test]
    fn a_good_record_is_a_paystat() {
        let paystat = parse(GOOD).unwrap();
        assert_eq!((paystat.amount.to_string(), paystat.month.to_string()), ("69731.3602".into(), "2015-01".into()));
    }

    #[test]
    fn each_bad_field_is_rejected_with_its_column_code_and_value() {
        for (place, value, column, code) in [
            (0, "abc", "amount", RejectionCode::InvalidAmount),
            (0, "NaN", "amount", RejectionCode::InvalidAmount),
            (0, "", "amount", RejectionCode::InvalidAmount),
            (1, "2015-01-02", "p_month", RejectionCode::InvalidMonth),
            (1, "January", "p_month", RejectionCode::InvalidMonth),
            (2, "18-24", "p_age", RejectionCode::UnknownAgeGroup),
            (3, "f", "p_gender", RejectionCode::UnknownGender),
            (4, "6056", "postal_code_id", RejectionCode::UnknownPostalCode),
            (4, "x", "postal_code_id", RejectionCode::UnknownPostalCode),
            (5, "-1", "id", RejectionCode::InvalidId),
            (5, "1.5", "id", RejectionCode::InvalidId),
        ] {
            let mut fields = GOOD;
            fields[place] = value;
            let rejection = parse(fields).unwrap_err();
            assert_eq!((rejection.line, rejection.code), (7, code), "{column} {value}");
            assert_eq!((rejection.column.as_deref(), rejection.value.as_deref()), (Some(column), Some(value)));
            assert!(rejection.reason.starts_with(column), "{}", rejection.reason);
        }
    }
}
