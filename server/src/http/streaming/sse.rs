//! [GraphQL over Server-Sent Events], in distinct connections mode: each operation is a request with a stream of its own.
//!
//! A result is an event `next`, and an event `complete` says that there are no more. Events that have a number tell it as their id, so an
//! `EventSource`, which comes back by itself and says in `Last-Event-ID` what it saw last, goes on where it was, at any server. A stream
//! begins with how long to wait before that, since browsers take three seconds and more by themselves. A server that stops breaks the
//! response off: an end in good order without `complete` is an end to clients that do not look for one.
//!
//! [GraphQL over Server-Sent Events]: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

use std::str::FromStr;

use async_graphql::{Executor, Request, ServerError};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use futures_util::StreamExt;

use super::{Told, response, tell};
use crate::{
    access::Caller,
    http::{document::Inspected, graphql::Endpoint, results::Outcome},
};

/// How long an `EventSource` waits before it comes back: short for who watches, and long enough for a server that has many to take back.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// Why a response ends early.
#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error("going away: the server stops, please reconnect")]
    GoingAway,
    /// Who reconnects is told why by the status.
    #[error("the API key or token is not valid any more")]
    Void,
}

/// Runs the operation and tells its results as events.
pub(in crate::http) fn event_stream<E: Executor>(
    endpoint: Endpoint<E>,
    headers: &HeaderMap,
    request: Request,
    caller: Caller,
    inspected: Result<Inspected, ServerError>,
) -> Response {
    let told = tell(endpoint, request, caller, inspected, last_event_id(headers));
    response("text/event-stream", Body::from_stream(told.map(event)))
}

/// What is no number is not from us, and as good as nothing.
fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    let id = headers.get("last-event-id").map(HeaderValue::to_str)?;
    u64::from_str(id.ok()?).ok()
}

fn event(told: Told) -> Result<Bytes, BrokenOff> {
    match told {
        Told::Result(Outcome { line, event, .. }) => {
            let id = event.number.map(|number| format!("id: {number}\n")).unwrap_or_default();
            let event = [b"event: next\n", id.as_bytes(), b"data: ", &line, b"\n\n"];
            Ok(event.concat().into())
        }
        // No event: it has no data.
        Told::Beginning => Ok(Bytes::from_static(RETRY)),
        // A comment.
        Told::Heartbeat => Ok(Bytes::from_static(b":\n\n")),
        // Without a line of data, even an empty one, an EventSource would not hear of it.
        Told::Complete => Ok(Bytes::from_static(b"event: complete\ndata:\n\n")),
        Told::GoingAway => Err(BrokenOff::GoingAway),
        Told::Void => Err(BrokenOff::Void),
    }
}
