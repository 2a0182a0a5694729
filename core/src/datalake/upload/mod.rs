//! The writing side of the data lake: files that clients upload, as a whole or in pieces that may come over days.
//!
//! A file appears at once and whole, or not at all. Until then it is a hidden part (`parts`) that is never listed nor loaded; a load that
//! reads the file which is replaced goes on with the old bytes or fails. Of an upload in pieces everything stays that has arrived, so it
//! goes on where it was, at any server that shares the folder; nobody else can work on it meanwhile. In an object store (`object`) files
//! are written as a whole.
//!
//! Whoever drops an [`Upload`] gives up the request, at any moment: bytes that were handed over are kept, and no lock stays.

mod error;
mod object;
mod parts;
mod place;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use tracing::warn;

pub use error::UploadError;

use super::{Datalake, DatalakeObject, Root, SourceError};
use object::{Object, ObjectUpload};
use parts::{Part, Parts, Taken};
use place::{check_name, shown};

/// How long parts are kept that nobody goes on with.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a client calls its upload in pieces: 1 to 64 letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadId(String);

/// Which bytes of which upload a request sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The upload.
    pub id: UploadId,
    /// Where they start and how many they are, at least one; `None`: none, because all are there.
    pub range: Option<(u64, u64)>,
    /// Size of the whole file in bytes.
    pub total_bytes: u64,
}

/// A request to upload.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// Path of the file from the data lake's root.
    pub path: String,
    /// Whether it is refused where the file exists.
    pub only_new: bool,
    /// Bytes that will come, if that is known.
    pub size_bytes: Option<u64>,
    /// The largest file.
    pub limit_bytes: u64,
    /// What the request sends, unless that is the whole file.
    pub piece: Option<Piece>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// More has to come.
    Piece {
        /// Bytes that are there.
        offset: u64,
    },
    /// The file is there.
    File {
        /// As the data lake has it.
        object: DatalakeObject,
        /// Whether there was none of its name before.
        is_new: bool,
    },
}

/// A request whose bytes are being written.
pub struct Upload {
    datalake: Datalake,
    path: String,
    only_new: bool,
    limit_bytes: u64,
    /// Bytes of the file that are there.
    offset: u64,
    /// Where this request began.
    start: u64,
    /// Where its bytes end, if that is known.
    end: Option<u64>,
    total_bytes: Option<u64>,
    sink: Sink,
}

enum Sink {
    /// A part of the folder with this root. It is away while somebody writes to it.
    Part(PathBuf, Option<Part>),
    Object(Box<ObjectUpload>),
    /// The file was complete before.
    Done,
}

impl FromStr for UploadId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_known = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(is_known) {
            Ok(Self(text.to_owned()))
        } else {
            Err("is not 1 to 64 letters, digits and '-'")
        }
    }
}

impl UploadId {
    fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("path", &self.path).field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Datalake {
    /// Whether files can be uploaded in pieces.
    pub fn takes_pieces(&self) -> bool {
        matches!(self.root, Root::Folder(_))
    }

    /// Begins to write what a request sends. Nothing of the request need have been read before.
    pub async fn start_upload(&self, new: NewUpload) -> Result<Upload, UploadError> {
        check_name(&new.path)?;
        let size = new.piece.as_ref().map(|piece| piece.total_bytes).or(new.size_bytes);
        if size.is_some_and(|size| size > new.limit_bytes) {
            return Err(UploadError::TooLarge { limit_bytes: new.limit_bytes });
        }
        let (sink, start) = match &self.root {
            Root::Folder(folder) => {
                let (root, new) = (folder.root().to_owned(), new.clone());
                blocking(move || begin(&root, &new)).await?
            }
            Root::Store(_) if new.piece.is_some() => return Err(UploadError::NoPieces),
            Root::Store(root) => {
                let url = root.below(&new.path).map_err(|_| UploadError::Outside(shown(&new.path)))?;
                let path = ObjectPath::parse(url.path()).map_err(|_| UploadError::Outside(shown(&new.path)))?;
                let store = self.stores.of(&url).map_err(|error| UploadError::Failed(error.to_string()))?;
                let object = Object { store, path, file: new.path.clone(), only_new: new.only_new };
                let upload = ObjectUpload::start(object, new.size_bytes, new.limit_bytes).await?;
                (Sink::Object(Box::new(upload)), 0)
            }
        };
        Ok(Upload {
            datalake: self.clone(),
            offset: start,
            start,
            end: match &new.piece {
                Some(piece) => Some(start + piece.range.map_or(0, |(_, length)| length)),
                None => new.size_bytes,
            },
            total_bytes: new.piece.map(|piece| piece.total_bytes),
            path: new.path,
            only_new: new.only_new,
            limit_bytes: new.limit_bytes,
            sink,
        })
    }

    /// How many bytes of an upload are there: 0 where nothing is known of it, all of them once it is complete.
    pub async fn upload_offset(&self, path: &str, id: &UploadId) -> Result<u64, UploadError> {
        let parts = self.parts(path)?;
        let (path, id) = (path.to_owned(), id.clone());
        blocking(move || parts.offset(&path, &id)).await
    }

    /// Removes what has arrived of an upload.
    pub async fn give_up_upload(&self, path: &str, id: &UploadId) -> Result<(), UploadError> {
        let parts = self.parts(path)?;
        let (path, id) = (path.to_owned(), id.clone());
        blocking(move || parts.give_up(&path, &id)).await
    }

    fn parts(&self, path: &str) -> Result<Parts, UploadError> {
        check_name(path)?;
        match &self.root {
            Root::Folder(folder) => Ok(Parts::of(folder.root())),
            Root::Store(_) => Err(UploadError::NoPieces),
        }
    }
}

impl Upload {
    /// Bytes of the file that are there.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Writes the next bytes of the request.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), UploadError> {
        let offset = self.offset + bytes.len() as u64;
        if self.end.is_some_and(|end| offset > end) {
            // Nobody knows which of the bytes are meant.
            let start = self.start;
            self.with_part(move |part| Ok(part.cut(start)?)).await?;
            return Err(UploadError::TooLong);
        }
        if offset > self.limit_bytes {
            return Err(UploadError::TooLarge { limit_bytes: self.limit_bytes });
        }
        match &mut self.sink {
            Sink::Object(object) => object.write(&bytes).await?,
            Sink::Part(..) | Sink::Done => self.with_part(move |part| Ok(part.append(&bytes)?)).await?,
        }
        self.offset = offset;
        Ok(())
    }

    /// Ends the request, all of whose bytes have come. If they are the last ones, the file appears.
    pub async fn finish(mut self) -> Result<Uploaded, UploadError> {
        let offset = self.offset;
        if self.end.is_some_and(|end| offset < end) {
            return Err(UploadError::CutShort { offset });
        }
        if self.total_bytes.is_some_and(|total| offset < total) {
            return Ok(Uploaded::Piece { offset });
        }
        match std::mem::replace(&mut self.sink, Sink::Done) {
            Sink::Part(root, part) => {
                let part = part.ok_or_else(interrupted)?;
                let (path, only_new) = (self.path, self.only_new);
                blocking(move || complete(&root, path, part, only_new)).await
            }
            Sink::Object(object) => {
                let is_new = object.finish().await?;
                Ok(Uploaded::File { object: found(&self.datalake, &self.path).await?, is_new })
            }
            Sink::Done => Ok(Uploaded::File { object: found(&self.datalake, &self.path).await?, is_new: false }),
        }
    }

    /// Does something with the part, which is finished even where nobody waits for it any more.
    async fn with_part(
        &mut self,
        work: impl FnOnce(&mut Part) -> Result<(), UploadError> + Send + 'static,
    ) -> Result<(), UploadError> {
        let Sink::Part(_, place) = &mut self.sink else { return Ok(()) };
        let mut part = place.take().ok_or_else(interrupted)?;
        let part = blocking(move || work(&mut part).map(|()| part)).await?;
        *place = Some(part);
        Ok(())
    }
}

/// Checks what a request wants, and takes the part that it writes to. Tells how many bytes that has.
fn begin(root: &Path, new: &NewUpload) -> Result<(Sink, u64), UploadError> {
    std::fs::create_dir_all(root)?;
    let root = root.canonicalize()?;
    let exists = place::exists(&root, &new.path)?;
    let check_new = || if new.only_new && exists { Err(UploadError::Exists(shown(&new.path))) } else { Ok(()) };
    let parts = Parts::open(&root)?;
    let limit = SystemTime::now() - KEPT;
    let Some(piece) = &new.piece else {
        check_new()?;
        parts.remove_stale(limit);
        return Ok((Sink::Part(root, Some(parts.whole()?)), 0));
    };
    let part = match parts.take(&new.path, &piece.id, piece.total_bytes)? {
        Taken::New(part) => {
            parts.remove_stale(limit);
            part
        }
        Taken::Begun(part) => part,
        // The answer to its last piece got lost, or the client does not know that it was the last.
        Taken::Done if piece.range.is_none() => return Ok((Sink::Done, piece.total_bytes)),
        Taken::Done => return Err(UploadError::Elsewhere { offset: piece.total_bytes }),
    };
    let offset = part.length();
    let fits = piece.range.map_or(piece.total_bytes, |(start, _)| start) == offset;
    let checked = match check_new() {
        Ok(()) if !fits => Err(UploadError::Elsewhere { offset }),
        checked => checked,
    };
    match checked {
        Ok(()) => Ok((Sink::Part(root, Some(part)), offset)),
        Err(error) => {
            // Nothing is lost, and nothing to clean up stays.
            if offset == 0 {
                part.discard()?;
            }
            Err(error)
        }
    }
}

/// Makes a file of a part that is whole.
fn complete(root: &Path, path: String, mut part: Part, only_new: bool) -> Result<Uploaded, UploadError> {
    let modified_at = part.sync()?.into();
    let is_new = place::publish(root, &path, part.path(), only_new)?;
    if let Err(error) = part.set_done() {
        warn!(source = path, %error, "that an upload is complete was not noted");
    }
    let object = DatalakeObject { path, size_bytes: part.length(), modified_at, etag: None };
    Ok(Uploaded::File { object, is_new })
}

async fn found(datalake: &Datalake, path: &str) -> Result<DatalakeObject, UploadError> {
    datalake.head(path).await.map_err(|error| match error {
        SourceError::Away(_) => UploadError::Away,
        error => UploadError::Failed(error.to_string()),
    })
}

fn interrupted() -> UploadError {
    UploadError::Failed("a write that failed is followed by another one".to_owned())
}

/// Does what waits for the disk where it keeps nobody from working.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UploadError> + Send + 'static,
) -> Result<T, UploadError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| UploadError::Failed(error.to_string()))?
}

#[cfg(test)]
mod tests;
