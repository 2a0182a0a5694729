//! What the internet sends: documents of any size, pages of other origins, and documents by their hash.

use std::{
    fs,
    time::{Duration, Instant},
};

use paystats_server::http::{Limits, Origins};
use paystats_tests::{Answer, Api, RunningServer, TestBed};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn server() -> (TestBed, RunningServer) {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    (bed, server)
}

/// What clients send to learn the schema.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description queryType { name } mutationType { name } subscriptionType { name } \
    types { ...FullType } directives { name description isRepeatable locations args { ...InputValue } } } } \
    fragment FullType on __Type { kind name description specifiedByURL fields(includeDeprecated: true) { name description \
    args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef } \
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } } \
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_with_its_code_and_introspection_is_not() {
    let (_bed, server) = server().await;
    let ask = async |query: &str| server.graphql(query, json!({})).await;
    assert!(ask(INTROSPECTION).await.data()["__schema"]["types"].as_array().unwrap().len() > 20);

    let Limits { depth, aliases, directives, selections, tokens } = Limits::default();
    let repeated = |piece: &dyn Fn(usize) -> String, count: usize| {
        format!("{{ total {{ {} }} }}", (0..count).map(piece).collect::<Vec<_>>().join(" "))
    };
    let deep = "{ node(id: \"Paystat:1\") { ".to_owned()
        + &"... on Paystat { postalCode { ... on Node { ".repeat(depth / 3 + 1)
        + "id"
        + &" } } }".repeat(depth / 3 + 1)
        + " } }";
    for (query, code) in [
        (deep, "DOCUMENT_TOO_DEEP"),
        (repeated(&|number| format!("a{number}: count"), aliases + 1), "TOO_MANY_ALIASES"),
        (repeated(&|_| "count @include(if: true)".to_owned(), directives + 1), "TOO_MANY_DIRECTIVES"),
        (format!("{{ {} }} fragment f on Query {{ {} }}", "...f ".repeat(101), "__typename ".repeat(selections / 100)), "DOCUMENT_TOO_LARGE"),
        ("{ __typename ".to_owned() + &"a ".repeat(tokens) + "}", "DOCUMENT_TOO_LARGE"),
        ("{ paystats(first: 1000) { edges { node { postalCode { paystats(first: 1000) { edges { node { id } } } } } } } }".to_owned(), "TOO_COMPLEX"),
        ("query($first: Int) { paystats(first: $first) { edges { node { id } } } }".to_owned(), "none"),
    ] {
        let answer = ask(&query).await;
        let told = answer.body["errors"][0]["extensions"]["code"].as_str().unwrap_or("none");
        assert_eq!(told, code, "{} {answer:?}", &query[..query.len().min(80)]);
    }
    let batch = json!([{ "query": "{ __typename }" }, { "query": "{ __typename }" }]).to_string();
    let answer = server.send("POST", "/graphql", &[("content-type", "application/json")], batch).await;
    assert_eq!((answer.status, answer.code()), (400, "BATCH_REFUSED"));
    let answer =
        server.send("POST", "/graphql", &[("content-type", "application/json")], vec![b' '; (1 << 20) + 1]).await;
    assert_eq!((answer.status, answer.code()), (413, "BODY_TOO_LARGE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_that_spread_each_other_are_refused_at_once() {
    let (_bed, server) = server().await;
    // Written out it has two to the power of 20 selections and more; the document has less than a kilobyte.
    let chain: String = (0..20).map(|n| format!("fragment f{n} on Query {{ ...f{m} ...f{m} }} ", m = n + 1)).collect();
    for query in [
        format!("{{ ...f0 }} {chain} fragment f20 on Query {{ __typename }}"),
        format!("{{ __typename }} {chain} fragment f20 on Query {{ __typename }}"),
        format!("{{ ...f0 }} {chain} fragment f20 on Query {{ ...f0 }}"),
    ] {
        assert!(query.len() < 1_000);
        let started = Instant::now();
        let answer = server.graphql(&query, json!({})).await;
        assert!(answer.body.get("data").is_none(), "{answer:?}");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}

/// Sends a request as no client library would, and returns its status line and headers.
async fn raw(server: &Api, request: &str) -> String {
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = request.replace("{own}", &address).replace('\n', "\r\n");
    stream.write_all((request + "\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).to_lowercase()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

const SOCKET: &str = "connection: upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n\
    sec-websocket-protocol: graphql-transport-ws";

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_may_do_nothing_unless_they_are_listed() {
    let bed = TestBed::new().await;
    let server =
        bed.start_server_with(|server| server.origins = Origins::parse("https://map.example.org").unwrap()).await;
    for (origin, may) in [
        ("", true),
        ("origin: http://{own}\n", true),
        ("origin: https://map.example.org\n", true),
        ("origin: https://evil.example\n", false),
        ("origin: null\n", false),
    ] {
        let socket = raw(&server, &format!("GET /graphql HTTP/1.1\nhost: {{own}}\n{origin}{SOCKET}")).await;
        assert_eq!(status(&socket), if may { "101" } else { "403" }, "{origin}");
        let post = format!(
            "POST /graphql HTTP/1.1\nhost: {{own}}\n{origin}content-type: application/json\ncontent-length: 2\n\n{{}}"
        );
        assert_eq!(status(&raw(&server, &post).await), if may { "400" } else { "403" }, "{origin}");
        let put = format!("PUT /datalake/a.csv HTTP/1.1\nhost: {{own}}\n{origin}content-length: 2\n\na\n");
        assert_eq!(status(&raw(&server, &put).await), if may { "201" } else { "403" }, "{origin}");
        fs::remove_file(bed.datalake().join("a.csv")).ok();
    }
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /graphql HTTP/1.1\nhost: {{own}}\norigin: {origin}\naccess-control-request-method: POST\naccess-control-request-headers: authorization,content-type"
        )
    };
    let listed = raw(&server, &preflight("https://map.example.org")).await;
    assert!(listed.contains("access-control-allow-origin: https://map.example.org"), "{listed}");
    assert!(listed.contains("authorization") && !listed.contains("access-control-allow-credentials"), "{listed}");
    let other = raw(&server, &preflight("https://evil.example")).await;
    assert!(!other.contains("access-control-allow-origin"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_simple_request_of_a_browser_is_a_request() {
    let (_bed, server) = server().await;
    let body = r#"{"query": "mutation { undoLoad(input: {id: 1}) { load { id } } }"}"#;
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain; application/json"]
    {
        let answer = server.send("POST", "/graphql", &[("content-type", content_type)], body).await;
        assert_eq!(answer.status, 415, "{content_type}");
    }
    let get = server.get("/graphql?query=mutation%7BundoLoad(input:%7Bid:1%7D)%7Bload%7Bid%7D%7D%7D").await;
    assert_eq!(get.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_server_answers_to_the_names_of_this_machine_only() {
    let (_bed, server) = server().await;
    for (host, may) in
        [("localhost:8080", true), ("127.0.0.1", true), ("[::1]:1", true), ("evil.example", false), ("", false)]
    {
        let answer = raw(&server, &format!("GET /graphql?query=%7B__typename%7D HTTP/1.1\nhost: {host}")).await;
        assert_eq!(status(&answer), if may { "200" } else { "403" }, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_to_take_care() {
    let (_bed, server) = server().await;
    for path in [
        "/",
        "/graphql?query=%7B__typename%7D",
        "/graphql",
        "/healthz",
        "/readyz",
        "/dashboard.json",
        "/loads/1/rejections.csv",
        "/nothing",
    ] {
        let answer = server.get(path).await;
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers.get(header).map(|value| value.to_str().unwrap()), Some(value), "{path} {header}");
        }
    }
}

async fn by_hash(server: &Api, query: Option<&str>, hash: &str) -> Answer {
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let body = match query {
        Some(query) => json!({ "query": query, "extensions": extensions }),
        None => json!({ "extensions": extensions }),
    };
    server.send("POST", "/graphql", &[("content-type", "application/json")], body.to_string()).await
}

/// Of `{ __typename }`.
const HASH: &str = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_told_once_is_asked_by_its_hash() {
    let (_bed, server) = server().await;
    assert_eq!(by_hash(&server, None, HASH).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(by_hash(&server, Some("{ total { count } }"), HASH).await.code(), "BAD_USER_INPUT");
    for query in [Some("{ __typename }"), None] {
        assert_eq!(by_hash(&server, query, HASH).await.data(), &json!({ "__typename": "Query" }));
    }
    let extensions = format!("%7B%22persistedQuery%22:%7B%22version%22:1,%22sha256Hash%22:%22{HASH}%22%7D%7D");
    let get = server.get(&format!("/graphql?extensions={extensions}")).await;
    assert_eq!(get.data(), &json!({ "__typename": "Query" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_registered_documents_answers_no_others() {
    let bed = TestBed::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.json");
    fs::write(&file, json!({ "typename": "{ __typename }" }).to_string()).unwrap();
    let server = bed
        .start_server_with(|server| {
            server.documents.registered = Some(file);
            server.documents.introspection = false;
        })
        .await;
    assert_eq!(by_hash(&server, None, HASH).await.data(), &json!({ "__typename": "Query" }));
    assert_eq!(server.graphql("{ __typename }", json!({})).await.data(), &json!({ "__typename": "Query" }));
    for query in ["{ total { count } }", "{ __typename  }", INTROSPECTION] {
        assert_eq!(server.graphql(query, json!({})).await.code(), "DOCUMENT_NOT_REGISTERED", "{query}");
    }
    let mut socket = server.subscribe("subscription { loads { seq } }", json!({})).await;
    assert!(socket.refusal().await.contains("DOCUMENT_NOT_REGISTERED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_introspection_is_off_nothing_tells_the_schema() {
    let bed = TestBed::new().await;
    let server = bed.start_server_with(|server| server.documents.introspection = false).await;
    let told = |answer: &Answer| answer.body["data"]["__schema"].clone();
    assert_eq!(told(&server.graphql(INTROSPECTION, json!({})).await), Value::Null);
    let misspelt = server.graphql("{ totl { count } }", json!({})).await;
    assert!(!misspelt.refusal().contains("total"), "{misspelt:?}");
    assert_eq!(server.graphql("{ total { count } }", json!({})).await.data()["total"]["count"], json!(0));
    let (_bed, open) = self::server().await;
    assert!(open.graphql("{ totl { count } }", json!({})).await.refusal().contains("total"));
}
