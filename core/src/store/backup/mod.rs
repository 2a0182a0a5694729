//! Backups: all that is kept, of one moment, as a file.
//!
//! A file begins with two lines that people can read, what it is and its [header](BackupHeader) as JSON. Then come the documents as MongoDB
//! has them (BSON, so amounts stay exact), one after the other in the order and the numbers that the header tells, as one zstd stream. The last 32
//! bytes are the SHA-256 of everything before: a file that was cut or changed is found out before anything is written.

mod restore;
mod take;

use std::io;

use mongodb::error::ErrorKind;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupHeader {
    /// Shape of the documents.
    pub schema_version: i64,
    /// The moment that it holds, by the database's clock, in RFC 3339.
    pub taken_at: String,
    /// Name of the database that it was taken of.
    pub database: String,
    /// What it holds.
    pub collections: Vec<BackedUp>,
}

/// A collection in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Name of the collection.
    pub name: String,
    /// Number of its documents.
    pub documents: u64,
}

impl BackupHeader {
    /// Number of all documents.
    pub fn documents(&self) -> u64 {
        self.collections.iter().map(|collection| collection.documents).sum()
    }
}

/// How far a backup or a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupStep {
    /// Documents are read or written.
    Documents {
        /// How many so far.
        done: u64,
        /// Of how many.
        all: u64,
    },
    /// All documents are there: indexes are made, and totals are added up.
    AddingUp,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be read or written.
    #[error("the file: {0}")]
    File(#[from] io::Error),
    /// Of the database.
    #[error(transparent)]
    Store(StoreError),
    /// MongoDB does not have the moment any more, or not yet.
    #[error(
        "MongoDB does not have the moment of this backup any more: it took longer than minSnapshotHistoryWindowInSeconds, which is 300 unless it is \
         set, or a collection or an index was made meanwhile. Try again; where it needs more time, let every member of the replica set keep its \
         past longer: db.adminCommand({{ setParameter: 1, minSnapshotHistoryWindowInSeconds: 3600 }})"
    )]
    MomentGone,
    /// There is nothing to back up.
    #[error("the database {0} holds nothing")]
    Nothing(String),
    /// It is something else.
    #[error("this is no backup of paystats")]
    NoBackup,
    /// A newer release wrote it.
    #[error("the backup has format {0}, and this release reads format {FORMAT}: it was taken by a newer release")]
    NewerFormat(u32),
    /// A newer release filled the database.
    #[error(
        "the backup is of a database with schema version {found}, and this release knows none beyond {known}: restore it with a newer release"
    )]
    NewerSchema {
        /// Version of the backup.
        found: i64,
        /// Version of this release.
        known: i64,
    },
    /// Its checksum is wrong.
    #[error("the backup is damaged: it was cut short or changed after it was taken. Nothing was restored")]
    Damaged,
    /// There is something where it shall be restored.
    #[error("the database {database} is not empty, and a restore needs one that is: it holds {}", .holds.join(", "))]
    NotEmpty {
        /// Name of the database.
        database: String,
        /// Names of its collections.
        holds: Vec<String>,
    },
    /// It failed after it had begun.
    #[error(
        "{0}. The database holds a part of the backup now, and nobody starts with it: drop it and restore again, or restore into another one"
    )]
    HalfWay(#[source] Box<Self>),
    /// It says of itself what cannot be.
    #[error("the backup contradicts itself: {0}")]
    Contradicts(String),
}

/// The format of the file that is written and read here.
const FORMAT: u32 = 1;
/// The first line, before the format's number.
const MAGIC: &str = "paystats backup ";
/// Bytes of the SHA-256 at the end.
const DIGEST_BYTES: u64 = 32;
/// Bytes that are read or written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Server codes: SnapshotTooOld and SnapshotUnavailable.
const MOMENT_GONE: [i32; 2] = [239, 246];

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Failed(cause) | StoreError::Unavailable(cause) => match cause.kind.as_ref() {
                ErrorKind::Command(command) if MOMENT_GONE.contains(&command.code) => Self::MomentGone,
                _ => Self::Store(error),
            },
            _ => Self::Store(error),
        }
    }
}

impl From<mongodb::error::Error> for BackupError {
    fn from(error: mongodb::error::Error) -> Self {
        StoreError::from(error).into()
    }
}
