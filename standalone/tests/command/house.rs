//! A running house to ask things of.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use nix::sys::signal::Signal;
use paystats_standalone::client::Client;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::{
    paystats,
    processes::{run_in, send, wait_for_line},
};

/// Columns of a source of paystats.
pub const COLUMNS: &str = "amount,p_month,p_age,p_gender,postal_code_id,id";

/// A running `paystats run` with an empty store.
pub struct House {
    pub run: Child,
    pub folder: TempDir,
    pub server: String,
}

impl House {
    pub fn open() -> Self {
        let folder = tempdir().unwrap();
        let mut run = run_in(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let line = wait_for_line(&mut run, "GraphQL ");
        let url = line.split_whitespace().nth(1).unwrap();
        let server = url.strip_suffix("/graphql").unwrap().to_owned();
        Self { run, folder, server }
    }

    /// Puts a file into the data lake.
    pub fn put(&self, source: &str, text: &str) {
        fs::write(self.folder.path().join("datalake").join(source), text).unwrap();
    }

    pub fn ask(&self, arguments: &[&str]) -> Command {
        let mut command = paystats();
        command.args(arguments).env("PAYSTATS_SERVER", &self.server);
        command
    }

    /// What the command printed; it has to succeed.
    pub fn answer(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the command said why it failed, and that was with exit code 1.
    pub fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Loads one postal code, which becomes load #1, and puts two files of its paystats: `rows.csv` with the numbers 1 to 3, and
    /// `changed.csv`, where 1 is the same, 2 has another amount, 4 is new, and 5, on line 5, has no month.
    pub fn put_changing_rows(&self) {
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
    pub fn total(&self) -> (String, u64) {
        let client = Client::new(&format!("{}/graphql", self.server.replacen("http", "ws", 1))).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let answer = runtime.block_on(client.query("{ total { amount count } }", Value::Null)).unwrap();
        let total = &answer["total"];
        (total["amount"].as_str().unwrap().to_owned(), total["count"].as_u64().unwrap())
    }

    pub fn close(mut self) {
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
