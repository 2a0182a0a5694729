//! Why we close a socket, as a code for programs and a reason for people.

use axum::extract::ws::{CloseCode, CloseFrame};

use super::message::InvalidMessage;

/// A close frame's payload holds 125 bytes, of which the code takes two (RFC 6455, section 5.5).
const MAX_REASON_BYTES: usize = 123;

/// Everything that makes us close a socket. Its `Display` is the reason that the client reads.
///
/// Codes from 4400 are the protocol's and tell a client not to come back with the same mistake; after 1001 and 1013 clients reconnect.
#[derive(Debug, thiserror::Error)]
pub(super) enum CloseReason {
    #[error("{0}")]
    InvalidMessage(#[from] InvalidMessage),
    #[error("Unauthorized: send connection_init first")]
    Unauthorized,
    /// Clients may come back with another token.
    #[error("Forbidden: {0}")]
    Forbidden(String),
    #[error("Subprotocol not acceptable: use graphql-transport-ws")]
    SubprotocolNotAcceptable,
    #[error("Connection initialisation timeout")]
    InitialisationTimeout,
    #[error("Subscriber for {0} already exists")]
    SubscriberAlreadyExists(String),
    #[error("Too many initialisation requests")]
    TooManyInitialisationRequests,
    #[error("going away: the server stops, please reconnect")]
    GoingAway,
    #[error("going away: you do not answer pings, please reconnect")]
    Silent,
    #[error("too slow: you did not read for too long; reconnect, and go on after what you saw last")]
    TooSlow,
    #[error("not a WebSocket message, or larger than {limit_bytes} bytes")]
    Unreadable { limit_bytes: usize },
}

impl CloseReason {
    pub(super) fn code(&self) -> CloseCode {
        match self {
            Self::InvalidMessage(_) => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden(_) => 4403,
            Self::SubprotocolNotAcceptable => 4406,
            Self::InitialisationTimeout => 4408,
            Self::SubscriberAlreadyExists(_) => 4409,
            Self::TooManyInitialisationRequests => 4429,
            Self::GoingAway | Self::Silent => 1001,
            Self::TooSlow => 1013,
            Self::Unreadable { .. } => 1009,
        }
    }

    pub(super) fn frame(&self) -> CloseFrame {
        let mut reason = self.to_string();
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        CloseFrame { code: self.code(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_a_close_frame() {
        let frame = CloseReason::SubscriberAlreadyExists(format!("-{}", "é".repeat(100))).frame();
        assert_eq!(frame.reason.len(), MAX_REASON_BYTES - 1, "the last letter would not fit whole");
        assert!(frame.reason.starts_with("Subscriber for -é"));
    }
}
