//! An action's refusal as a whole HTTP response, for what is not a GraphQL answer: the status that fits its code, and the body that GraphQL
//! errors have, so that clients need one way only to read failures.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::actions::{ActionError, ErrorCode};

/// Seconds after which it is worth asking again for what was unavailable.
pub(super) const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// The response that tells `error`.
pub fn refusal(error: &ActionError) -> Response {
    refusal_as(status(error.code), error)
}

/// The same where another status says more.
pub(super) fn refusal_as(status: StatusCode, error: &ActionError) -> Response {
    let body = json!({ "errors": [{ "message": error.message, "extensions": { "code": error.code.name() } }] });
    let mut response = (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response();
    match status {
        StatusCode::SERVICE_UNAVAILABLE => drop(response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS)),
        StatusCode::TOO_MANY_REQUESTS => {
            drop(response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1")))
        }
        StatusCode::UNAUTHORIZED => {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"paystats\""));
        }
        _ => {}
    }
    response
}

pub(super) fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadUserInput => StatusCode::BAD_REQUEST,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
