//! The signals that ask a process to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// A token that Ctrl-C or SIGTERM cancels. A second signal ends the process at once.
pub fn on_signal() -> io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if again {
                info!("stopping at once");
                std::process::exit(130);
            }
            info!("stopping; a second signal stops at once");
            token.cancel();
        }
    });
    Ok(shutdown)
}
