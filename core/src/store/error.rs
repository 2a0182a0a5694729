//! What can go wrong in the store, told by what the caller can do about it.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use super::SchemaError;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// MongoDB cannot be reached or has no primary now: the same call may succeed later.
    #[error("MongoDB is away: {}", .0.kind)]
    Unavailable(Error),
    /// A document with the same unique key exists.
    #[error("a document with this {0} exists")]
    Duplicate(&'static str),
    /// MongoDB refuses a geometry or an area that our own rules let pass.
    #[error("MongoDB refuses the geometry: {0}")]
    GeometryRefused(String),
    /// A stored document that cannot be one of ours.
    #[error("a document of {collection} is not readable: {reason}")]
    Corrupt {
        /// Collection.
        collection: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// This release must not use the database, or not yet.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Anything else: a bug, or a server that is set up wrongly.
    #[error("MongoDB failed: {}", .0.kind)]
    Failed(Error),
}

/// Server codes for what a 2dsphere index or `$geoIntersects` cannot take: BadValue and "Can't extract geo keys".
const GEOMETRY_CODES: [i32; 2] = [2, 16755];
/// Server code of a unique index's refusal.
pub(super) const DUPLICATE_KEY: i32 = 11_000;
/// Server code of an operation that was ended from outside.
const INTERRUPTED: i32 = 11_601;
/// Server codes that pass by themselves: elections, shutdowns, network trouble between members, write conflicts, operations that were ended
/// from outside, and cursors and snapshots that a primary does not have because another one had them.
const PASSING_CODES: [i32; 19] =
    [6, 7, 43, 89, 91, 112, 134, 189, 239, 246, 262, 9001, 10_058, 10_107, 11_600, INTERRUPTED, 11_602, 13_435, 13_436];

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// An error that no later call mends.
    pub fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Error::custom(error.to_string()))
    }

    pub(super) fn is_geometry_code(code: i32) -> bool {
        GEOMETRY_CODES.contains(&code)
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let code = match error.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(write)) => Some((write.code, write.message.clone())),
            ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some((concern.code, concern.message.clone())),
            ErrorKind::InsertMany(failure) => {
                failure.write_concern_error.as_ref().map(|concern| (concern.code, concern.message.clone()))
            }
            ErrorKind::Command(command) => Some((command.code, command.message.clone())),
            _ => None,
        };
        match (error.kind.as_ref(), code) {
            (_, Some((code, message))) if StoreError::is_geometry_code(code) => Self::GeometryRefused(message),
            (_, Some((code, _))) if PASSING_CODES.contains(&code) => Self::Unavailable(error),
            (
                ErrorKind::ServerSelection { .. }
                | ErrorKind::Io(_)
                | ErrorKind::ConnectionPoolCleared { .. }
                | ErrorKind::DnsResolve { .. }
                | ErrorKind::Transaction { .. },
                _,
            ) => Self::Unavailable(error),
            _ if error.contains_label(mongodb::error::RETRYABLE_WRITE_ERROR)
                || error.contains_label(mongodb::error::TRANSIENT_TRANSACTION_ERROR) =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Failed(error),
        }
    }
}

/// Whether an operation was ended from outside, as by whoever ends its session.
pub(super) fn is_ended(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(command) if command.code == INTERRUPTED)
}

/// Turns a unique index's refusal into [`StoreError::Duplicate`].
pub(super) fn duplicate_as(key: &'static str) -> impl Fn(Error) -> StoreError {
    move |error| match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY => StoreError::Duplicate(key),
        ErrorKind::Command(command) if command.code == DUPLICATE_KEY => StoreError::Duplicate(key),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io};

    use mongodb::error::CommandError;

    use super::*;

    #[test]
    fn an_error_says_once_what_happened_and_no_more() {
        let refused = StoreError::from(Error::from(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert_eq!(refused.to_string(), "MongoDB is away: I/O error: connection refused");
        // Who tells an error with its sources would tell it twice.
        assert!(refused.source().is_none());
        let failed = StoreError::failed(io::Error::other("a thread is gone"));
        assert_eq!(failed.to_string(), "MongoDB failed: Custom user error: a thread is gone");
    }

    #[test]
    fn what_an_election_does_to_a_call_passes() {
        let refused_with = |code: i32| {
            let command = serde_json::json!({ "code": code, "codeName": "", "errmsg": "" });
            let command: CommandError = serde_json::from_value(command).unwrap();
            StoreError::from(Error::from(ErrorKind::Command(command)))
        };
        // As the driver's own rules have them (NotWritablePrimary, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary, LegacyNotPrimary,
        // PrimarySteppedDown, InterruptedDueToReplStateChange, InterruptedAtShutdown, ShutdownInProgress), then what the new primary does
        // not have: CursorNotFound, SnapshotTooOld, SnapshotUnavailable.
        for code in [10_107, 13_435, 13_436, 10_058, 189, 11_602, 11_600, 91, 43, 239, 246] {
            assert!(refused_with(code).is_unavailable(), "{code}");
        }
        assert!(!refused_with(13).is_unavailable(), "to be refused a right does not pass");
    }
}
