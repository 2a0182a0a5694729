//! Many watchers of one load, and the same load without any.

use std::{iter, process, thread::available_parallelism, time::SystemTime};

use anyhow::{Context, Result};
use paystats_core::load::{Load, LoadEntity};

use crate::{
    bare::{self, Bare},
    bed::{Bed, Place},
    cpu::cpu_seconds,
    ear::Ear,
    median::median,
    place_with_postal_codes,
    process::Process,
    resident::Resident,
    server::ServerProcess,
    watchers::{Watcher, Watching},
};

/// One run.
struct Run {
    alone: Loaded,
    watched: Loaded,
    watchers: Watchers,
    bare: Bare,
}

/// How a load went.
struct Loaded {
    /// From its first event to its last one.
    seconds: f64,
    /// When the bus took the last one.
    end: SystemTime,
    /// CPU time of the server until then.
    server_cpu_seconds: f64,
    /// What this program took until then, for the watchers above all: on the same machine the load has to do without it.
    clients_cpu_seconds: f64,
    resident: Resident,
}

impl Run {
    /// What watching took of the CPU time that the machine had during the load. Load and engines keep all cores busy, so this is what watching
    /// slows them by, and differs less between runs than the seconds of two loads.
    fn share_of_machine(&self) -> f64 {
        let cpu = |loaded: &Loaded| loaded.server_cpu_seconds + loaded.clients_cpu_seconds;
        let cores = available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        (cpu(&self.watched) - cpu(&self.alone)) / (self.watched.seconds * cores)
    }
}

/// What its watchers had of it.
struct Watchers {
    /// From the last event to the receipt of the final state by the last watcher.
    last_seconds: f64,
    /// How many states a watcher was told; the median.
    messages: f64,
    kib_a_watcher: f64,
}

/// Measures all runs and shows what came out.
pub async fn measure(bed: &Bed, watchers: usize, runs: usize) -> Result<()> {
    let mut measured = Vec::new();
    for number in 1..=runs {
        // The machine and the engines do not stay as they are, so each one comes first by turns.
        let run = if number % 2 == 1 {
            let alone = alone(bed).await?;
            let (watched, watchers, bare) = watched(bed, watchers).await?;
            Run { alone, watched, watchers, bare }
        } else {
            let (watched, watchers, bare) = watched(bed, watchers).await?;
            Run { alone: alone(bed).await?, watched, watchers, bare }
        };
        show_run(number, &run);
        measured.push(run);
    }
    show(watchers, &measured);
    Ok(())
}

async fn alone(bed: &Bed) -> Result<Loaded> {
    let queued = Queued::new(bed).await?;
    let resident = Resident::before(&queued.server.process)?;
    let (loaded, _) = queued.load(Watching::default(), resident).await?;
    queued.remove().await?;
    Ok(loaded)
}

/// The bare broadcast then does with the same message what the server did with the last one.
async fn watched(bed: &Bed, watchers: usize) -> Result<(Loaded, Watchers, Bare)> {
    let queued = Queued::new(bed).await?;
    let mut resident = Resident::before(&queued.server.process)?;
    let watching = Watching::start(queued.server.port, iter::repeat_n(queued.load.id, watchers)).await?;
    resident.look(&queued.server.process)?;
    let (loaded, ended) = queued.load(watching, resident).await?;

    let receipts = ended.iter().filter_map(|watcher| watcher.told.last());
    let last = receipts.map(|told| told.at).max().context("nobody was told anything")?;
    let told = Watchers {
        last_seconds: last.duration_since(loaded.end).context("told before it was published")?.as_secs_f64(),
        messages: median(&ended, |watcher| watcher.told.len() as f64),
        kib_a_watcher: loaded.resident.kib_a_watcher(watchers),
    };
    let text = ended.into_iter().find_map(|watcher| watcher.end).context("no message")?.to_string();
    let place = queued.stop();
    let bare = bare::measure(&place.config, watchers, &text).await?;
    place.remove().await?;
    Ok((loaded, told, bare))
}

/// A load that was accepted, that a server knows of, and that no loader has taken.
struct Queued {
    place: Place,
    server: ServerProcess,
    load: Load,
}

impl Queued {
    async fn new(bed: &Bed) -> Result<Self> {
        let place = place_with_postal_codes(bed).await?;
        let (server, _) = ServerProcess::start(&place.config).await?;
        let load = place.accept(LoadEntity::Paystats, "paystats.csv").await?;
        Ok(Self { place, server, load })
    }

    /// A loader loads it. Returns once all watchers know.
    async fn load(&self, watching: Watching, mut resident: Resident) -> Result<(Loaded, Vec<Watcher>)> {
        let ear = Ear::open(&self.place.engines.bus).await?;
        let [server, clients] = [self.server.process.id(), process::id()];
        let (server_before, clients_before) = (cpu_seconds(server)?, cpu_seconds(clients)?);
        let _loader = Process::loader(&self.place.config)?;
        let heard = ear.until_ended(1).await?;
        let (server_cpu_seconds, clients_cpu_seconds) =
            (cpu_seconds(server)? - server_before, cpu_seconds(clients)? - clients_before);
        let watchers = watching.ended().await?;
        resident.look(&self.server.process)?;
        let loaded =
            Loaded { seconds: heard.seconds()?, end: heard.end, server_cpu_seconds, clients_cpu_seconds, resident };
        Ok((loaded, watchers))
    }

    fn stop(self) -> Place {
        self.place
    }

    async fn remove(self) -> Result<()> {
        self.stop().remove().await
    }
}

fn show_run(number: usize, Run { alone, watched, watchers, bare }: &Run) {
    let Resident { before, most } = watched.resident;
    println!(
        "run {number}: load {:.2} s alone, {:.2} s watched; last watcher {:.3} s after the last event, bare {:.3} s; {} messages; \
         server {before:.1} MiB, {most:.1} with watchers, {:.1} KiB each, bare {:.1}; its CPU {:.2} s alone, {:.2} s watched; \
         the watchers' CPU {:.2} s",
        alone.seconds,
        watched.seconds,
        watchers.last_seconds,
        bare.seconds,
        watchers.messages,
        watchers.kib_a_watcher,
        bare.kib_a_watcher,
        alone.server_cpu_seconds,
        watched.server_cpu_seconds,
        watched.clients_cpu_seconds,
    );
}

fn show(watchers: usize, runs: &[Run]) {
    let median = |value: fn(&Run) -> f64| median(runs, value);
    println!(
        "\n| {watchers} watchers of one load | server | target | bare broadcast | factor |\n|---|---|---|---|---|"
    );
    println!(
        "| from the last event to the last watcher | {:.3} s | 2 s | {:.3} s | {:.1} |",
        median(|run| run.watchers.last_seconds),
        median(|run| run.bare.seconds),
        median(|run| run.watchers.last_seconds / run.bare.seconds)
    );
    println!(
        "| resident memory a watcher | {:.1} KiB | 25 KiB | {:.1} KiB | {:.1} |",
        median(|run| run.watchers.kib_a_watcher),
        median(|run| run.bare.kib_a_watcher),
        median(|run| run.watchers.kib_a_watcher / run.bare.kib_a_watcher)
    );
    println!("| messages a watcher | {:.0} | | | |", median(|run| run.watchers.messages));
    println!("\n| | without watchers | with | more | target |\n|---|---|---|---|---|");
    println!(
        "| load | {:.2} s | {:.2} s | {:.1} % | < 5 % |",
        median(|run| run.alone.seconds),
        median(|run| run.watched.seconds),
        median(|run| (run.watched.seconds / run.alone.seconds - 1.0) * 100.0)
    );
    println!(
        "| share of the machine that watching takes | | {:.1} % | | |",
        median(|run| run.share_of_machine() * 100.0)
    );
    println!(
        "| server's CPU during the load | {:.2} s | {:.2} s | | |",
        median(|run| run.alone.server_cpu_seconds),
        median(|run| run.watched.server_cpu_seconds)
    );
    println!(
        "| the watchers' CPU, and this program's | {:.2} s | {:.2} s | | |",
        median(|run| run.alone.clients_cpu_seconds),
        median(|run| run.watched.clients_cpu_seconds)
    );
    println!(
        "| server's memory grows by | {:.1} MiB | {:.1} MiB | | |",
        median(|run| run.alone.resident.grown()),
        median(|run| run.watched.resident.grown())
    );
}
