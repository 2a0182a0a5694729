//! What stands in which column: first what is wrong with a row, then the row as its source has it.
//!
//! The source's columns keep their names, so a file of rejections can be corrected and loaded as it is: a load leaves further columns alone.
//! Only a name that is ours too is written with `source.` before it. In the last column stand the fields that a record has beyond its
//! header, as a CSV record of their own; a record that has too few leaves its last columns empty.

use csv_async::{AsyncWriter, ByteRecord, Error};
use paystats_core::load::Rejection;

/// What is wrong with a row.
const OURS: [&str; 5] = ["line", "column", "code", "value", "reason"];
/// The fields of a record beyond those of its header.
const SURPLUS: &str = "surplus";
/// Stands before a name of the source that is ours too.
const PREFIX: &str = "source.";

/// The columns of one file.
pub(super) struct Table {
    /// Fields that a record of the source should have.
    width: usize,
    header: ByteRecord,
}

impl Table {
    /// `columns` are those of the source. No two columns of the file have the same name.
    pub(super) fn new(columns: &[String]) -> Self {
        let mut names: Vec<String> = OURS.map(str::to_owned).to_vec();
        for column in columns {
            let is_taken =
                |name: &String| name == SURPLUS || names.contains(name) || (name != column && columns.contains(name));
            let mut name = column.clone();
            while is_taken(&name) {
                name.insert_str(0, PREFIX);
            }
            names.push(name);
        }
        names.push(SURPLUS.to_owned());
        Self { width: columns.len(), header: ByteRecord::from(names) }
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> &ByteRecord {
        &self.header
    }

    /// A refused row.
    pub(super) async fn record(&self, rejection: &Rejection) -> Result<ByteRecord, Error> {
        let Rejection { line, column, code, value, reason, fields } = rejection;
        let mut record = ByteRecord::new();
        record.push_field(line.to_string().as_bytes());
        record.push_field(column.as_deref().unwrap_or_default().as_bytes());
        record.push_field(code.name().as_bytes());
        record.push_field(value.as_deref().unwrap_or_default().as_bytes());
        record.push_field(reason.as_bytes());
        for place in 0..self.width {
            record.push_field(fields.get(place).map(String::as_bytes).unwrap_or_default());
        }
        let surplus = fields.get(self.width..).unwrap_or_default();
        record.push_field(&if surplus.is_empty() { Vec::new() } else { csv_record(surplus).await? });
        Ok(record)
    }
}

/// Without a line break.
async fn csv_record(fields: &[String]) -> Result<Vec<u8>, Error> {
    let mut writer = AsyncWriter::from_writer(Vec::new());
    writer.write_record(fields).await?;
    let mut record = writer.into_inner().await?;
    record.pop_if(|last| *last == b'\n');
    Ok(record)
}

#[cfg(test)]
mod tests {
    use paystats_core::load::RejectionCode;

    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn header(of_source: &[&str]) -> Vec<String> {
        let table = Table::new(&columns(of_source));
        table.header().iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    /// What follows our own columns in the record of a row with these fields.
    async fn fields(table: &Table, fields: &[&str]) -> Vec<String> {
        let rejection = Rejection::of_record(3, RejectionCode::WrongFieldCount, "for a test".to_owned());
        let record = table.record(&rejection.with_fields(fields.iter().copied())).await.unwrap();
        record.iter().skip(OURS.len()).map(|field| String::from_utf8(field.to_vec()).unwrap()).collect()
    }

    #[test]
    fn columns_of_the_source_keep_their_names_unless_they_are_ours() {
        let ours = ["line", "column", "code", "value", "reason"];
        assert_eq!(header(&[]), [&ours[..], &["surplus"]].concat());
        assert_eq!(header(&["the_geom", "code", "id"])[5..], ["the_geom", "source.code", "id", "surplus"]);
        assert_eq!(header(&["surplus", ""])[5..], ["source.surplus", "", "surplus"]);
    }

    #[test]
    fn no_name_stands_twice() {
        let made = ["source.source.line", "source.line"];
        assert_eq!(header(&["line", "source.line"])[5..7], made);
        assert_eq!(header(&["source.line", "line"])[5..7], ["source.line", "source.source.line"]);
    }

    #[tokio::test]
    async fn what_is_wrong_comes_first() {
        let rejection = Rejection::of_column(7, "amount", RejectionCode::InvalidAmount, "x", "is no number");
        let record = Table::new(&columns(&["amount"])).record(&rejection.with_fields(["x"].into_iter())).await.unwrap();
        assert_eq!(record, vec!["7", "amount", "INVALID_AMOUNT", "x", "amount is no number", "x", ""]);
    }

    #[tokio::test]
    async fn records_of_another_width_are_filled_up_or_end_in_the_last_column() {
        let table = Table::new(&columns(&["amount", "id"]));
        assert_eq!(fields(&table, &["1.5", "2"]).await, ["1.5", "2", ""]);
        assert_eq!(fields(&table, &["1.5"]).await, ["1.5", "", ""]);
        assert_eq!(fields(&table, &[]).await, ["", "", ""]);
        assert_eq!(fields(&table, &["1.5", "2", "more"]).await, ["1.5", "2", "more"]);
        assert_eq!(fields(&table, &["1.5", "2", "a,b", "say \"x\""]).await, ["1.5", "2", "\"a,b\",\"say \"\"x\"\"\""]);
        // An empty field too many is not the same as none.
        assert_eq!(fields(&table, &["1.5", "2", ""]).await, ["1.5", "2", "\"\""]);
    }
}
