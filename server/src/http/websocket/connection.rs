//! The conversation on one socket: initialisation, the operations that run, pings, and which message breaks the rules.

use std::{collections::HashMap, convert::Infallible, net::IpAddr, sync::Arc};

use async_graphql::{Data, Executor, Request, ServerError};
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Map, Value};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{
    ConnectionPayload,
    close::CloseReason,
    message::{ClientMessage, InvalidMessage, ServerMessage},
    operation::{Event, Operation},
};
use crate::{
    access::{Caller, Unknown},
    actions::ActionError,
    http::{
        GraphqlOptions, callers,
        graphql::Endpoint,
        response::{Code, refused, with_code},
    },
};

/// How many results wait for a slow client, on the whole connection. Small, because one of them may be megabytes of GeoJSON.
const WAITING_EVENTS: usize = 8;

/// How many operations may run on one connection; many more than a page of charts needs, few enough to bound what one client can hold.
pub(super) const MAX_OPERATIONS: usize = 256;

/// The state of one connection. Dropping it stops all its operations.
pub(super) struct Connection<E> {
    endpoint: Endpoint<E>,
    /// Where the client is.
    address: Option<IpAddr>,
    /// Who it is by the headers of its request: programs can send them, browsers cannot.
    by_headers: Result<Caller, ActionError>,
    /// Who speaks and what `connection_init` brought, once it has come.
    session: Option<Session>,
    running: HashMap<String, Running>,
    started: u64,
    events_in: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
}

struct Session {
    caller: Caller,
    data: Arc<Data>,
    /// Comes when the caller must not go on.
    void: BoxFuture<'static, ()>,
}

struct Running {
    number: u64,
    _task: AbortOnDropHandle<()>,
}

/// Why a conversation cannot go on.
enum Ended {
    PeerGone,
    Close(CloseReason),
}

impl From<CloseReason> for Ended {
    fn from(reason: CloseReason) -> Self {
        Self::Close(reason)
    }
}

impl From<InvalidMessage> for Ended {
    fn from(invalid: InvalidMessage) -> Self {
        Self::Close(invalid.into())
    }
}

/// A write fails when the peer is gone, and for nothing else that could be told to it.
impl From<axum::Error> for Ended {
    fn from(_: axum::Error) -> Self {
        Self::PeerGone
    }
}

impl<E: Executor> Connection<E> {
    pub(super) fn new(endpoint: Endpoint<E>, address: Option<IpAddr>, by_headers: Result<Caller, ActionError>) -> Self {
        let (events_in, events) = mpsc::channel(WAITING_EVENTS);
        Self { endpoint, address, by_headers, session: None, running: HashMap::new(), started: 0, events_in, events }
    }

    /// Converses until the peer is gone (`None`) or has to be sent away.
    pub(super) async fn run(mut self, socket: &mut WebSocket) -> Option<CloseReason> {
        match self.converse(socket).await {
            Err(Ended::PeerGone) => None,
            Err(Ended::Close(reason)) => Some(reason),
        }
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> Result<Infallible, Ended> {
        let GraphqlOptions { connection_init_timeout, keep_alive, max_message_bytes, .. } = *self.endpoint.options;
        let initialisation = sleep(connection_init_timeout);
        tokio::pin!(initialisation);
        let mut pings = interval_at(Instant::now() + keep_alive, keep_alive);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_asked = false;
        loop {
            tokio::select! {
                // In this order: a client cannot put off its initialisation by talking, what it has said counts before the next ping
                // does, and results, of which there may always be another, come last.
                biased;
                () = &mut initialisation, if self.session.is_none() => {
                    return Err(CloseReason::InitialisationTimeout.into());
                }
                () = void(&mut self.session) => {
                    return Err(CloseReason::Forbidden(Unknown::Expired.to_string()).into());
                }
                frame = socket.recv() => {
                    is_asked = false;
                    let frame = frame.ok_or(Ended::PeerGone)?;
                    let unreadable = CloseReason::Unreadable { limit_bytes: max_message_bytes };
                    self.receive(frame.map_err(|_| unreadable)?, socket).await?;
                }
                _ = pings.tick() => {
                    if std::mem::replace(&mut is_asked, true) {
                        return Err(CloseReason::Silent.into());
                    }
                    self.send(&ServerMessage::Ping, socket).await?;
                }
                Some(event) = self.events.recv() => self.deliver(event, socket).await?,
            }
        }
    }

    async fn receive(&mut self, frame: Message, socket: &mut WebSocket) -> Result<(), Ended> {
        let text = match frame {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(InvalidMessage::Binary.into()),
            // The pings and pongs of the WebSocket protocol itself, which axum answers.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Ended::PeerGone),
        };
        match ClientMessage::parse(&text)? {
            ClientMessage::ConnectionInit { payload } => {
                if self.session.is_some() {
                    return Err(CloseReason::TooManyInitialisationRequests.into());
                }
                self.session = Some(self.begin(payload).await?);
                self.send(&ServerMessage::ConnectionAck, socket).await
            }
            ClientMessage::Ping { payload } => self.send(&ServerMessage::Pong { payload }, socket).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { id, request } => self.subscribe(id, *request, socket).await,
            ClientMessage::Complete { id } => {
                // An unknown id is no mistake: our own `complete` may be on its way.
                self.running.remove(&id);
                Ok(())
            }
        }
    }

    /// Finds out who speaks: by a token in the payload, or else by the headers.
    async fn begin(&mut self, payload: Option<Map<String, Value>>) -> Result<Session, CloseReason> {
        let access = self.endpoint.options.access.clone();
        let caller = match payload.as_ref().and_then(token_in) {
            Some(token) => callers::known(&access, Some(&token), self.address).await,
            None => self.by_headers.clone(),
        };
        let caller = caller.map_err(|refused| CloseReason::Forbidden(refused.message))?;
        let mut data = Data::default();
        data.insert(ConnectionPayload(payload));
        let void = {
            let caller = caller.clone();
            async move { access.until_void(&caller).await }.boxed()
        };
        Ok(Session { caller, data: Arc::new(data), void })
    }

    async fn subscribe(&mut self, id: String, request: Request, socket: &mut WebSocket) -> Result<(), Ended> {
        let Session { caller, data, .. } = self.session.as_ref().ok_or(CloseReason::Unauthorized)?;
        let (caller, session) = (caller.clone(), data.clone());
        if self.running.contains_key(&id) {
            return Err(CloseReason::SubscriberAlreadyExists(id).into());
        }
        if self.running.len() >= MAX_OPERATIONS {
            let message = format!("no more than {MAX_OPERATIONS} operations may run on one connection");
            let error = with_code(ServerError::new(message, None), Code::RateLimited);
            return self.send(&ServerMessage::Error { id: &id, payload: &[error] }, socket).await;
        }
        if let Err(too_much) = self.endpoint.options.access.count_request(&caller) {
            let error = refused(too_much.into());
            return self.send(&ServerMessage::Error { id: &id, payload: &[error] }, socket).await;
        }
        let number = self.started;
        self.started += 1;
        let operation = Operation { id: id.clone(), number, request, caller, session };
        let task = tokio::spawn(operation.run(self.endpoint.clone(), self.events_in.clone()).in_current_span());
        self.running.insert(id, Running { number, _task: AbortOnDropHandle::new(task) });
        Ok(())
    }

    /// Sends what an operation produced, unless the client has completed that operation in the meantime. Frees the id before the client
    /// can learn that it is free.
    async fn deliver(&mut self, event: Event, socket: &mut WebSocket) -> Result<(), Ended> {
        if self.running.get(&event.id).is_none_or(|running| running.number != event.number) {
            return Ok(());
        }
        if event.is_last {
            self.running.remove(&event.id);
        }
        self.send_text(event.text, socket).await
    }

    async fn send(&mut self, message: &ServerMessage<'_>, socket: &mut WebSocket) -> Result<(), Ended> {
        self.send_text(message.to_text().map_err(axum::Error::new)?, socket).await
    }

    /// Waits for a slow client, but not for one that reads nothing at all: nothing else on this socket goes on in the meantime.
    async fn send_text(&mut self, text: Utf8Bytes, socket: &mut WebSocket) -> Result<(), Ended> {
        let sent = timeout(self.endpoint.options.write_timeout, socket.send(Message::Text(text))).await;
        Ok(sent.map_err(|_| CloseReason::TooSlow)??)
    }
}

/// Comes when the session must end; never before there is one.
async fn void(session: &mut Option<Session>) {
    match session {
        Some(session) => (&mut session.void).await,
        None => std::future::pending().await,
    }
}

/// The token in the payload of `connection_init`, where clients put it who would send it as a header: `{"Authorization": "Bearer …"}`, or the
/// same in `headers`.
fn token_in(payload: &Map<String, Value>) -> Option<String> {
    let find = |fields: &Map<String, Value>| {
        let (_, value) = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
        callers::token_of(value.as_str()?).map(str::to_owned)
    };
    find(payload).or_else(|| find(payload.get("headers")?.as_object()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_found_where_clients_put_it() {
        let found = |payload: Value| token_in(payload.as_object().unwrap());
        for payload in [
            json!({ "Authorization": "Bearer abc" }),
            json!({ "authorization": "bearer abc" }),
            json!({ "headers": { "Authorization": "Bearer abc" } }),
        ] {
            assert_eq!(found(payload).as_deref(), Some("abc"));
        }
        for payload in [json!({}), json!({ "authorization": 1 }), json!({ "headers": [] })] {
            assert_eq!(found(payload), None);
        }
    }
}
