//! Records of a source, each with the byte and line where it starts, in constant memory, whatever the source's format: a CSV line or a
//! feature of a GeoJSON file is a record of fields, and the first record is the header. Reading can start at any record.

mod csv;
mod geojson;

use std::io;

use csv_async::ByteRecord;
use paystats_core::datalake::TextFormat;
use tokio::io::AsyncRead;

use csv::CsvRecords;
use geojson::GeoJsonRecords;

/// Longest record, in bytes.
const MAX_RECORD_BYTES: u64 = 8 << 20;

/// Where a record starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Byte of the source, from 0.
    pub byte: u64,
    /// Line of the source, from 1.
    pub line: u64,
}

impl Start {
    /// The start of a source.
    pub const OF_SOURCE: Self = Self { byte: 0, line: 1 };
}

/// Why no further record can be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The source failed.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// No record ends.
    #[error("the record on line {line} is longer than {} MiB: is a quote not closed?", MAX_RECORD_BYTES >> 20)]
    TooLong {
        /// Line where it starts.
        line: u64,
    },
    /// Not a FeatureCollection.
    #[error("line {line} {reason}")]
    NotGeoJson {
        /// Line of what is wrong.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The source ends within quotes.
    #[error("the record on line {line} has a quote that is not closed")]
    Unclosed {
        /// Line where it starts.
        line: u64,
    },
}

/// The byte order mark that some programs put before UTF-8 text.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Reads records one by one.
pub enum Records<R> {
    /// Of CSV.
    Csv(Box<CsvRecords<R>>),
    /// Of GeoJSON.
    GeoJson(Box<GeoJsonRecords<R>>),
}

/// A record's fields and its place.
pub struct Record<'a> {
    /// Where it starts.
    pub start: Start,
    /// Its fields, unquoted.
    pub fields: &'a ByteRecord,
}

impl<R: AsyncRead + Unpin + Send> Records<R> {
    /// Records of `source`, whose first byte stands at `start`: the start of the source, or that of a record.
    pub fn new(format: TextFormat, source: R, start: Start) -> Self {
        match format {
            TextFormat::Csv => Self::Csv(Box::new(CsvRecords::new(source, start))),
            TextFormat::GeoJson => Self::GeoJson(Box::new(GeoJsonRecords::new(source, start))),
        }
    }

    /// The next record; `None` at the end of the source.
    pub async fn next(&mut self) -> Result<Option<Record<'_>>, RecordError> {
        match self {
            Self::Csv(records) => records.next().await,
            Self::GeoJson(records) => records.next().await,
        }
    }

    /// The byte of the source up to which it was read, whole records or not.
    pub fn bytes_seen(&self) -> u64 {
        match self {
            Self::Csv(records) => records.bytes_seen(),
            Self::GeoJson(records) => records.bytes_seen(),
        }
    }
}
