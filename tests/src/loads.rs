//! Loads as a client of the public API starts, watches and ends them, and the rows that it reads back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Answer, Api, eventually,
    oracle::{Content, Refused, Rows, Stored, Sum, units},
};

/// How long a load may take after its last fault. It is less than the minute after which MongoDB ends a transaction whose owner was killed
/// or paused: nobody may have to wait for that.
pub const LOAD_PATIENCE: Duration = Duration::from_secs(50);
/// How long a watcher of all loads may hear nothing: a whole story.
const STORY: Duration = Duration::from_secs(600);

const LOAD: &str = "id number state error progress {
    state error rowsRead rowsInserted rowsUpdated rowsUnchanged rowsRejected
}";
const PROGRESS: &str =
    "seq state error rowsRead rowsInserted rowsUpdated rowsUnchanged rowsRejected load { id number }";

/// A load that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its global id.
    pub id: String,
    /// Its number.
    pub number: i64,
}

/// What one watcher is told, from its start to its end.
#[derive(Debug)]
pub struct Watcher {
    load: String,
    told: JoinHandle<Result<Vec<Value>, String>>,
}

/// A watcher of all loads, who stays to the end of the test.
#[derive(Debug)]
pub struct LoadsWatcher {
    told: Arc<Mutex<Vec<Value>>>,
    _listening: AbortOnDropHandle<()>,
}

impl Accepted {
    /// From the `load` of an answer.
    pub fn of(load: &Value) -> Self {
        Self { id: load["id"].as_str().unwrap().to_owned(), number: load["number"].as_i64().unwrap() }
    }
}

/// Whether nothing follows a state.
pub fn is_final(state: &Value) -> bool {
    matches!(state.as_str(), Some("SUCCEEDED" | "FAILED" | "CANCELLED" | "UNDONE"))
}

/// Asks until the server has what it needs for an answer.
pub async fn until_available(mut ask: impl AsyncFnMut() -> Answer) -> Answer {
    eventually("a server that has its engines", async || {
        let answer = ask().await;
        let is_away = !answer.body["errors"].is_null() && answer.code() == "UNAVAILABLE";
        if is_away { Err(answer) } else { Ok(answer) }
    })
    .await
}

impl Api {
    /// Starts a load of a source of paystats, with further fields of the input.
    pub async fn start_load(&self, source: &str, more: Value) -> Accepted {
        let answer = self.try_start_load(source, more).await.unwrap();
        Accepted::of(&answer.data()["startLoad"]["load"])
    }

    /// The same on a server that may die meanwhile, or refuse.
    pub async fn try_start_load(&self, source: &str, more: Value) -> Result<Answer, ureq::Error> {
        let mut input = json!({ "entity": "PAYSTATS", "source": source });
        if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
            input.extend(more);
        }
        let query = "mutation($input: StartLoadInput!) { startLoad(input: $input) { load { id number } } }";
        self.try_graphql(query, json!({ "input": input })).await
    }

    /// Asks to cancel a load.
    pub async fn cancel_load(&self, load: &Accepted) -> Answer {
        self.change_load("cancelLoad", "CancelLoadInput", json!({ "id": load.id })).await
    }

    /// Asks to undo a load.
    pub async fn undo_load(&self, load: &Accepted) -> Answer {
        self.change_load("undoLoad", "UndoLoadInput", json!({ "id": load.id })).await
    }

    /// Asks to load anew what a load could not: a new load, the same one however often it is asked for.
    pub async fn retry_load(&self, load: &Accepted, only_rejected: bool) -> Answer {
        let key = format!("retry of {}, only rejected rows: {only_rejected}", load.id);
        let input = json!({ "id": load.id, "onlyRejected": only_rejected, "idempotencyKey": key });
        self.change_load("retryLoad", "RetryLoadInput", input).await
    }

    async fn change_load(&self, field: &str, input: &str, value: Value) -> Answer {
        let query = format!("mutation($input: {input}!) {{ {field}(input: $input) {{ load {{ id number state }} }} }}");
        self.graphql(&query, json!({ "input": value })).await
    }

    /// A load as it is now.
    pub async fn load(&self, id: &str) -> Value {
        let query = format!("query($id: ID!) {{ load(id: $id) {{ {LOAD} }} }}");
        self.graphql(&query, json!({ "id": id })).await.data()["load"].clone()
    }

    /// Waits until a load has ended. The server may be without its engines for a while.
    pub async fn ended(&self, id: &str) -> Value {
        self.load_becomes(id, |load| is_final(&load["state"])).await
    }

    /// Waits for a fact about a load.
    pub async fn load_becomes(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let query = format!("query($id: ID!) {{ load(id: $id) {{ {LOAD} }} }}");
        let start = Instant::now();
        loop {
            let answer = self.graphql(&query, json!({ "id": id })).await;
            let load = &answer.body["data"]["load"];
            if answer.body["errors"].is_null() && wanted(load) {
                return load.clone();
            }
            assert!(
                start.elapsed() < LOAD_PATIENCE,
                "waited {LOAD_PATIENCE:?} for a load; last seen: {:?}",
                answer.body
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a load has read so many rows, or has ended. Tells whether it is still under way.
    pub async fn load_reaches(&self, id: &str, rows: u64) -> bool {
        let reached = |load: &Value| load["progress"]["rowsRead"].as_u64() >= Some(rows) || is_final(&load["state"]);
        !is_final(&self.load_becomes(id, reached).await["state"])
    }

    /// The refused rows of a load, by line.
    pub async fn refused_rows(&self, id: &str) -> Vec<Refused> {
        let query = "query($id: ID!, $after: String) { load(id: $id) { rejections(first: 1000, after: $after) {
            totalCount nodes { line code column } pageInfo { hasNextPage endCursor }
        } } }";
        let mut refused = Vec::new();
        let mut after = Value::Null;
        loop {
            let answer = self.graphql(query, json!({ "id": id, "after": after })).await;
            let page = &answer.data()["load"]["rejections"];
            refused.extend(page["nodes"].as_array().unwrap().iter().map(|node| Refused {
                line: node["line"].as_u64().unwrap(),
                code: text(&node["code"]),
                column: node["column"].as_str().map(str::to_owned),
            }));
            if page["pageInfo"]["hasNextPage"] == false {
                assert_eq!(page["totalCount"], refused.len());
                return refused;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    /// All paystats.
    pub async fn rows(&self) -> Rows {
        let query = "query($after: String) { paystats(first: 1000, after: $after) {
            nodes { databaseId amount month age gender postalCode { databaseId } load { number } loadLine }
            pageInfo { hasNextPage endCursor }
        } }";
        let mut rows = BTreeMap::new();
        let mut after = Value::Null;
        loop {
            let answer = self.graphql(query, json!({ "after": after })).await;
            let page = &answer.data()["paystats"];
            for node in page["nodes"].as_array().unwrap() {
                let content = Content {
                    units: amount(&node["amount"]),
                    month: text(&node["month"]),
                    age: text(&node["age"]),
                    gender: text(&node["gender"]),
                    postal_code: node["postalCode"]["databaseId"].as_i64().unwrap(),
                };
                let (load, line) = (node["load"]["number"].as_i64(), node["loadLine"].as_u64());
                rows.insert(node["databaseId"].as_i64().unwrap(), Stored { content, load, line });
            }
            if page["pageInfo"]["hasNextPage"] == false {
                return Rows(rows);
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    /// Sum and number of all paystats, and of each month that has some.
    pub async fn sums(&self) -> (Sum, BTreeMap<String, Sum>) {
        let query = "{ total { amount count } timeSeries { points { period total { amount count } } } }";
        let answer = self.graphql(query, json!({})).await;
        let sum = |total: &Value| Sum { units: amount(&total["amount"]), count: total["count"].as_u64().unwrap() };
        let points = answer.data()["timeSeries"][0]["points"].as_array().cloned().unwrap_or_default();
        let months = points.iter().map(|point| (text(&point["period"]), sum(&point["total"])));
        (sum(&answer.data()["total"]), months.filter(|(_, month)| month.count > 0).collect())
    }

    /// Changes the amount of a paystat by a mutation.
    pub async fn edit_amount(&self, id: i64, amount: &str) {
        let query = "mutation($input: UpdatePaystatInput!) { updatePaystat(input: $input) { paystat { id } } }";
        self.graphql(query, json!({ "input": { "id": id.to_string(), "amount": amount } })).await.data();
    }

    /// Removes a paystat by a mutation.
    pub async fn delete_paystat(&self, id: i64) {
        let query = "mutation($input: DeletePaystatInput!) { deletePaystat(input: $input) { deletedId } }";
        self.graphql(query, json!({ "input": { "id": id.to_string() } })).await.data();
    }

    /// Watches a load until the API completes the subscription.
    pub async fn watch_load(&self, load: &Accepted) -> Watcher {
        let query = format!("subscription($id: ID!) {{ loadProgress(id: $id) {{ {PROGRESS} }} }}");
        let mut subscription = self.subscribe(&query, json!({ "id": load.id })).await;
        let told = tokio::spawn(async move {
            let mut told = Vec::new();
            while let Some(mut next) = subscription.next_within(LOAD_PATIENCE).await? {
                told.push(next["loadProgress"].take());
            }
            Ok(told)
        });
        Watcher { load: load.id.clone(), told }
    }

    /// Watches all loads.
    pub async fn watch_loads(&self) -> LoadsWatcher {
        let query = format!("subscription {{ loads {{ {PROGRESS} }} }}");
        let mut subscription = self.subscribe(&query, json!({})).await;
        let told = Arc::<Mutex<Vec<Value>>>::default();
        let listening = {
            let told = told.clone();
            tokio::spawn(async move {
                while let Some(mut next) = subscription.next_within(STORY).await.expect("a watcher is told everything")
                {
                    told.lock().unwrap().push(next["loads"].take());
                }
            })
        };
        LoadsWatcher { told, _listening: AbortOnDropHandle::new(listening) }
    }
}

impl LoadsWatcher {
    /// The final states that it was told of a load, in their order.
    pub fn ends_of(&self, load: &Accepted) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let of_load = told.iter().filter(|progress| progress["load"]["id"] == *load.id);
        of_load.map(|progress| &progress["state"]).filter(|state| is_final(state)).map(text).collect()
    }
}

impl Watcher {
    /// Waits for its end, and returns what it was told last. Panics unless that is the one final state among all that it was told, numbers only
    /// grow, and rows only become more until they are taken back.
    pub async fn end(self) -> Value {
        let told = self.told.await.expect("a watcher does not panic").expect("a watcher is told everything");
        let finals: Vec<_> = told.iter().filter(|progress| is_final(&progress["state"])).collect();
        assert_eq!(finals.len(), 1, "{}: {told:#?}", self.load);
        for (before, after) in told.iter().zip(&told[1..]) {
            assert!(before["seq"].as_u64() < after["seq"].as_u64(), "{before} then {after}");
            let is_forward =
                matches!(after["state"].as_str(), Some("PLANNING" | "LOADING" | "ROLLING_UP" | "SUCCEEDED"));
            let grows = before["rowsRead"].as_u64() <= after["rowsRead"].as_u64();
            assert!(grows || !is_forward, "{before} then {after}");
        }
        let last = told.last().unwrap().clone();
        assert!(is_final(&last["state"]), "{}: {last} follows the end", self.load);
        last
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn amount(value: &Value) -> i128 {
    units(value.as_str().unwrap()).expect("an amount")
}
