//! How long an answer may take, so that no request hangs on an engine that does not answer.

use std::time::Duration;

use super::ActionError;

/// The longest that one step of an answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Duration);

impl Deadline {
    /// Does `work`, unless it takes too long. `next` is what a client should do then.
    pub async fn keep<T>(self, next: &str, work: impl Future<Output = T>) -> Result<T, ActionError> {
        let late = |_| ActionError::unavailable(format!("no answer within {} s: {next}", self.0.as_secs_f32()));
        tokio::time::timeout(self.0, work).await.map_err(late)
    }
}
