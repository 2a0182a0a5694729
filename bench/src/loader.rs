//! The loader that is measured, as a process of its own.

use std::{
    fs,
    process::{Child, Command},
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use paystats_core::config::Config;

use crate::bed::programs;

/// Runs until it is dropped.
pub struct LoaderProcess(Child);

impl LoaderProcess {
    pub fn start(config: &Config) -> Result<Self> {
        let child = Command::new(programs()?.join("loader-under-bench"))
            .env("PAYSTATS_MONGODB_URI", config.store.uri.expose())
            .env("PAYSTATS_DATABASE", &config.store.database)
            .env("PAYSTATS_NATS_URL", config.bus.url.expose())
            .env("PAYSTATS_NATS_PREFIX", &config.bus.prefix)
            .env("PAYSTATS_DATALAKE", config.datalake.root.to_string())
            .env("PAYSTATS_LOG", "warn")
            .spawn()
            .context("starting the loader")?;
        Ok(Self(child))
    }

    /// The most memory that it had resident so far.
    pub fn peak_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("VmHWM is no number")?;
        Ok(kib * 1024)
    }
}

impl Drop for LoaderProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}
