//! The ceiling: how fast the same libraries bring the same bytes to the same clients, and what a socket of theirs takes.

use std::{iter, time::SystemTime};

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use paystats_core::{config::Config, load::LoadId};
use tokio::sync::mpsc;

use crate::{median::median, resident::Resident, server::ServerProcess, watchers};

/// Broadcasts of a measurement; the time is the median of theirs.
const BROADCASTS: usize = 5;

/// What the bare broadcast did.
pub struct Bare {
    /// From a text's arrival at the server to its receipt by the last watcher.
    pub seconds: f64,
    pub kib_a_watcher: f64,
}

/// Sends a text to this many watchers.
pub async fn measure(config: &Config, watchers: usize, text: &str) -> Result<Bare> {
    let (server, _) = ServerProcess::start_program("broadcast-under-bench", config).await?;
    let mut connection = server.connect().await?;
    let length = text.len();
    let request = format!("POST /broadcast HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{text}");
    // The first text that watchers get when they subscribe.
    connection.ask(request.as_bytes()).await?;

    let mut resident = Resident::before(&server.process)?;
    let any_load = iter::repeat_n(LoadId::new(), watchers);
    let subscribed: Vec<_> = watchers::subscribe(server.port, any_load).try_collect().await?;
    resident.look(&server.process)?;
    let (receipts, mut received) = mpsc::unbounded_channel();
    for mut watcher in subscribed {
        let receipts = receipts.clone();
        tokio::spawn(async move {
            while watcher.next().await? {
                receipts.send(watcher.told.last().map(|told| told.at))?;
            }
            anyhow::Ok(())
        });
    }
    drop(receipts);
    let mut times = Vec::new();
    for _ in 0..BROADCASTS {
        let start = SystemTime::now();
        connection.ask(request.as_bytes()).await?;
        let mut last = start;
        for _ in 0..watchers {
            let receipt = received.recv().await.flatten().context("the bare broadcast lost its watchers")?;
            last = last.max(receipt);
        }
        times.push(last.duration_since(start)?.as_secs_f64());
    }
    resident.look(&server.process)?;
    Ok(Bare { seconds: median(&times, |time| *time), kib_a_watcher: resident.kib_a_watcher(watchers) })
}
