//! A scene: a bed, a server that looks at it and is never disturbed but for its engines, and all loads that were started there. What is left at
//! the end is checked against the [oracle](crate::oracle).

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Accepted, LoadsWatcher, Round, RunningServer, TestBed, Watcher, eventually,
    loads::{LOAD_PATIENCE, is_final, until_available},
    oracle::{History, Outcome, Source, TakenBack},
    sources::{PAYSTAT_COLUMNS, postal_code, random_source},
    stage::loader_config,
};

/// Postal codes of a scene: 1 to this.
const POSTAL_CODES: i32 = 4;

/// A bed and a server that looks at it.
#[derive(Debug)]
pub struct Scene {
    // Dropped before the server that it listens to.
    all_loads: LoadsWatcher,
    /// A server that is never disturbed, but for its engines.
    pub server: RunningServer,
    /// The bed.
    pub bed: TestBed,
    loads: Vec<(Accepted, Vec<&'static str>)>,
    files: u32,
    postal_codes: Vec<i64>,
}

/// A load that was started on a scene, and is watched from its start.
#[derive(Debug)]
pub struct WatchedLoad {
    /// The load.
    pub accepted: Accepted,
    /// What its source says.
    pub source: Source,
    /// Its source in the data lake.
    pub path: String,
    watcher: Watcher,
}

impl Scene {
    /// A scene on a bed that nothing else is on.
    pub async fn on(bed: TestBed) -> Self {
        bed.insert_postal_codes(POSTAL_CODES).await;
        let server = bed.start_server().await;
        let postal_codes = (1..=POSTAL_CODES.into()).collect();
        let all_loads = server.watch_loads().await;
        Self { all_loads, server, bed, loads: Vec::new(), files: 0, postal_codes }
    }

    /// A source with these ids as [`random_source`] makes it.
    pub fn random_source(&self, round: &mut Round, ids: std::ops::Range<i64>) -> String {
        let codes: Vec<_> = (1..=POSTAL_CODES).map(|code| code.try_into().unwrap()).collect();
        random_source(&mut round.random, ids, &codes)
    }

    /// Puts a source into the data lake under a name of its own.
    pub fn put(&mut self, text: &str) -> String {
        self.files += 1;
        let path = format!("{}.csv", self.files);
        self.bed.put(&path, text);
        path
    }

    /// Makes a postal code by a mutation.
    pub async fn create_postal_code(&mut self, id: i32) {
        let code = postal_code(id);
        let query =
            "mutation($input: CreatePostalCodeInput!) { createPostalCode(input: $input) { postalCode { id } } }";
        let input = json!({ "id": id, "code": code.code.to_string(), "wkb": code.geometry.ewkb_hex() });
        self.server.graphql(query, json!({ "input": input })).await.data();
        self.postal_codes.push(id.into());
    }

    /// What a source says, by the oracle.
    pub fn read(&self, text: &str) -> Source {
        Source::read(text, &self.postal_codes)
    }

    /// Puts a source into the data lake, starts its load with further fields of the input, and watches it.
    pub async fn start(&mut self, text: &str, more: Value) -> WatchedLoad {
        let path = self.put(text);
        let accepted = self.server.start_load(&path, more).await;
        self.watch(accepted, path, text).await
    }

    /// Watches a load that was accepted.
    pub async fn watch(&self, accepted: Accepted, path: String, text: &str) -> WatchedLoad {
        let watcher = self.server.watch_load(&accepted).await;
        WatchedLoad { accepted, source: self.read(text), path, watcher }
    }

    /// Loads a source with a loader of this process, which nothing disturbs, and notes in `rows` what that changes.
    pub async fn load_in_peace(&mut self, rows: &mut History, text: &str) -> Accepted {
        let loader = self.bed.start_loader(loader_config(2, 50_000));
        let load = self.start(text, json!({})).await;
        let accepted = load.accepted.clone();
        let outcome = rows.load(accepted.number, &load.source);
        self.succeeds(load, Some(outcome)).await;
        loader.stop().await;
        accepted
    }

    /// Waits for the end of a load, which has to be its success, told once to each watcher, with these counts where nothing else changed the
    /// same rows, and with all its refused rows.
    pub async fn succeeds(&mut self, load: WatchedLoad, outcome: Option<Outcome>) {
        let source = load.source.clone();
        let (accepted, ended) = self.ends(load, "SUCCEEDED").await;
        let counts = counts(&ended["progress"]);
        match outcome {
            Some(outcome) => assert_eq!(counts, outcome, "load #{}", accepted.number),
            None => {
                let expected = (source.len(), source.refused.len() as u64);
                assert_eq!((counts.read(), counts.rejected), expected, "load #{}", accepted.number);
            }
        }
        assert_eq!(self.server.refused_rows(&accepted.id).await, source.refused, "load #{}", accepted.number);
    }

    /// Waits for the end of a load, which has to be this state, told once to each watcher. What it refused stays readable. Gives its error.
    pub async fn ends_unsuccessfully(&mut self, load: WatchedLoad, state: &'static str) -> Value {
        let source = load.source.clone();
        let (accepted, ended) = self.ends(load, state).await;
        for refused in self.server.refused_rows(&accepted.id).await {
            assert!(source.refused.contains(&refused), "load #{}: {refused:?}", accepted.number);
        }
        ended["error"].clone()
    }

    async fn ends(&mut self, load: WatchedLoad, state: &'static str) -> (Accepted, Value) {
        let WatchedLoad { accepted, watcher, .. } = load;
        let ended = self.server.ended(&accepted.id).await;
        assert_eq!(ended["state"], state, "load #{}: {}", accepted.number, ended["error"]);
        let last = watcher.end().await;
        assert_eq!((&last["state"], &last["error"]), (&ended["state"], &ended["error"]));
        assert_eq!(counts(&last), counts(&ended["progress"]));
        let late = self.server.watch_load(&accepted).await.end().await;
        assert_eq!(late, last, "who comes late is told the same end");
        self.loads.push((accepted.clone(), vec![state]));
        (accepted, ended)
    }

    /// Asks to cancel a load. Tells whether that was in time; a load that has ended is not cancelled.
    pub async fn cancel(&self, load: &Accepted) -> bool {
        let answer = until_available(async || self.server.cancel_load(load).await).await;
        let is_late = !answer.body["errors"].is_null() && answer.code() == "CONFLICT";
        assert!(is_late || answer.data()["cancelLoad"]["load"]["id"] == *load.id);
        !is_late
    }

    /// Asks to undo a load that has succeeded, and watches that.
    pub async fn start_undo(&self, load: &Accepted) -> Watcher {
        let answer = until_available(async || self.server.undo_load(load).await).await;
        // Asked again after an answer that it is not available, it may be under way.
        let state = self.server.load_becomes(&load.id, |_| true).await["state"].clone();
        assert!(state == "REVERTING" || state == "UNDONE", "{state}: {answer:?}");
        self.server.watch_load(load).await
    }

    /// Waits until a load is undone, which has to be told once. Gives how many rows went back and how many stayed.
    pub async fn ends_undone(&mut self, load: &Accepted, watcher: Watcher) -> TakenBack {
        let undone = self.server.load_becomes(&load.id, |load| load["state"] == "UNDONE").await;
        assert_eq!(undone["state"], "UNDONE");
        assert_eq!(watcher.end().await["state"], "UNDONE");
        let known = self.loads.iter_mut().find(|(known, _)| known == load);
        known.expect("a load that has succeeded").1.push("UNDONE");
        self.taken_back(load).await
    }

    /// What the API says of the rows that a load had written, and that were taken back.
    pub async fn taken_back(&self, load: &Accepted) -> TakenBack {
        let query = "query($id: ID!) { load(id: $id) { progress { rowsReverted rowsKept } } }";
        let answer = self.server.graphql(query, json!({ "id": load.id })).await;
        let count = |name: &str| answer.data()["load"]["progress"][name].as_u64().unwrap();
        TakenBack { reverted: count("rowsReverted"), kept: count("rowsKept") }
    }

    /// Lets a random time pass, and notes whether there is still a load under way for a fault to hit.
    pub async fn moment(&self, round: &mut Round, milliseconds: std::ops::Range<u64>) {
        sleep(Duration::from_millis(round.random.u64(milliseconds))).await;
        let answer = self.server.graphql("{ loads(first: 1000) { nodes { state } } }", json!({})).await;
        // A server that cannot tell is in the middle of another fault.
        round.is_late = answer.body["data"]["loads"]["nodes"]
            .as_array()
            .is_some_and(|all| all.iter().all(|load| is_final(&load["state"])));
    }

    /// The store has exactly these rows, and the API's sums are theirs.
    pub async fn assert_holds(&self, expected: &History, when: &str) {
        let expected = expected.rows();
        self.server.rows().await.assert_are(&expected, when);
        let sums = (expected.total(), expected.by_month());
        // The server hears of the end of a load a moment after it.
        let told = async || match self.server.sums().await {
            told if told == sums => Ok(()),
            told => Err(told),
        };
        eventually(&format!("the sums {when}"), told).await;
        assert_eq!(self.bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, [], "{when}");
    }

    /// Ends the story: nothing is left to do, the store has exactly these rows, and who watched all loads was told each end once. A loader of
    /// its own does what is left on the queue.
    pub async fn close(mut self, expected: &History) {
        let loader = self.bed.start_loader(loader_config(2, 50_000));
        // What is said of this load is said after everything else.
        let path = self.put(&format!("{PAYSTAT_COLUMNS}\n"));
        let mark = self.server.start_load(&path, json!({})).await;
        eventually("the end of the last load", async || match self.all_loads.ends_of(&mark) {
            ends if ends == ["SUCCEEDED"] => Ok(()),
            ends => Err(ends),
        })
        .await;
        self.queue_empties().await;
        self.assert_holds(expected, "at the end").await;
        for (load, ends) in &self.loads {
            assert_eq!(self.all_loads.ends_of(load), *ends, "load #{}", load.number);
        }
        loader.stop().await;
    }

    /// Waits until there is no work left, in the hands of workers included.
    pub async fn queue_empties(&self) {
        let start = tokio::time::Instant::now();
        loop {
            match self.bed.work_left().await {
                0 => return,
                left => assert!(start.elapsed() < LOAD_PATIENCE, "{left} pieces of work are left"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Takes a file's name away from whoever opens it by that name.
    pub fn remove(&self, load: &WatchedLoad) {
        fs::remove_file(self.bed.datalake().join(&load.path)).unwrap();
    }
}

fn counts(progress: &Value) -> Outcome {
    let count = |name: &str| progress[name].as_u64().unwrap();
    let counts = Outcome {
        inserted: count("rowsInserted"),
        updated: count("rowsUpdated"),
        unchanged: count("rowsUnchanged"),
        rejected: count("rowsRejected"),
    };
    assert_eq!(count("rowsRead"), counts.read());
    counts
}
