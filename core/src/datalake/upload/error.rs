//! Why a file cannot be uploaded, for code and for people.

use std::io;

use tracing::warn;

/// Why a file cannot be uploaded. The messages name the file as it was asked for, never a path of the machine, the address of a store or
/// a driver's words; those stand in the log.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Not a name for a file of the data lake.
    #[error("'{file}' cannot be uploaded: {reason}")]
    BadName {
        /// As it was asked for.
        file: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// With `..`, or below a link that leads out.
    #[error("'{0}' leaves the data lake")]
    Outside(String),
    /// It was to be a new file.
    #[error("'{0}' exists already")]
    Exists(String),
    /// Something is there that is no file.
    #[error("'{file}' cannot be written: {reason}")]
    Taken {
        /// As it was asked for.
        file: String,
        /// What is in the way.
        reason: &'static str,
    },
    /// The piece does not start where the upload goes on.
    #[error("the upload goes on at byte {offset}")]
    Elsewhere {
        /// Bytes that are there.
        offset: u64,
    },
    /// The upload was begun with another size.
    #[error("this upload was begun for a file of {total_bytes} bytes")]
    OtherTotal {
        /// The size that was told first.
        total_bytes: u64,
    },
    /// Another request holds the upload.
    #[error("another request sends this upload now")]
    Busy,
    /// More than may be uploaded.
    #[error("the file is larger than {limit_bytes} bytes, the most that may be uploaded")]
    TooLarge {
        /// The largest size.
        limit_bytes: u64,
    },
    /// More bytes than were told.
    #[error("the body is longer than its range")]
    TooLong,
    /// Fewer bytes than were told.
    #[error("the body ended early: the upload goes on at byte {offset}")]
    CutShort {
        /// Bytes that are there.
        offset: u64,
    },
    /// A store takes whole files only.
    #[error("the data lake is an object store, which takes no pieces: send the file as a whole")]
    NoPieces,
    /// The disk or a quota is full.
    #[error("there is no space left in the data lake")]
    NoSpace,
    /// The folder or the store refuses to be written.
    #[error("the data lake cannot be written by the server: it is read-only, or lacks permission")]
    ReadOnly,
    /// The store does not answer.
    #[error("the data lake is away; try again in a moment")]
    Away,
    /// Anything else: for the log.
    #[error("an upload failed: {0}")]
    Failed(String),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        let refused = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => return Self::Failed(error.to_string()),
        };
        warn!(%error, "the data lake takes no upload");
        refused
    }
}
