//! Reads a part of a remote source as a stream. Where the connection breaks, it goes on at the byte where it was, on the same version.

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream, stream::BoxStream};
use object_store::{GetOptions, GetRange};
use tracing::info;

use super::{
    SourceError,
    remote::{RemoteSource, Version},
    transport::Fault,
};
use crate::engines::backoff;

/// How often in a row a broken stream is taken up again.
const MAX_RESUMES: u32 = 5;
/// After so many bytes a stream is taken to be well again.
const WELL_BYTES: u64 = 1 << 20;

/// A part of a source that is being read.
pub(super) struct Reading {
    source: RemoteSource,
    /// The next byte to give out.
    at: u64,
    /// The byte after the last.
    end: u64,
    /// What the first answer said.
    version: Option<Version>,
    body: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// Bytes of the body that come before `at`: the server does not serve parts.
    surplus: u64,
    resumes: u32,
    since_resume: u64,
}

impl Reading {
    /// Asks for the bytes from `start` up to `end`.
    pub(super) async fn open(source: RemoteSource, start: u64, end: u64) -> Result<Self, SourceError> {
        let mut reading =
            Self { source, at: start, end, version: None, body: None, surplus: 0, resumes: 0, since_resume: 0 };
        if start < end {
            reading.ask().await?;
        }
        Ok(reading)
    }

    /// The bytes, as they come in.
    pub(super) fn into_stream(self) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        stream::try_unfold(self, |mut reading| async move { Ok(reading.next().await?.map(|bytes| (bytes, reading))) })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        while self.at < self.end {
            let Some(body) = &mut self.body else {
                self.resume().await?;
                continue;
            };
            match body.next().await {
                Some(Ok(mut bytes)) => {
                    let skipped = self.surplus.min(bytes.len() as u64);
                    self.surplus -= skipped;
                    bytes.advance(skipped as usize);
                    bytes.truncate(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
                    self.at += bytes.len() as u64;
                    self.since_resume += bytes.len() as u64;
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
                // A body that ends early without an error was cut off by somebody in between.
                broken => {
                    let error = broken.and_then(Result::err).map(|error| error.to_string());
                    info!(source = self.source.name, at = self.at, error, "a source broke off");
                    self.body = None;
                }
            }
        }
        Ok(None)
    }

    /// Takes the stream up where it was, after a pause.
    async fn resume(&mut self) -> Result<(), SourceError> {
        if self.since_resume >= WELL_BYTES {
            self.resumes = 0;
        }
        self.since_resume = 0;
        loop {
            if self.resumes == MAX_RESUMES {
                return Err(SourceError::Away(self.source.name.clone()));
            }
            let pause = backoff().nth(self.resumes as usize).unwrap_or_default();
            self.resumes += 1;
            tokio::time::sleep(pause).await;
            match self.ask().await {
                Err(error) if error.is_temporary() => {}
                answered => return answered,
            }
        }
    }

    /// Asks for what is left, of the version that was read so far.
    async fn ask(&mut self) -> Result<(), SourceError> {
        let mut options = GetOptions::default();
        if let Some(version) = &self.version {
            match &version.etag {
                // Of a weak one a server says that it never matches.
                Some(etag) if !etag.starts_with("W/") => options.if_match = Some(etag.clone()),
                _ => {}
            }
        }
        let whole = options.clone();
        // A server without parts can still be read from the beginning.
        if self.at > 0 {
            options.range = Some(GetRange::Bounded(self.at..self.end));
        }
        let (answer, surplus) = match self.source.get(options).await {
            Err(error) if matches!(Fault::behind(&error), Some(Fault::NoParts)) => {
                (self.source.get(whole).await, self.at)
            }
            answer => (answer, 0),
        };
        let answer = answer.map_err(|error| self.source.refused(&error))?;
        let found = Version::of(&answer.meta);
        if self.version.as_ref().is_some_and(|version| *version != found) {
            return Err(SourceError::Changed(self.source.name.clone()));
        }
        if self.end > found.size_bytes {
            // Whoever wanted more sees that the source ends early.
            self.end = found.size_bytes.max(self.at);
        }
        self.version = Some(found);
        self.surplus = surplus;
        self.body = Some(answer.into_stream());
        Ok(())
    }
}
