//! Shows how far a load is: a bar on a terminal, elsewhere a line now and then.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::terminal::say;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(2);

/// The bar's length stands for the whole file.
const WHOLE: u64 = 1_000;

pub(crate) struct ProgressDisplay {
    title: String,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl ProgressDisplay {
    pub(crate) fn new(title: String) -> Self {
        let bar = io::stdout().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} % {msg}")
                .expect("the template is valid");
            ProgressBar::with_draw_target(Some(WHOLE), ProgressDrawTarget::stdout())
                .with_style(style.progress_chars("=> "))
                .with_prefix(title.clone())
        });
        Self { title, bar, last_line: None }
    }

    /// Shows a `LoadProgress` as the API gives it.
    pub(crate) fn show(&mut self, progress: &Value) {
        let fraction = progress["fraction"].as_f64().unwrap_or(0.0).clamp(0.0, 1.0);
        match &self.bar {
            Some(bar) => {
                bar.set_message(in_words(progress));
                bar.set_position((fraction * WHOLE as f64) as u64);
            }
            None if self.last_line.is_none_or(|last| last.elapsed() >= PAUSE) => {
                self.last_line = Some(Instant::now());
                say(format_args!("{}: {:.0} %, {}", self.title, fraction * 100.0, in_words(progress)));
            }
            None => {}
        }
    }

    /// Says that nothing is heard for now.
    pub(crate) fn interrupted(&mut self) {
        const WORDS: &str = "the connection is lost, trying again";
        match &self.bar {
            Some(bar) => bar.set_message(WORDS),
            None => say(format_args!("{}: {WORDS}", self.title)),
        }
    }

    /// Takes the bar away and says how it ended.
    pub(crate) fn finish(self, outcome: &str) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        say(format_args!("{}: {outcome}", self.title));
    }
}

/// `12,000 rows, 8,000 rows/s, 3 s left`.
pub(crate) fn in_words(progress: &Value) -> String {
    let mut words = format!("{} rows", HumanCount(progress["rowsRead"].as_u64().unwrap_or(0)));
    if let Some(rejected) = progress["rowsRejected"].as_u64().filter(|&rejected| rejected > 0) {
        words += &format!(", {} rejected", HumanCount(rejected));
    }
    if let Some(speed) = progress["rowsPerSecond"].as_f64() {
        words += &format!(", {} rows/s", HumanCount(speed as u64));
    }
    if let Some(left) = progress["etaSeconds"].as_f64() {
        words += &format!(", {left:.0} s left");
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_in_words_has_what_is_known() {
        assert_eq!(in_words(&json!({ "rowsRead": 0, "rowsRejected": 0, "etaSeconds": null })), "0 rows");
        let all = json!({ "rowsRead": 12_000, "rowsRejected": 2, "rowsPerSecond": 8_000.4, "etaSeconds": 2.6 });
        assert_eq!(in_words(&all), "12,000 rows, 2 rejected, 8,000 rows/s, 3 s left");
    }
}
