//! Asking again by GET: what a client holds is confirmed as long as it is right, by any server, in any coding, and no longer.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use paystats_tests::{PATIENCE, RunningServer, TestBed, eventually, sources::random_paystats};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::spawn_blocking,
};
use ureq::http::HeaderMap;

const TOTALS: &str = "{ total { amount count } byAgeAndGender { age gender total { amount count } } }";
const MAP: &str = "{ byPostalCode { postalCode { id code geojson bbox { west } } total { amount count } } }";
/// Says where rows come from, which the totals do not tell.
const ROWS: &str = "{ paystats(first: 1000) { totalCount nodes { id amount load { number } postalCode { code } } } }";

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    #[track_caller]
    fn etag(&self) -> &str {
        self.headers.get("etag").unwrap_or_else(|| panic!("no ETag: {:?}", self.headers)).to_str().unwrap()
    }

    fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[track_caller]
    fn is_not_modified(&self, etag: &str) {
        assert_eq!((self.status, self.etag()), (304, etag));
        assert_eq!(self.header("cache-control"), ["no-cache"]);
        assert_eq!(self.header("vary"), ["accept", "accept-encoding"]);
        assert!(self.body.is_empty());
    }
}

/// Where a query is asked by GET.
fn path(query: &str, variables: &Value) -> String {
    let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    format!("/graphql?query={}&variables={}", encode(query), encode(&variables.to_string()))
}

async fn get(server: &RunningServer, path: &str, headers: &[(&'static str, &str)]) -> Answered {
    let mut request =
        ureq::get(server.url(path)).config().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let asked = spawn_blocking(move || {
        let (head, mut body) = request.call().unwrap().into_parts();
        Answered { status: head.status.as_u16(), headers: head.headers, body: body.read_to_vec().unwrap() }
    });
    asked.await.unwrap()
}

/// A bed with postal codes and paystats.
async fn bed() -> TestBed {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(30).await;
    bed.insert_paystats(&random_paystats(&mut fastrand::Rng::with_seed(1), 300, &ids)).await;
    bed
}

#[tokio::test]
async fn what_is_held_is_confirmed_by_every_server_until_an_edit_changes_it() {
    let bed = bed().await;
    let (first, second) = (bed.start_server().await, bed.start_server().await);
    for query in [TOTALS, MAP, ROWS] {
        let path = path(query, &json!({}));
        let told = get(&first, &path, &[]).await;
        assert_eq!((told.status, told.header("cache-control")), (200, vec!["no-cache"]));
        assert_eq!(told.header("vary"), ["accept", "accept-encoding"]);
        let again = get(&first, &path, &[]).await;
        assert_eq!((again.etag(), &again.body), (told.etag(), &told.body));
        let held = [("if-none-match", told.etag())];
        get(&first, &path, &held).await.is_not_modified(told.etag());
        let confirmed = eventually("the other server to know as much", async || {
            let answered = get(&second, &path, &held).await;
            if answered.status == 304 { Ok(answered) } else { Err(answered.headers) }
        });
        confirmed.await.is_not_modified(told.etag());

        create_paystat(&first).await;
        let changed = get(&first, &path, &held).await;
        assert_eq!(changed.status, 200);
        assert_ne!((changed.etag(), &changed.body), (told.etag(), &told.body));
        let heard = eventually("the other server to hear of the edit", async || {
            let answered = get(&second, &path, &held).await;
            if answered.status == 200 { Ok(answered) } else { Err(answered.headers) }
        });
        let heard = heard.await;
        assert_eq!((heard.etag(), &heard.body), (changed.etag(), &changed.body));
    }
}

async fn create_paystat(server: &RunningServer) {
    let create = "mutation($input: CreatePaystatInput!) { createPaystat(input: $input) { paystat { id } } }";
    let input = json!({ "amount": "12.5", "month": "2015-03", "age": "FROM_65", "gender": "F", "postalCodeId": "1" });
    server.graphql(create, json!({ "input": input })).await.data();
}

#[tokio::test]
async fn another_question_about_the_same_data_has_another_tag() {
    let bed = bed().await;
    let server = bed.start_server().await;
    let query = "query Of($filter: StatsFilter) { total(filter: $filter) { amount count } }";
    let (all, one) = (path(query, &json!({})), path(query, &json!({ "filter": { "postalCodes": ["28001"] } })));
    let held = get(&server, &all, &[]).await;
    assert_eq!(get(&server, &one, &[("if-none-match", held.etag())]).await.status, 200);
    let accept = ("accept", "application/graphql-response+json");
    let other = get(&server, &all, &[accept, ("if-none-match", held.etag())]).await;
    assert_eq!((other.status, &other.body), (200, &held.body));
    get(&server, &all, &[accept, ("if-none-match", other.etag())]).await.is_not_modified(other.etag());
}

#[tokio::test]
async fn each_coding_says_the_same_under_a_tag_of_its_own() {
    let bed = bed().await;
    let server = bed.start_server().await;
    for query in [MAP, ROWS] {
        let path = path(query, &json!({}));
        let plain = get(&server, &path, &[("accept-encoding", "identity")]).await;
        let mut tags = vec![plain.etag().to_owned()];
        for coding in ["zstd", "br", "gzip"] {
            let coded = get(&server, &path, &[("accept-encoding", coding)]).await;
            assert_eq!((coded.status, coded.header("content-encoding")), (200, vec![coding]));
            assert!(coded.body.len() < plain.body.len());
            assert_eq!(decode(coding, &coded.body).await, plain.body, "{coding}");
            assert_eq!(
                get(&server, &path, &[("accept-encoding", coding)]).await.body,
                coded.body,
                "strong: the same bytes"
            );
            assert!(!tags.contains(&coded.etag().to_owned()));
            tags.insert(0, coded.etag().to_owned());
            let held = [("accept-encoding", "gzip, deflate, br, zstd"), ("if-none-match", coded.etag())];
            get(&server, &path, &held).await.is_not_modified(coded.etag());
        }
        // As a browser or a proxy that kept several asks, once through one that weakened them.
        let all = [format!("\"of yesterday\", {}", tags.join(", ")), format!("W/{}", tags.join(" ,W/"))];
        for list in all {
            let held = [("accept-encoding", "gzip;q=0.5"), ("if-none-match", &list)];
            get(&server, &path, &held).await.is_not_modified(&tags[0]);
            get(&server, &path, &[("if-none-match", &list)]).await.is_not_modified(&tags[3]);
        }
        let browser = get(&server, &path, &[("accept-encoding", "gzip, deflate, br, zstd")]).await;
        assert_eq!(browser.header("content-encoding"), ["zstd"]);
    }
}

async fn decode(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut decoder: Box<dyn AsyncRead + Unpin + '_> = match coding {
        "zstd" => Box::new(ZstdDecoder::new(body)),
        "br" => Box::new(BrotliDecoder::new(body)),
        "gzip" => Box::new(GzipDecoder::new(body)),
        other => panic!("{other}"),
    };
    let mut decoded = Vec::new();
    decoder.read_to_end(&mut decoded).await.unwrap();
    decoded
}

#[tokio::test]
async fn errors_mutations_and_subscriptions_are_never_held() {
    let bed = bed().await;
    let server = bed.start_server().await;
    for (query, variables, status) in [
        ("{ total { amount } gone }", json!({}), 200),
        ("{ total { amount } node(id: \"nonsense\") { id } }", json!({}), 200),
        ("{ total(filter: { from: \"2015-02\", to: \"2015-01\" }) { amount } }", json!({}), 200),
        ("query($id: ID!) { load(id: $id) { number } }", json!({}), 200),
        ("mutation($id: ID!) { deletePostalCode(input: { id: $id }) { deletedId } }", json!({ "id": "1" }), 405),
        ("subscription { loads { seq } }", json!({}), 400),
    ] {
        for list in ["*", "\"x\""] {
            let answered = get(&server, &path(query, &variables), &[("if-none-match", list)]).await;
            assert_eq!(answered.status, status, "{query}");
            assert!(!answered.headers.contains_key("etag"), "{query}");
            assert_eq!(answered.header("cache-control"), ["no-store"], "{query}");
            let body: Value = serde_json::from_slice(&answered.body).unwrap();
            assert!(body["errors"][0]["extensions"]["code"].is_string(), "{query}: {body}");
        }
    }
    let kept = server.graphql("{ postalCode(id: 1) { code } }", json!({})).await;
    assert!(kept.data()["postalCode"].is_object(), "a mutation by GET does nothing");
}

#[tokio::test]
async fn on_the_wire_a_confirmation_is_a_head_and_a_websocket_is_left_alone() {
    let bed = bed().await;
    let server = bed.start_server().await;
    let path = path(TOTALS, &json!({}));
    let told = get(&server, &path, &[]).await;

    let confirmed = exchange(&server, &path, &format!("If-None-Match: {}\r\nConnection: close\r\n", told.etag())).await;
    let (head, body) = confirmed.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{head}");
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    assert_eq!(body, "");

    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\
                   If-None-Match: *\r\n";
    let upgraded = exchange(&server, "/graphql", upgrade).await;
    assert!(upgraded.starts_with("HTTP/1.1 101 "), "{upgraded}");
    for header in ["etag", "cache-control", "vary"] {
        assert!(!upgraded.to_lowercase().contains(header), "{upgraded}");
    }
}

/// What the server sends in answer to a GET with these header lines, until it ends the connection or the head is complete.
async fn exchange(server: &RunningServer, path: &str, headers: &str) -> String {
    let address = server.url("").strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let mut received = String::new();
    let mut chunk = [0; 4096];
    while !received.contains(" 101 ") || !received.contains("\r\n\r\n") {
        match stream.read(&mut chunk).await.unwrap() {
            0 => break,
            length => received.push_str(std::str::from_utf8(&chunk[..length]).unwrap()),
        }
    }
    received
}
