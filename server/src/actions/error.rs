//! What an action answers when it does not succeed: a code from one table for programs, a message for people.

use paystats_core::{
    bus::BusError,
    datalake::{ListError, SourceError, UploadError},
    engines::EngineError,
    store::StoreError,
};
use tracing::{error, warn};

use crate::{
    access::{TooMuch, Unknown},
    cube::CubeError,
};

/// The codes that clients can act on. They stand in `extensions.code` of every error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request cannot be right, whenever it is sent.
    BadUserInput,
    /// What it names does not exist.
    NotFound,
    /// What it asks for contradicts what exists.
    Conflict,
    /// Nobody knows who asks.
    Unauthenticated,
    /// Who asks may not, or the operator does not allow it.
    Forbidden,
    /// Who asks asks for too much.
    RateLimited,
    /// An engine is away: the same request may succeed later.
    Unavailable,
    /// A bug or a broken installation. The log says more.
    Internal,
}

impl ErrorCode {
    /// As it stands in `extensions.code`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

/// An action's refusal. Its message is for clients: it holds nothing of a driver or of this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ActionError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl ActionError {
    /// The request cannot be right.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::BadUserInput, message: message.into() }
    }

    /// What it names does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::NotFound, message: message.into() }
    }

    /// It contradicts what exists.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::Conflict, message: message.into() }
    }

    /// The operator does not allow it.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::Forbidden, message: message.into() }
    }

    /// An engine is away.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::Unavailable, message: message.into() }
    }

    /// A bug. What is known of it goes to the log, not to the client.
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        error!(%reason, "a request failed inside");
        Self { code: ErrorCode::Internal, message: "something went wrong inside; the log says what".to_owned() }
    }
}

impl From<StoreError> for ActionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => {
                warn!(reason = %reason.kind, "a request found MongoDB away");
                Self::unavailable("the database is away; try again in a moment")
            }
            StoreError::GeometryRefused(reason) => {
                warn!(reason, "an area was refused by the index");
                let reason =
                    "on the sphere, where an edge is the shortest way between its ends, it touches or crosses itself";
                Self::bad_input(format!("the area cannot be used: {reason}"))
            }
            StoreError::Duplicate(key) => Self::conflict(format!("this {key} is taken")),
            StoreError::Schema(_) | StoreError::Corrupt { .. } | StoreError::Failed(_) => Self::internal(error),
        }
    }
}

impl From<Unknown> for ActionError {
    fn from(unknown: Unknown) -> Self {
        Self { code: ErrorCode::Unauthenticated, message: unknown.to_string() }
    }
}

impl From<TooMuch> for ActionError {
    fn from(too_much: TooMuch) -> Self {
        Self { code: ErrorCode::RateLimited, message: too_much.to_string() }
    }
}

impl From<CubeError> for ActionError {
    fn from(error: CubeError) -> Self {
        Self::internal(error)
    }
}

impl From<BusError> for ActionError {
    fn from(reason: BusError) -> Self {
        warn!(%reason, "a request found NATS away");
        Self::unavailable("the message bus is away; try again in a moment")
    }
}

impl From<EngineError> for ActionError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::Bus(error) => error.into(),
        }
    }
}

impl From<SourceError> for ActionError {
    fn from(error: SourceError) -> Self {
        let message = error.to_string();
        if error.is_temporary() { Self::unavailable(message) } else { Self::bad_input(message) }
    }
}

impl From<UploadError> for ActionError {
    fn from(error: UploadError) -> Self {
        let message = error.to_string();
        match error {
            UploadError::BadName { .. }
            | UploadError::Outside(_)
            | UploadError::TooLarge { .. }
            | UploadError::TooLong
            | UploadError::CutShort { .. }
            | UploadError::NoPieces => Self::bad_input(message),
            UploadError::Exists(_)
            | UploadError::Taken { .. }
            | UploadError::Elsewhere { .. }
            | UploadError::OtherTotal { .. }
            | UploadError::Busy => Self::conflict(message),
            UploadError::ReadOnly => Self::forbidden(message),
            UploadError::NoSpace | UploadError::Away => Self::unavailable(message),
            UploadError::Failed(_) => Self::internal(message),
        }
    }
}

impl From<ListError> for ActionError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Away => Self::unavailable("the data lake is away; try again in a moment"),
            ListError::Failed(_) => Self::internal(error),
        }
    }
}
