//! Holds every crate that our programs and tests are made of against `deny.toml`: its licence is one of those allowed there, and it comes
//! from crates.io. cargo-deny checks more, and is not on every machine.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;
use spdx::{Expression, ParseMode};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn every_crate_has_an_allowed_licence() {
    let deny = deny();
    let allowed: BTreeSet<_> = texts(&deny["licenses"]["allow"]).collect();
    for package in packages() {
        let name = format!("{} {}", package["name"], package["version"]);
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        // Older crates write `MIT/Apache-2.0`.
        let licence = Expression::parse_mode(licence, ParseMode::LAX).unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_allowed = licence.evaluate(|wanted| allowed.contains(wanted.to_string().as_str()));
        assert!(is_allowed, "{name}: the licence {licence} is not allowed by deny.toml");
    }
}

#[test]
fn every_crate_comes_from_crates_io_or_is_ours() {
    for package in packages() {
        let manifest = package["manifest_path"].as_str().unwrap();
        match package["source"].as_str() {
            Some(source) => {
                assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{}", package["name"]);
            }
            None => assert!(package["publish"].as_array().is_some_and(Vec::is_empty), "{manifest} is not ours"),
        }
    }
}

/// The crates that are compiled for the platforms of `deny.toml`.
fn packages() -> Vec<Value> {
    let deny = deny();
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version", "1", "--locked"]).current_dir(ROOT);
    for target in texts(&deny["graph"]["targets"]) {
        metadata.args(["--filter-platform", target]);
    }
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(packages) = metadata["packages"].take() else { panic!("cargo metadata lists no packages") };
    assert!(packages.iter().any(|package| package["name"] == "mongodb"));
    packages
}

fn deny() -> toml::Table {
    fs::read_to_string(format!("{ROOT}/deny.toml")).unwrap().parse().unwrap()
}

fn texts(list: &toml::Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}
