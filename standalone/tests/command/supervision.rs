//! `paystats run` and `paystats engines exec`: they start engines, and end with them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use paystats_standalone::engines::{Mongod, NatsServer};
use tempfile::tempdir;

use crate::{
    paystats,
    processes::{children, run_in, send, wait_for, wait_for_children, wait_for_line, wait_until_gone},
};

#[test]
fn exec_gives_a_command_fresh_engines_and_passes_on_its_exit_code() {
    let temporary = tempdir().unwrap();
    let script = "echo $PAYSTATS_TEST_MONGODB_URI $PAYSTATS_TEST_NATS_URL; exit 7";
    let output = paystats()
        .args(["engines", "exec", "--", "sh", "-c", script])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("mongodb://127.0.0.1:") && printed.contains(" nats://127.0.0.1:"), "{printed}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "the temporary folder is still there");
}

#[test]
fn exec_passes_sigterm_on_and_stops_the_engines() {
    let mut exec = paystats().args(["engines", "exec", "--", "sleep", "1000"]).spawn().unwrap();
    let pids = wait_for_children(&exec, &["mongod", "nats-server", "sleep"]);
    send(&exec, Signal::SIGTERM);
    assert_eq!(exec.wait().unwrap().code(), Some(128 + 15));
    wait_until_gone(&pids);
}

#[test]
fn nothing_outlives_a_killed_exec() {
    let temporary = tempdir().unwrap();
    let mut exec =
        paystats().args(["engines", "exec", "--", "sleep", "1000"]).env("TMPDIR", temporary.path()).spawn().unwrap();
    let pids = wait_for_children(&exec, &["mongod", "nats-server", "sleep"]);
    exec.kill().unwrap();
    exec.wait().unwrap();
    wait_until_gone(&pids);
}

#[tokio::test]
async fn a_data_folder_is_refused_while_in_use_and_free_at_once_after_a_kill() {
    let folder = tempdir().unwrap();
    let mut run = run_in(folder.path()).stdout(Stdio::null()).spawn().unwrap();
    let pids = wait_for_children(&run, &["mongod", "nats-server"]);
    // Both are in use: the port is noted when mongod is primary.
    wait_for("mongod", || folder.path().join("mongod/port").exists().then_some(()));

    let second = run_in(folder.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    let path = folder.path().canonicalize().unwrap();
    assert!(said.contains(&format!("the data folder {} is used by another paystats", path.display())), "{said}");

    run.kill().unwrap();
    run.wait().unwrap();
    let mongod = Mongod::start(&folder.path().join("mongod"), None).await.unwrap();
    let nats_server = NatsServer::start(&folder.path().join("nats"), None).await.unwrap();
    wait_until_gone(&pids);
    nats_server.stop().await.unwrap();
    mongod.stop().await.unwrap();
}

#[test]
fn run_stops_cleanly_on_sigterm() {
    let folder = tempdir().unwrap();
    let mut run = run_in(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let pids = wait_for_children(&run, &["mongod", "nats-server"]);
    wait_for("mongod", || folder.path().join("mongod/port").exists().then_some(()));
    send(&run, Signal::SIGTERM);
    assert_eq!(run.wait().unwrap().code(), Some(0));
    wait_until_gone(&pids);
    let mut printed = String::new();
    run.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(printed.ends_with("Stopping NATS.\nStopping MongoDB.\nStopped.\n"), "{printed}");
}

#[test]
fn run_ends_when_an_engine_does() {
    let folder = tempdir().unwrap();
    let run = run_in(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pids = wait_for_children(&run, &["mongod", "nats-server"]);
    wait_for("mongod", || folder.path().join("mongod/port").exists().then_some(()));
    kill(Pid::from_raw(pids[1]), Signal::SIGKILL).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("nats-server ended by itself"), "{said}");
    wait_until_gone(&pids);
}

#[test]
fn run_ends_with_its_parent_when_told_so() {
    let folder = tempdir().unwrap();
    // A shell that starts it and waits, as make does.
    let mut shell = Command::new("sh")
        .args(["-c", "\"$0\" run & echo $!; wait", env!("CARGO_BIN_EXE_paystats")])
        .envs(run_in(folder.path()).get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PAYSTATS_DIE_WITH_PARENT", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let run: i32 = line.trim().parse().unwrap();
    wait_for("mongod", || folder.path().join("mongod/port").exists().then_some(()));
    let engines: Vec<i32> = children(run.cast_unsigned()).into_iter().map(|(_, pid)| pid).collect();
    assert_eq!(engines.len(), 2);
    shell.kill().unwrap();
    shell.wait().unwrap();
    wait_until_gone(&[run]);
    wait_until_gone(&engines);
}

#[test]
fn a_demo_that_was_killed_in_the_middle_goes_on_at_the_next_start() {
    let folder = tempdir().unwrap();
    let run_demo = || run_in(folder.path()).env("PAYSTATS_DEMO", "on").stdout(Stdio::piped()).spawn().unwrap();
    let mut run = run_demo();
    wait_for_line(&mut run, "load #2 of demo/paystats.csv");
    run.kill().unwrap();
    run.wait().unwrap();

    let mut run = run_demo();
    let line = wait_for_line(&mut run, "load #2 of demo/paystats.csv: done");
    assert!(line.contains("34,560 rows") && !line.contains("rejected"), "{line}");
    send(&run, Signal::SIGTERM);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_in_use_is_told_by_the_name_of_its_variable() {
    let folder = tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run_in(&folder.path().join("data")).env("PAYSTATS_HTTP_ADDR", &address).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("PAYSTATS_HTTP_ADDR: cannot listen on {address}")), "{said}");
    assert!(!folder.path().join("data").exists());
}
