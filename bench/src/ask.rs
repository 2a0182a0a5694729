//! `make bench-ask`: how fast totals are answered, beside how fast the same server answers `{ __typename }`, and beside MongoDB's
//! pipelines.
//!
//! A generated file is loaded first; the share of that time that the roll-up took is shown. Then questions go over HTTP connections that
//! stay open, one and thirty-two at once; shown are medians over the runs.

mod bed;
mod loading;
mod median;
mod process;
mod request;
mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use paystats_core::{
    domain::{Dimension, PaystatScope},
    load::LoadEntity,
};
use serde_json::json;

use crate::{
    bed::Bed,
    median::median,
    process::Process,
    request::{request, request_with},
    server::ServerProcess,
};

/// Measures questions about totals.
#[derive(Parser)]
struct Options {
    /// Rows of the file, about: whole postal codes of 76 months.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Runs; medians are shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

const CONNECTIONS: [usize; 2] = [1, 32];

/// What is asked for, many times: each time another question of the list.
struct Question {
    name: &'static str,
    queries: Vec<Vec<u8>>,
}

/// How one measurement went.
#[derive(Clone, Copy, Debug)]
struct Speed {
    per_second: f64,
    p50_millis: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let bed = Bed::start().await?;
    let (postal_codes, rows) = bed.generate(options.rows)?;
    let place = bed.place().await?;
    let loader = Process::loader(&place.config)?;
    place.load(LoadEntity::PostalCodes, "postal_codes.csv").await?;
    let (replica, _) = ServerProcess::start(&place.config).await?;
    let loaded = place.load(LoadEntity::Paystats, "paystats.csv").await?;
    let told = Instant::now();
    let mut connection = replica.connect().await?;
    let total = request("{ total { count } }");
    while connection.ask(&total).await? != format!("{{\"data\":{{\"total\":{{\"count\":{rows}}}}}}}").as_bytes() {
        ensure!(told.elapsed() < Duration::from_secs(60), "the total of the load does not come");
        // Without a pause the questions take the time that the answer needs.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let behind = told.elapsed();
    ensure!(loaded.counts.inserted == rows, "{:?} instead of {rows} rows", loaded.counts);
    let peak = loader.mebibytes("VmHWM")?;
    drop((loader, replica));

    let (server, ready) = ServerProcess::start(&place.config).await?;
    println!("{rows} rows of {postal_codes} postal codes");
    let share = loaded.roll_up_seconds / loaded.seconds * 100.0;
    println!(
        "load: {:.1} s, of which its roll-up {:.2} s ({share:.0} %); loader at most {peak:.0} MiB resident",
        loaded.seconds, loaded.roll_up_seconds
    );
    println!("from the end of the load to its total on a server: {:.0} ms", behind.as_secs_f64() * 1e3);
    let resident = server.process.mebibytes("VmRSS")?;
    println!("server: ready {:.2} s after its start, {resident:.0} MiB resident", ready.as_secs_f64());

    let questions = questions(postal_codes);
    let mut speeds = vec![vec![Vec::new(); CONNECTIONS.len()]; questions.len()];
    for _ in 0..options.runs {
        for (question, speeds) in questions.iter().zip(&mut speeds) {
            for (connections, speeds) in CONNECTIONS.into_iter().zip(speeds) {
                speeds.push(measure(&server, question, connections, options.seconds).await?);
            }
        }
    }
    let ceilings = speeds[0].iter().map(|runs| median(runs, |speed| speed.per_second)).collect::<Vec<_>>();
    println!("\n| question | p50 alone | 1 connection | of the ceiling | 32 connections | of the ceiling |");
    println!("|---|---|---|---|---|---|");
    for (question, speeds) in questions.iter().zip(&speeds) {
        let rates = speeds.iter().map(|runs| median(runs, |speed| speed.per_second)).collect::<Vec<_>>();
        let p50 = median(&speeds[0], |speed| speed.p50_millis);
        let [one, many] = [0, 1].map(|place| rates[place] / ceilings[place] * 100.0);
        println!(
            "| {} | {p50:.3} ms | {:.0}/s | {one:.0} % | {:.0}/s | {many:.0} % |",
            question.name, rates[0], rates[1]
        );
    }
    show_pipelines(&place, &speeds, &questions).await?;
    println!("\nserver after that: {:.0} MiB resident", server.process.mebibytes("VmRSS")?);
    drop(server);
    place.remove().await?;
    bed.stop().await?;
    Ok(())
}

fn questions(postal_codes: u32) -> Vec<Question> {
    let one = |query: &str| vec![request(query)];
    let random_id = |place: u64| place * 7_919 % u64::from(postal_codes) + 1;
    let of_random = |fields: &str| {
        let query = format!("query ($id: Int!) {{ postalCode(id: $id) {{ {fields} }} }}");
        (0..1_000).map(|place| request_with(&query, json!({ "id": random_id(place) }))).collect()
    };
    let stats = |group: &str| {
        let query = format!(
            "query ($codes: [String!]) {{
                stats(groupBy: [{group}], filter: {{ postalCodes: $codes }}) {{ total {{ amount count }} }}
            }}"
        );
        let code = |place| format!("{}", 28_000 + random_id(place));
        (0..1_000).map(|place| request_with(&query, json!({ "codes": [code(place)] }))).collect()
    };
    vec![
        Question { name: "`{ __typename }` (ceiling)", queries: one("{ __typename }") },
        Question { name: "total of everything", queries: one("{ total { amount count } }") },
        Question { name: "total of one postal code", queries: of_random("total { amount count }") },
        Question { name: "its series", queries: of_random("timeSeries { points { period total { amount count } } }") },
        Question {
            name: "its ages and genders",
            queries: of_random("byAgeAndGender { age gender total { amount count } }"),
        },
        Question { name: "total of one code by a filter", queries: stats("YEAR") },
        Question {
            name: "monthly series by gender",
            queries: one("{ timeSeries(by: [GENDER]) { gender points { period total { amount count } } } }"),
        },
        Question {
            name: "totals of all postal codes in a year",
            queries: one(
                "{ stats(groupBy: [POSTAL_CODE], filter: { from: \"2016-01\", to: \"2016-12\" }) { total { amount count } } }",
            ),
        },
        Question { name: "map of all postal codes", queries: one("{ choropleth }") },
    ]
}

/// Asks over some connections at once for a while.
async fn measure(server: &ServerProcess, question: &Question, connections: usize, seconds: f64) -> Result<Speed> {
    let queries = Arc::new(question.queries.clone());
    // The first answer may draw what is kept then.
    server.connect().await?.ask(&queries[0]).await.with_context(|| question.name)?;
    let start = Instant::now();
    let mut askers = Vec::new();
    for asker in 0..connections {
        let (mut connection, queries) = (server.connect().await?, queries.clone());
        askers.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while start.elapsed().as_secs_f64() < seconds {
                let query = &queries[(times.len() * 31 + asker) % queries.len()];
                let asked = Instant::now();
                let answer = connection.ask(query).await?;
                ensure!(!answer.starts_with(b"{\"errors\"") && !answer.starts_with(b"{\"data\":null"), "an error");
                times.push(asked.elapsed());
            }
            Ok(times)
        }));
    }
    let mut times = Vec::new();
    for asker in askers {
        times.extend(asker.await??);
    }
    let per_second = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    Ok(Speed { per_second, p50_millis: times[times.len() / 2].as_secs_f64() * 1e3 })
}

/// The same questions as pipelines of MongoDB.
async fn show_pipelines(place: &bed::Place, speeds: &[Vec<Vec<Speed>>], questions: &[Question]) -> Result<()> {
    let everything = PaystatScope::default();
    let year = PaystatScope { from: Some("2016-01".parse()?), to: Some("2016-12".parse()?), ..PaystatScope::default() };
    println!("\n| question | MongoDB's pipeline | from memory, over HTTP | factor |\n|---|---|---|---|");
    for (name, scope, by) in [
        ("total of everything", &everything, vec![]),
        ("monthly series by gender", &everything, vec![Dimension::Month, Dimension::Gender]),
        ("totals of all postal codes in a year", &year, vec![Dimension::PostalCode]),
    ] {
        let mut times = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            place.engines.store.totals.by(scope, &by).await?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let asked = questions.iter().zip(speeds).find(|(question, _)| question.name == name);
        let memory = asked.map_or(f64::NAN, |(_, speeds)| median(&speeds[0], |speed| speed.p50_millis));
        println!("| {name} | {:.0} ms | {memory:.3} ms | {:.0} |", times[1], times[1] / memory);
    }
    Ok(())
}
