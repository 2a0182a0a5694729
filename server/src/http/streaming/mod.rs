//! GraphQL over plain HTTP where an answer is a stream: [Server-Sent Events](sse), and what Apollo calls [multipart subscriptions](mod@multipart).
//!
//! Both tell the same things in other bytes. The response begins at once, before the operation does, so whatever is found out about the
//! operation is told in the stream; only a request that is not well-formed has a status of its own. Nothing is buffered: the next result is
//! asked for when the connection takes it, and a client that goes ends its operation.

mod multipart;
mod sse;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_graphql::{Executor, Request, ServerError, parser::types::OperationType};
use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    document::Inspected,
    graphql::Endpoint,
    results::{Outcome, results},
};

use crate::access::Caller;

pub(super) use {multipart::multipart, sse::event_stream};

/// What a stream tells.
enum Told {
    /// The response begins.
    Beginning,
    /// A result.
    Result(Outcome),
    /// There is nothing new.
    Heartbeat,
    /// There are no more results.
    Complete,
    /// There may be more results, and another server has them.
    GoingAway,
    /// The caller's key or token is no longer good for more.
    Void,
}

/// An operation whose results are told.
struct Telling {
    results: BoxStream<'static, Outcome>,
    heartbeat: Duration,
    shutdown: CancellationToken,
    void: BoxFuture<'static, ()>,
}

impl Telling {
    async fn next(&mut self) -> Told {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Told::GoingAway,
            () = &mut self.void => Told::Void,
            result = self.results.next() => match result {
                Some(outcome) => Told::Result(outcome),
                None => Told::Complete,
            },
            () = sleep(self.heartbeat) => Told::Heartbeat,
        }
    }
}

/// Runs the operation and tells its results. The beginning is told first: some browsers and proxies believe in a response only when its body
/// begins.
fn tell<E: Executor>(
    endpoint: Endpoint<E>,
    request: Request,
    caller: Caller,
    inspected: Result<Inspected, ServerError>,
    last_seen: Option<u64>,
) -> impl Stream<Item = Told> {
    let shutdown = match &inspected {
        Ok(Inspected { kind: OperationType::Subscription, .. }) => endpoint.options.shutdown.clone(),
        // What has one result is waited for, as over HTTP without a stream.
        _ => CancellationToken::new(),
    };
    let heartbeat = endpoint.options.heartbeat;
    let access = endpoint.options.access.clone();
    let results = results(endpoint, request, &caller, None, inspected, last_seen);
    let void = async move { access.until_void(&caller).await }.boxed();
    let telling = Telling { results, heartbeat, shutdown, void };
    let rest = stream::unfold(Some(telling), |telling| async {
        let mut telling = telling?;
        let told = telling.next().await;
        let goes_on = matches!(told, Told::Result(_) | Told::Heartbeat);
        Some((told, goes_on.then_some(telling)))
    });
    stream::iter([Told::Beginning]).chain(rest)
}

/// A response that nobody on the way may keep, change or hold back.
fn response(content_type: &'static str, body: Body) -> Response {
    const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store, no-transform"),
        (X_ACCEL_BUFFERING, "no"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (VARY, "accept"),
    ];
    let headers: HeaderMap = headers.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect();
    (headers, body).into_response()
}
