//! Processes that the command starts, and what they say.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::paystats;

pub fn run_in(data_folder: &Path) -> Command {
    let mut command = paystats();
    command.arg("run").env("PAYSTATS_DATA_DIR", data_folder).env("PAYSTATS_HTTP_ADDR", "127.0.0.1:0");
    command.env("PAYSTATS_DEMO", "off").env("PAYSTATS_LOG", "off");
    command
}

pub fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// Waits for a line of standard output that contains `text`.
pub fn wait_for_line(child: &mut Child, text: &str) -> String {
    wait_for_line_of(child.stdout.take().unwrap(), text)
}

pub fn wait_for_line_of(output: impl Read + Send + 'static, text: &str) -> String {
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

/// Until `fact` holds, for a minute at most.
pub fn wait_for<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
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
pub fn stat(pid: i32) -> Option<(String, char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut rest = rest.split_whitespace();
    Some((name.to_owned(), rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

pub fn children(parent: u32) -> Vec<(String, i32)> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let child = |pid: i32| stat(pid).filter(|stat| stat.2.cast_unsigned() == parent).map(|stat| (stat.0, pid));
    let mut children: Vec<_> = pids.filter_map(child).collect();
    children.sort();
    children
}

/// The children, as soon as they are those.
pub fn wait_for_children(parent: &Child, names: &[&str]) -> Vec<i32> {
    wait_for(&format!("{names:?} to run"), || {
        let children = children(parent.id());
        children.iter().map(|(name, _)| name).eq(names).then(|| children.into_iter().map(|(_, pid)| pid).collect())
    })
}

pub fn wait_until_gone(pids: &[i32]) {
    for &pid in pids {
        wait_for("a process to be gone", || stat(pid).is_none_or(|stat| stat.1 == 'Z').then_some(()));
    }
}
