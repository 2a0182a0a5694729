//! What is in a source, by its name: CSV unless it ends in `.json` or `.geojson`, compressed if `.gz` or `.zst` follows.

/// How the bytes of a source become records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFormat {
    /// What its text is.
    pub text: TextFormat,
    /// How the text is compressed, if it is.
    pub compression: Option<Compression>,
}

/// What the text of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Lines with commas, by RFC 4180, and a header.
    Csv,
    /// A FeatureCollection, by RFC 7946.
    GeoJson,
}

/// How a source is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, by RFC 1952.
    Gzip,
    /// Zstandard, by RFC 8878.
    Zstd,
}

impl SourceFormat {
    /// The format of a source of this name. Upper and lower case are the same.
    pub fn of(source: &str) -> Self {
        let name = source.to_ascii_lowercase();
        let (name, compression) = match name.rsplit_once('.') {
            Some((name, "gz")) => (name, Some(Compression::Gzip)),
            Some((name, "zst")) => (name, Some(Compression::Zstd)),
            _ => (name.as_str(), None),
        };
        let is_json = name.ends_with(".json") || name.ends_with(".geojson");
        Self { text: if is_json { TextFormat::GeoJson } else { TextFormat::Csv }, compression }
    }

    /// Whether the name says by its ending what is in the source; any other name is taken for that of CSV.
    pub fn has_ending(source: &str) -> bool {
        let name = source.to_ascii_lowercase();
        let text = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        [".csv", ".json", ".geojson"].iter().any(|ending| text.ends_with(ending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_name_tells_the_format() {
        use {Compression::*, TextFormat::*};
        for (name, text, compression) in [
            ("a.csv", Csv, None),
            ("a", Csv, None),
            ("a.json.csv", Csv, None),
            ("a.csv.gz", Csv, Some(Gzip)),
            ("A.CSV.GZ", Csv, Some(Gzip)),
            ("s3://lake/a.csv.zst", Csv, Some(Zstd)),
            ("a.gz", Csv, Some(Gzip)),
            ("a.geojson", GeoJson, None),
            ("a.json", GeoJson, None),
            ("a.GeoJSON.gz", GeoJson, Some(Gzip)),
            ("https://h/a.json.zst", GeoJson, Some(Zstd)),
            ("a.gz/b", Csv, None),
        ] {
            assert_eq!(SourceFormat::of(name), SourceFormat { text, compression }, "{name}");
        }
    }

    #[test]
    fn only_some_names_say_what_is_in_them() {
        for name in ["a.csv", "A.CSV.GZ", "a.geojson", "2015/a.b.json.zst"] {
            assert!(SourceFormat::has_ending(name), "{name}");
        }
        for name in ["a", "a.gz", "a.txt", "a.csv.gz.zst", "a.csv.bz2", "csv", "a.csv/b"] {
            assert!(!SourceFormat::has_ending(name), "{name}");
        }
    }
}
