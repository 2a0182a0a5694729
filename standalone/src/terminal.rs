//! What is said to the person at the terminal, apart from the log.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// Prints a line to standard output. Whoever reads it may have gone (`make run | head`), which is no reason to stop.
pub(crate) fn say(line: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
