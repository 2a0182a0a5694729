//! Records of a GeoJSON source: a FeatureCollection (RFC 7946), read feature by feature.
//!
//! A feature becomes the fields `the_geom` (its geometry, as it is written), `code` (`properties.code`) and `id` (`properties.id`, or
//! its own). What it lacks is empty, and rejected for that like an empty field of CSV. One member at a time is held, of 8 MiB at most;
//! the document around the features is checked and left out.
//!
//! A record is known by its line. Where several features start on one line, as programs write that care for size, each further one
//! counts as a line of its own; so lines stay different, and the same wherever reading starts.

mod extent;
mod members;
#[cfg(test)]
mod tests;
mod text;

use csv_async::ByteRecord;
use serde_json::value::RawValue;
use tokio::io::AsyncRead;

use self::{
    extent::Extent,
    members::{check_crs, cut, fields, text_of},
    text::Text,
};
use super::{MAX_RECORD_BYTES, Record, RecordError, Start};

/// The header that a GeoJSON source would have.
const COLUMNS: [&str; 3] = ["the_geom", "code", "id"];

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
