//! Asking again by GET: tags, codings, versions, and what is never held.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use axum::{Router, body::to_bytes, http::HeaderName};
use tower::ServiceExt;

use super::*;
use crate::http::{GraphqlOptions, accept::MediaType, graphql_routes, toy};

const HELLO: &str = "/graphql?query=%7Bhello%7D";
/// Consists of what is not versioned in these tests.
const UNVERSIONED: &str = "/graphql?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D";
/// The same, and worth compressing.
const UNVERSIONED_LONG: &str = "/graphql?query=%7B__schema%7Btypes%7Bname%20description%20kind%7D%7D%7D";

/// The URL of a versioned answer that is worth compressing.
fn long() -> String {
    format!("/graphql?query=query($x:ID!)%7Bitem(id:$x)%7D&variables=%7B%22x%22:%22{}%22%7D", "x".repeat(2000))
}

/// An endpoint, what tells its version, and how many operations it has run.
struct Endpoint {
    router: Router,
    version: Arc<AtomicU64>,
    runs: Arc<AtomicU64>,
}

impl Endpoint {
    /// Of which the version is what was stored last; 0 if it is not known.
    fn new() -> Self {
        Self::with_version(|version| version.load(SeqCst))
    }

    fn with_version(tell: impl Fn(&AtomicU64) -> u64 + Send + Sync + 'static) -> Self {
        let (version, runs) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(0)));
        let (told, counted, toy) = (version.clone(), runs.clone(), toy::toy());
        let options = GraphqlOptions {
            types: toy.types,
            versioned: &[("Query", &["hello", "item", "twice", "fails", "panics"])],
            version: Arc::new(move || Some(tell(&told)).filter(|version| *version > 0)),
            prepare: Arc::new(move |request| {
                counted.fetch_add(1, SeqCst);
                request
            }),
            ..Default::default()
        };
        Self { router: graphql_routes(toy.schema, options), version, runs }
    }

    fn runs(&self) -> u64 {
        self.runs.load(SeqCst)
    }

    async fn get<const N: usize>(&self, uri: &str, headers: [(HeaderName, &str); N]) -> Answered {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn send(&self, request: Request) -> Answered {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answered { status: parts.status.as_u16(), headers: parts.headers, body: body.to_vec() }
    }
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn etag(&self) -> &str {
        self.headers[ETAG].to_str().unwrap()
    }

    fn header(&self, name: HeaderName) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[track_caller]
    fn is_not_modified(&self, etag: &str) {
        assert_eq!((self.status, self.etag()), (304, etag));
        assert_eq!(self.header(VARY), ["accept", "accept-encoding"]);
        assert_eq!(self.header(CACHE_CONTROL), ["no-cache"]);
        assert!(self.body.is_empty());
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            assert!(!self.headers.contains_key(&name), "{name}");
        }
    }
}

/// The URLs of a versioned and of another answer.
const BOTH: [&str; 2] = [HELLO, UNVERSIONED];

#[tokio::test]
async fn an_answer_has_a_tag_and_who_holds_it_is_told_so() {
    let endpoint = Endpoint::new();
    for uri in BOTH {
        let first = endpoint.get(uri, []).await;
        assert_eq!(first.status, 200);
        assert!(first.etag().starts_with('"') && first.etag().ends_with('"') && first.etag().len() == 34);
        assert_eq!(first.header(VARY), ["accept", "accept-encoding"]);
        assert_eq!(first.header(CACHE_CONTROL), ["no-cache"]);
        let again = endpoint.get(uri, []).await;
        assert_eq!((again.etag(), &again.body), (first.etag(), &first.body));
        endpoint.get(uri, [(IF_NONE_MATCH, first.etag())]).await.is_not_modified(first.etag());
    }
}

#[tokio::test]
async fn a_held_answer_of_the_same_version_is_confirmed_without_running_anything() {
    let endpoint = Endpoint::new();
    for (uri, runs) in [(HELLO, 1), (UNVERSIONED, 2)] {
        let before = endpoint.runs();
        let first = endpoint.get(uri, []).await;
        endpoint.get(uri, [(IF_NONE_MATCH, first.etag())]).await.is_not_modified(first.etag());
        assert_eq!(endpoint.runs() - before, runs, "{uri}");
    }
}

#[tokio::test]
async fn another_version_question_or_type_has_another_tag() {
    let endpoint = Endpoint::new();
    let first = endpoint.get(HELLO, []).await;
    let held = [(IF_NONE_MATCH, first.etag())];

    let other = endpoint.get("/graphql?query=%7Bhello%20%7D", held.clone()).await;
    assert_eq!(other.status, 200, "another question");
    let other = endpoint.get(&format!("{HELLO}&extensions=%7B%22x%22:1%7D"), held.clone()).await;
    assert_eq!(other.status, 200, "other extensions");
    let accept = (ACCEPT, "application/graphql-response+json");
    let other = endpoint.get(HELLO, [held[0].clone(), accept.clone()]).await;
    assert_eq!(other.status, 200, "another media type");
    endpoint.get(HELLO, [(IF_NONE_MATCH, other.etag()), accept]).await.is_not_modified(other.etag());

    endpoint.version.store(2, SeqCst);
    let moved = endpoint.get(HELLO, held.clone()).await;
    assert_eq!((moved.status, &moved.body), (200, &first.body));
    endpoint.get(HELLO, [(IF_NONE_MATCH, moved.etag())]).await.is_not_modified(moved.etag());
    assert_eq!(endpoint.get(UNVERSIONED, held).await.status, 200);
}

#[tokio::test]
async fn only_the_body_names_what_is_not_versioned_or_of_no_known_version() {
    let endpoint = Endpoint::new();
    let first = endpoint.get(UNVERSIONED, []).await;
    endpoint.version.store(2, SeqCst);
    endpoint.get(UNVERSIONED, [(IF_NONE_MATCH, first.etag())]).await.is_not_modified(first.etag());

    endpoint.version.store(0, SeqCst);
    let unknown = endpoint.get(HELLO, []).await;
    assert_eq!(unknown.etag(), Tag::of_body(&unknown.body, MediaType::Json).header(None));
    endpoint.get(HELLO, [(IF_NONE_MATCH, unknown.etag())]).await.is_not_modified(unknown.etag());
    // The same bytes under another URL; tags need to differ within one URL only.
    assert_eq!(endpoint.get("/graphql?query=%7Bhello%20%7D", []).await.etag(), unknown.etag());
}

#[tokio::test]
async fn an_answer_during_which_the_version_moved_is_named_by_its_body() {
    let endpoint = Endpoint::with_version(|version| version.fetch_add(1, SeqCst));
    let answered = endpoint.get(HELLO, []).await;
    assert_eq!(answered.etag(), Tag::of_body(&answered.body, MediaType::Json).header(None));

    // Known before, and not known any more afterwards.
    let endpoint = Endpoint::with_version(|version| version.fetch_sub(1, SeqCst));
    let answered = endpoint.get(HELLO, []).await;
    assert_eq!(answered.etag(), Tag::of_body(&answered.body, MediaType::Json).header(None));
}

#[tokio::test]
async fn each_coding_has_a_tag_of_its_own_and_any_that_the_client_can_read_is_confirmed() {
    let endpoint = Endpoint::new();
    for uri in [&long(), UNVERSIONED_LONG] {
        let plain = endpoint.get(uri, []).await;
        let hash = plain.etag().trim_matches('"');
        let mut all = plain.etag().to_owned();
        for coding in CODINGS {
            let coded = endpoint.get(uri, [(ACCEPT_ENCODING, coding)]).await;
            assert_eq!((coded.status, coded.header(CONTENT_ENCODING)), (200, vec![coding]));
            assert_eq!(coded.etag(), format!("\"{hash}-{coding}\""));
            assert_eq!(coded.header(VARY), ["accept", "accept-encoding"]);
            for accepted in [coding, "zstd;q=0.1, gzip;q=0.2, br;q=0.3", "*;q=0.001"] {
                let headers = [(ACCEPT_ENCODING, accepted), (IF_NONE_MATCH, coded.etag())];
                endpoint.get(uri, headers).await.is_not_modified(coded.etag());
            }
            for accepted in ["", "identity", "deflate", &format!("{coding};q=0, *"), &format!("{coding}; q=0.000")] {
                let headers = [(ACCEPT_ENCODING, accepted), (IF_NONE_MATCH, coded.etag())];
                assert_eq!(endpoint.get(uri, headers).await.status, 200, "{coding} for {accepted}");
            }
            // What is not coded can be read by everybody who does not forbid it.
            let held = (IF_NONE_MATCH, plain.etag());
            endpoint.get(uri, [(ACCEPT_ENCODING, coding), held.clone()]).await.is_not_modified(plain.etag());
            let forbidden = format!("{coding}, identity;q=0");
            let answered = endpoint.get(uri, [(ACCEPT_ENCODING, &forbidden), held]).await;
            assert_eq!((answered.status, answered.etag()), (200, coded.etag()));
            all = format!("{}, {all}", coded.etag());
        }
        let held = (IF_NONE_MATCH, all.as_str());
        let gzip = format!("\"{hash}-gzip\"");
        endpoint.get(uri, [(ACCEPT_ENCODING, "gzip"), held]).await.is_not_modified(&gzip);
    }
}

#[tokio::test]
async fn one_of_several_tags_is_enough_however_it_is_listed() {
    let endpoint = Endpoint::new();
    for uri in BOTH {
        let first = endpoint.get(uri, []).await;
        let etag = first.etag();
        for list in [
            format!("\"old\", {etag}"),
            format!("{etag},\"new\""),
            format!("W/{etag}"),
            format!("W/\"a, b\" , \"\",W/{etag}  ,  \"c\""),
        ] {
            endpoint.get(uri, [(IF_NONE_MATCH, &list)]).await.is_not_modified(etag);
        }
        endpoint.get(uri, [(IF_NONE_MATCH, "\"old\""), (IF_NONE_MATCH, etag)]).await.is_not_modified(etag);
        let bare = etag.trim_matches('"');
        for list in ["", "\"\"", "\"*\"", bare, &format!("\"{bare}x\""), &format!("\"{bare}-lz4\""), "\"a\", *"] {
            let answered = endpoint.get(uri, [(IF_NONE_MATCH, list)]).await;
            assert_eq!((answered.status, answered.etag()), (200, etag), "{list}");
        }
        let mut request = Request::get(uri).header(IF_NONE_MATCH, etag).body(Body::empty()).unwrap();
        request.headers_mut().append(IF_NONE_MATCH, HeaderValue::from_bytes(b"\"caf\xe9\"").unwrap());
        endpoint.send(request).await.is_not_modified(etag);
    }
}

#[tokio::test]
async fn a_star_confirms_whatever_there_is_under_the_name_that_it_would_get() {
    let endpoint = Endpoint::new();
    for (uri, accepted) in [(HELLO, "br"), (UNVERSIONED, ""), (&long(), "gzip, zstd;q=0.3"), (UNVERSIONED_LONG, "br")] {
        let first = endpoint.get(uri, [(ACCEPT_ENCODING, accepted)]).await;
        endpoint.get(uri, [(ACCEPT_ENCODING, accepted), (IF_NONE_MATCH, " * ")]).await.is_not_modified(first.etag());
    }
    assert_eq!(endpoint.get("/graphql?query=%7Bfails%7D", [(IF_NONE_MATCH, "*")]).await.status, 200);
}

#[tokio::test]
async fn what_failed_or_cannot_be_asked_by_get_is_not_held() {
    let endpoint = Endpoint::new();
    for (query, status) in [
        ("%7Bhello%20fails%7D", 200),
        ("%7Bfails%7D", 200),
        ("%7BfailsHard%7D", 200),
        ("%7Bpanics%7D", 500),
        ("%7B", 200),
        ("%7Bgone%7D", 200),
        ("%7Btwice%7D", 200),
        ("query($n:Int!)%7Btwice(number:$n)%7D", 200),
        ("", 200),
        ("mutation%7Bchange%7D", 405),
        ("subscription%7Bcount(to:1)%7D", 400),
    ] {
        let uri = format!("/graphql?query={query}");
        for list in ["*", "\"x\""] {
            let answered = endpoint.get(&uri, [(IF_NONE_MATCH, list)]).await;
            assert_eq!(answered.status, status, "{query}");
            assert_eq!(answered.header(CACHE_CONTROL), ["no-store"], "{query}");
            assert!(!answered.headers.contains_key(ETAG), "{query}");
        }
    }
    for headers in [(ACCEPT, "text/html"), (ACCEPT_ENCODING, "identity;q=0")] {
        let answered = endpoint.get(HELLO, [headers]).await;
        assert_eq!((answered.status, answered.header(CACHE_CONTROL)), (406, vec!["no-store"]));
        assert!(!answered.headers.contains_key(ETAG));
    }
}

#[tokio::test]
async fn nothing_changes_for_post_and_other_methods() {
    let endpoint = Endpoint::new();
    let etag = endpoint.get(HELLO, []).await.etag().to_owned();
    for list in ["*", &etag] {
        let request = Request::post("/graphql").header(CONTENT_TYPE, "application/json").header(IF_NONE_MATCH, list);
        let posted = endpoint.send(request.body(Body::from(r#"{"query": "{ hello }"}"#)).unwrap()).await;
        assert_eq!((posted.status, posted.header(VARY)), (200, vec!["accept"]));
        assert!(!posted.headers.contains_key(ETAG) && !posted.headers.contains_key(CACHE_CONTROL));
    }
    let head = endpoint.send(Request::head(HELLO).header(IF_NONE_MATCH, &etag).body(Body::empty()).unwrap()).await;
    assert_eq!(head.status, 405);
    assert!(!head.headers.contains_key(ETAG));
}
