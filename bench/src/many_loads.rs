//! Many loads at once, each with a watcher of its own.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
};

use anyhow::{Context, Result, ensure};
use paystats_core::load::LoadEntity;

use crate::{bed::Bed, ear::Ear, place_with_postal_codes, process::Process, server::ServerProcess, watchers::Watching};

/// Loads the rows in so many files, and shows how long after its publishing each event was told.
pub async fn measure(bed: &Bed, rows: u64, loads: usize) -> Result<()> {
    let sources = split(bed, rows, loads)?;
    let place = place_with_postal_codes(bed).await?;
    let (server, _) = ServerProcess::start(&place.config).await?;
    let mut ids = Vec::with_capacity(loads);
    for source in &sources {
        ids.push(place.accept(LoadEntity::Paystats, source).await?.id);
    }
    let watching = Watching::start(server.port, ids).await?;
    let ear = Ear::open(&place.engines.bus).await?;
    let loader = Process::loader(&place.config)?;
    let heard = ear.until_ended(loads).await?;
    let ended = watching.ended().await?;
    drop((loader, server));

    let mut delays = Vec::new();
    // The states before the first event are told by no event.
    for told in ended.iter().flat_map(|watcher| &watcher.told).filter(|told| told.seq > 0) {
        let published = heard.published.get(&told.seq);
        let published = published.with_context(|| format!("event {} was told and never published", told.seq))?;
        let delay = told.at.duration_since(*published).context("told before it was published")?;
        delays.push(delay.as_secs_f64());
    }
    delays.sort_by(f64::total_cmp);
    ensure!(!delays.is_empty(), "no event was told");
    let quantile = |share: f64| delays[((delays.len() - 1) as f64 * share).round() as usize];
    println!("\n| {loads} watchers of {loads} loads | | target |\n|---|---|---|");
    println!("| from an event to its watcher, median | {:.4} s | |", quantile(0.5));
    println!("| p99 | {:.4} s | |", quantile(0.99));
    println!("| max | {:.4} s | 1 s |", quantile(1.0));
    println!("| events told | {} | |", delays.len());
    println!("| all loads, {rows} rows | {:.1} s | |", heard.seconds()?);
    place.remove().await
}

/// Cuts the file into files of about as many rows, and gives their names.
fn split(bed: &Bed, rows: u64, files: usize) -> Result<Vec<String>> {
    let mut lines = BufReader::new(File::open(bed.datalake().join("paystats.csv"))?).lines();
    let header = lines.next().context("no header")??;
    let mut names = Vec::with_capacity(files);
    for file in 0..files as u64 {
        let first = |file| rows * file / files as u64;
        let name = format!("paystats-{file}.csv");
        let mut part = bed.create(&name)?;
        writeln!(part, "{header}")?;
        for _ in first(file)..first(file + 1) {
            writeln!(part, "{}", lines.next().context("too few rows")??)?;
        }
        part.flush()?;
        names.push(name);
    }
    Ok(names)
}
