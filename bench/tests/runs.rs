//! Every benchmark runs to its end, with so little that its numbers say nothing. Needs `make engines`.

use std::process::Command;

/// What a benchmark prints.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn questions_are_measured() {
    let told = run(env!("CARGO_BIN_EXE_bench-ask"), &["--rows", "2000", "--runs", "1", "--seconds", "0.05"]);
    assert!(told.contains("| map of all postal codes |"), "{told}");
}

#[test]
fn loads_are_measured() {
    let told = run(env!("CARGO_BIN_EXE_bench-load"), &["--rows", "2000", "--runs", "1"]);
    assert!(told.contains("| fresh load |"), "{told}");
}

#[test]
fn watching_is_measured() {
    let arguments = ["--watchers", "20", "--rows", "20000", "--runs", "1", "--loads", "5"];
    let told = run(env!("CARGO_BIN_EXE_bench-watch"), &arguments);
    assert!(told.contains("| 5 watchers of 5 loads |"), "{told}");
}
