//! Who may do what, over every way to the server, and what is noted of it.

use std::fs;

use mongodb::bson::doc;
use paystats_core::config::Secret;
use paystats_loader::LoaderConfig;
use paystats_server::access::{ApiKey, Quota, Role, Roles};
use paystats_standalone::client;
use paystats_tests::{
    Answer, Api, RunningServer, TestBed, eventually,
    sources::{paystat, paystat_row, paystats},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server with a key for each role.
struct Guarded {
    bed: TestBed,
    server: RunningServer,
    folder: TempDir,
    lines: Vec<String>,
    secrets: Vec<String>,
}

const ROLES: [Role; 4] = Role::ALL;

async fn guarded(quota: Quota) -> Guarded {
    let bed = TestBed::new().await;
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let made = ROLES.map(|role| ApiKey::generate(role.name(), Roles::from_iter([role]), None).unwrap());
    let lines = made.iter().map(|key| key.line.clone()).collect::<Vec<_>>();
    fs::write(&keys, lines.join("\n")).unwrap();
    let server = bed
        .start_server_with(|server| {
            server.access.api_keys = Some(keys.clone());
            server.access.quota = quota;
        })
        .await;
    let secrets = made.iter().map(|key| key.key.expose().to_owned()).collect();
    Guarded { bed, server, folder, lines, secrets }
}

impl Guarded {
    async fn new() -> Self {
        guarded(Quota::default()).await
    }

    fn key(&self, role: Role) -> &str {
        &self.secrets[ROLES.iter().position(|other| *other == role).unwrap()]
    }

    async fn send(&self, role: Role, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let authorization = format!("Bearer {}", self.key(role));
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend(headers);
        self.server.send(method, path, &all, body).await
    }

    async fn graphql(&self, role: Role, query: &str) -> Answer {
        let body = json!({ "query": query }).to_string();
        self.send(role, "POST", "/graphql", &[("content-type", "application/json")], &body).await
    }

    fn take_out_the_first_key(&self) {
        fs::write(self.folder.path().join("keys"), self.lines[1..].join("\n")).unwrap();
    }

    fn client(&self, key: Option<&str>) -> client::Client {
        let url = self.server.url("/graphql").replace("http", "ws");
        client::Client::new(&url).unwrap().with_key(key.map(Secret::new))
    }
}

async fn anonymous(server: &Api, method: &str, path: &str, token: &str) -> Answer {
    let headers = [("authorization", token), ("content-type", "application/json")];
    let headers = if token.is_empty() { &headers[1..] } else { &headers };
    server.send(method, path, headers, r#"{"query": "{ total { count } }"}"#).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_key_gets_pages_and_probes_and_nothing_else() {
    let it = Guarded::new().await;
    for token in ["", "Bearer wrong", "Bearer paystats_wrong", "Bearer a.b.c", "Basic YTpi"] {
        for (method, path) in [
            ("POST", "/graphql"),
            ("GET", "/graphql?query=%7Btotal%7Bcount%7D%7D"),
            ("PUT", "/datalake/a.csv"),
            ("DELETE", "/datalake/a.csv"),
            ("GET", "/loads/1/rejections.csv"),
            ("GET", "/metrics"),
        ] {
            let answer = anonymous(&it.server, method, path, token).await;
            assert_eq!((answer.status, answer.code()), (401, "UNAUTHENTICATED"), "{method} {path} {token}");
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        }
        for path in ["/", "/healthz", "/readyz", "/dashboard.json"] {
            assert_eq!(anonymous(&it.server, "GET", path, token).await.status, 200, "{path}");
        }
    }
    assert_eq!(it.server.get("/dashboard.json").await.body["asksWho"], json!(true));
    assert_eq!(it.send(Role::Reader, "GET", "/metrics", &[], "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_do_what_it_says_and_no_more() {
    let it = Guarded::new().await;
    it.bed.insert_postal_codes(1).await;
    let edit = "mutation { deletePaystat(input: {id: 1}) { deletedId } }";
    let load = "mutation { undoLoad(input: {id: 1}) { load { id } } }";
    let inside = "mutation { ...f } fragment f on Mutation { x: undoLoad(input: {id: 1}) { load { id } } }";
    let skipped = "mutation { __typename @skip(if: false) undoLoad(input: {id: 1}) @skip(if: true) { load { id } } }";
    for (role, read, edits, loads, administers) in [
        (Role::Reader, true, false, false, false),
        (Role::Editor, true, true, false, false),
        (Role::Loader, true, false, true, false),
        (Role::Admin, true, true, true, true),
    ] {
        for (query, may) in [
            ("{ total { count } loads { totalCount } node(id: \"Paystat:1\") { id } }", read),
            ("{ datalake { path } }", loads),
            ("{ total { count } datalake { path } }", loads),
            ("{ audit { edges { node { action } } } }", administers),
            (edit, edits),
            (load, loads),
            (inside, loads),
            (skipped, loads),
            ("{ __schema { queryType { name } } }", read),
        ] {
            let answer = it.graphql(role, query).await;
            let is_forbidden = answer.body["errors"][0]["extensions"]["code"] == "FORBIDDEN";
            assert_eq!(is_forbidden, !may, "{role:?} {query} {answer:?}");
            assert!(!is_forbidden || answer.body.get("data").is_none(), "nothing of it runs: {answer:?}");
        }
        let put = it.send(role, "PUT", &format!("/datalake/{}.csv", role.name()), &[], "a\n").await;
        assert_eq!(put.status, if loads { 201 } else { 403 }, "{role:?} {put:?}");
        let csv = it.send(role, "GET", "/loads/1/rejections.csv", &[], "").await;
        assert_eq!((csv.status, csv.code()), (404, "NOT_FOUND"), "{role:?}");
    }
    let accept = [("content-type", "application/json"), ("accept", "application/graphql-response+json")];
    let body = json!({ "query": load }).to_string();
    assert_eq!(it.send(Role::Reader, "POST", "/graphql", &accept, &body).await.status, 403);
    let misspelt = it.graphql(Role::Reader, "{ totl }").await;
    assert_eq!(misspelt.code(), "GRAPHQL_VALIDATION_FAILED", "what is not there is no matter of rights");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_is_opened_by_its_first_message_and_closed_when_the_key_goes() {
    let it = Guarded::new().await;
    for key in [None, Some("paystats_wrong")] {
        let refused = it.client(key).subscribe("subscription { loads { seq } }", json!({})).await.unwrap_err();
        assert!(refused.to_string().contains("(4403)"), "{refused:#}");
    }
    let reader = it.client(Some(it.key(Role::Reader)));
    let mutation = reader.query("mutation { undoLoad(input: {id: 1}) { load { id } } }", json!({})).await.unwrap_err();
    assert!(mutation.to_string().contains("FORBIDDEN"), "{mutation:#}");
    let total = "subscription { totalChanged(now: true) { count } }";
    let mut watching = reader.subscribe(total, json!({})).await.unwrap();
    assert_eq!(watching.next().await.unwrap(), Some(json!({ "totalChanged": { "count": 0 } })));

    it.take_out_the_first_key();
    let closed = watching.next().await.unwrap_err();
    assert!(closed.to_string().contains("(4403)"), "{closed:#}");
    assert!(reader.query("{ total { count } }", json!({})).await.is_err());
    let editor = it.client(Some(it.key(Role::Editor)));
    assert!(editor.query("{ total { count } }", json!({})).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_needs_a_key_and_ends_with_it() {
    let it = Guarded::new().await;
    let headers = format!("authorization: Bearer {}\r\naccept: text/event-stream\r\n", it.key(Role::Reader));
    let mut events = it.server.stream(&headers, "subscription { totalChanged(now: true) { count } }", json!({})).await;
    assert_eq!(events.event().await.unwrap().data["data"]["totalChanged"]["count"], json!(0));
    it.take_out_the_first_key();
    assert_eq!(events.event().await, None, "it breaks off without `complete`");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_is_noted_with_who_and_what_and_how_it_ended() {
    let it = Guarded::new().await;
    it.bed.insert_postal_codes(1).await;
    it.bed.put("rows.csv", paystats([paystat_row(&paystat(1))]));
    let start = r#"mutation { startLoad(input: {entity: PAYSTATS, source: "rows.csv"}) { load { id } } }"#;
    let started = it.graphql(Role::Loader, start).await;
    let load = started.data()["startLoad"]["load"]["id"].clone();
    it.graphql(Role::Loader, r#"mutation { startLoad(input: {entity: PAYSTATS, source: "no.csv"}) { load { id } } }"#)
        .await;
    let twice = "mutation { a: deletePaystat(input: {id: 7}) { deletedId } __typename b: deletePostalCode(input: {id: 1}) { deletedId } }";
    it.graphql(Role::Editor, twice).await;
    it.graphql(Role::Reader, start).await;

    let query = "{ audit { edges { node { at caller action subject load { id } outcome } } } }";
    let answer = it.graphql(Role::Admin, query).await;
    let records: Vec<Value> =
        answer.data()["audit"]["edges"].as_array().unwrap().iter().map(|edge| edge["node"].clone()).collect();
    let told: Vec<_> = records
        .iter()
        .rev()
        .map(|record| ["caller", "action", "subject", "outcome"].map(|field| record[field].as_str().unwrap_or("-")))
        .collect();
    let load_id = load.as_str().unwrap();
    assert_eq!(
        told,
        [
            ["loader", "startLoad", load_id, "DONE"],
            ["loader", "startLoad", "-", "BAD_USER_INPUT"],
            ["editor", "deletePaystat", "Paystat:7", "NOT_FOUND"],
            ["editor", "deletePostalCode", "PostalCode:1", "CONFLICT"],
        ],
        "who may not does not begin"
    );
    assert_eq!(records[3]["load"]["id"], load);
    assert!(records.iter().all(|record| record["at"].is_string()));
    let page = it
        .graphql(Role::Admin, "{ audit(first: 1) { pageInfo { hasNextPage endCursor } edges { node { action } } } }")
        .await;
    let cursor = page.data()["audit"]["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
    let rest =
        it.graphql(Role::Admin, &format!("{{ audit(after: \"{cursor}\") {{ edges {{ node {{ action }} }} }} }}")).await;
    assert_eq!(rest.data()["audit"]["edges"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_noted_is_not_done() {
    let it = Guarded::new().await;
    it.bed.insert_postal_codes(1).await;
    let store = &it.bed.config().store;
    let client = mongodb::Client::with_uri_str(store.uri.expose()).await.unwrap();
    let impossible = doc! { "nothing": { "$exists": true } };
    client.database(&store.database).create_collection("audit").validator(impossible).await.unwrap();
    let create = "mutation { createPaystat(input: {id: 1, amount: \"1\", month: \"2015-01\", age: UNDER_25, gender: F, postalCodeId: 1}) { paystat { id } } }";
    let refused = it.graphql(Role::Editor, create).await;
    assert_eq!(refused.code(), "INTERNAL");
    assert_eq!(it.graphql(Role::Reader, "{ total { count } }").await.data()["total"]["count"], json!(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_has_a_bucket_of_requests_of_their_own() {
    let it = guarded(Quota { requests_per_second: 1, subscriptions: 1 }).await;
    let ask = async |role| it.graphql(role, "{ total { count } }").await;
    let answers = [ask(Role::Reader).await, ask(Role::Reader).await, ask(Role::Reader).await];
    let last = &answers[2];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200, 429]);
    assert_eq!((last.code(), last.headers["retry-after"].to_str().unwrap()), ("RATE_LIMITED", "1"));
    assert_eq!(ask(Role::Editor).await.status, 200);
    eventually("a bucket that fills again", async || match ask(Role::Reader).await {
        answer if answer.status == 200 => Ok(()),
        other => Err(other),
    })
    .await;

    let client = it.client(Some(it.key(Role::Loader)));
    let subscribe = async || client.subscribe("subscription { totalChanged(now: true) { count } }", json!({})).await;
    let mut first = eventually("a first watcher", async || subscribe().await.map_err(|error| error.to_string())).await;
    assert!(first.next().await.unwrap().is_some());
    let refusal = eventually("a refused watcher", async || {
        let mut second = subscribe().await.map_err(|error| error.to_string())?;
        match second.next().await {
            Err(error) if error.to_string().contains("subscriptions") => Ok(error.to_string()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(refusal.contains("no more than 1 subscriptions of one caller may run at once (RATE_LIMITED)"), "{refusal}");
    drop(first);
    eventually("a place that is free again", async || {
        let mut third = subscribe().await.map_err(|error| error.to_string())?;
        third.next().await.map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_by_key_loads_and_a_loader_process_needs_none() {
    let it = Guarded::new().await;
    it.bed.insert_postal_codes(1).await;
    let put = it.send(Role::Loader, "PUT", "/datalake/rows.csv", &[], &paystats([paystat_row(&paystat(1))])).await;
    assert_eq!(put.status, 201, "{put:?}");
    let _loader = it.bed.start_loader(LoaderConfig { concurrency: 1, chunk_bytes: 1 << 20, chunks_in_flight: 4 });
    let client = it.client(Some(it.key(Role::Loader)));
    let start = r#"mutation { startLoad(input: {entity: PAYSTATS, source: "rows.csv"}) { load { id } } }"#;
    let load = client.query(start, json!({})).await.unwrap()["startLoad"]["load"]["id"].clone();
    let watch = "subscription($id: ID!) { loadProgress(id: $id) { state } }";
    let mut progress = client.subscribe(watch, json!({ "id": load })).await.unwrap();
    let mut last = Value::Null;
    while let Some(next) = progress.next().await.unwrap() {
        last = next["loadProgress"]["state"].clone();
    }
    assert_eq!(last, json!("SUCCEEDED"));
}
