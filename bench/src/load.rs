//! `make bench-load`: how fast a file is loaded, beside how fast MongoDB takes documents at all.
//!
//! Each run does, the first three each on a mongod and a nats-server that have done nothing before:
//!
//! - *ceiling*: the same documents, built before the clock starts, by `insert_many` into a collection with the same indexes, at the
//!   batch size and concurrency that a short search found to be the fastest;
//! - *in transactions*: the same in the batches and transactions of a load, with nothing else to do;
//! - *fresh load*: the file into an empty collection, from its acceptance to `SUCCEEDED`, by one loader process;
//! - *same again*: the identical file once more, after that;
//! - *all changed*: a file in which every amount differs, after that.
//!
//! Shown are medians over the runs, as rows a second and as a share of the ceiling, with the time that a million rows take of the processors,
//! and the loader's peak resident memory.

mod bed;
mod ceiling;
mod cpu;
mod loading;
mod median;
mod process;

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use paystats_core::load::LoadEntity;

use crate::{bed::Bed, cpu::cpu_seconds, loading::Loaded, median::median, process::Process};

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

/// A part of a run.
#[derive(Clone, Copy, Debug)]
struct Part {
    rows_a_second: f64,
    /// Time on the processors for a million rows, in seconds.
    mongod_cpu: f64,
    loaders_cpu: f64,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    ceiling: Part,
    in_transactions: Part,
    fresh: Part,
    again: Part,
    changed: Part,
    peak_mebibytes: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut bed = Bed::start().await?;
    let (postal_codes, rows) = bed.generate(options.rows)?;
    bed.generate_paystats("changed.csv", 2, postal_codes)?;
    let shape = ceiling::search(&bed, rows).await?;
    println!(
        "{rows} rows, {} loader(s); ceiling by batches of {} on {} connections",
        options.loaders, shape.batch, shape.concurrency
    );

    let mut runs = Vec::new();
    for number in 1..=options.runs {
        bed = Bed::on(bed.stop().await?).await?;
        let ceiling = insert(&bed, rows, shape).await?;
        bed = Bed::on(bed.stop().await?).await?;
        let in_transactions = insert(&bed, rows, ceiling::OF_LOADS).await?;
        bed = Bed::on(bed.stop().await?).await?;
        let ([fresh, again, changed], peak_mebibytes) = load(&bed, rows, options.loaders).await?;
        let run = Run { ceiling, in_transactions, fresh, again, changed, peak_mebibytes };
        let told = PARTS.map(|(name, part)| format!("{name} {:.0}", part(&run).rows_a_second));
        println!("run {number}: {} rows/s", told.join(", "));
        runs.push(run);
    }
    show(&runs);
    bed.stop().await?;
    Ok(())
}

async fn insert(bed: &Bed, rows: u64, shape: ceiling::Shape) -> Result<Part> {
    let cpu_before = cpu_seconds(bed.engines.mongod.pid())?;
    let rows_a_second = ceiling::measure(bed, rows, shape).await?;
    let mongod_cpu = for_a_million(cpu_seconds(bed.engines.mongod.pid())? - cpu_before, rows);
    Ok(Part { rows_a_second, mongod_cpu, loaders_cpu: 0.0 })
}

/// A fresh load, the same again, and one in which all is changed; and the most memory that a loader had.
async fn load(bed: &Bed, rows: u64, loaders: usize) -> Result<([Part; 3], f64)> {
    let place = bed.place().await?;
    let processes: Vec<Process> = (0..loaders).map(|_| Process::loader(&place.config)).collect::<Result<_>>()?;
    let cpu = || {
        let of_loaders = processes.iter().map(|loader| cpu_seconds(loader.id())).sum::<Result<f64>>()?;
        anyhow::Ok((cpu_seconds(bed.engines.mongod.pid())?, of_loaders))
    };
    place.load(LoadEntity::PostalCodes, "postal_codes.csv").await?;
    let mut parts = Vec::new();
    for source in ["paystats.csv", "paystats.csv", "changed.csv"] {
        let before = cpu()?;
        let Loaded { counts, seconds, roll_up_seconds } = place.load(LoadEntity::Paystats, source).await?;
        let after = cpu()?;
        println!("{source}: {seconds:.2} s, of which the roll-up {roll_up_seconds:.2} s");
        ensure!(counts.read() == rows && counts.rejected == 0, "{source}: {counts:?} instead of {rows} rows");
        parts.push(Part {
            rows_a_second: rows as f64 / seconds,
            mongod_cpu: for_a_million(after.0 - before.0, rows),
            loaders_cpu: for_a_million(after.1 - before.1, rows),
        });
    }
    let peaks = processes.iter().map(|loader| loader.mebibytes("VmHWM")).collect::<Result<Vec<_>>>()?;
    drop(processes);
    place.remove().await?;
    let parts = parts.try_into().map_err(|parts| anyhow!("three loads, not {parts:?}"))?;
    Ok((parts, peaks.into_iter().fold(0.0, f64::max)))
}

fn for_a_million(seconds: f64, rows: u64) -> f64 {
    seconds * 1e6 / rows as f64
}

type PartOf = fn(&Run) -> Part;

/// The parts of a run, by name.
const PARTS: [(&str, PartOf); 5] = [
    ("insert_many (ceiling)", |run| run.ceiling),
    ("the same in transactions", |run| run.in_transactions),
    ("fresh load", |run| run.fresh),
    ("the same file again", |run| run.again),
    ("every row changed", |run| run.changed),
];

fn show(runs: &[Run]) {
    println!(
        "\n| what | rows/s | share of the ceiling | CPU s for a million rows: mongod | loaders |\n|---|---|---|---|---|"
    );
    for (name, part) in PARTS {
        let rate = median(runs, |run| part(run).rows_a_second);
        let share = median(runs, |run| part(run).rows_a_second / run.ceiling.rows_a_second) * 100.0;
        let (mongod, loaders) = (median(runs, |run| part(run).mongod_cpu), median(runs, |run| part(run).loaders_cpu));
        println!("| {name} | {rate:.0} | {share:.0} % | {mongod:.1} | {loaders:.1} |");
    }
    println!("\nloader's peak resident memory: {:.0} MiB", median(runs, |run| run.peak_mebibytes));
}
