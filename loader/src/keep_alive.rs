//! Keeps a piece of work in this worker's hands while it goes on: tells the bus three times per `ack_wait`.

use std::future::Future;

use paystats_core::bus::Delivery;
use tracing::debug;

/// Runs `work` and keeps its delivery alive meanwhile. A sign of life that does not get through is not an error: should the
/// work go to another worker too, doing it twice is harmless.
pub async fn while_working<T>(delivery: &Delivery, work: impl Future<Output = T>) -> T {
    let beat = async {
        let mut interval = tokio::time::interval(delivery.ack_wait() / 3);
        loop {
            interval.tick().await;
            if let Err(error) = delivery.keep_alive().await {
                debug!(%error, "no sign of life given");
            }
        }
    };
    tokio::select! {
        result = work => result,
        () = beat => unreachable!("the beat never ends"),
    }
}
