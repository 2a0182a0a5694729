//! Sockets are file descriptors, and a process has a limit of them.

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit};
use paystats_server::raise_limit;

/// Descriptors that a process needs beside those of watchers: connections to the engines, files.
const SPARE: u64 = 512;

/// Raises the limit as far as it goes, for this process and those that it starts. Fails where that is not enough for so many watchers.
pub fn allow(watchers: usize) -> Result<()> {
    raise_limit();
    let (allowed, _) = getrlimit(Resource::RLIMIT_NOFILE).context("reading the limit of open files")?;
    let needed = watchers as u64 + SPARE;
    ensure!(
        allowed >= needed,
        "{watchers} watchers need {needed} open files, and only {allowed} are allowed: raise `ulimit -Hn` or watch with fewer"
    );
    Ok(())
}
