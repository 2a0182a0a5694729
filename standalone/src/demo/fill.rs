//! Fills an empty store with the demo data set, through the public API.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Dataset;
use crate::{
    client::Client,
    loads,
    progress::{self, ProgressDisplay},
};

/// In this order: paystats of unknown postal codes are rejected.
const LOADS: [DemoLoad; 2] = [
    DemoLoad {
        entity: "POSTAL_CODES",
        source: "demo/postal_codes.csv",
        key: "demo-postal-codes",
        write: Dataset::write_postal_codes,
    },
    DemoLoad { entity: "PAYSTATS", source: "demo/paystats.csv", key: "demo-paystats", write: Dataset::write_paystats },
];

struct DemoLoad {
    entity: &'static str,
    source: &'static str,
    /// With the same idempotency key the API answers with the same load, so a demo that was interrupted goes on where it was.
    key: &'static str,
    write: fn(&Dataset, BufWriter<File>) -> io::Result<()>,
}

const STATE_OF_THE_STORE: &str = "{
    postalCodes(first: 1) { totalCount }
    loads(first: 3) { totalCount edges { node { source state } } }
}";

/// Generates and loads the demo data set if the store is empty, or if all that was ever loaded is a part of the demo and the rest is
/// missing. Otherwise does nothing. `datalake` is the folder that the server reads sources from.
pub async fn fill_empty_store(client: &Client, datalake: &Path) -> Result<()> {
    if !is_wanted(&client.query(STATE_OF_THE_STORE, json!({})).await?) {
        return Ok(());
    }
    for load in &LOADS {
        load.provide_file(datalake).await?;
        load.run(client).await?;
    }
    Ok(())
}

/// Whether the demo has something to do in a store that answered so.
fn is_wanted(store: &Value) -> bool {
    let loads = store["loads"]["edges"].as_array().map(Vec::as_slice).unwrap_or_default();
    if loads.is_empty() {
        return store["postalCodes"]["totalCount"] == 0 && store["loads"]["totalCount"] == 0;
    }
    let is_demo = |load: &Value| LOADS.iter().any(|demo| load["node"]["source"] == demo.source);
    // A load of the demo that failed, or was stopped or taken back, is a person's business now.
    let may_succeed =
        |load: &Value| !matches!(load["node"]["state"].as_str(), Some("FAILED" | "CANCELLED" | "REVERTING" | "UNDONE"));
    let is_complete = loads.len() >= LOADS.len() && loads.iter().all(|load| load["node"]["state"] == "SUCCEEDED");
    loads.iter().all(|load| is_demo(load) && may_succeed(load)) && !is_complete
}

impl DemoLoad {
    /// Generates the file if it is missing. A file with its final name is complete.
    async fn provide_file(&self, datalake: &Path) -> Result<()> {
        let file = datalake.join(self.source);
        let write = self.write;
        let generate = move || -> Result<()> {
            if file.exists() {
                return Ok(());
            }
            let unfinished = file.with_extension("csv.part");
            fs::create_dir_all(file.parent().context("a source is in a folder")?)?;
            write(&Dataset::demo(), BufWriter::new(File::create(&unfinished)?))?;
            fs::rename(unfinished, file)?;
            Ok(())
        };
        let generated = tokio::task::spawn_blocking(generate).await?;
        generated.with_context(|| format!("generating {} in {}", self.source, datalake.display()))
    }

    /// Starts the load, or finds it running, and watches it until it ends.
    async fn run(&self, client: &Client) -> Result<()> {
        let input = json!({ "entity": self.entity, "source": self.source, "idempotencyKey": self.key });
        let load = loads::start(client, input).await;
        let load = load.with_context(|| format!("starting the load of {}", self.source))?;

        let mut display = ProgressDisplay::new(format!("demo: load #{} of {}", load.number, self.source));
        let last = loads::watch(client, &load, &mut display).await?;
        match last["state"].as_str() {
            Some("SUCCEEDED") => {
                display.finish(&format!("done, {}", progress::in_words(&last)));
                Ok(())
            }
            state => {
                let state = state.unwrap_or_default();
                let reason = last["error"].as_str().unwrap_or("no reason given");
                display.finish(&format!("{state}: {reason}"));
                bail!("the load of {} ended as {state}: {reason}", self.source)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(postal_codes: u64, loads: &[(&str, &str)]) -> Value {
        let edges: Vec<_> =
            loads.iter().map(|(source, state)| json!({ "node": { "source": source, "state": state } })).collect();
        json!({ "postalCodes": { "totalCount": postal_codes }, "loads": { "totalCount": loads.len(), "edges": edges } })
    }

    #[test]
    fn the_demo_is_for_empty_stores_only() {
        assert!(is_wanted(&store(0, &[])));
        assert!(!is_wanted(&store(1, &[])));
        assert!(!is_wanted(&store(0, &[("mine.csv", "QUEUED")])));
        assert!(!is_wanted(&store(120, &[("demo/postal_codes.csv", "SUCCEEDED"), ("mine.csv", "SUCCEEDED")])));
    }

    #[test]
    fn an_interrupted_demo_goes_on_and_a_complete_one_is_left_alone() {
        let codes = |state| ("demo/postal_codes.csv", state);
        let paystats = |state| ("demo/paystats.csv", state);
        assert!(is_wanted(&store(0, &[codes("LOADING")])));
        assert!(is_wanted(&store(120, &[codes("SUCCEEDED")])));
        assert!(is_wanted(&store(120, &[paystats("PLANNING"), codes("SUCCEEDED")])));
        assert!(!is_wanted(&store(120, &[paystats("SUCCEEDED"), codes("SUCCEEDED")])));
    }

    #[test]
    fn a_demo_that_failed_is_not_started_again() {
        assert!(!is_wanted(&store(0, &[("demo/postal_codes.csv", "FAILED")])));
        assert!(!is_wanted(&store(120, &[("demo/paystats.csv", "FAILED"), ("demo/postal_codes.csv", "SUCCEEDED")])));
    }

    #[test]
    fn a_demo_that_was_removed_stays_away() {
        let removed = [("demo/paystats.csv", "UNDONE"), ("demo/postal_codes.csv", "UNDONE")];
        assert!(!is_wanted(&store(0, &removed)));
        assert!(!is_wanted(&store(120, &[("demo/paystats.csv", "UNDONE"), ("demo/postal_codes.csv", "SUCCEEDED")])));
        assert!(!is_wanted(&store(120, &[("demo/paystats.csv", "REVERTING"), ("demo/postal_codes.csv", "SUCCEEDED")])));
        assert!(!is_wanted(&store(0, &[("demo/postal_codes.csv", "CANCELLED")])));
    }

    #[tokio::test]
    async fn the_files_are_generated_once() {
        let datalake = tempfile::tempdir().unwrap();
        for load in &LOADS {
            load.provide_file(datalake.path()).await.unwrap();
        }
        let mut names: Vec<_> =
            fs::read_dir(datalake.path().join("demo")).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["paystats.csv", "postal_codes.csv"]);

        let file = datalake.path().join(LOADS[1].source);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count() as u64, 1 + Dataset::demo().paystats());
        fs::write(&file, "kept").unwrap();
        LOADS[1].provide_file(datalake.path()).await.unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }
}
