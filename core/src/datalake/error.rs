//! Why a source cannot be read, for code and for people.

use std::io;

/// Why a source cannot be read. The messages name the source as it was asked for, never a path of the machine, the address of a
/// store, a credential or a driver's words; those stand in the log.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No such file or object.
    #[error("source '{0}' does not exist{in_lake}", in_lake = if is_url(.0) { "" } else { " in the data lake" })]
    NotFound(String),
    /// A folder, a device.
    #[error("source '{0}' is not a file")]
    NotAFile(String),
    /// Absolute, with `..` in whatever writing, or a link that leads out.
    #[error("source '{0}' leaves {place}", place = if is_url(.0) { "what may be read" } else { "the data lake" })]
    Outside(String),
    /// A URL that the list of sources does not hold.
    #[error(
        "source '{0}' is not among the sources that may be read: it is not in the data lake, and PAYSTATS_SOURCES does not list it"
    )]
    NotAllowed(String),
    /// Not a name of a source.
    #[error("source '{source_name}' {reason}")]
    BadName {
        /// As it was asked for, without what may be secret in a URL.
        source_name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It is there, and loading it would be wrong or unsafe.
    #[error("source '{source_name}' cannot be loaded: {reason}")]
    Unsuitable {
        /// As it was asked for.
        source_name: String,
        /// What speaks against it.
        reason: &'static str,
    },
    /// It is another version than the one whose beginning was read.
    #[error("source '{0}' was changed while it was read")]
    Changed(String),
    /// Its store does not answer, or says that it cannot now.
    #[error("source '{0}' cannot be read now: its store does not answer")]
    Away(String),
    /// The system or the store refuses it.
    #[error("source '{source_name}' cannot be read: {kind}")]
    Unreadable {
        /// As it was asked for.
        source_name: String,
        /// The reason.
        kind: io::ErrorKind,
    },
}

/// Why the data lake cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Its store does not answer.
    #[error("the data lake is away")]
    Away,
    /// The system or the store refuses it: for the log.
    #[error("the data lake cannot be listed: {0}")]
    Failed(String),
}

impl SourceError {
    /// Whether the same source may well be readable in a while, so that work on it is worth another try.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Unreadable { kind, .. } => matches!(
                kind,
                // A network file system says so of its server.
                io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted
                    | io::ErrorKind::ResourceBusy
                    | io::ErrorKind::StaleNetworkFileHandle
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::NetworkDown
            ),
            Self::NotFound(_)
            | Self::NotAFile(_)
            | Self::Outside(_)
            | Self::NotAllowed(_)
            | Self::BadName { .. }
            | Self::Unsuitable { .. }
            | Self::Changed(_) => false,
        }
    }

    /// What an error of a reader says about its source, if it does: readers of [`super::Datalake::open`] wrap this type.
    pub fn in_read_error(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<SourceError> for io::Error {
    fn from(error: SourceError) -> Self {
        Self::other(error)
    }
}

fn is_url(name: &str) -> bool {
    name.contains("://")
}
