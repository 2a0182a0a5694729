//! The protocol as a client sees it: a real server on a free port, a real WebSocket client.

use std::{sync::Arc, time::Duration};

use axum::{http::StatusCode, serve::ListenerExt};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::{SUBPROTOCOL, connection::MAX_OPERATIONS};
use crate::http::{
    GraphqlOptions, graphql_routes,
    toy::{self, Prepared, Toy},
};

/// How long a test waits for what must come. Never waited for in a test that passes.
const PATIENCE: Duration = Duration::from_secs(20);

/// An interval that does not matter in a test which does not set it.
const NEVER: Duration = Duration::from_secs(3600);

struct Server {
    address: std::net::SocketAddr,
    toy: Toy,
    options: GraphqlOptions,
    _serving: JoinSet<()>,
}

fn calm() -> GraphqlOptions {
    GraphqlOptions {
        connection_init_timeout: NEVER,
        keep_alive: NEVER,
        write_timeout: NEVER,
        prepare: Arc::new(|request| request.data(Prepared("with a loader"))),
        ..GraphqlOptions::default()
    }
}

async fn server(options: GraphqlOptions) -> Server {
    let toy = toy::toy();
    let options = GraphqlOptions { types: toy.types.clone(), ..options };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = graphql_routes(toy.schema.clone(), options.clone());
    let mut serving = JoinSet::new();
    // Small messages must not wait for one another's acknowledgement.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server { address, toy, options, _serving: serving }
}

impl Server {
    async fn connect_with(&self, subprotocol: Option<&str>) -> Client {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request().unwrap();
        if let Some(subprotocol) = subprotocol {
            request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (socket, response) = client_async(request, stream).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        Client(socket)
    }

    /// A client that has not initialised the connection.
    async fn connect(&self) -> Client {
        self.connect_with(Some(SUBPROTOCOL)).await
    }

    /// A client that may subscribe.
    async fn client(&self) -> Client {
        let mut client = self.connect().await;
        client.send(json!({"type": "connection_init"})).await;
        assert_eq!(client.next().await, json!({"type": "connection_ack"}));
        client
    }
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({"type": "subscribe", "id": id, "payload": {"query": query}})).await;
    }

    async fn frame(&mut self) -> Message {
        timeout(PATIENCE, self.0.next()).await.expect("nothing came").expect("the socket ended").unwrap()
    }

    async fn next(&mut self) -> Value {
        match self.frame().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// Reads until the server closes the socket.
    async fn close(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.frame().await {
                let CloseFrame { code, reason } = frame.expect("a close has a code");
                assert!(reason.len() <= 123);
                return (code.into(), reason.as_str().to_owned());
            }
        }
    }

    async fn expect_close(&mut self, code: u16, reason: &str) {
        assert_eq!(self.close().await, (code, reason.to_owned()));
    }
}

#[tokio::test]
async fn a_query_has_one_result() {
    let mut client = server(calm()).await.client().await;
    client.subscribe("a", "{ hello prepared }").await;
    assert_eq!(
        client.next().await,
        json!({"type": "next", "id": "a", "payload": {"data": {"hello": "world", "prepared": "with a loader"}}})
    );
    assert_eq!(client.next().await, json!({"type": "complete", "id": "a"}));
}

#[tokio::test]
async fn a_mutation_runs_with_its_variables_and_name() {
    let mut client = server(calm()).await.client().await;
    let query = "mutation M { change } query Q($n: Int!) { twice(number: $n) }";
    client.send(json!({"type": "subscribe", "id": "m", "payload": {"query": query, "operationName": "M"}})).await;
    assert_eq!(client.next().await["payload"]["data"], json!({"change": "changed"}));
    assert_eq!(client.next().await, json!({"type": "complete", "id": "m"}));
    let payload = json!({"query": query, "operationName": "Q", "variables": {"n": 4}});
    client.send(json!({"type": "subscribe", "id": "q", "payload": payload})).await;
    assert_eq!(client.next().await["payload"]["data"], json!({"twice": 8}));
}

#[tokio::test]
async fn a_subscription_has_many_results_and_then_its_id_is_free() {
    let mut client = server(calm()).await.client().await;
    for _ in 0..20 {
        client.subscribe("a", "subscription { count(to: 3) }").await;
        for count in 1..=3 {
            assert_eq!(client.next().await, json!({"type": "next", "id": "a", "payload": {"data": {"count": count}}}));
        }
        assert_eq!(client.next().await, json!({"type": "complete", "id": "a"}));
    }
}

#[tokio::test]
async fn many_operations_run_at_the_same_time() {
    let server = server(calm()).await;
    let mut client = server.client().await;
    client.subscribe("stuck query", "{ never }").await;
    for id in ["s1", "s2", "s3"] {
        client.subscribe(id, "subscription { silent }").await;
    }
    server.toy.probe.until_open_streams(3).await;
    client.subscribe("quick", "{ hello }").await;
    assert_eq!(client.next().await["id"], "quick");
}

#[tokio::test]
async fn a_client_can_stop_an_operation_and_use_its_id_again() {
    let server = server(calm()).await;
    let mut client = server.client().await;
    client.subscribe("a", "subscription { silent }").await;
    server.toy.probe.until_open_streams(1).await;
    client.send(json!({"type": "complete", "id": "a"})).await;
    server.toy.probe.until_open_streams(0).await;
    client.subscribe("a", "{ hello }").await;
    assert_eq!(client.next().await, json!({"type": "next", "id": "a", "payload": {"data": {"hello": "world"}}}));
    assert_eq!(client.next().await, json!({"type": "complete", "id": "a"}));
}

#[tokio::test]
async fn results_of_a_stopped_operation_never_reach_the_one_that_took_its_id() {
    let mut client = server(calm()).await.client().await;
    client.subscribe("a", "subscription { endless }").await;
    assert!(client.next().await["payload"]["data"]["endless"].is_string());
    client.send(json!({"type": "complete", "id": "a"})).await;
    client.subscribe("a", "{ hello }").await;
    // Results that were on their way may still come, but none after the new operation has begun to speak.
    let mut message = client.next().await;
    while message["payload"]["data"]["endless"].is_string() {
        message = client.next().await;
    }
    assert_eq!(message["payload"]["data"], json!({"hello": "world"}));
    assert_eq!(client.next().await, json!({"type": "complete", "id": "a"}));
    client.send(json!({"type": "ping"})).await;
    assert_eq!(client.next().await, json!({"type": "pong"}));
}

#[tokio::test]
async fn completing_what_does_not_run_is_no_mistake() {
    let mut client = server(calm()).await.client().await;
    client.send(json!({"type": "complete", "id": "unknown"})).await;
    client.subscribe("a", "{ hello }").await;
    assert_eq!(client.next().await["type"], "next");
}

#[tokio::test]
async fn what_does_not_run_gets_an_error_and_no_complete() {
    let mut client = server(calm()).await.client().await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { twice(number: $n) }", "BAD_USER_INPUT"),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
    ] {
        // The id is free again each time.
        client.subscribe("a", query).await;
        let message = client.next().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("a")), "{query}");
        assert_eq!(message["payload"][0]["extensions"]["code"], code, "{query}");
    }
    client.send(json!({"type": "ping"})).await;
    assert_eq!(client.next().await, json!({"type": "pong"}), "no complete was waiting before it");
}

#[tokio::test]
async fn a_field_that_fails_is_part_of_a_result() {
    let mut client = server(calm()).await.client().await;
    client.subscribe("a", "{ hello fails }").await;
    let message = client.next().await;
    assert_eq!(message["type"], "next");
    assert_eq!(message["payload"]["data"], json!({"hello": "world", "fails": null}));
    assert_eq!(message["payload"]["errors"][0]["path"], json!(["fails"]));
    assert_eq!(client.next().await, json!({"type": "complete", "id": "a"}));
    client.subscribe("b", "{ hello failsHard }").await;
    let message = client.next().await;
    assert_eq!((&message["type"], &message["payload"]["data"]), (&json!("next"), &Value::Null));
    assert_eq!(message["payload"]["errors"][0]["path"], json!(["failsHard"]));
    assert_eq!(client.next().await, json!({"type": "complete", "id": "b"}));
}

#[tokio::test]
async fn a_subscription_that_is_refused_says_why_and_completes() {
    let mut client = server(calm()).await.client().await;
    client.subscribe("a", "subscription { refused }").await;
    let message = client.next().await;
    assert_eq!(message["type"], "next");
    assert_eq!(message["payload"]["errors"][0]["message"], "no such load");
    assert_eq!(client.next().await, json!({"type": "complete", "id": "a"}));
}

#[tokio::test]
async fn a_panic_ends_its_operation_and_nothing_else() {
    let mut client = server(calm()).await.client().await;
    let internal = json!([{"message": "internal error", "extensions": {"code": "INTERNAL"}}]);
    client.subscribe("a", "{ panics }").await;
    assert_eq!(client.next().await, json!({"type": "error", "id": "a", "payload": internal}));
    client.subscribe("a", "subscription { panics }").await;
    assert_eq!(client.next().await["payload"]["data"], json!({"panics": 1}));
    assert_eq!(client.next().await, json!({"type": "error", "id": "a", "payload": internal}));
    client.subscribe("a", "{ hello }").await;
    assert_eq!(client.next().await["payload"]["data"], json!({"hello": "world"}));
}

#[tokio::test]
async fn pings_are_answered_with_their_payload_even_before_initialisation() {
    let mut client = server(calm()).await.connect().await;
    client.send(json!({"type": "ping"})).await;
    assert_eq!(client.next().await, json!({"type": "pong"}));
    client.send(json!({"type": "pong", "payload": {"unasked": true}})).await;
    client.send(json!({"type": "ping", "payload": {"sent": 7}})).await;
    assert_eq!(client.next().await, json!({"type": "pong", "payload": {"sent": 7}}));
}

#[tokio::test]
async fn resolvers_can_read_what_connection_init_brought() {
    let mut client = server(calm()).await.connect().await;
    client.send(json!({"type": "connection_init", "payload": {"token": "t0"}})).await;
    assert_eq!(client.next().await, json!({"type": "connection_ack"}));
    client.subscribe("a", "{ token }").await;
    assert_eq!(client.next().await["payload"]["data"], json!({"token": "t0"}));
}

#[tokio::test]
async fn an_invalid_message_closes_with_4400_and_says_what_is_wrong() {
    let server = server(calm()).await;
    for (text, reason) in [
        ("{", "Invalid message: malformed JSON at line 1, column 1"),
        ("[]", "Invalid message: not a JSON object"),
        (r#"{"id":"a"}"#, "Invalid message: no type"),
        (r#"{"type":"start","id":"a"}"#, "Invalid message: the type \"start\" is unknown"),
        (r#"{"type":"complete"}"#, "Invalid message: complete needs an id, a string that is not empty"),
        (r#"{"type":"subscribe","payload":{}}"#, "Invalid message: subscribe needs an id, a string that is not empty"),
        (r#"{"type":"subscribe","id":"a"}"#, "Invalid message: subscribe needs a payload"),
        (r#"{"type":"subscribe","id":"a","payload":{}}"#, "Invalid message: the parameter \"query\" is missing"),
        (r#"{"type":"ping","payload":7}"#, "Invalid message: the payload of ping must be an object"),
    ] {
        let mut client = server.client().await;
        client.send_text(text).await;
        client.expect_close(4400, reason).await;
    }
}

#[tokio::test]
async fn a_binary_frame_closes_with_4400() {
    let mut client = server(calm()).await.client().await;
    client.0.send(Message::binary(r#"{"type":"ping"}"#)).await.unwrap();
    client.expect_close(4400, "Invalid message: binary, where JSON text is expected").await;
}

#[tokio::test]
async fn subscribing_before_initialisation_closes_with_4401() {
    let mut client = server(calm()).await.connect().await;
    client.subscribe("a", "{ hello }").await;
    client.expect_close(4401, "Unauthorized: send connection_init first").await;
}

#[tokio::test]
async fn a_client_without_our_subprotocol_is_closed_with_4406() {
    let server = server(calm()).await;
    let mut client = server.connect_with(None).await;
    client.expect_close(4406, "Subprotocol not acceptable: use graphql-transport-ws").await;
}

#[tokio::test]
async fn the_legacy_subprotocol_is_not_taken() {
    let server = server(calm()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let handshake = "GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     Sec-WebSocket-Protocol: graphql-ws\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101") && !head.contains("sec-websocket-protocol"), "{head}");
    // A close frame: its opcode, its length, its code.
    let mut frame = [0; 4];
    timeout(PATIENCE, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(frame[0], 0x88);
    assert_eq!(u16::from_be_bytes([frame[2], frame[3]]), 4406);
}

#[tokio::test]
async fn our_subprotocol_is_chosen_among_several() {
    let server = server(calm()).await;
    let mut client = server.connect_with(Some("graphql-ws, graphql-transport-ws")).await;
    client.send(json!({"type": "connection_init"})).await;
    assert_eq!(client.next().await, json!({"type": "connection_ack"}));
}

#[tokio::test]
async fn a_client_that_does_not_initialise_in_time_is_closed_with_4408() {
    let options = GraphqlOptions { connection_init_timeout: Duration::from_millis(20), ..calm() };
    let mut client = server(options).await.connect().await;
    client.expect_close(4408, "Connection initialisation timeout").await;
}

#[tokio::test]
async fn an_id_that_is_in_use_closes_with_4409() {
    let mut client = server(calm()).await.client().await;
    client.subscribe("a", "subscription { silent }").await;
    client.subscribe("a", "{ hello }").await;
    client.expect_close(4409, "Subscriber for a already exists").await;
}

#[tokio::test]
async fn initialising_twice_closes_with_4429() {
    let mut client = server(calm()).await.client().await;
    client.send(json!({"type": "connection_init"})).await;
    client.expect_close(4429, "Too many initialisation requests").await;
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let mut client = server(GraphqlOptions { max_message_bytes: 1000, ..calm() }).await.client().await;
    client.subscribe("a", &"x".repeat(1000)).await;
    client.expect_close(1009, "not a WebSocket message, or larger than 1000 bytes").await;
}

#[tokio::test]
async fn too_many_operations_at_once_are_refused_one_by_one() {
    let server = server(calm()).await;
    let mut client = server.client().await;
    for number in 0..MAX_OPERATIONS {
        client.subscribe(&number.to_string(), "subscription { silent }").await;
    }
    client.subscribe("one more", "{ hello }").await;
    let message = client.next().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("one more")));
    assert_eq!(message["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    client.send(json!({"type": "complete", "id": "0"})).await;
    client.subscribe("one more", "{ hello }").await;
    assert_eq!(client.next().await["type"], "next");
}

#[tokio::test]
async fn a_client_is_pinged_and_stays_as_long_as_it_answers() {
    let options = GraphqlOptions { keep_alive: Duration::from_millis(500), ..calm() };
    let mut client = server(options).await.connect().await;
    let mut pings = 0;
    while pings < 4 {
        if client.next().await == json!({"type": "ping"}) {
            pings += 1;
            client.send(json!({"type": "pong"})).await;
        }
    }
}

#[tokio::test]
async fn a_silent_client_is_dropped_with_its_operations() {
    let server = server(GraphqlOptions { keep_alive: Duration::from_millis(20), ..calm() }).await;
    let mut client = server.connect().await;
    client.send(json!({"type": "connection_init"})).await;
    client.subscribe("a", "subscription { silent }").await;
    client.expect_close(1001, "going away: you do not answer pings, please reconnect").await;
    server.toy.probe.until_open_streams(0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_too() {
    let server = server(GraphqlOptions { write_timeout: Duration::from_millis(40), ..calm() }).await;
    let mut client = server.connect().await;
    client.send(json!({"type": "connection_init"})).await;
    client.subscribe("a", "subscription { endless }").await;
    server.options.sockets.close();
    timeout(PATIENCE, server.options.sockets.wait()).await.expect("its socket is gone");
    timeout(PATIENCE, server.toy.probe.until_open_streams(0)).await.expect("and its stream is stopped");
    assert!(server.toy.probe.produced() > 0);
}

#[tokio::test]
async fn a_client_that_reads_again_too_late_finds_out_why_it_was_dropped() {
    let server = server(GraphqlOptions { write_timeout: Duration::from_secs(2), ..calm() }).await;
    let mut client = server.client().await;
    client.subscribe("a", "subscription { endless }").await;
    server.toy.probe.until_open_streams(1).await;
    server.toy.probe.until_open_streams(0).await;
    let reason = "too slow: you did not read for too long; reconnect, and go on after what you saw last";
    client.expect_close(1013, reason).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_no_other() {
    let server = server(calm()).await;
    let mut slow = server.client().await;
    slow.subscribe("a", "subscription { endless }").await;
    server.toy.probe.until_open_streams(1).await;
    let mut other = server.client().await;
    other.subscribe("b", "{ hello }").await;
    assert_eq!(other.next().await["payload"]["data"], json!({"hello": "world"}));
}

#[tokio::test]
async fn streams_end_when_the_client_closes_or_disappears() {
    let server = server(calm()).await;
    for politely in [true, false] {
        let mut client = server.client().await;
        client.subscribe("a", "subscription { silent }").await;
        client.subscribe("b", "subscription { endless }").await;
        server.toy.probe.until_open_streams(2).await;
        if politely {
            client.0.close(None).await.unwrap();
        }
        drop(client);
        timeout(PATIENCE, server.toy.probe.until_open_streams(0)).await.expect("the streams are dropped");
    }
}

#[tokio::test]
async fn shutdown_closes_every_socket_with_1001_and_can_be_waited_for() {
    let server = server(calm()).await;
    let mut subscribed = server.client().await;
    subscribed.subscribe("a", "subscription { silent }").await;
    server.toy.probe.until_open_streams(1).await;
    let mut idle = server.connect().await;
    server.options.shutdown.cancel();
    for client in [&mut subscribed, &mut idle] {
        client.expect_close(1001, "going away: the server stops, please reconnect").await;
    }
    server.toy.probe.until_open_streams(0).await;
    drop((subscribed, idle));
    server.options.sockets.close();
    timeout(PATIENCE, server.options.sockets.wait()).await.expect("all sockets are gone");
}
