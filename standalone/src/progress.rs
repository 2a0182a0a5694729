//! Shows how far a load is: a bar on a terminal, elsewhere a line now and then.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use paystats_core::{load::LoadState, store::BackupStep};
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
    is_going_back: bool,
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
        Self { title, bar, last_line: None, is_going_back: false }
    }

    /// Shows a `LoadProgress` as the API gives it.
    pub(crate) fn show(&mut self, progress: &Value) {
        let share = share(progress);
        // That it goes back is news, however short the last line is ago.
        let turns_back = goes_back(progress) && !std::mem::replace(&mut self.is_going_back, goes_back(progress));
        match &self.bar {
            Some(bar) => {
                bar.set_message(in_words(progress));
                bar.set_position((share * WHOLE as f64) as u64);
            }
            None if turns_back || self.last_line.is_none_or(|last| last.elapsed() >= PAUSE) => {
                self.last_line = Some(Instant::now());
                say(format_args!("{}: {:.0} %, {}", self.title, share * 100.0, in_words(progress)));
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

/// A bar for a backup or a restore. On standard error: standard output may be the backup.
pub(crate) fn show_step(bar: &ProgressBar, step: BackupStep) {
    match step {
        BackupStep::Documents { done, all } => {
            bar.set_length(all);
            bar.set_position(done);
        }
        BackupStep::AddingUp => bar.set_message(", totals are added up"),
    }
}

pub(crate) fn step_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("[{bar:30}] {percent:>3} % {human_pos} of {human_len} documents, {eta} left{msg}")
            .expect("the template is valid");
    ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style.progress_chars("=> "))
}

/// `12,000 rows, 8,000 rows/s, 3 s left`, or `being taken back, 300 of 8,000 rows`.
pub(crate) fn in_words(progress: &Value) -> String {
    if goes_back(progress) {
        return taken_back_in_words(progress);
    }
    let mut words = format!("{} rows", HumanCount(count(progress, "rowsRead")));
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

fn taken_back_in_words(progress: &Value) -> String {
    let [done, all] = [reverted(progress), written(progress)].map(HumanCount);
    let mut words = match state(progress) {
        Some(LoadState::Reverting) => format!("being taken back, {done} of {all} rows"),
        _ => format!("taken back, {done} rows"),
    };
    if let Some(kept) = progress["rowsKept"].as_u64().filter(|&kept| kept > 0) {
        words += &format!(", {} kept", HumanCount(kept));
    }
    words
}

/// What is done of the load, or of taking it back, 0 to 1.
fn share(progress: &Value) -> f64 {
    match state(progress) {
        Some(LoadState::Reverting) => {
            let done = reverted(progress) + count(progress, "rowsKept");
            (done as f64 / written(progress).max(1) as f64).min(1.0)
        }
        Some(LoadState::Cancelled | LoadState::Undone) => 1.0,
        _ => progress["fraction"].as_f64().unwrap_or(0.0).clamp(0.0, 1.0),
    }
}

fn state(progress: &Value) -> Option<LoadState> {
    serde_json::from_value(progress["state"].clone()).ok()
}

/// Whether it tells of taking back, and not of loading. What a load read that failed is told all the same.
fn goes_back(progress: &Value) -> bool {
    state(progress).is_some_and(|state| state.is_taken_back() && state != LoadState::Failed)
}

fn reverted(progress: &Value) -> u64 {
    count(progress, "rowsReverted")
}

/// Rows that there are to be taken back.
fn written(progress: &Value) -> u64 {
    count(progress, "rowsInserted") + count(progress, "rowsUpdated")
}

/// A count of a `LoadProgress`.
pub(crate) fn count(progress: &Value, field: &str) -> u64 {
    progress[field].as_u64().unwrap_or(0)
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

    #[test]
    fn a_load_that_goes_back_tells_how_far_it_is_back() {
        let mut progress = json!({
            "state": "REVERTING", "rowsRead": 9_000, "rowsInserted": 7_000, "rowsUpdated": 1_000, "rowsReverted": 1_999,
            "rowsKept": 0, "fraction": 0.9, "rowsPerSecond": 8_000.4,
        });
        assert_eq!(in_words(&progress), "being taken back, 1,999 of 8,000 rows");
        progress["rowsKept"] = 1.into();
        assert_eq!(in_words(&progress), "being taken back, 1,999 of 8,000 rows, 1 kept");
        assert!((share(&progress) - 0.25).abs() < f64::EPSILON);
        progress["state"] = "UNDONE".into();
        assert_eq!(in_words(&progress), "taken back, 1,999 rows, 1 kept");
        assert!((share(&progress) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn nothing_that_goes_back_has_a_share_as_well() {
        let progress = json!({ "state": "REVERTING", "rowsInserted": 0, "rowsUpdated": 0, "rowsReverted": 0 });
        assert!(share(&progress).abs() < f64::EPSILON);
    }
}
