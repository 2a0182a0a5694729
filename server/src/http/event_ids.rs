//! The numbers of a subscription's events, for transports by which a client that lost its connection can say which one it saw last.

use std::sync::{Arc, Mutex, PoisonError};

/// Lies in the data of a request whose transport tells numbers; a resolver finds it with `ctx.data_opt`.
#[derive(Debug, Clone, Default)]
pub struct EventIds {
    last_seen: Option<u64>,
    next: Arc<Mutex<Option<u64>>>,
}

impl EventIds {
    pub(super) fn after(last_seen: Option<u64>) -> Self {
        Self { last_seen, next: Arc::default() }
    }

    /// The number of the event that the client saw last, if it is one that has lost its connection.
    pub fn last_seen(&self) -> Option<u64> {
        self.last_seen
    }

    /// Says right before a subscription yields an event which number it has. This is enough to tell whose it is, because no event is asked
    /// for before the one before it has become a result and was taken.
    pub fn set(&self, number: u64) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
    }

    /// The number of the result that has just been taken.
    pub(super) fn take(&self) -> Option<u64> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
