//! The `paystats` command from outside: what it starts, what it leaves behind. Needs `make engines`, and `/proc`.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use paystats_standalone::{
    client::Client,
    engines::{Mongod, NatsServer},
};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Columns of a source of paystats.
const COLUMNS: &str = "amount,p_month,p_age,p_gender,postal_code_id,id";

fn paystats() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paystats"));
    for variable in [
        "PAYSTATS_MONGODB_URI",
        "PAYSTATS_DATABASE",
        "PAYSTATS_NATS_URL",
        "PAYSTATS_DATALAKE",
        "PAYSTATS_DIE_WITH_PARENT",
        "PAYSTATS_SERVER",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Until `fact` holds, for a minute at most.
fn wait_for<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = fact() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited too long for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A process's name, state and parent.
fn stat(pid: i32) -> Option<(String, char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut rest = rest.split_whitespace();
    Some((name.to_owned(), rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

fn children(parent: u32) -> Vec<(String, i32)> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let child = |pid: i32| stat(pid).filter(|stat| stat.2.cast_unsigned() == parent).map(|stat| (stat.0, pid));
    let mut children: Vec<_> = pids.filter_map(child).collect();
    children.sort();
    children
}

/// The children, as soon as they are those.
fn wait_for_children(parent: &Child, names: &[&str]) -> Vec<i32> {
    wait_for(&format!("{names:?} to run"), || {
        let children = children(parent.id());
        children.iter().map(|(name, _)| name).eq(names).then(|| children.into_iter().map(|(_, pid)| pid).collect())
    })
}

fn wait_until_gone(pids: &[i32]) {
    for &pid in pids {
        wait_for("a process to be gone", || stat(pid).is_none_or(|stat| stat.1 == 'Z').then_some(()));
    }
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

fn run_in(data_folder: &Path) -> Command {
    let mut command = paystats();
    command.arg("run").env("PAYSTATS_DATA_DIR", data_folder).env("PAYSTATS_HTTP_ADDR", "127.0.0.1:0");
    command.env("PAYSTATS_DEMO", "off").env("PAYSTATS_LOG", "off");
    command
}

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

/// Waits for a line of standard output that contains `text`.
fn wait_for_line(child: &mut Child, text: &str) -> String {
    wait_for_line_of(child.stdout.take().unwrap(), text)
}

fn wait_for_line_of(output: impl Read + Send + 'static, text: &str) -> String {
    let (lines, received) = mpsc::channel();
    let output = BufReader::new(output);
    thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    let mut seen = vec![];
    while let Ok(line) = received.recv_timeout(Duration::from_secs(60)) {
        if line.contains(text) {
            return line;
        }
        seen.push(line);
    }
    panic!("paystats did not say '{text}' but {seen:#?}");
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

/// A running `paystats run` with an empty store.
struct House {
    run: Child,
    folder: TempDir,
    server: String,
}

impl House {
    fn open() -> Self {
        let folder = tempdir().unwrap();
        let mut run = run_in(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let line = wait_for_line(&mut run, "GraphQL ");
        let url = line.split_whitespace().nth(1).unwrap();
        let server = url.strip_suffix("/graphql").unwrap().to_owned();
        Self { run, folder, server }
    }

    /// Puts a file into the data lake.
    fn put(&self, source: &str, text: &str) {
        fs::write(self.folder.path().join("datalake").join(source), text).unwrap();
    }

    fn ask(&self, arguments: &[&str]) -> Command {
        let mut command = paystats();
        command.args(arguments).env("PAYSTATS_SERVER", &self.server);
        command
    }

    /// What the command printed; it has to succeed.
    fn answer(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the command said why it failed, and that was with exit code 1.
    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Loads one postal code, which becomes load #1, and puts two files of its paystats: `rows.csv` with the numbers 1 to 3, and
    /// `changed.csv`, where 1 is the same, 2 has another amount, 4 is new, and 5, on line 5, has no month.
    fn put_changing_rows(&self) {
        let datalake = self.folder.path().join("datalake");
        let made =
            paystats().args(["generate", "--postal-codes", "1", "--months", "1", "--out"]).arg(&datalake).output();
        assert!(made.unwrap().status.success());
        self.answer(&["load", "postal_codes.csv", "--entity", "postal-codes", "--watch"]);
        let paystats = fs::read_to_string(datalake.join("paystats.csv")).unwrap();
        let (columns, rows) = paystats.split_once('\n').unwrap();
        assert_eq!(columns, COLUMNS);
        let code = rows.split(',').nth(4).unwrap();
        let row = |id: u32, month: &str, amount: &str| format!("{amount},{month},<=24,F,{code},{id}\n");
        let file = |rows: &[String]| format!("{COLUMNS}\n{}", rows.concat());
        let first = row(1, "2015-01-01", "1.5");
        let rows = [first.clone(), row(2, "2015-01-01", "2.5"), row(3, "2015-02-01", "3")];
        self.put("rows.csv", &file(&rows));
        let changed =
            [first, row(2, "2015-01-01", "2.75"), row(4, "2015-03-01", "-0.0000000000000001"), row(5, "tomorrow", "1")];
        self.put("changed.csv", &file(&changed));
    }

    /// The sum and the number of all paystats.
    fn total(&self) -> (String, u64) {
        let client = Client::new(&format!("{}/graphql", self.server.replacen("http", "ws", 1))).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let answer = runtime.block_on(client.query("{ total { amount count } }", Value::Null)).unwrap();
        let total = &answer["total"];
        (total["amount"].as_str().unwrap().to_owned(), total["count"].as_u64().unwrap())
    }

    fn close(mut self) {
        send(&self.run, Signal::SIGTERM);
        assert_eq!(self.run.wait().unwrap().code(), Some(0));
    }
}

impl Drop for House {
    /// For tests that failed.
    fn drop(&mut self) {
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}

/// The column of a table, from the second line on.
fn column(table: &str, index: usize) -> Vec<&str> {
    table.lines().skip(1).map(|line| line.split_whitespace().nth(index).unwrap()).collect()
}

#[test]
fn loads_are_started_watched_and_listed_from_the_command_line() {
    let house = House::open();
    let made = house.folder.path().join("datalake");
    let output = paystats().args(["generate", "--postal-codes", "3", "--months", "2", "--out"]).arg(&made).output();
    assert!(output.unwrap().status.success());

    let said = house.answer(&["load", "postal_codes.csv", "--entity", "postal-codes", "--watch"]);
    assert!(said.starts_with("load #1 (Load:") && said.contains(") accepted\n"), "{said}");
    assert!(said.contains("  inserted   3\n") && said.ends_with("  rejected   0\n"), "{said}");
    let said = house.answer(&["load", "paystats.csv", "--entity", "paystats", "--watch", "--idempotency-key", "a key"]);
    assert!(said.contains("load #2 of paystats.csv: done\n  inserted   72\n"), "{said}");
    // The key names the load that there is, and its end is told again.
    let again =
        house.answer(&["load", "paystats.csv", "--entity", "paystats", "--watch", "--idempotency-key", "a key"]);
    assert!(again.starts_with("load #2 ") && again.contains("  inserted   72\n"), "{again}");

    house.put("none.csv", "");
    let failed = house.ask(&["load", "none.csv", "--entity", "paystats", "--watch"]).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let reason = String::from_utf8(failed.stderr).unwrap();
    assert!(reason.starts_with("paystats: load #3 failed: ") && reason.contains("empty"), "{reason}");
    assert!(String::from_utf8(failed.stdout).unwrap().ends_with("load #3 of none.csv: failed\n"));

    let missing = house.ask(&["load", "missing.csv", "--entity", "paystats"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    let reason = String::from_utf8(missing.stderr).unwrap();
    assert!(reason.contains("(BAD_USER_INPUT)"), "{reason}");

    let table = house.answer(&["loads"]);
    assert!(table.starts_with("load  entity        source"), "{table}");
    assert_eq!(column(&table, 0), ["#3", "#2", "#1"]);
    assert_eq!(column(&table, 3), ["failed", "succeeded", "succeeded"]);
    assert_eq!(column(&table, 4), ["0", "72", "3"]);
    assert_eq!(column(&house.answer(&["loads", "--first", "1"]), 0), ["#3"]);
    assert_eq!(column(&house.answer(&["loads", "--entity", "postal-codes"]), 0), ["#1"]);
    assert_eq!(column(&house.answer(&["loads", "--state", "queued,failed"]), 0), ["#3"]);
    let nodes = house.answer(&["loads", "--json"]);
    let numbers: Vec<_> =
        nodes.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].clone()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    house.close();
}

#[test]
fn rejections_are_summed_up_and_listed_from_the_command_line() {
    const ROWS: usize = 2_500;
    let house = House::open();
    let mut text = format!("{COLUMNS}\n\"1,\"\"5\",2015-01-01,<=24,F,1,0\n");
    text.extend((1..ROWS).map(|id| format!("1.5,2015-01-01,<=24,F,1,{id}\n")));
    house.put("bad.csv", &text);

    let said = house.answer(&["load", "bad.csv", "--entity", "paystats", "--watch"]);
    assert!(said.contains("  rejected   2,500\n    line 2, amount: "), "{said}");
    assert!(said.contains("    line 6, postal_code_id: ") && !said.contains("    line 7"), "{said}");
    assert!(said.ends_with("  `paystats rejections 1` lists all rejections\n"), "{said}");

    let csv = house.answer(&["rejections", "1", "--csv"]);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], format!("line,column,code,value,reason,{COLUMNS},surplus"));
    assert!(lines[1].starts_with("2,amount,INVALID_AMOUNT,\"1,\"\"5\","), "{}", lines[1]);
    assert!(lines[1].ends_with(",\"1,\"\"5\",2015-01-01,<=24,F,1,0,"), "{}", lines[1]);
    let numbers: Vec<usize> = lines[1..].iter().map(|line| line.split_once(',').unwrap().0.parse().unwrap()).collect();
    assert!(numbers.iter().copied().eq(2..ROWS + 2));

    let table = house.answer(&["rejections", "1"]);
    assert_eq!(table.lines().count(), ROWS + 1);
    assert_eq!(column(&table, 2)[1], "UNKNOWN_POSTAL_CODE");

    for how in [&["rejections", "7"][..], &["rejections", "7", "--csv"]] {
        assert_eq!(house.refusal(how), "paystats: load 7: the server knows no such load\n");
    }

    // A reader that has gone, as `head` does.
    for how in [&["rejections", "1"][..], &["rejections", "1", "--csv"]] {
        let mut unread = house.ask(how).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(unread.stdout.take());
        let output = unread.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    house.close();
}

#[test]
fn a_dry_run_tells_what_the_load_would_do_and_writes_nothing() {
    let house = House::open();
    house.put_changing_rows();
    house.answer(&["load", "rows.csv", "--entity", "paystats", "--watch"]);
    let before = house.total();

    let said = house.answer(&["load", "changed.csv", "--entity", "paystats", "--dry-run", "--watch"]);
    let summary = "load #3 of changed.csv (dry run): done
  would insert  1
  would update  1
  unchanged     1
  rejected      1
    line 5, p_month: p_month is not a date such as 2015-01-01
  `paystats rejections 3` lists all rejections
  the total would change by
    month    amount               count
    2015-01  0.25                 0
    2015-03  -0.0000000000000001  1
";
    assert!(said.ends_with(summary), "{said}");
    assert_eq!(house.total(), before);
    assert!(house.answer(&["loads", "--first", "1"]).contains("succeeded (dry run)"));

    let said = house.answer(&["load", "changed.csv", "--entity", "paystats", "--watch"]);
    assert!(said.contains("done\n  inserted   1\n  updated    1\n  unchanged  1\n  rejected   1\n"), "{said}");
    assert_eq!(house.total(), ("7.2499999999999999".to_owned(), 4));
    let said = house.answer(&["load", "rows.csv", "--entity", "paystats", "--dry-run", "--watch"]);
    assert!(said.contains("  would insert  0\n  would update  1\n"), "{said}");
    let same = house.answer(&["load", "postal_codes.csv", "--entity", "postal-codes", "--dry-run", "--watch"]);
    assert!(same.ends_with("  would insert  0\n  would update  0\n  unchanged     1\n  rejected      0\n"), "{same}");
    house.close();
}

#[test]
fn a_load_that_refuses_more_rows_than_it_may_fails_and_leaves_nothing() {
    let house = House::open();
    house.put_changing_rows();
    for (number, (limits, reason)) in (2..).zip([
        (&["--on-reject", "abort"][..], "(onReject: ABORT): line 5, p_month "),
        (&["--max-rejected", "0"], "than maxRejected allows (0): line 5, p_month "),
        (&["--max-rejected-ratio", "0.24"], "than maxRejectedRatio allows (0.24 of 4)"),
    ]) {
        let command = ["load", "changed.csv", "--entity", "paystats", "--watch"];
        let failed = house.ask(&[&command, limits].concat()).output().unwrap();
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        let told = String::from_utf8(failed.stderr).unwrap();
        assert!(told.starts_with(&format!("paystats: load #{number} failed: ")) && told.contains(reason), "{told}");
        let said = String::from_utf8(failed.stdout).unwrap();
        assert!(said.contains(": failed\n  read        4\n  rejected    1\n  taken back  "), "{said}");
        assert!(said.contains("\n  kept        0\n    line 5, p_month: "), "{said}");
        let csv = house.answer(&["rejections", &number.to_string(), "--csv"]);
        assert!(csv.contains("\n5,p_month,INVALID_MONTH,tomorrow,") && csv.contains(",1,tomorrow,<=24,F,"), "{csv}");
        assert_eq!(house.total().1, 0);
    }
    for limits in [&["--max-rejected", "1"][..], &["--max-rejected-ratio", "0.25"], &["--on-reject", "skip"]] {
        house.answer(&[&["load", "changed.csv", "--entity", "paystats", "--watch"], limits].concat());
    }
    assert_eq!(house.total().1, 3);
    let wrong = house.ask(&["load", "changed.csv", "--entity", "paystats", "--max-rejected-ratio", "NaN"]).output();
    assert_eq!(wrong.unwrap().status.code(), Some(2));
    house.close();
}

#[test]
fn a_load_is_undone_but_for_what_was_changed_since_and_repeated() {
    let house = House::open();
    house.put_changing_rows();
    house.answer(&["load", "rows.csv", "--entity", "paystats", "--watch"]);
    house.answer(&["load", "changed.csv", "--entity", "paystats", "--watch"]);

    let said = house.answer(&["undo", "2", "--watch"]);
    let summary = "load #2 of rows.csv: undone\n  taken back  2\n  kept        1\n    paystat 2: load #3 replaced it\n";
    assert!(said.ends_with(summary), "{said}");
    assert_eq!(house.total(), ("2.7499999999999999".to_owned(), 2));
    // Asked again, it is undone already, and says so without being watched.
    let said = house.answer(&["undo", "2"]);
    assert!(said.ends_with(summary), "{said}");
    assert_eq!(column(&house.answer(&["loads", "--state", "undone"]), 0), ["#2"]);

    let said = house.answer(&["retry", "2", "--watch"]);
    assert!(said.starts_with("load #4 (Load:") && said.contains(") accepted\n"), "{said}");
    assert!(
        said.ends_with("load #4 of rows.csv: done\n  inserted   2\n  updated    1\n  unchanged  0\n  rejected   0\n"),
        "{said}"
    );

    let changed = fs::read_to_string(house.folder.path().join("datalake/changed.csv")).unwrap();
    house.put("changed.csv", &changed.replace("tomorrow", "2015-04-01"));
    let said = house.answer(&["retry", "3", "--only-rejected", "--watch"]);
    assert!(
        said.ends_with(
            "load #5 of changed.csv: done\n  inserted   1\n  updated    0\n  unchanged  0\n  rejected   0\n"
        ),
        "{said}"
    );
    assert_eq!(house.total(), ("7.9999999999999999".to_owned(), 5));

    let nodes = house.answer(&["loads", "--first", "1", "--json"]);
    let node: Value = serde_json::from_str(&nodes).unwrap();
    assert_eq!((&node["retryOf"]["number"], &node["onlyRejected"]), (&3.into(), &true.into()));
    for (command, reason) in [
        (&["retry", "4"][..], "paystats: load 4: load #4 has succeeded: there is nothing to repeat (CONFLICT)\n"),
        (&["cancel", "4"], "paystats: load 4: load #4 is SUCCEEDED (CONFLICT)\n"),
        (&["undo", "99"], "paystats: load 99: there is no load with this id (NOT_FOUND)\n"),
    ] {
        assert_eq!(house.refusal(command), reason);
    }
    house.close();
}

#[test]
fn whoever_stops_watching_is_told_how_to_stop_the_load_and_it_leaves_nothing() {
    let house = House::open();
    let made = house.folder.path().join("datalake");
    let output = paystats().args(["generate", "--rows", "200000", "--out"]).arg(&made).output();
    assert!(output.unwrap().status.success());
    house.answer(&["load", "postal_codes.csv", "--entity", "postal-codes", "--watch"]);

    let mut watching = house.ask(&["load", "paystats.csv", "--entity", "paystats", "--watch"]);
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(watching.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("load #2 of paystats.csv: ") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "nothing was said of its progress");
    }
    send(&watching, Signal::SIGINT);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(
        rest.ends_with(
            "load #2 of paystats.csv: not watched any more\nload #2 goes on: `paystats cancel 2` stops it\n"
        ),
        "{rest}"
    );
    assert_eq!(watching.wait().unwrap().code(), Some(128 + 2));

    let said = house.answer(&["cancel", "2"]);
    let taken_back = "load #2 is being taken back: `paystats cancel 2 --watch` tells how far it is\n";
    assert!(said == taken_back || said.contains(": cancelled\n  taken back  "), "{said}");
    let said = house.answer(&["cancel", "2", "--watch"]);
    assert!(said.contains("load #2 of paystats.csv: cancelled\n  taken back  "), "{said}");
    assert!(said.ends_with("\n  kept        0\n"), "{said}");
    assert_eq!(house.total().1, 0);
    assert_eq!(column(&house.answer(&["loads", "--state", "cancelled"]), 0), ["#2"]);
    house.close();
}

#[test]
fn a_server_that_is_not_there_is_told_so() {
    // Nothing listens on port 1.
    let output = paystats().args(["loads", "--server", "http://127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("paystats: the server cannot be reached") && said.contains("--server"), "{said}");
}

#[test]
fn a_server_that_waits_for_its_engines_is_told_so() {
    let folder = tempdir().unwrap();
    let mut run = run_in(folder.path())
        .env("PAYSTATS_MONGODB_URI", "mongodb://127.0.0.1:1/?replicaSet=rs0")
        .env("PAYSTATS_NATS_URL", "nats://127.0.0.1:1")
        .env("PAYSTATS_LOG", "paystats_server=info")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = run.stderr.take().unwrap();
    let line = wait_for_line_of(log, "server listens");
    let address = line.split_once("address=").unwrap().1.split_whitespace().next().unwrap();
    let output = paystats().args(["loads", "--server", &format!("http://{address}")]).output().unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("paystats: the server is not ready: it waits for MongoDB or NATS"), "{said}");
}

#[tokio::test]
async fn totals_are_verified_where_the_database_is_named() {
    let refused = paystats().arg("verify").output().unwrap();
    assert!(!refused.status.success());
    assert_eq!(String::from_utf8(refused.stderr).unwrap(), "paystats: PAYSTATS_MONGODB_URI is not set\n");

    let folder = tempdir().unwrap();
    let mongod = Mongod::start(folder.path(), None).await.unwrap();
    let mut verify = paystats();
    verify.arg("verify").env("PAYSTATS_MONGODB_URI", mongod.uri());
    let verified = verify.output().unwrap();
    assert!(verified.status.success());
    let told = String::from_utf8(verified.stdout).unwrap();
    assert_eq!(told, "the totals of all 0 postal codes are what their paystats add up to\n");
    mongod.stop().await.unwrap();
}

#[test]
fn a_backup_is_taken_beside_a_running_house_and_restored_once_into_an_empty_database() {
    let house = House::open();
    house.put_changing_rows();
    house.answer(&["load", "rows.csv", "--entity", "paystats", "--watch"]);
    let port = fs::read_to_string(house.folder.path().join("mongod/port")).unwrap();
    let uri = format!("mongodb://127.0.0.1:{port}/?replicaSet=rs0");
    let on = |database: &str, arguments: &[&str]| {
        let mut command = house.ask(arguments);
        command.env("PAYSTATS_MONGODB_URI", &uri).env("PAYSTATS_DATABASE", database);
        command
    };
    let said = |database: &str, arguments: &[&str]| {
        let output = on(database, arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let refused = |database: &str, arguments: &[&str]| {
        let output = on(database, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let folder = tempdir().unwrap();
    let path = folder.path().join("today.backup");
    let file = path.to_str().unwrap();

    let nothing = refused("nowhere", &["backup", file]);
    assert_eq!(nothing, "paystats: backing up nowhere: the database nowhere holds nothing\n");
    let taken = said("paystats", &["backup", file]);
    assert!(taken.starts_with(&format!("{file}: ")) && taken.contains(" documents of paystats as of 20"), "{taken}");
    let again = refused("paystats", &["backup", file]);
    assert!(again.ends_with(" exists: --force replaces it\n"), "{again}");
    said("paystats", &["backup", file, "--force"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a part of a backup was left");
    let piped = on("paystats", &["backup", "-"]).output().unwrap();
    assert!(piped.status.success() && piped.stderr.is_empty(), "{piped:?}");
    assert!(piped.stdout.starts_with(b"paystats backup 1\n"));

    let restored = said("second", &["restore", file]);
    assert!(restored.starts_with("second: ") && restored.contains(" documents of paystats as of 20"), "{restored}");
    assert_eq!(said("second", &["verify"]), "the totals of all 1 postal codes are what their paystats add up to\n");
    let full = refused("second", &["restore", file]);
    assert!(full.contains("the database second is not empty, and a restore needs one that is: it holds "), "{full}");

    let cut = folder.path().join("cut.backup");
    fs::write(&cut, &piped.stdout[..piped.stdout.len() - 1]).unwrap();
    let damaged = refused("third", &["restore", cut.to_str().unwrap()]);
    assert!(damaged.contains("the backup is damaged: it was cut short or changed"), "{damaged}");
    let mut from_pipe = on("third", &["restore", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    from_pipe.stdin.take().unwrap().write_all(&piped.stdout).unwrap();
    let output = from_pipe.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"third: "), "{output:?}");
    house.close();
}

#[test]
fn generated_files_are_the_same_for_a_seed_and_are_not_replaced_unasked() {
    let folder = tempdir().unwrap();
    let generate = |name: &str, arguments: &[&str]| {
        let out = folder.path().join(name);
        let output =
            paystats().args(["generate", "--months", "3", "--out"]).arg(&out).args(arguments).output().unwrap();
        (output, out)
    };
    let files =
        |out: &Path| ["postal_codes.csv", "paystats.csv"].map(|name| fs::read_to_string(out.join(name)).unwrap());

    let (output, first) = generate("first", &["--postal-codes", "2", "--seed", "7"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let made = files(&first);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("postal_codes.csv: 2 rows, ") && lines[1].contains("paystats.csv: 72 rows, "), "{said}");
    assert_eq!(made.each_ref().map(|text| text.lines().count()), [3, 73]);
    // 37 rows do not fit into one postal code's 36.
    let (_, same) = generate("same", &["--rows", "37", "--seed", "7"]);
    assert_eq!(files(&same), made);
    let (_, other) = generate("other", &["--rows", "37", "--seed", "8"]);
    assert_ne!(files(&other), made);

    fs::remove_file(first.join("postal_codes.csv")).unwrap();
    let (refused, _) = generate("first", &["--postal-codes", "2", "--seed", "8"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("paystats.csv exists: --force replaces it"));
    assert_eq!(fs::read_dir(&first).unwrap().count(), 1, "a refused command left something behind");
    generate("first", &["--postal-codes", "2", "--seed", "8", "--force"]);
    assert_eq!(files(&first), files(&other));
}
