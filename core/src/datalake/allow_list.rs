//! The sources outside the data lake that may be read: what `PAYSTATS_SOURCES` lists.

use super::url::{BadUrl, SourceUrl};

/// Beginnings of URLs. A source is allowed that lies under one of them, by whole segments of its path, on the same host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<SourceUrl>);

impl AllowList {
    /// Reads URLs with commas between them. The error says what is wrong with which.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let entries = entries.map(|entry| {
            SourceUrl::of_folder(entry).map_err(|error| match error {
                BadUrl::Malformed(reason) => format!("'{}' {reason}", super::url::without_secrets(entry)),
                BadUrl::Outside | BadUrl::Folder => format!("'{entry}' does not say where it leads"),
            })
        });
        Ok(Self(entries.collect::<Result<_, _>>()?))
    }

    /// Whether a source is allowed.
    pub(super) fn allows(&self, url: &SourceUrl) -> bool {
        self.0.iter().any(|entry| entry.holds(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_hold_what_lies_under_them_and_nothing_beside() {
        let list = AllowList::parse(
            "s3://lake/2015/, s3://whole,https://data.example.org/paystats,http://127.0.0.1:9000/,https://localhost/a%20b/,",
        )
        .unwrap();
        for (source, is_allowed) in [
            ("s3://lake/2015/a.csv", true),
            ("s3://lake/2015/a/b.csv", true),
            ("s3://lake/2015", true),
            ("s3://lake/2015x/a.csv", false),
            ("s3://lake/201/a.csv", false),
            ("s3://lake/a.csv", false),
            ("s3://lake2/2015/a.csv", false),
            ("gs://lake/2015/a.csv", false),
            ("s3://whole/a.csv", true),
            ("https://data.example.org/paystats", true),
            ("https://data.example.org/paystats/a.csv", true),
            ("https://DATA.example.org:443/paystats/a.csv", true),
            ("https://data.example.org/paystatsx", false),
            ("https://data.example.org/Paystats/a.csv", false),
            ("https://data.example.org/a", false),
            ("https://data.example.org:444/paystats/a.csv", false),
            ("https://data.example.org.evil.org/paystats/a.csv", false),
            ("https://data.example.org./paystats/a.csv", false),
            ("https://sub.data.example.org/paystats/a.csv", false),
            ("http://data.example.org/paystats/a.csv", false),
            ("http://127.0.0.1:9000/a", true),
            ("http://2130706433:9000/a", true),
            ("http://127.0.0.1/a", false),
            ("http://localhost:9000/a", false),
            ("https://localhost/a%20b/c", true),
            ("https://localhost/a b/c", true),
            ("https://localhost/a/c", false),
        ] {
            let url = SourceUrl::of_source(source).unwrap();
            assert_eq!(list.allows(&url), is_allowed, "{source}");
        }
        assert!(!AllowList::default().allows(&SourceUrl::of_source("s3://whole/a.csv").unwrap()));
    }

    #[test]
    fn a_list_that_cannot_be_read_says_which_entry_is_wrong() {
        for (text, reason) in [
            ("s3://lake,nonsense", "'nonsense' is not a URL"),
            ("ftp://h/", "'ftp://h/' is of an unknown kind"),
            ("https://user:secret@h/", "'https://…@h/' names a user"),
            ("https://h/a/../b", "'https://h/a/../b' does not say where it leads"),
            ("s3://", "'s3://' names no bucket"),
            ("*", "'*' is not a URL"),
        ] {
            let error = AllowList::parse(text).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
        assert_eq!(AllowList::parse(" , "), Ok(AllowList::default()));
    }
}
