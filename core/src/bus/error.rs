//! What can go wrong on the bus. Whatever it is, the same call may succeed later.

use std::fmt;

/// An error of the bus, with what was attempted.
#[derive(Debug, thiserror::Error)]
#[error("NATS: {action}: {reason}")]
pub struct BusError {
    action: &'static str,
    reason: String,
}

impl BusError {
    pub(super) fn new(action: &'static str, reason: impl fmt::Display) -> Self {
        Self { action, reason: reason.to_string() }
    }

    /// What was attempted took too long.
    pub fn late(action: &'static str) -> Self {
        Self::new(action, "no answer in time")
    }

    pub(super) fn disconnected() -> Self {
        Self::new("sending", "not connected")
    }
}
