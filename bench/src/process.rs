//! A program that is measured, as a process of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use paystats_core::config::Config;

/// Runs until it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts a program that was built with this one, with further variables.
    pub fn start(program: &str, config: &Config, more: &[(&str, String)]) -> Result<Self> {
        let child = Command::new(programs()?.join(program))
            .env("PAYSTATS_MONGODB_URI", config.store.uri.expose())
            .env("PAYSTATS_DATABASE", &config.store.database)
            .env("PAYSTATS_NATS_URL", config.bus.url.expose())
            .env("PAYSTATS_NATS_PREFIX", &config.bus.prefix)
            .env("PAYSTATS_DATALAKE", config.datalake.root.to_string())
            .env("PAYSTATS_LOG", env::var("PAYSTATS_LOG").unwrap_or_else(|_| "warn".to_owned()))
            .envs(more.iter().map(|(name, value)| (name, value)))
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        Ok(Self(child))
    }

    /// A loader.
    pub fn loader(config: &Config) -> Result<Self> {
        Self::start("loader-under-bench", config, &[])
    }

    /// Its number, under which Linux tells of it in `/proc`.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// MiB that Linux tells of it under this name: `VmRSS`, resident now, or `VmHWM`, the most so far.
    pub fn mebibytes(&self, name: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib: f64 = line.context("no such line")?.trim().trim_end_matches(" kB").parse().context("no number")?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// The folder of this program, where Cargo also puts those that are measured.
fn programs() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().map(Path::to_owned).unwrap_or_default())
}
