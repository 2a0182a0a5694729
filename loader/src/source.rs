//! The text of a load's source, decompressed where its name says that it is compressed.
//!
//! All bytes count in the text. A compressed source has no way into its middle: what comes before `start` is decompressed and left
//! out, so such a source is one chunk. Memory stays constant whatever a source becomes: nothing is held but the decoder's window and
//! a buffer, and a record that does not end is refused by the records' own bound.

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::{
    tokio::bufread::{GzipDecoder, ZstdDecoder},
    zstd::DParameter,
};
use paystats_core::{
    datalake::{Compression, SourceFormat, SourceReader},
    load::Load,
};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader, ReadBuf};

use crate::{Loader, error::WorkError};

/// Compressed bytes that are held.
const BUFFER_BYTES: usize = 256 << 10;
/// The largest window of zstd, as its power of two: 128 MiB, what `zstd -d` itself takes. `--long=28` and more ask for larger ones.
const MAX_WINDOW_LOG: u32 = 27;

/// Why a compressed source cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// It ends in the middle.
    #[error("the source is cut short: its {0} does not end")]
    CutShort(&'static str),
    /// It is not what its name says.
    #[error("the source is not valid {0}")]
    Invalid(&'static str),
    /// It could not be read in constant memory.
    #[error("the source was compressed with a window of more than {} MiB", (1 << MAX_WINDOW_LOG) >> 20)]
    WindowTooLarge,
}

/// Whether a load's source has to be read from its beginning, and so in one chunk.
pub fn is_one_piece(load: &Load) -> bool {
    SourceFormat::of(&load.source).compression.is_some()
}

/// The bytes of a load's text from `start` up to `end`, or up to where the text ends.
pub async fn open(loader: &Loader, load: &Load, start: u64, end: Option<u64>) -> Result<SourceReader, WorkError> {
    let size = load.source_size_bytes;
    match SourceFormat::of(&load.source).compression {
        None => Ok(loader.datalake.open(&load.source, start, end.unwrap_or(size)).await?),
        Some(compression) => {
            let compressed = loader.datalake.open(&load.source, 0, size).await?;
            let text = decompress(compressed, compression);
            Ok(Box::pin(Part { text, surplus: start, left: end.map_or(u64::MAX, |end| end.saturating_sub(start)) }))
        }
    }
}

/// The text of a compressed source: all members of a gzip file, all frames of a zstd file.
fn decompress(source: SourceReader, compression: Compression) -> SourceReader {
    let source = BufReader::with_capacity(BUFFER_BYTES, source);
    match compression {
        Compression::Gzip => {
            let mut decoder = GzipDecoder::new(source);
            decoder.multiple_members(true);
            Box::pin(Decompressed { decoder, name: "gzip" })
        }
        Compression::Zstd => {
            let mut decoder = ZstdDecoder::with_params(source, &[DParameter::window_log_max(MAX_WINDOW_LOG)]);
            decoder.multiple_members(true);
            Box::pin(Decompressed { decoder, name: "zstd" })
        }
    }
}

/// Tells a decoder's failures in our words.
struct Decompressed<D> {
    decoder: D,
    name: &'static str,
}

impl<D: AsyncRead + Unpin> AsyncRead for Decompressed<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let name = self.name;
        Pin::new(&mut self.decoder).poll_read(context, buffer).map_err(|error| in_our_words(error, name))
    }
}

/// A decoder's error. What the source beneath it says of itself stays as it is, and what the system says has a number.
fn in_our_words(error: io::Error, name: &'static str) -> io::Error {
    let is_of_source =
        error.raw_os_error().is_some() || paystats_core::datalake::SourceError::in_read_error(&error).is_some();
    if is_of_source {
        return error;
    }
    let is_window = error.to_string().contains("too much memory");
    io::Error::other(match error.kind() {
        io::ErrorKind::UnexpectedEof => CompressionError::CutShort(name),
        _ if is_window => CompressionError::WindowTooLarge,
        _ => CompressionError::Invalid(name),
    })
}

/// What an error of a reader says about the compression, if it does.
pub fn compression_error(error: &io::Error) -> Option<&CompressionError> {
    let inner: &(dyn Error + 'static) = error.get_ref()?;
    inner.downcast_ref()
}

/// A part of a text that is only read from its beginning.
struct Part {
    text: SourceReader,
    /// Bytes before it.
    surplus: u64,
    /// Bytes of it that are not read yet.
    left: u64,
}

impl AsyncRead for Part {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.surplus > 0 {
            let mut space = [0; 16 << 10];
            let wanted = usize::try_from(self.surplus).unwrap_or(usize::MAX).min(space.len());
            let mut skipped = ReadBuf::new(&mut space[..wanted]);
            ready!(self.text.as_mut().poll_read(context, &mut skipped))?;
            match skipped.filled().len() as u64 {
                0 => return Poll::Ready(Ok(())),
                skipped => self.surplus -= skipped,
            }
        }
        let left = self.left;
        let mut limited = (&mut self.text).take(left);
        ready!(Pin::new(&mut limited).poll_read(context, buffer))?;
        self.left = limited.limit();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use async_compression::{
        Level,
        tokio::bufread::{GzipEncoder, ZstdEncoder},
        zstd::CParameter,
    };
    use paystats_core::datalake::TextFormat;

    use super::*;
    use crate::records::{RecordError, Records, Start};

    const ALL: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

    async fn compress(compression: Compression, text: &[u8]) -> Vec<u8> {
        let mut compressed = Vec::new();
        match compression {
            Compression::Gzip => GzipEncoder::new(text).read_to_end(&mut compressed).await.unwrap(),
            Compression::Zstd => {
                let parameters = [CParameter::checksum_flag(true)];
                let mut encoder = ZstdEncoder::with_quality_and_params(text, Level::Default, &parameters);
                encoder.read_to_end(&mut compressed).await.unwrap()
            }
        };
        compressed
    }

    async fn read(compression: Compression, compressed: Vec<u8>) -> Result<Vec<u8>, CompressionError> {
        let mut text = Vec::new();
        let read = decompress(Box::pin(io::Cursor::new(compressed)), compression).read_to_end(&mut text).await;
        read.map(|_| text).map_err(|error| compression_error(&error).cloned().unwrap_or_else(|| panic!("{error:?}")))
    }

    fn name(compression: Compression) -> &'static str {
        match compression {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    #[tokio::test]
    async fn all_members_of_a_source_are_read() {
        for compression in ALL {
            let mut compressed = compress(compression, b"id,code\n1,").await;
            compressed.extend(compress(compression, b"").await);
            compressed.extend(compress(compression, b"2\n").await);
            assert_eq!(read(compression, compressed).await.unwrap(), b"id,code\n1,2\n");
        }
    }

    #[tokio::test]
    async fn a_source_that_is_cut_short_is_told_from_one_that_is_none() {
        let text: Vec<u8> =
            (0..50_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for compression in ALL {
            let whole = compress(compression, &text).await;
            // No byte at all is no member; zstd takes it for no frame, and the source is empty then.
            for end in [1, 3, 5, 9, 20, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
                let cut = read(compression, whole[..end].to_vec()).await;
                assert!(cut == Err(CompressionError::CutShort(name(compression))), "{end} bytes of {compression:?}");
            }
            let invalid = Err(CompressionError::Invalid(name(compression)));
            assert_eq!(read(compression, b"id,code,the_geom\n1,2,3\n".to_vec()).await, invalid);
            let mut spoiled = whole.clone();
            let middle = whole.len() / 2;
            spoiled[middle..middle + 500].fill(0x55);
            assert!(read(compression, spoiled).await == invalid, "{compression:?}");
            let followed = [whole.as_slice(), b"and more that is no member"].concat();
            assert!(read(compression, followed).await == invalid, "{compression:?}");
        }
    }

    #[tokio::test]
    async fn a_part_of_the_text_is_found_from_its_beginning() {
        let text: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        for (start, end) in [(0, 10), (1, 1), (70_000, 150_000), (199_999, 200_000), (100, 300_000), (300_000, 300_001)]
        {
            let compressed = compress(Compression::Gzip, &text).await;
            let source = decompress(Box::pin(io::Cursor::new(compressed)), Compression::Gzip);
            let mut part = Part { text: source, surplus: start as u64, left: (end - start) as u64 };
            let mut read = Vec::new();
            part.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, text[start.min(text.len())..end.min(text.len())]);
        }
    }

    #[tokio::test]
    async fn a_bomb_is_stopped_by_the_bound_of_a_record() {
        for compression in ALL {
            let bomb = compress(compression, &[b"id,code\n".as_slice(), &vec![b'0'; 64 << 20]].concat()).await;
            assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
            for format in [TextFormat::Csv, TextFormat::GeoJson] {
                let text = decompress(Box::pin(io::Cursor::new(bomb.clone())), compression);
                let mut records = Records::new(format, text, Start::OF_SOURCE);
                let refusal = loop {
                    match records.next().await {
                        Ok(record) => assert!(record.is_some()),
                        Err(error) => break error,
                    }
                };
                let is_stopped =
                    matches!(refusal, RecordError::TooLong { line: 2 } | RecordError::NotGeoJson { line: 1, .. });
                assert!(is_stopped, "{refusal}");
                assert!(records.bytes_seen() < 9 << 20, "{} bytes were read", records.bytes_seen());
            }
        }
    }

    #[tokio::test]
    async fn a_window_of_zstd_has_a_bound() {
        for (log, fits) in [(27, true), (28, false)] {
            let mut compressed = Vec::new();
            let parameters = [CParameter::window_log(log)];
            ZstdEncoder::with_quality_and_params(b"text".as_slice(), Level::Fastest, &parameters)
                .read_to_end(&mut compressed)
                .await
                .unwrap();
            let expected = if fits { Ok(b"text".to_vec()) } else { Err(CompressionError::WindowTooLarge) };
            assert_eq!(read(Compression::Zstd, compressed).await, expected);
        }
    }
}
