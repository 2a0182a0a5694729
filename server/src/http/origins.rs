//! What pages of other origins may do in a browser: nothing, unless their origin is listed.
//!
//! Browsers do not keep a page from opening a WebSocket to any server, nor from sending it simple requests, and a page whose host name leads to
//! 127.0.0.1 all of a sudden is of our own origin to them. So whatever could change something, and every WebSocket, has to come
//! from an origin of ours or from no page at all; and an open server answers only to the names of this machine itself.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{
            AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HOST, IF_MATCH, IF_NONE_MATCH, ORIGIN, REFERRER_POLICY,
            RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
        uri::Authority,
    },
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::Response,
};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

use super::{refusal, websocket};
use crate::actions::ActionError;

/// The origins of other front ends that may use the API, such as `https://map.example.org`.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<[String]>);

impl Origins {
    /// Reads a list with commas. The error says what is wrong with which.
    pub fn parse(list: &str) -> Result<Self, String> {
        let origin = |text: &str| {
            let origin = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
            match origin {
                Some(origin) if origin == text => Ok(origin),
                _ => Err(format!("'{text}' is no origin such as https://map.example.org")),
            }
        };
        let listed = list.split(',').map(str::trim).filter(|text| !text.is_empty());
        Ok(Self(listed.map(origin).collect::<Result<_, _>>()?))
    }

    /// Whether a request comes from a page of ours or of a listed origin, or from no page.
    fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let own = origin.split_once("://").map(|(_, authority)| authority);
        // By host and port alone: who ends TLS before us speaks http:// with us.
        (own.is_some() && own == host) || self.0.iter().any(|listed| listed == origin)
    }

    /// What browsers are told of what pages of listed origins may do.
    fn cors(&self) -> CorsLayer {
        let listed = self.0.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
        let upload = ["upload-id", "upload-offset"].map(HeaderName::from_static);
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(listed))
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(
                [AUTHORIZATION, CONTENT_TYPE, CONTENT_RANGE, IF_MATCH, IF_NONE_MATCH]
                    .into_iter()
                    .chain(upload.clone())
                    .collect::<Vec<_>>(),
            )
            .expose_headers([ETAG, RETRY_AFTER].into_iter().chain(upload).collect::<Vec<_>>())
            .max_age(std::time::Duration::from_secs(600))
    }
}

/// The routes as browsers may use them, with the headers that all answers have. `is_open`: nobody is asked who they are.
pub fn guarded(routes: Router, origins: Origins, is_open: bool) -> Router {
    let routes = routes.layer(from_fn_with_state(origins.clone(), check_origin));
    let routes = if origins.0.is_empty() { routes } else { routes.layer(origins.cors()) };
    let routes = if is_open { routes.layer(from_fn(check_host)) } else { routes };
    routes.layer(map_response(with_headers))
}

/// What every answer says, unless it says something else.
async fn with_headers(mut response: Response) -> Response {
    let headers = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The middleware that refuses what comes from elsewhere.
async fn check_origin(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && !websocket::is_upgrade(request.headers());
    if only_reads || origins.allow(request.headers()) {
        return next.run(request).await;
    }
    let reason = "a page of another origin may not ask this: PAYSTATS_CORS_ORIGINS lists those that may";
    refusal(&ActionError::forbidden(reason))
}

/// The middleware of an open server: it answers only where it is called by a name of this machine.
async fn check_host(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    // HTTP/1.0 has no Host; no browser speaks that.
    if request.headers().contains_key(HOST) && !host.is_some_and(|host| is_this_machine(host.host())) {
        let reason = "this server asks nobody who they are, so it answers to localhost and 127.0.0.1 only";
        return refusal(&ActionError::forbidden(reason));
    }
    next.run(request).await
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let origin = origin.map(|origin| (ORIGIN, origin.parse().unwrap()));
        [(HOST, host.parse().unwrap())].into_iter().chain(origin).collect()
    }

    #[test]
    fn a_page_of_ours_or_of_a_listed_origin_may_and_no_other() {
        let origins = Origins::parse("https://map.example.org, http://localhost:5173").unwrap();
        for (host, origin, may) in [
            ("paystats.example.org", None, true),
            ("paystats.example.org", Some("https://paystats.example.org"), true),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080"), true),
            ("paystats.example.org", Some("https://map.example.org"), true),
            ("paystats.example.org", Some("http://localhost:5173"), true),
            ("paystats.example.org", Some("http://map.example.org"), false),
            ("paystats.example.org", Some("https://map.example.org:444"), false),
            ("paystats.example.org", Some("https://paystats.example.org.evil.example"), false),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8081"), false),
            ("127.0.0.1:8080", Some("null"), false),
        ] {
            assert_eq!(origins.allow(&headers(host, origin)), may, "{host} {origin:?}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for wrong in [
            "*",
            "map.example.org",
            "https://map.example.org/",
            "https://map.example.org:443",
            "https://Map.example.org",
        ] {
            assert!(Origins::parse(wrong).unwrap_err().contains(wrong));
        }
        assert!(Origins::parse("").unwrap().0.is_empty());
    }

    #[test]
    fn names_of_this_machine_are_known() {
        for (host, is) in [
            ("localhost", true),
            ("LocalHost", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_this_machine(host), is, "{host}");
        }
    }
}
