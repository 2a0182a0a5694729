//! GraphQL over WebSockets: the protocol [graphql-transport-ws], on the same path as HTTP.
//!
//! A socket is one task that reads, writes and keeps the books; each operation on it is another, so operations run at the same time and
//! one that computes for long holds up no other. Nothing is buffered without a bound: operations hand their results over through a
//! short channel and wait there while the client reads slowly. However a socket ends, its operations end with it.
//!
//! Every close says why, with the codes of the protocol where it has one ([`CloseReason`]).
//!
//! [graphql-transport-ws]: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

mod close;
mod connection;
mod message;
mod operation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_graphql::Executor;
use axum::{
    extract::{
        FromRequestParts,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, header::UPGRADE, request::Parts},
    response::{IntoResponse, Response},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{callers, graphql::Endpoint, observed::lasting_span};
use close::CloseReason;
use connection::Connection;

/// What a client sent as the payload of `connection_init`, `None` if it sent none. Resolvers find it with `ctx.data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionPayload(pub Option<serde_json::Map<String, serde_json::Value>>);

const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Each socket has as much for itself, and it is overwritten before every read. Most messages of clients are smaller.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// How long a peer may take to answer a close frame. It is waited for because a TCP connection that is dropped with unread bytes in it
/// is reset, and a reset can overtake the close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Whether a GET request wants to become a WebSocket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Turns the request into a WebSocket. A client that does not speak our subprotocol is told so by a close code rather than a status,
/// because the close code is what WebSocket clients can see.
pub(super) async fn upgrade<E: Executor>(endpoint: Endpoint<E>, mut parts: Parts) -> Response {
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let (address, caller) = (callers::address(&parts.extensions), callers::caller(&parts.extensions));
    let limit_bytes = endpoint.options.max_message_bytes;
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(limit_bytes)
        .max_frame_size(limit_bytes)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0);
    let speaks_ours = upgrade.selected_protocol().is_some();
    let open = endpoint.options.sockets.token();
    // The conversation is a part of its request in the log.
    let span = lasting_span();
    let converse = async move |mut socket| {
        let late = endpoint.options.write_timeout / 2;
        let reason = match speaks_ours {
            true => {
                serve(&mut socket, endpoint.options.shutdown.clone(), Connection::new(endpoint, address, caller)).await
            }
            false => Some(CloseReason::SubprotocolNotAcceptable),
        };
        // Who does not read for a while may read the reason a little later.
        let grace = if let Some(CloseReason::TooSlow) = reason { late } else { CLOSE_GRACE };
        close(socket, reason, grace).await;
        drop(open);
    };
    upgrade.on_upgrade(move |socket| converse(socket).instrument(span))
}

/// Serves the socket until there is a reason to close it; `None` if the peer is gone. All its operations have been told to stop by then.
async fn serve<E: Executor>(
    socket: &mut WebSocket,
    shutdown: CancellationToken,
    connection: Connection<E>,
) -> Option<CloseReason> {
    tokio::select! {
        () = shutdown.cancelled() => Some(CloseReason::GoingAway),
        ended = connection.run(socket) => ended,
    }
}

async fn close(mut socket: WebSocket, reason: Option<CloseReason>, grace: Duration) {
    if let Some(reason) = &reason {
        tracing::debug!(close.code = reason.code(), close.reason = %reason, "closing a WebSocket");
    }
    // Errors are of no interest here: they mean that the peer is gone.
    let handshake = async {
        if let Some(reason) = reason {
            let _ = socket.send(Message::Close(Some(reason.frame()))).await;
        }
        while let Some(Ok(_)) = socket.recv().await {}
    };
    let _ = timeout(grace, handshake).await;
}
