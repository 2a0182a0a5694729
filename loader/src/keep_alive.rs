//! Keeps a piece of work in this worker's hands while it goes on: tells the bus three times per `ack_wait`.

use std::sync::Arc;

use paystats_core::bus::Delivery;
use tokio::task::AbortHandle;
use tracing::debug;

/// Keeps a delivery alive until it is dropped. It does so in a task of its own, since a worker that checks a large polygon
/// does nothing else meanwhile.
pub struct KeepAlive(AbortHandle);

impl KeepAlive {
    /// Starts. A sign of life that does not get through is not an error: should the work go to another worker too, doing it
    /// twice is harmless.
    pub fn start(delivery: Arc<Delivery>) -> Self {
        let beat = async move {
            let mut interval = tokio::time::interval(delivery.ack_wait() / 3);
            loop {
                interval.tick().await;
                if let Err(error) = delivery.keep_alive().await {
                    debug!(%error, "no sign of life given");
                }
            }
        };
        Self(tokio::spawn(beat).abort_handle())
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.0.abort();
    }
}
