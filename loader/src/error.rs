//! Why work did not get done, told by what happens next.

use paystats_core::{bus::BusError, datalake::SourceError, engines::EngineError, store::StoreError};

use crate::{columns::HeaderError, records::RecordError, source::compression_error};

/// An error while working on a load.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The load cannot succeed: it ends as `FAILED`, with this reason.
    #[error("{0}")]
    Refused(String),
    /// The source is there and cannot be read now: the work goes back to the queue.
    #[error("{0}")]
    SourceAway(String),
    /// Another worker has the work: this one has nothing to say about it.
    #[error("another worker has taken the work")]
    Lost,
    /// An engine failed. While it is away the work waits for it; otherwise the work is tried again.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl WorkError {
    /// Whether an engine is away, which says nothing about the load.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Refused(_) | Self::SourceAway(_) | Self::Lost => false,
            Self::Engine(EngineError::Store(error)) => error.is_unavailable(),
            Self::Engine(EngineError::Bus(_)) => true,
        }
    }
}

impl From<StoreError> for WorkError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<BusError> for WorkError {
    fn from(error: BusError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<SourceError> for WorkError {
    fn from(error: SourceError) -> Self {
        Self::from(&error)
    }
}

impl From<&SourceError> for WorkError {
    fn from(error: &SourceError) -> Self {
        let reason = error.to_string();
        if error.is_temporary() { Self::SourceAway(reason) } else { Self::Refused(reason) }
    }
}

impl From<HeaderError> for WorkError {
    fn from(error: HeaderError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<RecordError> for WorkError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Read(error) => match SourceError::in_read_error(&error) {
                Some(error) => error.into(),
                None => Self::Refused(match compression_error(&error) {
                    Some(error) => error.to_string(),
                    // The system's own words may name paths of the machine.
                    None => format!("the source cannot be read: {}", error.kind()),
                }),
            },
            RecordError::TooLong { .. } | RecordError::Unclosed { .. } | RecordError::NotGeoJson { .. } => {
                Self::Refused(error.to_string())
            }
        }
    }
}
