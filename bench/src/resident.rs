//! The memory that watchers cost a server.

use anyhow::Result;

use crate::process::Process;

/// Resident memory of a server in MiB: before it had watchers, and the most that was seen since.
pub struct Resident {
    pub before: f64,
    pub most: f64,
}

impl Resident {
    pub fn before(process: &Process) -> Result<Self> {
        let before = process.mebibytes("VmRSS")?;
        Ok(Self { before, most: before })
    }

    /// Looks again.
    pub fn look(&mut self, process: &Process) -> Result<()> {
        self.most = self.most.max(process.mebibytes("VmRSS")?);
        Ok(())
    }

    pub fn grown(&self) -> f64 {
        self.most - self.before
    }

    pub fn kib_a_watcher(&self, watchers: usize) -> f64 {
        self.grown() * 1_024.0 / watchers as f64
    }
}
