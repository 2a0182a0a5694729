//! Alerts and dashboards ask for what the programs really tell.

use std::{fmt::Write, fs, path::Path, process::Command};

use paystats_loader::LoaderConfig;
use paystats_tests::{
    RunningLoader, TestBed,
    sources::{paystat, paystat_row, paystats},
};
use serde_json::json;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
const LOADER: LoaderConfig = LoaderConfig { concurrency: 1, chunk_bytes: 10_000, chunks_in_flight: 16 };

/// What a server and a loader tell that have been asked for this and that.
async fn told() -> String {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let (_loader, loader) = RunningLoader::start_observed(bed.config().clone(), LOADER).await;
    bed.put("rows.csv", paystats([paystat_row(&paystat(1))]));
    let start = r#"mutation { startLoad(input: { entity: PAYSTATS, source: "rows.csv" }) { load { id } } }"#;
    let started = server.graphql(start, json!({})).await;
    let watch = "subscription($id: ID!) { loadProgress(id: $id) { state } }";
    let id = &started.data()["startLoad"]["load"]["id"];
    server.subscribe(watch, json!({ "id": id })).await.rest().await;
    server.graphql("{ total { count } }", json!({})).await.data();
    let mut text = server.metrics().await.0;
    writeln!(text, "{}", loader.metrics().await.0).unwrap();
    text
}

fn lint(metrics: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics");
    fs::write(&file, metrics).unwrap();
    let output = Command::new(Path::new(ROOT).join("deploy/lint")).arg(&file).output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_dashboards_ask_for_what_the_programs_tell() {
    let told = told().await;
    let (good, said) = lint(&told);
    assert!(good, "{said}");
    if said.contains("are not checked") {
        return;
    }
    let (good, said) = lint(&told.replace("paystats_cube_age_seconds", "paystats_cube_years"));
    assert!(!good && said.contains("no program has a metric paystats_cube_age_seconds"), "{said}");
}
