//! Conditional requests (RFC 9110, section 13): who asks again by GET and names the answers that it holds (`If-None-Match`) gets
//! `304 Not Modified` where one of them is still right.
//!
//! The endpoint gives an answer its [`Tag`], compression chooses the coding, and [`revalidate`], outside of both, writes `ETag` and compares.
//! Where the tag is known before the operation runs, [`held`] and [`not_modified`] answer without running it.
//!
//! A 304 names an answer that the client holds in any coding that it can read, not just in the one that it would get now: what it holds
//! says the same, and which coding it would get is not known before there is a body, because a small one stays as it is. What the client
//! cannot read is never named, since a cache that holds answers for many clients would hand it out.

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
            IF_NONE_MATCH, VARY,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{compression::CODINGS, etag::Tag};

/// Caches may hold the answer, and ask each time whether it is still right. Not `private`: whoever asks the same is told the same, so a
/// proxy may hold answers for all. It does not share what was asked with `Authorization`: that would take more than this.
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");

/// For what has no tag: nobody could ask whether it is still right.
const DO_NOT_HOLD: HeaderValue = HeaderValue::from_static("no-store");

/// Gives a response, which says already that it depends on `Accept`, the tag that [`revalidate`] looks for.
pub(super) fn tagged(mut response: Response, tag: Tag) -> Response {
    response.headers_mut().append(VARY, ACCEPT_ENCODING.into());
    response.extensions_mut().insert(tag);
    response
}

/// Tells a client that the answer which it holds under this `ETag` is right.
pub(super) fn not_modified(etag: HeaderValue) -> Response {
    let mut response = (StatusCode::NOT_MODIFIED, [(ETAG, etag), (CACHE_CONTROL, ASK_EACH_TIME)]).into_response();
    for header in [ACCEPT, ACCEPT_ENCODING] {
        response.headers_mut().append(VARY, header.into());
    }
    response
}

/// The middleware outside compression. What is asked by another method than GET passes as it is.
pub(super) async fn revalidate(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let asked = request.headers().clone();
    let mut response = next.run(request).await;
    let tag = response.extensions_mut().remove::<Tag>();
    // Compression refuses with 406 what it was given as a success, where a client forbids every coding.
    if let Some(tag) = tag.filter(|_| response.status() == StatusCode::OK) {
        response.headers_mut().entry(CACHE_CONTROL).or_insert(ASK_EACH_TIME);
        return tell_or_confirm(response, &tag, &asked);
    }
    if !response.headers().contains_key(ETAG) && !response.status().is_informational() {
        response.headers_mut().entry(CACHE_CONTROL).or_insert(DO_NOT_HOLD);
    }
    response
}

/// The answer under its `ETag`, or 304 if the client holds it.
fn tell_or_confirm(mut response: Response, tag: &Tag, asked: &HeaderMap) -> Response {
    let etag = tag.header(response.headers().get(CONTENT_ENCODING).and_then(|coding| coding.to_str().ok()));
    let held = held(asked, tag).or_else(|| holds_anything(asked).then(|| etag.clone()));
    let is_held = held.is_some();
    response.headers_mut().insert(ETAG, held.unwrap_or(etag));
    if is_held {
        for header in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
            response.headers_mut().remove(header);
        }
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    response
}

/// The `ETag` under which the client holds the answer with this tag, in a coding that it can read. Tags are compared weakly, as RFC 9110
/// wants it for GET: a proxy that compresses makes ours weak.
pub(super) fn held(asked: &HeaderMap, tag: &Tag) -> Option<HeaderValue> {
    let codings = [None].into_iter().chain(CODINGS.map(Some));
    let etags: Vec<_> = codings.filter(|coding| can_read(asked, *coding)).map(|coding| tag.header(coding)).collect();
    let mut listed = asked.get_all(IF_NONE_MATCH).iter().flat_map(opaque_tags);
    listed.find_map(|listed| etags.iter().find(|etag| opaque_tags(etag).eq([listed]))).cloned()
}

/// What stands between the quotes of a list of entity tags; there may be commas, but no quotes.
fn opaque_tags(list: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    list.as_bytes().split(|byte| *byte == b'"').skip(1).step_by(2)
}

/// `*`: whatever there is.
fn holds_anything(asked: &HeaderMap) -> bool {
    asked.get(IF_NONE_MATCH).is_some_and(|list| list.as_bytes().trim_ascii() == b"*")
}

/// Whether `Accept-Encoding` allows a coding, by its name or else by `*`. Unless it is forbidden, everybody can read what is not coded.
fn can_read(asked: &HeaderMap, coding: Option<&str>) -> bool {
    let entries = || {
        let values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|entry| entry.split_once(';').unwrap_or((entry, "")))
    };
    let allows = |name: &str| {
        let entry = entries().find(|(listed, _)| listed.trim().eq_ignore_ascii_case(name));
        entry.map(|(_, weight)| !is_zero(weight.trim()))
    };
    allows(coding.unwrap_or("identity")).or_else(|| allows("*")).unwrap_or(coding.is_none())
}

/// Whether a weight is `q=0`, with up to three more zeros.
fn is_zero(weight: &str) -> bool {
    let digits = weight.strip_prefix(['q', 'Q']).and_then(|rest| rest.strip_prefix('='));
    digits.is_some_and(|digits| digits.starts_with('0') && digits.bytes().all(|byte| matches!(byte, b'0' | b'.')))
}

#[cfg(test)]
mod tests;
