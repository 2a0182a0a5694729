//! Waiting for a fact that nothing announces.

use std::{fmt::Debug, time::Duration};

use tokio::time::{Instant, sleep};

/// How long anything is waited for before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `probe` until it gives a value. Panics after [`PATIENCE`], with `what` was waited for and the last error.
pub async fn eventually<T, E: Debug>(what: &str, mut probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(last) => assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}; last seen: {last:?}"),
        }
        sleep(Duration::from_millis(10)).await;
    }
}
