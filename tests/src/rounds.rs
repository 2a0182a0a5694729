//! Rounds of a story: the same story with other random numbers. One round with a fixed seed is a test; many rounds are torture.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_TORTURE_ROUNDS` | rounds of each story | `1` |
//! | `PAYSTATS_TORTURE_SEED` | seed of the first round; each further one has the next | `1` |
//! | `PAYSTATS_TORTURE_REPORT` | file that gets a line of a Markdown table for each story | none |

use std::{collections::BTreeMap, fs::File, io::Write, panic::AssertUnwindSafe, time::Instant};

use fastrand::Rng;
use futures_util::FutureExt;
use paystats_core::config::optional;

/// One round of a story.
#[derive(Debug)]
pub struct Round {
    /// Its random numbers.
    pub random: Rng,
    /// Whether every load had ended before the next fault: it then hits nothing.
    pub is_late: bool,
    faults: Faults,
}

/// How often each fault has happened, and how often too late to hit anything.
type Faults = BTreeMap<&'static str, (u32, u32)>;

impl Round {
    /// Notes that a fault has happened.
    pub fn did(&mut self, fault: &'static str) {
        let (times, late) = self.faults.entry(fault).or_default();
        (*times, *late) = (*times + 1, *late + u32::from(self.is_late));
    }
}

/// Plays a story in as many rounds as were asked for. A round that fails does not keep the others from being played; in the end the test
/// fails, and names the seeds of the rounds that did.
pub async fn rounds(story: &str, checked: &str, play: impl AsyncFn(&mut Round)) {
    let first = number("PAYSTATS_TORTURE_SEED", 1);
    let number_of_rounds = number("PAYSTATS_TORTURE_ROUNDS", 1);
    let mut faults = Faults::new();
    let mut failed = Vec::new();
    for seed in first..first + number_of_rounds {
        let start = Instant::now();
        let mut round = Round { random: Rng::with_seed(seed), is_late: false, faults: Faults::new() };
        let outcome = AssertUnwindSafe(play(&mut round)).catch_unwind().await;
        eprintln!("{story}: seed {seed}, {:.1?}, {}", start.elapsed(), in_words(&round.faults));
        for (fault, (times, late)) in round.faults {
            let (all_times, all_late) = faults.entry(fault).or_default();
            (*all_times, *all_late) = (*all_times + times, *all_late + late);
        }
        if outcome.is_err() {
            eprintln!("{story}: FAILED with PAYSTATS_TORTURE_SEED={seed}");
            failed.push(seed);
        }
    }
    if let Some(report) = optional("PAYSTATS_TORTURE_REPORT") {
        let failures =
            if failed.is_empty() { "none".to_owned() } else { format!("{}: seeds {failed:?}", failed.len()) };
        let line = format!("| {story} | {} | {number_of_rounds} | {checked} | {failures} |\n", in_words(&faults));
        // Written at once: other stories write their lines at the same time.
        File::options().append(true).create(true).open(report).unwrap().write_all(line.as_bytes()).unwrap();
    }
    assert!(failed.is_empty(), "{story}: failed with PAYSTATS_TORTURE_SEED set to any of {failed:?}");
}

fn in_words(faults: &Faults) -> String {
    let words = faults.iter().map(|(fault, (times, late))| match late {
        0 => format!("{times} × {fault}"),
        _ => format!("{times} × {fault} ({late} after the end)"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn number(variable: &'static str, default: u64) -> u64 {
    optional(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: '{text}' is no number")))
}
