//! Records of a CSV source.
//!
//! `csv-async` parses; a guard between it and the source follows the same quoting rules to note where records start (blank
//! lines and quoted line breaks do not fool it) and refuses a quote that is never closed: it would swallow all that follows.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use csv_async::{AsyncReader, AsyncReaderBuilder, ByteRecord};
use memchr::memchr3;
use tokio::io::{AsyncRead, ReadBuf};

use super::{BYTE_ORDER_MARK, MAX_RECORD_BYTES, Record, RecordError, Start};

/// Reads records one by one.
pub struct CsvRecords<R> {
    reader: AsyncReader<Guard<R>>,
    record: ByteRecord,
}

impl<R: AsyncRead + Unpin + Send> CsvRecords<R> {
    /// Records of `source`, whose first byte stands at `start`.
    pub fn new(source: R, start: Start) -> Self {
        let reader = AsyncReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(128 << 10)
            .create_reader(Guard::new(source, start));
        Self { reader, record: ByteRecord::new() }
    }

    /// The next record; `None` at the end of the source.
    pub async fn next(&mut self) -> Result<Option<Record<'_>>, RecordError> {
        let more = self.reader.read_byte_record(&mut self.record).await;
        if let Some(refusal) = self.reader.get_mut().refusal.take() {
            return Err(refusal);
        }
        if !more.map_err(io_error)? {
            return Ok(None);
        }
        let start = self.reader.get_mut().starts.pop_front().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "the CSV parser found a record that the guard did not")
        })?;
        Ok(Some(Record { start, fields: &self.record }))
    }

    /// The byte of the source up to which it was read, whole records or not.
    pub fn bytes_seen(&self) -> u64 {
        self.reader.get_ref().at.byte
    }
}

fn io_error(error: csv_async::Error) -> io::Error {
    match error.into_kind() {
        csv_async::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Where the guard stands between two bytes, in the terms of `csv-core`'s state machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a record: line breaks here are blank lines.
    StartRecord,
    /// Before a field: only here does a quote open one.
    StartField,
    InField,
    InQuotedField,
    /// After a quote in a quoted field: its end, or the first of two.
    QuoteInQuotedField,
}

/// Passes bytes on and notes where records start.
struct Guard<R> {
    source: R,
    state: State,
    at: Start,
    record: Start,
    starts: VecDeque<Start>,
    after_carriage_return: bool,
    refusal: Option<RecordError>,
    /// Whether a blank line is put before the source: the parser takes a byte order mark away wherever it begins, and that is one only at the
    /// start of a source.
    begins_within: bool,
}

impl<R> Guard<R> {
    fn new(source: R, start: Start) -> Self {
        Self {
            source,
            state: State::StartRecord,
            at: start,
            record: start,
            starts: VecDeque::new(),
            after_carriage_return: false,
            refusal: None,
            begins_within: start != Start::OF_SOURCE,
        }
    }

    fn scan(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            // CR LF ends one line, and so does CR alone.
            self.at.line += u64::from(self.after_carriage_return && *byte != b'\n');
            self.after_carriage_return = *byte == b'\r';
            let in_mark = BYTE_ORDER_MARK.get(self.at.byte as usize) == Some(byte) && self.state == State::StartRecord;
            if !in_mark {
                self.step(*byte);
            }
            self.at.byte += 1;
            self.at.line += u64::from(*byte == b'\n');
            rest = after;
            if self.state != State::StartRecord {
                // Most bytes: no quotes and no line breaks.
                let plain = memchr3(b'"', b'\n', b'\r', rest).unwrap_or(rest.len());
                self.pass(&rest[..plain]);
                rest = &rest[plain..];
            }
        }
        if self.state != State::StartRecord && self.at.byte - self.record.byte > MAX_RECORD_BYTES {
            self.refusal = Some(RecordError::TooLong { line: self.record.line });
        }
    }

    /// Bytes of a record that are no quotes and no line breaks: the last one tells where the next byte stands.
    fn pass(&mut self, plain: &[u8]) {
        let Some(last) = plain.last() else { return };
        self.at.line += u64::from(std::mem::take(&mut self.after_carriage_return));
        self.at.byte += plain.len() as u64;
        if self.state != State::InQuotedField {
            self.state = if *last == b',' { State::StartField } else { State::InField };
        }
    }

    /// The source has ended.
    fn end(&mut self) {
        if self.state == State::InQuotedField {
            self.refusal = Some(RecordError::Unclosed { line: self.record.line });
        }
    }

    fn step(&mut self, byte: u8) {
        let line_break = byte == b'\n' || byte == b'\r';
        if self.state == State::StartRecord {
            if line_break {
                return;
            }
            self.record = self.at;
            self.starts.push_back(self.at);
            self.state = State::StartField;
        }
        self.state = match (self.state, byte) {
            (State::InQuotedField, b'"') => State::QuoteInQuotedField,
            (State::InQuotedField, _) => State::InQuotedField,
            (State::QuoteInQuotedField, b'"') => State::InQuotedField,
            (State::StartField, b'"') => State::InQuotedField,
            (_, b',') => State::StartField,
            _ if line_break => State::StartRecord,
            _ => State::InField,
        };
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Guard<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.begins_within) {
            buffer.put_slice(b"\n");
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.source).poll_read(context, buffer))?;
        match &buffer.filled()[before..] {
            [] => self.end(),
            bytes => self.scan(bytes),
        }
        if self.refusal.is_some() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use futures_util::stream;
    use tokio_util::io::StreamReader;

    use super::*;

    async fn read(text: &[u8]) -> Vec<(u64, u64, Vec<String>)> {
        let mut records = CsvRecords::new(text, Start::OF_SOURCE);
        let mut found = Vec::new();
        while let Some(record) = records.next().await.unwrap() {
            let fields = record.fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
            found.push((record.start.byte, record.start.line, fields));
        }
        assert_eq!(records.bytes_seen(), text.len() as u64);
        found
    }

    /// The starts of the records up to the end, or to what is refused; the source comes in pieces of so many bytes.
    async fn starts(text: &[u8], piece: usize) -> Vec<Start> {
        let pieces = text.chunks(piece).map(|piece| Ok::<_, io::Error>(Cursor::new(piece.to_vec())));
        let mut records = CsvRecords::new(StreamReader::new(stream::iter(pieces)), Start::OF_SOURCE);
        let mut starts = Vec::new();
        while let Ok(Some(record)) = records.next().await {
            starts.push(record.start);
        }
        starts
    }

    #[tokio::test]
    async fn records_start_on_their_lines_however_the_source_comes() {
        const BYTES: &[u8] = b"a,\"\n\r";
        for number in 0..BYTES.len().pow(6) {
            let text: Vec<u8> = (0..6).map(|place| BYTES[number / BYTES.len().pow(place) % BYTES.len()]).collect();
            let all = starts(&text, text.len()).await;
            assert_eq!(starts(&text, 1).await, all, "{}", text.escape_ascii());
            for Start { byte, line } in all {
                let before = String::from_utf8_lossy(&text[..byte as usize]).replace("\r\n", "\n");
                let breaks = before.matches(['\r', '\n']).count() as u64;
                assert_eq!(line, 1 + breaks, "{} at {byte}", text.escape_ascii());
            }
        }
    }

    fn fields(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_one_at_the_start_of_a_source_only() {
        let text = "\u{feff}a\n\u{feff}b\n".as_bytes();
        let all = read(text).await;
        assert_eq!(all, [(3, 1, fields(&["a"])), (5, 2, fields(&["\u{feff}b"]))]);
        let mut rest = CsvRecords::new(&text[5..], Start { byte: 5, line: 2 });
        let record = rest.next().await.unwrap().unwrap();
        assert_eq!((record.start, record.fields), (Start { byte: 5, line: 2 }, &ByteRecord::from(vec!["\u{feff}b"])));
        assert!(rest.next().await.unwrap().is_none());
        assert_eq!(rest.bytes_seen(), text.len() as u64);
    }

    #[tokio::test]
    async fn records_start_where_their_first_byte_stands() {
        assert_eq!(
            read(b"a,b\n\"1\n2\",\"x\"\"y\"\n\n\n3,\n4").await,
            [
                (0, 1, fields(&["a", "b"])),
                (4, 2, fields(&["1\n2", "x\"y"])),
                (19, 6, fields(&["3", ""])),
                (22, 7, fields(&["4"])),
            ]
        );
    }

    #[tokio::test]
    async fn carriage_returns_and_byte_order_marks_do_not_count() {
        assert_eq!(
            read(b"\xEF\xBB\xBFa,b\r\n1,2\r\n\r\n\"q\r\nr\",4\r\n").await,
            [(3, 1, fields(&["a", "b"])), (8, 2, fields(&["1", "2"])), (15, 4, fields(&["q\r\nr", "4"]))]
        );
    }

    #[tokio::test]
    async fn a_carriage_return_alone_ends_a_line() {
        assert_eq!(
            read(b"a,b\r1,2\r\r\"q\rr\",4\r5,6").await,
            [
                (0, 1, fields(&["a", "b"])),
                (4, 2, fields(&["1", "2"])),
                (9, 4, fields(&["q\rr", "4"])),
                (17, 6, fields(&["5", "6"])),
            ]
        );
    }

    #[tokio::test]
    async fn quotes_inside_a_field_are_ordinary_characters() {
        assert_eq!(
            read(b"a\"b,c\n\"d\"e,\"f\n\"").await,
            [(0, 1, fields(&["a\"b", "c"])), (6, 2, fields(&["de", "f\n"]))]
        );
    }

    async fn refusal(text: &[u8]) -> RecordError {
        let mut records = CsvRecords::new(text, Start::OF_SOURCE);
        loop {
            match records.next().await {
                Ok(record) => assert!(record.is_some()),
                Err(error) => return error,
            }
        }
    }

    #[tokio::test]
    async fn a_record_that_never_ends_is_refused_with_its_line() {
        let text = [b"a,b\n\"".as_slice(), &vec![b'x'; MAX_RECORD_BYTES as usize + 1]].concat();
        assert!(matches!(refusal(&text).await, RecordError::TooLong { line: 2 }));
    }

    #[tokio::test]
    async fn a_quote_that_is_not_closed_is_refused_with_its_line() {
        assert!(matches!(refusal(b"a,b\n1,2\n3,\"4\n5,6\n").await, RecordError::Unclosed { line: 3 }));
    }
}
