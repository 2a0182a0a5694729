//! The time that a process has had on the processors.

use std::fs;

use anyhow::{Context, Result};

/// The unit of these times: fixed for all programs, whatever the kernel counts in.
const TICKS_A_SECOND: f64 = 100.0;

/// Seconds so far, its own and the kernel's for it, of all threads of the process with this number.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name stands in parentheses and may hold anything; the fields behind it start with the third one.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks = times.map(str::parse::<u64>).sum::<Result<u64, _>>().context("no number")?;
    Ok(ticks as f64 / TICKS_A_SECOND)
}
