//! The header of a source: which column stands where. Order is free, further columns are left alone.

use csv_async::ByteRecord;

/// Where the columns of an entity stand in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns<const N: usize> {
    /// Place of each column, in the order of the entity's list.
    places: [usize; N],
    /// Fields that a record of this source has.
    width: usize,
}

/// Why a header cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A column that the entity needs.
    #[error("column '{0}' is missing from the header")]
    Missing(String),
    /// A name that says two things.
    #[error("column '{0}' stands twice in the header")]
    Doubled(String),
}

/// The names in a header record, whose text is known to be UTF-8.
pub fn names(header: &ByteRecord) -> Vec<String> {
    header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect()
}

impl<const N: usize> Columns<N> {
    /// Finds `wanted` in a header.
    pub fn find(header: &[String], wanted: [&str; N]) -> Result<Self, HeaderError> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(wanted) {
            *place =
                header.iter().position(|column| column == name).ok_or_else(|| HeaderError::Missing(name.to_owned()))?;
        }
        // Second, because a row of data in the place of the header may well hold a value twice.
        for (place, name) in header.iter().enumerate() {
            if header[..place].contains(name) {
                return Err(HeaderError::Doubled(name.clone()));
            }
        }
        Ok(Self { places, width: header.len() })
    }

    /// The fields of a record in the order of the entity's list; the number of fields it has if that is not the header's.
    pub fn fields<'a>(&self, record: &'a ByteRecord) -> Result<[&'a str; N], usize> {
        if record.len() != self.width {
            return Err(record.len());
        }
        // Text was checked to be UTF-8 when the load was planned.
        Ok(self.places.map(|place| record.get(place).and_then(|field| str::from_utf8(field).ok()).unwrap_or_default()))
    }

    /// Fields that a record of this source has.
    pub fn width(&self) -> usize {
        self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn columns_are_found_in_any_order_beside_others() {
        let columns = Columns::find(&header(&["note", "id", "code"]), ["code", "id"]).unwrap();
        assert_eq!(columns.fields(&ByteRecord::from(vec!["n", "7", "28001"])), Ok(["28001", "7"]));
        assert_eq!(columns.fields(&ByteRecord::from(vec!["n", "7"])), Err(2));
    }

    #[test]
    fn missing_and_doubled_columns_are_named() {
        assert_eq!(Columns::find(&header(&["id"]), ["id", "code"]), Err(HeaderError::Missing("code".to_owned())));
        assert_eq!(Columns::find(&header(&["id", "id"]), ["id"]), Err(HeaderError::Doubled("id".to_owned())));
    }
}
