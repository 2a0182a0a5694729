//! One operation on a socket, from `subscribe` to the message that ends it: `complete`, or `error` if nothing ran.
//!
//! Queries, mutations and subscriptions go the same way; the first two have one result. The task ends early when its connection does.

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, ServerError};
use axum::extract::ws::Utf8Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc::Sender;

use super::message::ServerMessage;
use crate::{
    access::Caller,
    http::{
        graphql::Endpoint,
        response::{internal_error, or_internal_error},
        results::results,
    },
};

/// A message that an operation wants to be sent.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    /// The operation's number on its connection: ids may be used again, numbers are not.
    pub(super) number: u64,
    pub(super) text: Utf8Bytes,
    /// Whether the operation has ended with this message, so that its id is free.
    pub(super) is_last: bool,
}

/// An operation that has been asked for.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) request: Request,
    pub(super) caller: Caller,
    pub(super) session: Arc<Data>,
}

impl Operation {
    /// Runs to the end. While `events` is full the operation is not polled, so it produces nothing that would have to be kept.
    pub(super) async fn run<E: Executor>(self, endpoint: Endpoint<E>, events: Sender<Event>) {
        let Self { id, number, request, caller, session } = self;
        let emit = async |message: ServerMessage<'_>, is_last: bool| {
            let text = message.to_text().map_err(|error| {
                tracing::error!(%error, "an answer could not be serialised");
                vec![internal_error()]
            })?;
            // The connection is gone if nobody receives; this task is about to be aborted then.
            let _ = events.send(Event { id: id.clone(), number, text, is_last }).await;
            Ok::<(), Vec<ServerError>>(())
        };
        let results = async {
            let mut request = request;
            let inspected = endpoint.documents.inspect(&mut request, &caller);
            let mut results = results(endpoint, request, &caller, Some(session), inspected, None);
            while let Some(outcome) = results.next().await {
                if let Some(errors) = outcome.request_errors {
                    return Err(errors.to_vec());
                }
                emit(ServerMessage::Next { id: &id, payload: &outcome.line }, false).await?;
            }
            Ok(())
        };
        let _ = match or_internal_error(results).await.unwrap_or_else(|error| Err(vec![error])) {
            Ok(()) => emit(ServerMessage::Complete { id: &id }, true).await,
            Err(errors) => emit(ServerMessage::Error { id: &id, payload: &errors }, true).await,
        };
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::sync::mpsc;

    use super::*;
    use crate::http::{GraphqlOptions, toy};

    fn operation(query: &str) -> Operation {
        Operation {
            id: "1".to_owned(),
            number: 0,
            request: Request::new(query),
            caller: Caller::anybody(None),
            session: Arc::default(),
        }
    }

    fn endpoint(toy: &toy::Toy) -> Endpoint<toy::ToySchema> {
        let options = GraphqlOptions { types: toy.types.clone(), ..Default::default() };
        Endpoint::new(toy.schema.clone(), options)
    }

    #[tokio::test]
    async fn nothing_is_produced_that_nobody_takes() {
        let toy = toy::toy();
        let (events, mut taken) = mpsc::channel(2);
        let mut running = Box::pin(operation("subscription { endless }").run(endpoint(&toy), events));
        for _ in 0..10 {
            assert!(poll!(&mut running).is_pending());
        }
        assert_eq!(toy.probe.produced(), 3, "two in the channel and one that waits for its turn");
        assert!(taken.recv().await.is_some());
        assert!(poll!(&mut running).is_pending());
        assert_eq!(toy.probe.produced(), 4);
    }

    #[tokio::test]
    async fn only_the_last_message_ends_the_operation() {
        let toy = toy::toy();
        let (events, mut taken) = mpsc::channel(8);
        operation("subscription { count(to: 2) }").run(endpoint(&toy), events).await;
        let mut messages = Vec::new();
        while let Some(event) = taken.recv().await {
            messages.push((event.text.to_string(), event.is_last));
        }
        assert_eq!(
            messages,
            [
                (r#"{"type":"next","id":"1","payload":{"data":{"count":1}}}"#.to_owned(), false),
                (r#"{"type":"next","id":"1","payload":{"data":{"count":2}}}"#.to_owned(), false),
                (r#"{"type":"complete","id":"1"}"#.to_owned(), true),
            ]
        );
    }
}
