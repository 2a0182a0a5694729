//! What a client reads of a stream, chunk by chunk; and on a real server, what happens to the operation behind it.

use std::{fmt::Display, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, BodyDataStream, Bytes},
    extract::Request,
    http::{HeaderMap, StatusCode},
};
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tower::ServiceExt;

use crate::http::{
    GraphqlOptions, graphql_routes,
    toy::{self, Prepared, Toy},
};

/// How long a test waits for what must come. Never waited for in a test that passes.
const PATIENCE: Duration = Duration::from_secs(20);

/// An interval that does not matter in a test which does not set it.
const NEVER: Duration = Duration::from_secs(3600);

const EVENTS: &str = "text/event-stream";
/// As Apollo Client sends it.
const PARTS: &str =
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9";

fn calm() -> GraphqlOptions {
    GraphqlOptions {
        heartbeat: NEVER,
        prepare: Arc::new(|request| request.data(Prepared("with a loader"))),
        max_body_bytes: 1000,
        ..GraphqlOptions::default()
    }
}

/// Heartbeats come soon.
fn impatient() -> GraphqlOptions {
    GraphqlOptions { heartbeat: Duration::from_millis(5), ..calm() }
}

struct Server {
    router: Router,
    toy: Toy,
    options: GraphqlOptions,
}

fn server(options: GraphqlOptions) -> Server {
    let toy = toy::toy();
    let options = GraphqlOptions { types: toy.types.clone(), ..options };
    Server { router: graphql_routes(toy.schema.clone(), options.clone()), toy, options }
}

fn post(accept: &str, query: &str) -> Request {
    let request = Request::post("/graphql").header("accept", accept).header("content-type", "application/json");
    request.body(Body::from(json!({ "query": query }).to_string())).unwrap()
}

fn get(accept: &str, query: &str) -> Request {
    let query: String = query.chars().map(|letter| if letter == ' ' { '+' } else { letter }).collect();
    let uri = format!("/graphql?query={}", query.replace('{', "%7B").replace('}', "%7D"));
    Request::get(uri).header("accept", accept).body(Body::empty()).unwrap()
}

impl Server {
    async fn open(&self, request: Request) -> Opened {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Opened { status: parts.status, headers: parts.headers, chunks: body.into_data_stream() }
    }

    /// All that the stream says, which must end in good order.
    async fn whole(&self, request: Request) -> String {
        let mut opened = self.open(request).await;
        assert_eq!(opened.status, StatusCode::OK);
        let mut text = String::new();
        while let Some(chunk) = opened.next().await {
            text.push_str(&chunk.unwrap());
        }
        text
    }
}

struct Opened {
    status: StatusCode,
    headers: HeaderMap,
    chunks: BodyDataStream,
}

impl Opened {
    async fn next(&mut self) -> Option<Result<String, axum::Error>> {
        let chunk = timeout(PATIENCE, self.chunks.next()).await.expect("the stream goes on")?;
        Some(chunk.map(|bytes: Bytes| String::from_utf8(bytes.into()).unwrap()))
    }

    async fn says(&mut self, expected: &str) {
        assert_eq!(self.next().await.expect("the stream goes on").unwrap(), expected);
    }
}

/// How a stream of events begins.
const BEGINNING: &str = "retry: 1000\n\n";

/// A stream of events with these results.
fn events(results: &[impl Display]) -> String {
    let results: String = results.iter().map(|result| format!("event: next\ndata: {result}\n\n")).collect();
    format!("{BEGINNING}{results}event: complete\ndata:\n\n")
}

/// The same in parts.
fn parts(results: &[impl Display]) -> String {
    let part = |body: String| format!("\r\ncontent-type: application/json\r\n\r\n{body}\r\n--graphql");
    let results: String = results.iter().map(|result| part(format!("{{\"payload\":{result}}}"))).collect();
    format!("\r\n--graphql{}{results}--\r\n", part("{}".to_owned()))
}

#[tokio::test]
async fn a_subscription_is_told_by_post_and_by_get() {
    let server = server(calm());
    let results = [1, 2].map(|count| json!({"data": {"count": count}}));
    let query = "subscription { count(to: 2) }";
    for (accept, expected) in [(EVENTS, events(&results)), (PARTS, parts(&results))] {
        assert_eq!(server.whole(post(accept, query)).await, expected);
        assert_eq!(server.whole(get(accept, query)).await, expected);
    }
}

#[tokio::test]
async fn nobody_on_the_way_keeps_or_holds_back_a_stream() {
    let server = server(calm());
    for (accept, content_type) in
        [(EVENTS, EVENTS), (PARTS, "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0")]
    {
        for mut request in [post(accept, "subscription { endless }"), get(accept, "subscription { endless }")] {
            request.headers_mut().insert("accept-encoding", "gzip, br, zstd".parse().unwrap());
            let mut opened = server.open(request).await;
            let expected = [
                ("content-type", content_type),
                ("cache-control", "no-store, no-transform"),
                ("x-accel-buffering", "no"),
                ("x-content-type-options", "nosniff"),
                ("vary", "accept"),
            ];
            assert_eq!(
                opened.headers,
                HeaderMap::from_iter(expected.map(|(name, value)| { (name.parse().unwrap(), value.parse().unwrap()) }))
            );
            assert!(opened.next().await.unwrap().unwrap().len() < 100, "it begins at once");
            assert!(opened.next().await.is_some());
        }
    }
}

#[tokio::test]
async fn a_query_and_a_mutation_have_one_result() {
    let server = server(calm());
    let query = json!({"data": {"hello": "world", "prepared": "with a loader"}});
    assert_eq!(server.whole(post(EVENTS, "{ hello prepared }")).await, events(&[&query]));
    assert_eq!(server.whole(get(EVENTS, "{ hello prepared }")).await, events(&[&query]));
    let mutation = json!({"data": {"change": "changed"}});
    assert_eq!(server.whole(post(EVENTS, "mutation { change }")).await, events(&[mutation]));
}

#[tokio::test]
async fn the_same_rules_as_without_a_stream_make_a_result_whole() {
    let whole = server(calm()).whole(post(EVENTS, "{ hello fails }")).await;
    let data = whole.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert!(data.ends_with(r#""data":{"hello":"world","fails":null}}"#), "{data}");
}

#[tokio::test]
async fn what_is_wrong_with_a_document_is_told_in_the_stream() {
    let server = server(calm());
    for (query, code) in [
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { count(to: 1) refused }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($n: Int!) { count(to: $n) }", "BAD_USER_INPUT"),
        ("subscription A { count(to: 1) } subscription B { count(to: 1) }", "BAD_USER_INPUT"),
        ("subscription { count(to: \"1\") }", "BAD_USER_INPUT"),
    ] {
        let told = server.whole(post(EVENTS, query)).await;
        let result = told.strip_prefix(BEGINNING).and_then(|rest| rest.strip_prefix("event: next\ndata: "));
        let data = result.and_then(|rest| rest.split_once('\n')).unwrap();
        assert_eq!(data.1, "\nevent: complete\ndata:\n\n", "{query}");
        let result: Value = serde_json::from_str(data.0).unwrap();
        assert_eq!(result["errors"][0]["extensions"]["code"], code, "{query}");
        assert_eq!(result.get("data"), None, "{query}");
        let only_parts = "multipart/mixed;subscriptionSpec=1.0";
        assert_eq!(server.whole(post(only_parts, query)).await, parts(&[data.0]));
    }
}

#[tokio::test]
async fn a_subscription_that_is_refused_says_why_and_completes() {
    let told = server(calm()).whole(post(EVENTS, "subscription { refused }")).await;
    assert!(told.contains("no such load") && told.ends_with("event: complete\ndata:\n\n"), "{told}");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_end() {
    let server = server(calm());
    let internal = r#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#;
    assert_eq!(server.whole(post(EVENTS, "{ panics }")).await, events(&[internal]));
    let results = [r#"{"data":{"panics":1}}"#, internal];
    assert_eq!(server.whole(post(EVENTS, "subscription { panics }")).await, events(&results));
    assert_eq!(server.whole(post(PARTS, "subscription { panics }")).await, parts(&results));
}

#[tokio::test]
async fn a_request_that_is_not_well_formed_has_a_status_of_its_own() {
    let server = server(calm());
    let send = async |request: Request| {
        let mut opened = server.open(request).await;
        let body: Value = serde_json::from_str(&opened.next().await.unwrap().unwrap()).unwrap();
        let code = body["errors"][0]["extensions"]["code"].as_str().unwrap();
        let is_too_large = opened.status == StatusCode::PAYLOAD_TOO_LARGE;
        assert_eq!(code, if is_too_large { "BODY_TOO_LARGE" } else { "BAD_USER_INPUT" });
        let content_type = opened.headers["content-type"].to_str().unwrap().to_owned();
        (opened.status.as_u16(), content_type, body["errors"][0]["message"].as_str().unwrap().to_owned())
    };
    for (accept, content_type) in
        [(EVENTS, "application/json; charset=utf-8"), (PARTS, "application/graphql-response+json; charset=utf-8")]
    {
        let mut not_json = post(accept, "");
        *not_json.body_mut() = Body::from("{");
        let (status, written_as, _) = send(not_json).await;
        assert_eq!((status, written_as.as_str()), (400, content_type));
        assert_eq!(send(post(accept, &"x".repeat(1000))).await.0, 413);
        let mut untyped = post(accept, "subscription { count(to: 1) }");
        untyped.headers_mut().remove("content-type");
        assert_eq!(send(untyped).await.0, 415);
        let (status, _, message) = send(get(accept, "mutation { change }")).await;
        assert_eq!((status, message.as_str()), (405, "a mutation must not be sent by GET: use POST"));
    }
    assert_eq!(send(post("multipart/mixed;subscriptionSpec=1.0", "{ hello }")).await.0, 406);
    for accept in ["*/*", "application/json", "application/json, multipart/mixed"] {
        let (status, _, message) = send(post(accept, "subscription { count(to: 1) }")).await;
        assert_eq!(status, 400);
        for way in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0", "graphql-transport-ws"] {
            assert!(message.contains(way), "{message}");
        }
    }
}

#[tokio::test]
async fn a_stream_for_many_operations_is_not_offered() {
    let reservation = Request::put("/graphql").header("accept", EVENTS).body(Body::empty()).unwrap();
    let mut opened = server(calm()).open(reservation).await;
    assert_eq!(
        (opened.status, &opened.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, POST".parse().unwrap())
    );
    let body = opened.next().await.unwrap().unwrap();
    assert!(body.contains("single connection mode"), "{body}");
}

#[tokio::test]
async fn events_tell_their_numbers_and_a_client_goes_on_after_the_last_one_that_it_saw() {
    let server = server(calm());
    let after = async |last_event_id: &str| {
        let mut request = get(EVENTS, "subscription { numbered(to: 3) }");
        request.headers_mut().insert("last-event-id", last_event_id.parse().unwrap());
        server.whole(request).await
    };
    let numbered = |numbers: &[u64]| -> String {
        let event = |n: &u64| format!("event: next\nid: {n}\ndata: {{\"data\":{{\"numbered\":{n}}}}}\n\n");
        format!("{BEGINNING}{}event: complete\ndata:\n\n", numbers.iter().map(event).collect::<String>())
    };
    assert_eq!(server.whole(post(EVENTS, "subscription { numbered(to: 3) }")).await, numbered(&[1, 2, 3]));
    assert_eq!(after("0").await, numbered(&[1, 2, 3]));
    assert_eq!(after("1").await, numbered(&[2, 3]));
    assert_eq!(after("3").await, numbered(&[]));
    for nonsense in ["", "-1", "x", "99999999999999999999"] {
        assert_eq!(after(nonsense).await, numbered(&[1, 2, 3]), "{nonsense:?}");
    }
}

#[tokio::test]
async fn a_silent_stream_says_that_it_is_alive() {
    let server = server(impatient());
    let mut events = server.open(post(EVENTS, "subscription { silent }")).await;
    let mut parts = server.open(post(PARTS, "subscription { silent }")).await;
    events.says(BEGINNING).await;
    parts.says("\r\n--graphql").await;
    for _ in 0..5 {
        events.says(":\n\n").await;
        parts.says("\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql").await;
    }
}

#[tokio::test]
async fn nothing_is_produced_that_nobody_takes() {
    let server = server(impatient());
    for accept in [EVENTS, PARTS] {
        let before = server.toy.probe.produced();
        let mut opened = server.open(post(accept, "subscription { endless }")).await;
        while server.toy.probe.produced() == before {
            opened.next().await.unwrap().unwrap();
        }
        assert_eq!(server.toy.probe.produced(), before + 1);
        server.toy.probe.until_open_streams(1).await;
        drop(opened);
        server.toy.probe.until_open_streams(0).await;
    }
}

#[tokio::test]
async fn a_server_that_stops_breaks_a_stream_of_events_off() {
    let server = server(calm());
    let mut opened = server.open(post(EVENTS, "subscription { silent }")).await;
    opened.says(BEGINNING).await;
    assert!(opened.next().now_or_never().is_none());
    server.options.shutdown.cancel();
    assert!(opened.next().await.unwrap().is_err(), "no good end, after which clients would not come back");
    assert!(opened.next().await.is_none());
    server.toy.probe.until_open_streams(0).await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_in_a_last_part() {
    let server = server(calm());
    let mut opened = server.open(post(PARTS, "subscription { silent }")).await;
    opened.says("\r\n--graphql").await;
    opened.says("\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql").await;
    assert!(opened.next().now_or_never().is_none());
    server.options.shutdown.cancel();
    let last = opened.next().await.unwrap().unwrap();
    let body = last.strip_prefix("\r\ncontent-type: application/json\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body.strip_suffix("\r\n--graphql--\r\n").unwrap()).unwrap();
    let message = "going away: the server stops, please subscribe again";
    let error = json!({"message": message, "extensions": {"code": "UNAVAILABLE"}});
    assert_eq!(body, json!({"payload": null, "errors": [error]}));
    assert!(opened.next().await.is_none());
    server.toy.probe.until_open_streams(0).await;
}

#[tokio::test]
async fn a_server_that_stops_answers_what_has_one_result() {
    let server = server(calm());
    server.options.shutdown.cancel();
    let mutation = json!({"data": {"change": "changed"}});
    assert_eq!(server.whole(post(EVENTS, "mutation { change }")).await, events(&[mutation]));
}

/// The server on a port, until it is told to stop.
async fn listen(server: &Server) -> (std::net::SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = axum::serve(listener, server.router.clone())
        .with_graceful_shutdown(server.options.shutdown.clone().cancelled_owned());
    (address, tokio::spawn(async move { serving.await.unwrap() }))
}

/// A connection on which a subscription was asked for.
async fn subscribed(address: std::net::SocketAddr, accept: &str, query: &str) -> TcpStream {
    let body = json!({ "query": query }).to_string();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_goes_ends_its_subscription() {
    let server = server(calm());
    let (address, _serving) = listen(&server).await;
    for accept in [EVENTS, PARTS] {
        for query in ["subscription { silent }", "subscription { endless }"] {
            let client = subscribed(address, accept, query).await;
            server.toy.probe.until_open_streams(1).await;
            drop(client);
            let gone = timeout(PATIENCE, server.toy.probe.until_open_streams(0)).await;
            gone.unwrap_or_else(|_| panic!("{query} goes on"));
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_subscription_wait() {
    let server = server(impatient());
    let (address, _serving) = listen(&server).await;
    let mut slow = subscribed(address, EVENTS, "subscription { endless }").await;
    server.toy.probe.until_open_streams(1).await;
    // What the sockets hold, and what HTTP holds for them, is full when nothing more is produced while another client is served.
    let mut produced = 0;
    while produced != server.toy.probe.produced() {
        produced = server.toy.probe.produced();
        let mut other = subscribed(address, EVENTS, "subscription { silent }").await;
        read_until(&mut other, ":\n\n\r\n3\r\n:\n\n\r\n3\r\n:\n\n").await;
    }
    assert!(produced < 10_000, "{produced} results of 10 kB were produced for nobody");
    let more = timeout(PATIENCE, async {
        let mut taken = vec![0; 1 << 20];
        while server.toy.probe.produced() == produced {
            slow.read_exact(&mut taken).await.unwrap();
        }
    });
    more.await.expect("it goes on when the client reads");
}

#[tokio::test]
async fn a_graceful_shutdown_waits_for_no_stream() {
    let server = server(calm());
    let (address, serving) = listen(&server).await;
    let mut clients = Vec::new();
    for accept in [EVENTS, PARTS] {
        clients.push(subscribed(address, accept, "subscription { silent }").await);
    }
    server.toy.probe.until_open_streams(2).await;
    server.options.shutdown.cancel();
    timeout(PATIENCE, serving).await.expect("the server has stopped").unwrap();
    let mut ends = Vec::new();
    for client in &mut clients {
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        ends.push(told);
    }
    assert!(ends[0].ends_with("retry: 1000\n\n\r\n"), "broken off: {}", ends[0]);
    assert!(ends[1].ends_with("--graphql--\r\n\r\n0\r\n\r\n"), "in good order: {}", ends[1]);
}

async fn read_until(stream: &mut TcpStream, end: &str) {
    let mut received = String::new();
    while !received.ends_with(end) {
        received.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap().into());
    }
}
