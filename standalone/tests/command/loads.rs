//! Loads from the command line: started, watched, listed, stopped, taken back.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    process::Stdio,
};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::tempdir;

use crate::{
    house::{COLUMNS, House},
    paystats,
    processes::{run_in, send, wait_for_line_of},
};

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
