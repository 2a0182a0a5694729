//! The messages of graphql-transport-ws: reading what a client sends, writing what we send.

use async_graphql::{Request, ServerError};
use axum::extract::ws::Utf8Bytes;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::http::{rejection::Rejection, request, response::RawJson};

/// A message that follows the protocol.
#[derive(Debug)]
pub(super) enum ClientMessage {
    ConnectionInit { payload: Option<Map<String, Value>> },
    Ping { payload: Option<Map<String, Value>> },
    Pong,
    Subscribe { id: String, request: Box<Request> },
    Complete { id: String },
}

/// How a message breaks the protocol. The client reads it as the reason of a close with 4400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidMessage {
    #[error("Invalid message: binary, where JSON text is expected")]
    Binary,
    #[error("Invalid message: malformed JSON at line {line}, column {column}")]
    MalformedJson { line: usize, column: usize },
    #[error("Invalid message: not a JSON object")]
    NotAnObject,
    #[error("Invalid message: no type")]
    NoType,
    #[error("Invalid message: the type {0:?} is unknown")]
    UnknownType(String),
    #[error("Invalid message: {0} needs an id, a string that is not empty")]
    NoId(&'static str),
    #[error("Invalid message: subscribe needs a payload")]
    NoPayload,
    #[error("Invalid message: the payload of {0} must be an object")]
    PayloadNotAnObject(&'static str),
    #[error("Invalid message: {0}")]
    NotARequest(Rejection),
}

impl ClientMessage {
    /// Reads one text message.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidMessage> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| InvalidMessage::MalformedJson { line: error.line(), column: error.column() })?;
        let Value::Object(mut fields) = value else { return Err(InvalidMessage::NotAnObject) };
        let Some(Value::String(message_type)) = fields.remove("type") else { return Err(InvalidMessage::NoType) };
        match message_type.as_str() {
            "connection_init" => Ok(Self::ConnectionInit { payload: payload(&mut fields, "connection_init")? }),
            "ping" => Ok(Self::Ping { payload: payload(&mut fields, "ping")? }),
            "pong" => payload(&mut fields, "pong").map(|_| Self::Pong),
            "subscribe" => {
                let id = id(&mut fields, "subscribe")?;
                let parameters = payload(&mut fields, "subscribe")?.ok_or(InvalidMessage::NoPayload)?;
                let request = request::from_json(Value::Object(parameters)).map_err(InvalidMessage::NotARequest)?;
                Ok(Self::Subscribe { id, request: Box::new(request) })
            }
            "complete" => Ok(Self::Complete { id: id(&mut fields, "complete")? }),
            _ => Err(InvalidMessage::UnknownType(message_type)),
        }
    }
}

fn id(fields: &mut Map<String, Value>, message_type: &'static str) -> Result<String, InvalidMessage> {
    match fields.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err(InvalidMessage::NoId(message_type)),
    }
}

fn payload(
    fields: &mut Map<String, Value>,
    message_type: &'static str,
) -> Result<Option<Map<String, Value>>, InvalidMessage> {
    match fields.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err(InvalidMessage::PayloadNotAnObject(message_type)),
    }
}

/// A message to the client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Ping,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
    Next {
        id: &'a str,
        #[serde(serialize_with = "as_it_is")]
        payload: &'a [u8],
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

/// What is JSON already.
fn as_it_is<S: Serializer>(json: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    RawJson(json).serialize(serializer)
}

impl ServerMessage<'_> {
    /// Writes the message.
    ///
    /// # Errors
    /// Only if an answer is not UTF-8, which it is.
    pub(super) fn to_text(&self) -> serde_json::Result<Utf8Bytes> {
        serde_json::to_string(self).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(text: &str) -> InvalidMessage {
        ClientMessage::parse(text).unwrap_err()
    }

    #[test]
    fn every_message_of_the_protocol_is_read() {
        let init = ClientMessage::parse(r#"{"type":"connection_init","payload":{"token":"t"}}"#).unwrap();
        assert!(matches!(init, ClientMessage::ConnectionInit { payload: Some(payload) } if payload["token"] == "t"));
        let init = ClientMessage::parse(r#"{"type":"connection_init","payload":null}"#).unwrap();
        assert!(matches!(init, ClientMessage::ConnectionInit { payload: None }));
        assert!(matches!(ClientMessage::parse(r#"{"type":"ping"}"#).unwrap(), ClientMessage::Ping { payload: None }));
        assert!(matches!(ClientMessage::parse(r#"{"type":"pong","payload":{}}"#).unwrap(), ClientMessage::Pong));
        let complete = ClientMessage::parse(r#"{"type":"complete","id":"1"}"#).unwrap();
        assert!(matches!(complete, ClientMessage::Complete { id } if id == "1"));
        let subscribe = r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","operationName":null}}"#;
        let subscribe = ClientMessage::parse(subscribe).unwrap();
        assert!(matches!(subscribe, ClientMessage::Subscribe { id, request } if id == "1" && request.query == "{a}"));
    }

    #[test]
    fn what_is_wrong_with_a_message_is_named() {
        assert_eq!(invalid("{"), InvalidMessage::MalformedJson { line: 1, column: 1 });
        assert_eq!(invalid("[]"), InvalidMessage::NotAnObject);
        assert_eq!(invalid("{}"), InvalidMessage::NoType);
        assert_eq!(invalid(r#"{"type":7}"#), InvalidMessage::NoType);
        assert_eq!(invalid(r#"{"type":"start"}"#), InvalidMessage::UnknownType("start".to_owned()));
        assert_eq!(invalid(r#"{"type":"next","id":"1"}"#), InvalidMessage::UnknownType("next".to_owned()));
        assert_eq!(invalid(r#"{"type":"ping","payload":1}"#), InvalidMessage::PayloadNotAnObject("ping"));
        assert_eq!(invalid(r#"{"type":"complete"}"#), InvalidMessage::NoId("complete"));
        assert_eq!(invalid(r#"{"type":"subscribe","id":"","payload":{}}"#), InvalidMessage::NoId("subscribe"));
        assert_eq!(invalid(r#"{"type":"subscribe","id":"1"}"#), InvalidMessage::NoPayload);
        assert_eq!(
            invalid(r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#),
            InvalidMessage::NotARequest(Rejection::WrongType { parameter: "query", expected: "a string" })
        );
    }

    #[test]
    fn messages_are_written_as_the_protocol_says() {
        for (message, text) in [
            (ServerMessage::ConnectionAck, r#"{"type":"connection_ack"}"#),
            (ServerMessage::Ping, r#"{"type":"ping"}"#),
            (ServerMessage::Pong { payload: None }, r#"{"type":"pong"}"#),
            (
                ServerMessage::Next { id: "1", payload: br#"{"data":{"a":1}}"# },
                r#"{"type":"next","id":"1","payload":{"data":{"a":1}}}"#,
            ),
            (ServerMessage::Error { id: "1", payload: &[] }, r#"{"type":"error","id":"1","payload":[]}"#),
            (ServerMessage::Complete { id: "1" }, r#"{"type":"complete","id":"1"}"#),
        ] {
            assert_eq!(message.to_text().unwrap().as_str(), text);
        }
    }
}
