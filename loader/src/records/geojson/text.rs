//! The bytes of a source, and where they stand in it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::records::{BYTE_ORDER_MARK, Start};

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 128 << 10;
/// The bytes of a source and the place of the next one.
pub(super) struct Text<R> {
    source: R,
    buffer: Box<[u8]>,
    /// Bytes of the buffer that are not taken yet.
    left: std::ops::Range<usize>,
    pub(super) at: Start,
}

impl<R: AsyncRead + Unpin> Text<R> {
    pub(super) fn new(source: R, start: Start) -> Self {
        Self { source, buffer: vec![0; BUFFER_BYTES].into(), left: 0..0, at: start }
    }

    /// The bytes that come next; none at the end.
    pub(super) async fn fill(&mut self) -> io::Result<&[u8]> {
        if self.left.is_empty() {
            let read = self.source.read(&mut self.buffer).await?;
            self.left = 0..read;
        }
        Ok(&self.buffer[self.left.clone()])
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        let taken = &self.buffer[self.left.start..self.left.start + bytes];
        self.at.line += taken.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at.byte += bytes as u64;
        self.left.start += bytes;
    }

    /// The next byte that is no white space; it stays the next one.
    pub(super) async fn peek(&mut self) -> io::Result<Option<u8>> {
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

    pub(super) async fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        for expected in BYTE_ORDER_MARK {
            if self.fill().await?.first() != Some(&expected) {
                break;
            }
            self.advance(1);
        }
        Ok(())
    }
}
