//! The endpoint over HTTP, from request to status, headers and body.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::http::{
    GraphqlOptions, graphql_routes,
    toy::{self, Prepared},
};

const JSON: &str = "application/json";
const RESPONSE: &str = "application/graphql-response+json";

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answered {
    fn code(&self) -> &Value {
        &self.body["errors"][0]["extensions"]["code"]
    }
}

fn router() -> Router {
    let prepare = Arc::new(|request: async_graphql::Request| request.data(Prepared("with a loader")));
    let toy = toy::toy();
    graphql_routes(toy.schema, GraphqlOptions { types: toy.types, prepare, max_body_bytes: 1000, ..Default::default() })
}

async fn send(request: Request) -> Answered {
    let (status, headers, body) = toy::send(router(), request).await;
    Answered { status, headers, body: serde_json::from_str(&body).unwrap() }
}

async fn post_text(accept: &str, body: &str) -> Answered {
    let request = Request::post("/graphql").header("accept", accept).header("content-type", JSON);
    send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn post(accept: &str, body: Value) -> Answered {
    post_text(accept, &body.to_string()).await
}

async fn get(query: &str) -> Answered {
    let uri = format!("/graphql?{query}");
    send(Request::get(uri).header("accept", RESPONSE).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_query_is_answered_in_the_type_that_was_accepted() {
    for (accept, content_type) in
        [(JSON, "application/json; charset=utf-8"), (RESPONSE, "application/graphql-response+json; charset=utf-8")]
    {
        let answered = post(accept, json!({"query": "{ hello }"})).await;
        assert_eq!(answered.status, StatusCode::OK);
        assert_eq!(answered.headers["content-type"], content_type);
        assert_eq!(answered.headers["vary"], "accept");
        assert_eq!(answered.headers["x-content-type-options"], "nosniff");
        assert_eq!(answered.body, json!({"data": {"hello": "world"}}));
    }
}

#[tokio::test]
async fn variables_and_operation_name_arrive_by_post_and_by_get() {
    let query = "query A { hello } query B($n: Int!) { twice(number: $n) }";
    let posted = post(RESPONSE, json!({"query": query, "operationName": "B", "variables": {"n": 4}})).await;
    let got = get("query=query+A%7Bhello%7D+query+B(%24n:Int!)%7Btwice(number:%24n)%7D\
                   &operationName=B&variables=%7B%22n%22:4%7D")
    .await;
    assert_eq!(posted.body, json!({"data": {"twice": 8}}));
    assert_eq!((got.status, got.body), (StatusCode::OK, posted.body));
}

#[tokio::test]
async fn each_request_is_prepared() {
    let answered = post(JSON, json!({"query": "{ prepared }"})).await;
    assert_eq!(answered.body["data"]["prepared"], "with a loader");
}

#[tokio::test]
async fn mutations_run_by_post_only() {
    let posted = post(JSON, json!({"query": "mutation { change }"})).await;
    assert_eq!(posted.body, json!({"data": {"change": "changed"}}));
    // Not even if variables are missing as well: the method decides first.
    for query in ["query=mutation%7Bchange%7D", "query=mutation(%24n:Int!)%7Bchange%7D"] {
        let got = get(query).await;
        assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(got.headers["allow"], "POST");
        assert_eq!(got.code(), "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        let answered = send(Request::builder().method(&method).uri("/graphql").body(Body::empty()).unwrap()).await;
        assert_eq!(answered.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answered.headers["allow"], "GET, POST");
        assert_eq!(answered.headers["content-type"], "application/json; charset=utf-8");
    }
    let head = Request::head("/graphql?query=%7Bhello%7D").body(Body::empty()).unwrap();
    assert_eq!(toy::send(router(), head).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_client_that_accepts_neither_type_is_told_so() {
    let answered = post("text/html", json!({"query": "{ hello }"})).await;
    assert_eq!(answered.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(answered.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_in_utf8_is_refused() {
    for content_type in [None, Some("text/plain"), Some("application/json; charset=latin1")] {
        let mut request = Request::post("/graphql");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answered = send(request.body(Body::from(r#"{"query": "{ hello }"}"#)).unwrap()).await;
        assert_eq!(answered.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type:?}");
        assert_eq!(answered.code(), "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let answered = post(JSON, json!({"query": "{ hello }", "extensions": {"padding": "x".repeat(1000)}})).await;
    assert_eq!(answered.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answered.body["errors"][0]["message"], "the body is larger than 1000 bytes");
}

#[tokio::test]
async fn a_request_that_is_not_well_formed_is_a_bad_request_in_both_types() {
    for accept in [JSON, RESPONSE] {
        for body in [
            "",
            "{",
            "null",
            r#"{"qeury": "{ hello }"}"#,
            r#"{"query": ["{ hello }"]}"#,
            r#"{"query": "{ hello }", "variables": [7]}"#,
            r#"{"query": "{ hello }", "operationName": 7}"#,
            r#"{"query": "{ hello }", "extensions": "x"}"#,
        ] {
            let answered = post_text(accept, body).await;
            assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{body}");
            assert_eq!(answered.code(), "BAD_USER_INPUT", "{body}");
            assert_eq!(answered.body.get("data"), None);
            assert!(answered.headers["content-type"].to_str().unwrap().starts_with(accept));
        }
    }
    let batch = post_text(JSON, r#"[{"query": "{ hello }"}]"#).await;
    assert_eq!((batch.status, batch.code()), (StatusCode::BAD_REQUEST, &json!("BATCH_REFUSED")));
    assert_eq!(get("variables=%7B%7D").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_did_not_run_has_no_data_and_a_status_that_depends_on_the_type() {
    for (body, code) in [
        (json!({"query": "{"}), "GRAPHQL_PARSE_FAILED"),
        (json!({"query": "{ nothing }"}), "GRAPHQL_VALIDATION_FAILED"),
        (json!({"query": "query A { hello } query B { hello }"}), "BAD_USER_INPUT"),
        (json!({"query": "query A { hello }", "operationName": "X"}), "BAD_USER_INPUT"),
        (json!({"query": "query($n: Int!) { twice(number: $n) }"}), "BAD_USER_INPUT"),
        (json!({"query": "query($n: Int!) { twice(number: $n) }", "variables": {"n": null}}), "BAD_USER_INPUT"),
        (json!({"query": "query($n: Int!) { twice(number: $n) }", "variables": {"n": "four"}}), "BAD_USER_INPUT"),
        (json!({"query": "{ twice(number: true) }"}), "BAD_USER_INPUT"),
        (json!({"query": "query($id: ID!) { hello }", "variables": {"id": null}}), "BAD_USER_INPUT"),
    ] {
        let strict = post(RESPONSE, body.clone()).await;
        assert_eq!((strict.status, strict.code()), (StatusCode::BAD_REQUEST, &json!(code)), "{body}");
        assert_eq!(strict.body.get("data"), None, "{body}");
        let lenient = post(JSON, body.clone()).await;
        assert_eq!((lenient.status, lenient.body), (StatusCode::OK, strict.body), "{body}");
    }
}

#[tokio::test]
async fn what_ran_in_part_is_a_success() {
    for accept in [JSON, RESPONSE] {
        let answered = post(accept, json!({"query": "{ hello fails }"})).await;
        assert_eq!(answered.status, StatusCode::OK);
        assert_eq!(answered.body["data"], json!({"hello": "world", "fails": null}));
        assert_eq!(answered.body["errors"][0]["message"], "it failed");
        let nothing_left = post(accept, json!({"query": "{ failsHard }"})).await;
        assert_eq!(nothing_left.status, StatusCode::OK);
        assert_eq!(nothing_left.body["data"], Value::Null);
        assert_eq!(nothing_left.body["errors"][0]["path"], json!(["failsHard"]));
        let taken_along = post(accept, json!({"query": "{ hello failsHard }"})).await;
        assert_eq!(taken_along.status, StatusCode::OK);
        assert_eq!(taken_along.body["data"], Value::Null);
    }
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_clients_that_can_read_it() {
    for (length, accepted, encoding) in [
        (2000, "gzip, br, zstd", Some("zstd")),
        (2000, "br, gzip", Some("br")),
        (2000, "gzip", Some("gzip")),
        (20, "br", None),
    ] {
        let uri = format!("/graphql?query=%7Bitem(id:%22{}%22)%7D", "x".repeat(length));
        let request = Request::get(uri).header("accept-encoding", accepted).body(Body::empty()).unwrap();
        let response = router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let header =
            |name| -> Vec<_> { response.headers().get_all(name).iter().map(|it| it.to_str().unwrap()).collect() };
        assert_eq!(header("content-encoding"), Vec::from_iter(encoding), "{length} {accepted}");
        assert_eq!(header("vary"), ["accept", "accept-encoding"]);
    }
}

#[tokio::test]
async fn a_subscription_without_a_stream_is_told_how_to_get_one() {
    let posted = post(RESPONSE, json!({"query": "subscription { count(to: 1) }"})).await;
    let got = get("query=subscription%7Bcount(to:1)%7D").await;
    for answered in [posted, got] {
        assert_eq!(answered.status, StatusCode::BAD_REQUEST);
        assert!(answered.body["errors"][0]["message"].as_str().unwrap().contains("WebSocket"));
    }
}

#[tokio::test]
async fn a_panic_becomes_an_internal_error_that_tells_nothing() {
    for accept in [JSON, RESPONSE] {
        let answered = post(accept, json!({"query": "{ panics }"})).await;
        assert_eq!(answered.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            answered.body,
            json!({"errors": [{"message": "internal error", "extensions": {"code": "INTERNAL"}}]})
        );
    }
}

#[tokio::test]
async fn an_upgrade_that_is_incomplete_is_a_bad_request() {
    let request = Request::get("/graphql").header("upgrade", "websocket").header("connection", "upgrade");
    let (status, ..) = toy::send(router(), request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
