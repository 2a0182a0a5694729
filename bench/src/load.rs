//! `make bench-load`: how fast a file is loaded, beside how fast MongoDB takes documents at all.
//!
//! Each run does, on one mongod and one nats-server and a database of its own:
//!
//! - *ceiling*: the same documents, built before the clock starts, by `insert_many` into a collection with the same indexes, at the
//!   batch size and concurrency that a short search found to be the fastest;
//! - *in transactions*: the same in the batches and transactions of a load, with nothing else to do;
//! - *fresh load*: the file into an empty collection, from its acceptance to `SUCCEEDED`, by one loader process;
//! - *same again*: the identical file once more;
//! - *all changed*: a file in which every amount differs.
//!
//! Shown are medians over the runs, as rows a second and as a share of the ceiling, and the loader's peak resident memory.

mod bed;
mod ceiling;
mod loading;
mod median;
mod process;

use anyhow::{Result, ensure};
use clap::Parser;
use paystats_core::load::LoadEntity;

use crate::{bed::Bed, loading::Loaded, median::median, process::Process};

/// Measures loads beside `insert_many` of the same documents.
#[derive(Parser)]
struct Options {
    /// Rows of the file, about: whole postal codes of 76 months.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Runs; medians are shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Loader processes.
    #[arg(long, default_value_t = 1)]
    loaders: usize,
}

/// Rows a second of each part of a run.
#[derive(Clone, Copy, Debug)]
struct Run {
    ceiling: f64,
    in_transactions: f64,
    fresh: f64,
    again: f64,
    changed: f64,
    peak_mebibytes: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let bed = Bed::start().await?;
    let (postal_codes, rows) = bed.generate(options.rows)?;
    bed.generate_paystats("changed.csv", 2, postal_codes)?;
    let shape = ceiling::search(&bed, rows).await?;
    println!(
        "{rows} rows, {} loader(s); ceiling by batches of {} on {} connections",
        options.loaders, shape.batch, shape.concurrency
    );

    let mut runs = Vec::new();
    for number in 1..=options.runs {
        let run = measure(&bed, rows, shape, options.loaders).await?;
        println!(
            "run {number}: ceiling {:.0}, in transactions {:.0}, fresh {:.0}, again {:.0}, changed {:.0} rows/s",
            run.ceiling, run.in_transactions, run.fresh, run.again, run.changed
        );
        runs.push(run);
    }
    show(&runs);
    bed.stop().await
}

async fn measure(bed: &Bed, rows: u64, shape: ceiling::Shape, loaders: usize) -> Result<Run> {
    let ceiling = ceiling::measure(bed, rows, shape).await?;
    let in_transactions = ceiling::measure(bed, rows, ceiling::OF_LOADS).await?;
    let place = bed.place().await?;
    let processes: Vec<Process> = (0..loaders).map(|_| Process::loader(&place.config)).collect::<Result<_>>()?;
    place.load(LoadEntity::PostalCodes, "postal_codes.csv").await?;
    let mut rates = Vec::new();
    for source in ["paystats.csv", "paystats.csv", "changed.csv"] {
        let Loaded { counts, seconds, roll_up_seconds } = place.load(LoadEntity::Paystats, source).await?;
        println!("{source}: {seconds:.2} s, of which the roll-up {roll_up_seconds:.2} s");
        ensure!(counts.read() == rows && counts.rejected == 0, "{source}: {counts:?} instead of {rows} rows");
        rates.push(rows as f64 / seconds);
    }
    let peaks = processes.iter().map(|loader| loader.mebibytes("VmHWM")).collect::<Result<Vec<_>>>()?;
    drop(processes);
    place.remove().await?;
    let peak_mebibytes = peaks.into_iter().fold(0.0, f64::max);
    Ok(Run { ceiling, in_transactions, fresh: rates[0], again: rates[1], changed: rates[2], peak_mebibytes })
}

fn show(runs: &[Run]) {
    let median = |value: fn(&Run) -> f64| median(runs, value);
    println!("\n| what | rows/s | share of the ceiling |\n|---|---|---|");
    println!("| insert_many (ceiling) | {:.0} | |", median(|run| run.ceiling));
    for (name, rate, share) in [
        (
            "the same in transactions",
            median(|run| run.in_transactions),
            median(|run| run.in_transactions / run.ceiling),
        ),
        ("fresh load", median(|run| run.fresh), median(|run| run.fresh / run.ceiling)),
        ("the same file again", median(|run| run.again), median(|run| run.again / run.ceiling)),
        ("every row changed", median(|run| run.changed), median(|run| run.changed / run.ceiling)),
    ] {
        println!("| {name} | {rate:.0} | {:.0} % |", share * 100.0);
    }
    println!("\nloader's peak resident memory: {:.0} MiB", median(|run| run.peak_mebibytes));
}
