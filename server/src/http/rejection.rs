//! Every reason for which an HTTP request is turned away before GraphQL sees it, with the status it earns.
//!
//! The specification calls such a request "not well-formed". Unlike an invalid document, which is a GraphQL answer, it has a status of
//! its own whatever media type was accepted. The body is still a GraphQL error, so that clients need one way only to read failures.

use async_graphql::ServerError;
use axum::{
    http::{HeaderValue, Method, StatusCode, header::ALLOW},
    response::{IntoResponse, Response},
};

use super::{
    accept::MediaType,
    response::{Answer, Code, with_code},
};

/// Why a request cannot be read as a GraphQL request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    #[error("the method {0} is not allowed: use POST, or GET for queries and subscriptions")]
    MethodNotAllowed(Method),
    #[error(
        "PUT would reserve a stream for many operations (GraphQL over SSE, single connection mode), which is not offered: \
         send each operation by POST or GET and get a stream of its own"
    )]
    SingleConnectionMode,
    #[error("a mutation must not be sent by GET: use POST")]
    MutationByGet,
    #[error(
        "a subscription needs a stream: accept text/event-stream or multipart/mixed;subscriptionSpec=1.0, \
         or open a WebSocket (subprotocol graphql-transport-ws) on this same path"
    )]
    SubscriptionWithoutStream,
    #[error(
        "an answer can be application/graphql-response+json, application/json or text/event-stream, \
         that of a subscription text/event-stream or multipart/mixed;subscriptionSpec=1.0, and Accept allows none"
    )]
    NotAcceptable,
    #[error("Content-Type must be application/json in UTF-8")]
    UnsupportedContentType,
    #[error("the body is larger than {limit_bytes} bytes")]
    BodyTooLarge { limit_bytes: usize },
    #[error("the body ended early")]
    BodyInterrupted,
    #[error("malformed JSON at line {line}, column {column}")]
    MalformedJson { line: usize, column: usize },
    #[error("batches are not supported: send one request at a time")]
    Batch,
    #[error("a request must be a JSON object")]
    NotAnObject,
    #[error("the parameter \"query\" is missing")]
    MissingQuery,
    #[error("the parameter \"{parameter}\" must be {expected}")]
    WrongType { parameter: &'static str, expected: &'static str },
    #[error("the parameter \"{parameter}\" is given more than once")]
    Repeated { parameter: &'static str },
}

impl Rejection {
    /// The status of the answer, in whichever media type it is written.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::MethodNotAllowed(_) | Self::SingleConnectionMode | Self::MutationByGet => {
                StatusCode::METHOD_NOT_ALLOWED
            }
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SubscriptionWithoutStream
            | Self::BodyInterrupted
            | Self::MalformedJson { .. }
            | Self::Batch
            | Self::NotAnObject
            | Self::MissingQuery
            | Self::WrongType { .. }
            | Self::Repeated { .. } => StatusCode::BAD_REQUEST,
        }
    }

    /// RFC 9110 wants every 405 to say what is allowed instead.
    fn allowed_methods(&self) -> Option<&'static str> {
        match self {
            Self::MethodNotAllowed(_) | Self::SingleConnectionMode => Some("GET, POST"),
            Self::MutationByGet => Some("POST"),
            _ => None,
        }
    }

    pub(super) fn into_response(self, media_type: MediaType) -> Response {
        let code = match self {
            Self::BodyTooLarge { .. } => Code::BodyTooLarge,
            Self::Batch => Code::BatchRefused,
            _ => Code::BadUserInput,
        };
        let error = with_code(ServerError::new(self.to_string(), None), code);
        let mut response = (self.status(), Answer::failed(error).into_response(media_type)).into_response();
        if let Some(methods) = self.allowed_methods() {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        }
        response
    }
}
