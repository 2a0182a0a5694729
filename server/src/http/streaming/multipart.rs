//! [Multipart subscriptions], as Apollo's clients ask for them without further ado: each result is a part of one response.
//!
//! A part holds `{"payload": …}` with a GraphQL response in it, a heartbeat is an empty object, and `{"payload": null, "errors": […]}` says that
//! the transport failed, which makes Apollo's `RetryLink` subscribe again. Parts have no numbers.
//!
//! [Multipart subscriptions]: https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol

use std::convert::Infallible;

use async_graphql::{Executor, Request, ServerError};
use axum::{
    body::{Body, Bytes},
    response::Response,
};
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::{Told, response, tell};
use crate::{
    access::{Caller, Unknown},
    actions::ActionError,
    http::{document::Inspected, graphql::Endpoint, response::refused, results::Outcome},
};

/// Before the first part. Each part ends with the delimiter of the next, since that is how a client knows that it is whole.
const DELIMITER: &[u8] = b"\r\n--graphql";
const PART: &[u8] = b"\r\ncontent-type: application/json\r\n\r\n";
const END: &[u8] = b"--\r\n";

/// Runs the operation and tells its results as parts.
pub(in crate::http) fn multipart<E: Executor>(
    endpoint: Endpoint<E>,
    request: Request,
    caller: Caller,
    inspected: Result<Inspected, ServerError>,
) -> Response {
    let told = tell(endpoint, request, caller, inspected, None);
    let parts = stream::iter([Bytes::from_static(DELIMITER)]).chain(told.map(part)).map(Ok::<_, Infallible>);
    response(r#"multipart/mixed;boundary="graphql";subscriptionSpec=1.0"#, Body::from_stream(parts))
}

fn part(told: Told) -> Bytes {
    match told {
        Told::Result(Outcome { line, .. }) => [PART, br#"{"payload":"#, &line, b"}", DELIMITER].concat().into(),
        Told::Beginning | Told::Heartbeat => [PART, b"{}", DELIMITER].concat().into(),
        Told::Complete => Bytes::from_static(END),
        Told::GoingAway => failure(ActionError::unavailable("going away: the server stops, please subscribe again")),
        Told::Void => failure(Unknown::Expired.into()),
    }
}

/// The last part, after which there may be more.
fn failure(refusal: ActionError) -> Bytes {
    let error = json!({ "payload": null, "errors": [refused(refusal)] }).to_string();
    [PART, error.as_bytes(), DELIMITER, END].concat().into()
}
