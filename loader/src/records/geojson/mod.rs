//! Records of a GeoJSON source: a FeatureCollection (RFC 7946), read feature by feature.
//!
//! A feature becomes the fields `the_geom` (its geometry, as it is written), `code` (`properties.code`) and `id` (`properties.id`, or
//! its own). What it lacks is empty, and rejected for that like an empty field of CSV. One member at a time is held, of 8 MiB at most;
//! the document around the features is checked and left out.
//!
//! A record is known by its line. Where several features start on one line, as programs write that care for size, each further one
//! counts as a line of its own; so lines stay different, and the same wherever reading starts.

use std::{borrow::Cow, collections::HashMap, io};

use csv_async::ByteRecord;
use serde_json::{error::Category, value::RawValue};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{BYTE_ORDER_MARK, MAX_RECORD_BYTES, Record, RecordError, Start};

/// The header that a GeoJSON source would have.
const COLUMNS: [&str; 3] = ["the_geom", "code", "id"];
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 128 << 10;
/// Reference systems that are WGS84 with longitude before latitude, which is the only one of RFC 7946. The GeoJSON before it had a member
/// for others.
const WGS84: [&str; 6] = [
    "urn:ogc:def:crs:OGC:1.3:CRS84",
    "urn:ogc:def:crs:OGC::CRS84",
    "OGC:CRS84",
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "urn:ogc:def:crs:EPSG::4326",
    "EPSG:4326",
];

/// Reads features one by one.
pub struct GeoJsonRecords<R> {
    text: Text<R>,
    place: Place,
    /// Whether reading began at the start of the source.
    is_whole: bool,
    /// The members of the document that have been met.
    is_collection: bool,
    has_features: bool,
    /// Where the newest feature started.
    line: Option<u64>,
    value: Vec<u8>,
    record: ByteRecord,
}

/// Between which things of the document reading stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing was read.
    Start,
    /// The header was given out.
    Document,
    /// Behind `[`.
    FirstFeature,
    /// At a feature, for sure.
    Feature,
    /// Behind a feature.
    NextFeature,
    /// Behind `]`.
    Members,
    End,
}

impl<R: AsyncRead + Unpin + Send> GeoJsonRecords<R> {
    /// Records of `source`, whose first byte stands at `start`: the start of the source, or that of a feature.
    pub fn new(source: R, start: Start) -> Self {
        let is_whole = start == Start::OF_SOURCE;
        Self {
            text: Text::new(source, start),
            place: if is_whole { Place::Start } else { Place::Feature },
            is_whole,
            is_collection: false,
            has_features: false,
            line: None,
            value: Vec::new(),
            record: ByteRecord::new(),
        }
    }

    /// The next record, the header first; `None` at the end of the source.
    pub async fn next(&mut self) -> Result<Option<Record<'_>>, RecordError> {
        loop {
            match self.place {
                Place::Start => {
                    self.text.skip_byte_order_mark().await?;
                    if self.text.peek().await?.is_none() {
                        self.place = Place::End;
                    } else {
                        self.place = Place::Document;
                        self.record = ByteRecord::from(COLUMNS.to_vec());
                        return Ok(Some(Record { start: Start::OF_SOURCE, fields: &self.record }));
                    }
                }
                Place::Document => {
                    if self.text.peek().await? != Some(b'{') {
                        return Err(self.wrong("is not a GeoJSON FeatureCollection"));
                    }
                    self.text.advance(1);
                    match self.text.peek().await? {
                        Some(b'}') => self.close().await?,
                        _ => self.members().await?,
                    }
                }
                Place::FirstFeature => match self.text.peek().await? {
                    Some(b']') => self.leave_features(),
                    _ => self.place = Place::Feature,
                },
                Place::Feature => return self.feature().await.map(Some),
                Place::NextFeature => match self.text.peek().await? {
                    Some(b',') => {
                        self.text.advance(1);
                        self.text.peek().await?;
                        self.place = Place::Feature;
                    }
                    Some(b']') => self.leave_features(),
                    _ => return Err(self.expected("',' or ']' behind a feature").await?),
                },
                Place::Members => match self.text.peek().await? {
                    Some(b',') => {
                        self.text.advance(1);
                        self.members().await?;
                    }
                    Some(b'}') => self.close().await?,
                    _ => return Err(self.expected("',' or '}' behind a member").await?),
                },
                Place::End => return Ok(None),
            }
        }
    }

    /// The byte of the source up to which it was read.
    pub fn bytes_seen(&self) -> u64 {
        self.text.at.byte
    }

    fn leave_features(&mut self) {
        self.text.advance(1);
        self.place = Place::Members;
    }

    /// Reads members of the document up to its features, or up to its end.
    async fn members(&mut self) -> Result<(), RecordError> {
        loop {
            if self.text.peek().await? != Some(b'"') {
                return Err(self.expected("the name of a member").await?);
            }
            let line = self.text.at.line;
            let name: String = serde_json::from_str(self.member().await?).map_err(|error| not_json(line, &error))?;
            if self.text.peek().await? != Some(b':') {
                return Err(self.expected("':' behind the name of a member").await?);
            }
            self.text.advance(1);
            let next = self.text.peek().await?;
            if name == "features" {
                if next.is_none() {
                    return Err(self.cut_short());
                }
                if next != Some(b'[') || self.has_features {
                    return Err(self.wrong("is not a GeoJSON FeatureCollection: 'features' is not one array"));
                }
                self.text.advance(1);
                self.has_features = true;
                self.place = Place::FirstFeature;
                return Ok(());
            }
            let line = self.text.at.line;
            let value = self.member().await?;
            match name.as_str() {
                "type" if text_of(value) != "FeatureCollection" => {
                    let reason = format!("is not a GeoJSON FeatureCollection: its type is {}", cut(value));
                    return Err(RecordError::NotGeoJson { line, reason });
                }
                "type" => self.is_collection = true,
                "crs" => check_crs(value).map_err(|reason| RecordError::NotGeoJson { line, reason })?,
                _ => {}
            }
            match self.text.peek().await? {
                Some(b',') => {
                    self.text.advance(1);
                    self.text.peek().await?;
                }
                Some(b'}') => return self.close().await,
                _ => return Err(self.expected("',' or '}' behind a member").await?),
            }
        }
    }

    /// Reads the end of the document.
    async fn close(&mut self) -> Result<(), RecordError> {
        self.text.advance(1);
        if self.text.peek().await?.is_some() {
            return Err(self.wrong("is not JSON: something follows the end of the FeatureCollection"));
        }
        // Where reading began at a feature, the beginning was checked by whoever planned the load.
        let missing = match (self.has_features, self.is_collection) {
            _ if !self.is_whole => None,
            (false, _) => Some("features"),
            (true, false) => Some("type"),
            (true, true) => None,
        };
        if let Some(missing) = missing {
            let reason = format!("ends a document that is not a GeoJSON FeatureCollection: it has no '{missing}'");
            return Err(self.wrong(&reason));
        }
        self.place = Place::End;
        Ok(())
    }

    /// Reads one feature.
    async fn feature(&mut self) -> Result<Record<'_>, RecordError> {
        // On the line of the one before, it counts as a line of its own.
        self.text.at.line += u64::from(self.line == Some(self.text.at.line));
        let start = self.text.at;
        self.line = Some(start.line);
        self.value().await?.map_err(|TooLong| RecordError::TooLong { line: start.line })?;
        let text = checked(&self.value, start.line)?;
        let fields = fields(text).map_err(|error| not_json(start.line, &error))?;
        self.record.clear();
        for field in &fields {
            self.record.push_field(field.as_bytes());
        }
        self.place = Place::NextFeature;
        Ok(Record { start, fields: &self.record })
    }

    /// Reads a value that is not a feature.
    async fn member(&mut self) -> Result<&str, RecordError> {
        let line = self.text.at.line;
        self.value().await?.map_err(|TooLong| RecordError::NotGeoJson {
            line,
            reason: format!("starts a member of more than {} MiB", MAX_RECORD_BYTES >> 20),
        })?;
        checked(&self.value, line)
    }

    /// Reads the bytes of a value, from the next byte on to where it must end; whether it is JSON is seen then.
    async fn value(&mut self) -> Result<Result<(), TooLong>, RecordError> {
        self.value.clear();
        let mut extent = Extent::default();
        loop {
            let bytes = self.text.fill().await?;
            if bytes.is_empty() {
                return Err(self.cut_short());
            }
            let (taken, has_ended) = extent.of(bytes);
            self.value.extend_from_slice(&bytes[..taken]);
            self.text.advance(taken);
            if self.value.len() as u64 > MAX_RECORD_BYTES {
                return Ok(Err(TooLong));
            }
            if has_ended {
                return Ok(Ok(()));
            }
        }
    }

    fn wrong(&self, reason: &str) -> RecordError {
        RecordError::NotGeoJson { line: self.text.at.line, reason: reason.to_owned() }
    }

    fn cut_short(&self) -> RecordError {
        self.wrong("is the last one, and the FeatureCollection does not end there: the source is cut short")
    }

    /// The refusal of what stands in the place of something else, or of the end in its place.
    async fn expected(&mut self, what: &str) -> Result<RecordError, RecordError> {
        Ok(match self.text.peek().await? {
            None => self.cut_short(),
            Some(_) => self.wrong(&format!("is not JSON: expected {what}")),
        })
    }
}

/// A value has more bytes than are held.
struct TooLong;

/// Follows the brackets and quotes of one value.
#[derive(Default)]
struct Extent {
    depth: u64,
    has_begun: bool,
    in_string: bool,
    is_escaped: bool,
}

impl Extent {
    /// How many of the next bytes belong to the value, and whether it ends with them.
    fn of(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (place, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (place + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            let is_plain =
                !matches!(byte, b'"' | b'{' | b'[' | b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r');
            if self.depth == 0 && !is_plain && (self.has_begun || !matches!(byte, b'"' | b'{' | b'[')) {
                return (place, true);
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (place + 1, true);
                    }
                }
                _ => {}
            }
            self.has_begun = true;
        }
        (bytes.len(), false)
    }
}

/// A value's text, once it is known to be JSON.
fn checked(value: &[u8], line: u64) -> Result<&str, RecordError> {
    let text = str::from_utf8(value).map_err(|error| {
        let before = value[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() as u64;
        RecordError::NotGeoJson { line: line + before, reason: "is not UTF-8 text".to_owned() }
    })?;
    serde_json::from_str::<&RawValue>(text).map_err(|error| not_json(line, &error))?;
    Ok(text)
}

/// The refusal of a value that starts on `line`.
fn not_json(line: u64, error: &serde_json::Error) -> RecordError {
    let text = error.to_string();
    // Behind the reason stands its place within the value.
    let reason = text.split_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    RecordError::NotGeoJson {
        line: line + error.line().saturating_sub(1) as u64,
        reason: format!("is not JSON: {reason}"),
    }
}

/// The fields of a feature, in the order of [`COLUMNS`].
fn fields(feature: &str) -> Result<[Cow<'_, str>; 3], serde_json::Error> {
    let feature = members_of(feature)?;
    let properties = feature.get("properties").map_or(Ok(HashMap::new()), |properties| members_of(properties.get()))?;
    let mut id = field(&properties, "id");
    if id.is_empty() {
        id = field(&feature, "id");
    }
    Ok([field(&feature, "geometry"), field(&properties, "code"), id])
}

fn field<'a>(members: &HashMap<String, &'a RawValue>, name: &str) -> Cow<'a, str> {
    members.get(name).map(|value| text_of(value.get())).unwrap_or_default()
}

/// The members of an object; of a value that is none, none. Of members of the same name the last one counts.
fn members_of(value: &str) -> Result<HashMap<String, &RawValue>, serde_json::Error> {
    match serde_json::from_str(value) {
        Err(error) if error.classify() == Category::Data => Ok(HashMap::new()),
        members => members,
    }
}

/// A value as the text of a field: a string's own, nothing for `null`, anything else as it is written.
fn text_of(value: &str) -> Cow<'_, str> {
    match value {
        "null" => Cow::Borrowed(""),
        value if value.starts_with('"') => match serde_json::from_str::<String>(value) {
            // Text has no NUL; what holds one is no code and no id either way.
            Ok(text) => Cow::Owned(text.replace('\0', "\u{fffd}")),
            Err(_) => Cow::Borrowed(value),
        },
        value => Cow::Borrowed(value),
    }
}

fn check_crs(value: &str) -> Result<(), String> {
    let crs: serde_json::Value = serde_json::from_str(value).unwrap_or_default();
    let name = crs["properties"]["name"].as_str();
    if crs.is_null() || name.is_some_and(|name| WGS84.contains(&name)) {
        Ok(())
    } else {
        Err(format!("names a reference system that is not WGS84: {}", name.map_or_else(|| cut(value), cut)))
    }
}

/// The beginning of a value, for a message.
fn cut(value: &str) -> String {
    const CHARS: usize = 100;
    match value.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// The bytes of a source and the place of the next one.
struct Text<R> {
    source: R,
    buffer: Box<[u8]>,
    /// Bytes of the buffer that are not taken yet.
    left: std::ops::Range<usize>,
    at: Start,
}

impl<R: AsyncRead + Unpin> Text<R> {
    fn new(source: R, start: Start) -> Self {
        Self { source, buffer: vec![0; BUFFER_BYTES].into(), left: 0..0, at: start }
    }

    /// The bytes that come next; none at the end.
    async fn fill(&mut self) -> io::Result<&[u8]> {
        if self.left.is_empty() {
            let read = self.source.read(&mut self.buffer).await?;
            self.left = 0..read;
        }
        Ok(&self.buffer[self.left.clone()])
    }

    fn advance(&mut self, bytes: usize) {
        let taken = &self.buffer[self.left.start..self.left.start + bytes];
        self.at.line += taken.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at.byte += bytes as u64;
        self.left.start += bytes;
    }

    /// The next byte that is no white space; it stays the next one.
    async fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.fill().await?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let blank = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
            let next = bytes.get(blank).copied();
            self.advance(blank);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    async fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        for expected in BYTE_ORDER_MARK {
            if self.fill().await?.first() != Some(&expected) {
                break;
            }
            self.advance(1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = (u64, u64, [String; 3]);

    async fn read_from<R: AsyncRead + Unpin + Send>(source: R, start: Start) -> Result<Vec<Found>, String> {
        let mut records = GeoJsonRecords::new(source, start);
        let mut found = Vec::new();
        while let Some(record) = records.next().await.map_err(|error| error.to_string())? {
            let fields: Vec<_> = record.fields.iter().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
            found.push((record.start.byte, record.start.line, fields.try_into().unwrap()));
        }
        Ok(found)
    }

    async fn read(text: &str) -> Result<Vec<Found>, String> {
        read_from(text.as_bytes(), Start::OF_SOURCE).await
    }

    fn texts(fields: [&str; 3]) -> [String; 3] {
        fields.map(str::to_owned)
    }

    const COLLECTION: &str =
        "{\n\"type\": \"FeatureCollection\", \"name\": \"x\", \"bbox\": [1, [{}]],\n\"features\": [\n";

    #[tokio::test]
    async fn a_feature_is_a_record_where_it_starts() {
        let first =
            r#"{ "type": "Feature", "geometry": {"type":"Polygon"}, "properties": {"code": "28001", "id": 7} }"#;
        let second = "{\"id\": 8, \"properties\":\n{\"code\": 28002, \"name\": \"]}\\\"{\"},\"geometry\":null}";
        let text = format!("\u{feff}{COLLECTION}  {first},\r\n{second}\n, 5, {{}} ],\n\"x\": {{\"y\": null}} }}\n");
        let found = read(&text).await.unwrap();
        let place = |part: &str| text.find(part).unwrap() as u64;
        assert_eq!(
            found,
            [
                (0, 1, texts(["the_geom", "code", "id"])),
                (place(first), 4, texts([r#"{"type":"Polygon"}"#, "28001", "7"])),
                (place(second), 5, texts(["", "28002", "8"])),
                (place("5, {}"), 7, texts(["", "", ""])),
                (place("{} ]"), 8, texts(["", "", ""])),
            ]
        );
    }

    #[tokio::test]
    async fn reading_restarts_at_any_feature_with_the_same_lines() {
        let mut text = COLLECTION.to_owned();
        for id in 0..200 {
            let gap = ["", "\n", " ", "\n\n\n", "\t\r\n"][id % 5];
            text += &format!(
                "{}{gap}{{\"id\":\n{id},\"properties\":{{\"code\":\"{id}\"}}}}",
                if id == 0 { "" } else { "," }
            );
        }
        text += "], \"type\": \"FeatureCollection\"}";
        let all = read(&text).await.unwrap();
        assert_eq!(all.len(), 201);
        assert!(all[1..].windows(2).all(|pair| pair[0].1 < pair[1].1));
        for (place, (byte, line, _)) in all.iter().enumerate().skip(1) {
            let start = Start { byte: *byte, line: *line };
            let rest = read_from(&text.as_bytes()[*byte as usize..], start).await.unwrap();
            assert_eq!(rest, all[place..], "from feature {place}");
        }
    }

    #[tokio::test]
    async fn features_on_one_line_count_as_lines_of_their_own() {
        let found = read(r#"{"features":[{"id":1},{"id":2},{"id":3}],"type":"FeatureCollection"}"#).await.unwrap();
        let lines: Vec<_> = found[1..].iter().map(|(_, line, fields)| (*line, fields[2].as_str())).collect();
        assert_eq!(lines, [(1, "1"), (2, "2"), (3, "3")]);
    }

    #[tokio::test]
    async fn what_is_read_in_small_pieces_is_the_same() {
        let text = format!("{COLLECTION}{{\"id\": \"\\\"\\\\\", \"geometry\": [1, \"]\"]}} ] }}");
        let pieces = tokio_util::io::StreamReader::new(futures_util::stream::iter(
            text.as_bytes().chunks(1).map(Ok::<_, io::Error>),
        ));
        assert_eq!(read_from(pieces, Start::OF_SOURCE).await, read(&text).await);
    }

    #[tokio::test]
    async fn what_is_no_feature_collection_is_refused_with_its_line_and_reason() {
        for (text, reason) in [
            ("[]", "line 1 is not a GeoJSON FeatureCollection"),
            ("\n\nid,code", "line 3 is not a GeoJSON FeatureCollection"),
            ("{}", "line 1 ends a document that is not a GeoJSON FeatureCollection: it has no 'features'"),
            (
                "{\"features\": []\n}",
                "line 2 ends a document that is not a GeoJSON FeatureCollection: it has no 'type'",
            ),
            ("{\n\"type\": \"Feature\"}", "line 2 is not a GeoJSON FeatureCollection: its type is \"Feature\""),
            ("{\n\"features\": {}}", "line 2 is not a GeoJSON FeatureCollection: 'features' is not one array"),
            (
                "{\"features\": [],\n\"features\": []}",
                "line 2 is not a GeoJSON FeatureCollection: 'features' is not one array",
            ),
            ("{\"features\": [] \"a\": 1}", "line 1 is not JSON: expected ',' or '}' behind a member"),
            ("{\"a\": 1,}", "line 1 is not JSON: expected the name of a member"),
            ("{\"a\" 1}", "line 1 is not JSON: expected ':' behind the name of a member"),
            ("{\"a\": }", "line 1 is not JSON: EOF while parsing a value"),
            ("{\"a\": tru}", "line 1 is not JSON: EOF while parsing a value"),
            ("{\"a\": [1, \n2,, 3]}", "line 2 is not JSON: expected value"),
            ("{\"a\": [}]}", "line 1 is not JSON: expected value"),
            ("{\"features\": [{\"id\": 1}\n{}]}", "line 2 is not JSON: expected ',' or ']' behind a feature"),
            ("{\"features\": [{\"id\": 1},]}", "line 2 is not JSON: EOF while parsing a value"),
            ("{\"features\": [\n{\"id\":\n01}]}", "line 3 is not JSON: invalid number"),
            ("{\"features\": [\n[1,,]]}", "line 2 is not JSON: expected value"),
            (
                "{\"type\": \"FeatureCollection\", \"features\": []}\n{}",
                "line 2 is not JSON: something follows the end of the FeatureCollection",
            ),
            (
                "{\"crs\": {\"type\": \"name\", \"properties\": {\"name\": \"urn:ogc:def:crs:EPSG::25830\"}}}",
                "line 1 names a reference system that is not WGS84: urn:ogc:def:crs:EPSG::25830",
            ),
            (
                "{\"crs\": {\"type\": \"link\"}}",
                "line 1 names a reference system that is not WGS84: {\"type\": \"link\"}",
            ),
        ] {
            assert_eq!(read(text).await, Err(reason.to_owned()), "{text}");
        }
        let latin1 = b"{\"features\": [\n{\"id\":\n\"\xF1\"}]}";
        assert_eq!(read_from(latin1.as_slice(), Start::OF_SOURCE).await, Err("line 3 is not UTF-8 text".to_owned()));
    }

    #[tokio::test]
    async fn a_text_that_is_cut_short_anywhere_is_refused() {
        let text = format!(
            "{COLLECTION}{{\"id\": 1, \"properties\": {{\"code\": \"a\"}}}},\n{{\"id\": 2}}\n],\n\"a\": \"b\"}}"
        );
        assert!(read(&text).await.is_ok());
        for end in 1..text.len() {
            let error = read(&text[..end]).await.unwrap_err();
            assert!(error.ends_with("cut short") || error.contains("is not JSON"), "{end}: {error}");
        }
        assert_eq!(read("").await, Ok(vec![]));
        assert_eq!(read(" \n").await, Ok(vec![]));
    }

    #[tokio::test]
    async fn no_more_than_one_record_is_held() {
        let endless = |start: &'static str| start.as_bytes().chain(tokio::io::repeat(b'x'));
        let error = read_from(endless("{\"features\": [{}, \n{\"a\": \""), Start::OF_SOURCE).await.unwrap_err();
        assert!(error.starts_with("the record on line 2 is longer than 8 MiB"), "{error}");
        let error = read_from(endless("{\n\"name\": \""), Start::OF_SOURCE).await.unwrap_err();
        assert_eq!(error, "line 2 starts a member of more than 8 MiB");
    }

    #[tokio::test]
    async fn wgs84_may_be_named() {
        for crs in ["null", r#"{"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}"#] {
            let text = format!("{{\"type\": \"FeatureCollection\", \"crs\": {crs}, \"features\": [{{}}]}}");
            assert_eq!(read(&text).await.unwrap().len(), 2);
        }
    }

    #[tokio::test]
    async fn names_and_numbers_are_taken_as_text() {
        for (feature, code, id) in [
            (r#"{"id": 1, "properties": {"id": 2, "code": 28001}}"#, "28001", "2"),
            (r#"{"id": "1", "properties": {"id": null, "code": "\u0032\u0038"}}"#, "28", "1"),
            (r#"{"id": 1.5, "properties": {"code": null}}"#, "", "1.5"),
            (r#"{"id": 1, "properties": {"code": "\u0000"}}"#, "\u{fffd}", "1"),
            (r#"{"id": 1, "properties": [1]}"#, "", "1"),
            (r#"{"id": 1, "properties": {"code": {"a": 1}}}"#, r#"{"a": 1}"#, "1"),
        ] {
            let found = read(&format!("{{\"type\": \"FeatureCollection\", \"features\": [{feature}]}}")).await.unwrap();
            assert_eq!((found[1].2[1].as_str(), found[1].2[2].as_str()), (code, id), "{feature}");
        }
    }
}
