//! Which responses are compressed, for clients that say they can read it (`Accept-Encoding`): text that is worth it.

use axum::http::{Extensions, HeaderMap, StatusCode, Version, header::CONTENT_TYPE};
use mime::Mime;
use tower_http::compression::{CompressionLayer, Predicate, predicate::SizeAbove};

/// A body smaller than this fits into a packet or two as it is.
const WORTH_IT_BYTES: u64 = 1024;

/// The content codings that a response may come in.
pub(super) const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];

/// Compresses text by zstd, brotli or gzip, at levels that keep up with the network: by the one that the client likes best, and among equals
/// in this order. Images and fonts are compressed as they are, and what a WebSocket says is not a response. Streams stay as they are: a
/// compressor holds back what it is given until more comes.
pub(super) fn compression() -> CompressionLayer<impl Predicate> {
    let is_text = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| is_text(headers);
    CompressionLayer::new().compress_when(SizeAbove::new(WORTH_IT_BYTES).and(is_text))
}

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()?.parse::<Mime>().ok());
    content_type.is_some_and(|mime| {
        let is_json_or_xml = mime.subtype() == mime::JSON
            || mime.suffix().is_some_and(|suffix| suffix == mime::JSON || suffix == mime::XML);
        (mime.type_() == mime::TEXT && mime != mime::TEXT_EVENT_STREAM) || is_json_or_xml
    })
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::{Body, to_bytes},
        extract::Request,
        http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY},
        routing::get,
    };
    use tower::ServiceExt;

    use super::*;

    /// The headers of a response of that type and length, and the length as it was sent.
    async fn answer(content_type: &'static str, length: usize, accepted: &str) -> (HeaderMap, usize) {
        let app = Router::new()
            .route("/", get(move || async move { ([(CONTENT_TYPE, content_type)], "x".repeat(length)) }))
            .layer(compression());
        let request = Request::get("/").header(ACCEPT_ENCODING, accepted).body(Body::empty()).unwrap();
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        (parts.headers, to_bytes(body, usize::MAX).await.unwrap().len())
    }

    #[tokio::test]
    async fn text_is_compressed_as_the_client_prefers() {
        for content_type in [
            "text/html",
            "text/javascript",
            "text/css; charset=utf-8",
            "image/svg+xml",
            "application/json; charset=utf-8",
            "application/graphql-response+json; charset=utf-8",
        ] {
            for (accepted, encoding) in [
                ("gzip, deflate, br, zstd", "zstd"),
                ("zstd", "zstd"),
                ("gzip, deflate, br", "br"),
                ("gzip", "gzip"),
                ("br;q=0.1, gzip", "gzip"),
                ("gzip;q=0.8, zstd;q=0.9, br;q=0.85", "zstd"),
                ("zstd;q=0.5, br;q=0.5, gzip;q=0.501", "gzip"),
                ("zstd;q=0, *", "br"),
                ("deflate, *;q=0.5", "zstd"),
                ("identity;q=0.5, GZIP", "gzip"),
            ] {
                let (headers, length) = answer(content_type, 10_000, accepted).await;
                assert_eq!(headers[CONTENT_ENCODING], encoding, "{content_type} for {accepted}");
                assert_eq!(headers[VARY], "accept-encoding");
                assert!(!headers.contains_key(CONTENT_LENGTH) && length < 100);
            }
        }
    }

    #[tokio::test]
    async fn what_is_small_or_compressed_or_not_wanted_stays_as_it_is() {
        for (content_type, length, accepted) in [
            ("text/html", 1023, "br"),
            ("font/woff2", 10_000, "br"),
            ("image/png", 10_000, "br"),
            ("nonsense", 10_000, "br"),
            ("text/event-stream", 10_000, "br"),
            ("multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0", 10_000, "br"),
            ("text/html", 10_000, "identity"),
            ("text/html", 10_000, "br;q=0"),
            ("text/html", 10_000, "zstd;q=0.5, identity"),
            ("text/html", 10_000, "deflate, compress"),
        ] {
            let (headers, sent) = answer(content_type, length, accepted).await;
            assert!(!headers.contains_key(CONTENT_ENCODING), "{content_type}");
            assert_eq!((sent, headers[CONTENT_LENGTH].to_str().unwrap()), (length, length.to_string().as_str()));
        }
    }
}
