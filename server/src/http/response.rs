//! An executor's response in the words of the specification: what it serialises to, and which status it earns.

use async_graphql::{Response as Executed, ServerError, Value};
use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS},
    },
    response::Response,
};
use futures_util::FutureExt;
use serde::{
    Serialize, Serializer,
    ser::{self, SerializeMap, SerializeStruct},
};

use super::accept::MediaType;
use crate::actions::ActionError;

/// The values of `extensions.code` that the transport itself gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The request breaks the rules of the transport.
    BadUserInput,
    /// The document is not GraphQL.
    ParseFailed,
    /// The document does not fit the schema.
    ValidationFailed,
    /// The body of the request is too large.
    BodyTooLarge,
    /// Several requests come as one.
    BatchRefused,
    /// The document has too many words, signs or selections.
    DocumentTooLarge,
    /// The document nests too deep.
    DocumentTooDeep,
    /// The document renames too many fields.
    TooManyAliases,
    /// The document has too many directives.
    TooManyDirectives,
    /// Executing the document could cost too much.
    TooComplex,
    /// The hash of a document names none that is known.
    PersistedQueryNotFound,
    /// Only registered documents are answered, and this is none.
    DocumentNotRegistered,
    /// Somebody asks for too much at once.
    RateLimited,
    /// The server stops.
    Unavailable,
    /// A defect of ours, about which the client learns nothing more.
    Internal,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::BatchRefused => "BATCH_REFUSED",
            Self::DocumentTooLarge => "DOCUMENT_TOO_LARGE",
            Self::DocumentTooDeep => "DOCUMENT_TOO_DEEP",
            Self::TooManyAliases => "TOO_MANY_ALIASES",
            Self::TooManyDirectives => "TOO_MANY_DIRECTIVES",
            Self::TooComplex => "TOO_COMPLEX",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::DocumentNotRegistered => "DOCUMENT_NOT_REGISTERED",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

/// Sets `extensions.code` unless there is one: whoever knew the cause better has spoken first.
pub(super) fn with_code(mut error: ServerError, code: Code) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", code.as_str());
    }
    error
}

/// An action's refusal, where it is the answer to a whole request.
pub(super) fn refused(refusal: ActionError) -> ServerError {
    let mut error = ServerError::new(refusal.message, None);
    error.extensions.get_or_insert_default().set("code", refusal.code.name());
    error
}

/// The code of an error. What has none is a value that is not of its type.
pub(crate) fn code_of(error: &ServerError) -> &str {
    match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
        Some(Value::String(code)) => code,
        _ => Code::BadUserInput.as_str(),
    }
}

/// What async-graphql says of a document whose fields could cost too much together.
const TOO_COMPLEX: &str = "Query is too complex.";

/// Whether async-graphql refused a value. Its errors have no kind, only a text.
fn is_wrong_value(error: &ServerError) -> bool {
    ["Failed to parse \"", "Invalid value for argument \""].iter().any(|start| error.message.starts_with(start))
}

/// Awaits `execution`, and turns a panic in a resolver into an answer, so that it takes neither the connection nor the other
/// operations on it down. The panic's message stays in the log.
pub(super) async fn or_internal_error<T>(execution: impl Future<Output = T>) -> Result<T, ServerError> {
    std::panic::AssertUnwindSafe(execution).catch_unwind().await.map_err(|_| {
        tracing::error!("an operation panicked; its client was told INTERNAL");
        internal_error()
    })
}

/// All that a client learns about a defect of ours.
pub(super) fn internal_error() -> ServerError {
    with_code(ServerError::new("internal error", None), Code::Internal)
}

/// A GraphQL response as it is written, over HTTP, in streams and in WebSocket messages.
///
/// async-graphql says `data: null` both when nothing ran (a request error, which must have no `data`) and when a field failed that
/// nothing above could absorb (which must). It tells them apart by the path that only field errors have, and so do we.
#[derive(Debug)]
pub(super) struct Answer {
    executed: Executed,
    is_request_error: bool,
}

impl Answer {
    /// Takes over what an executor returned. Errors that carry no code get one: [`Code::BadUserInput`] where a value was not of its type,
    /// which async-graphql finds in part while it validates and in part while it resolves, and [`Code::ValidationFailed`] for the request
    /// errors that are left after [`inspect`](super::document::inspect).
    pub(super) fn new(mut executed: Executed) -> Self {
        let is_request_error = executed.data == Value::Null
            && !executed.errors.is_empty()
            && executed.errors.iter().all(|error| error.path.is_empty());
        let errors = std::mem::take(&mut executed.errors);
        executed.errors = errors
            .into_iter()
            .map(|error| match is_wrong_value(&error) {
                true => with_code(error, Code::BadUserInput),
                false if is_request_error && error.message == TOO_COMPLEX => with_code(error, Code::TooComplex),
                false if is_request_error => with_code(error, Code::ValidationFailed),
                false => error,
            })
            .collect();
        Self { executed, is_request_error }
    }

    /// The answer to a request that did not run because of `error`.
    pub(super) fn failed(error: ServerError) -> Self {
        Self::new(Executed::from_errors(vec![error]))
    }

    /// The errors if nothing ran.
    pub(super) fn request_errors(&self) -> Option<&[ServerError]> {
        self.is_request_error.then_some(self.executed.errors.as_slice())
    }

    /// The first error, if anything failed.
    pub(super) fn first_error(&self) -> Option<&ServerError> {
        self.executed.errors.first()
    }

    /// Whether all that was asked for is there.
    pub(super) fn is_whole(&self) -> bool {
        self.executed.errors.is_empty()
    }

    /// 200 for everything that ran, even in part. For what did not, `application/json` says 200 as well, except when a defect of ours
    /// is the cause: that has to be seen by probes and proxies. `application/graphql-response+json` says what went wrong.
    fn status(&self, media_type: MediaType) -> StatusCode {
        let Some(error) = self.request_errors().and_then(<[_]>::first) else { return StatusCode::OK };
        let code = match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
            Some(Value::String(code)) => code.as_str(),
            _ => "",
        };
        match (media_type, code) {
            (_, "INTERNAL") => StatusCode::INTERNAL_SERVER_ERROR,
            (MediaType::Json, _) => StatusCode::OK,
            (MediaType::GraphqlResponse, "UNAUTHENTICATED") => StatusCode::UNAUTHORIZED,
            (MediaType::GraphqlResponse, "FORBIDDEN") => StatusCode::FORBIDDEN,
            (MediaType::GraphqlResponse, "RATE_LIMITED") => StatusCode::TOO_MANY_REQUESTS,
            (MediaType::GraphqlResponse, "UNAVAILABLE") => StatusCode::SERVICE_UNAVAILABLE,
            (MediaType::GraphqlResponse, _) => StatusCode::BAD_REQUEST,
        }
    }

    /// Writes the answer as JSON on one line, for a place in a stream, where there is no status.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_else(|error| {
            tracing::error!(%error, "an answer could not be serialised");
            Self::failed(internal_error()).to_line()
        });
        // Text that a custom scalar brings along as it is may have line breaks, which mean nothing in JSON.
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        line
    }

    /// Writes the answer as an HTTP response, with the headers that resolvers have set.
    pub(super) fn into_response(self, media_type: MediaType) -> Response {
        self.written(media_type).map(Body::from)
    }

    /// The same as long as the body can be looked at.
    pub(super) fn written(mut self, media_type: MediaType) -> Response<Vec<u8>> {
        let mut response = match serde_json::to_vec(&self) {
            Ok(body) => Response::new(body),
            // Only a custom scalar whose value is not JSON can bring us here.
            Err(error) => {
                tracing::error!(%error, "an answer could not be serialised");
                return Self::failed(internal_error()).written(media_type);
            }
        };
        *response.status_mut() = self.status(media_type);
        let headers = response.headers_mut();
        headers.extend(std::mem::take(&mut self.executed.http_headers));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type.content_type()));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // A cache must not hand one media type to a client that asked for the other.
        headers.append(VARY, HeaderValue::from_static("accept"));
        let cache_hint = self.executed.cache_control.value().filter(|_| self.executed.errors.is_empty());
        if let Some(value) = cache_hint.and_then(|hint| HeaderValue::from_str(&hint).ok()) {
            headers.insert(CACHE_CONTROL, value);
        }
        response
    }
}

/// `errors` come first, as the GraphQL specification recommends, so that a person who reads the answer does not overlook them.
impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.executed.errors.is_empty() {
            map.serialize_entry("errors", &self.executed.errors)?;
        }
        if !self.is_request_error {
            map.serialize_entry("data", &Data(&self.executed.data))?;
        }
        if !self.executed.extensions.is_empty() {
            map.serialize_entry("extensions", &self.executed.extensions)?;
        }
        map.end()
    }
}

/// What a request was answered, as JSON.
///
/// [`Value::Binary`], which GraphQL has no use for, is JSON that a resolver has written itself, and goes into the answer as it is.
pub(super) struct Data<'a>(pub(super) &'a Value);

/// JSON in UTF-8, written as it is.
pub(super) struct RawJson<'a>(pub(super) &'a [u8]);

/// The name under which serde_json takes text as it is, as it does for its `RawValue`: that one cannot be made without reading all of the
/// text once more.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

impl Serialize for RawJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = str::from_utf8(self.0).map_err(ser::Error::custom)?;
        let mut raw = serializer.serialize_struct(RAW_VALUE, 1)?;
        raw.serialize_field(RAW_VALUE, json)?;
        raw.end()
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::List(items) => serializer.collect_seq(items.iter().map(Data)),
            Value::Object(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, Data(value)))),
            Value::Binary(json) => RawJson(json).serialize(serializer),
            leaf => leaf.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{PathSegment, value};
    use serde_json::json;

    use super::*;

    fn request_error(code: Option<&str>) -> Answer {
        let mut error = ServerError::new("no", None);
        if let Some(code) = code {
            error.extensions.get_or_insert_default().set("code", code);
        }
        Answer::failed(error)
    }

    #[test]
    fn a_request_error_has_no_data_and_gets_a_code() {
        let written = serde_json::to_value(request_error(None)).unwrap();
        assert_eq!(
            written,
            json!({"errors": [{"message": "no", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]})
        );
    }

    #[test]
    fn a_field_error_keeps_data_even_if_it_is_null() {
        let error = ServerError::new("no", None).with_path(vec![PathSegment::Field("a".to_owned())]);
        let answer = Answer::failed(error);
        assert_eq!(answer.status(MediaType::GraphqlResponse), StatusCode::OK);
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"errors":[{"message":"no","path":["a"]}],"data":null}"#
        );
    }

    #[test]
    fn partial_data_is_a_success() {
        let mut executed = Executed::new(value!({"a": 1, "b": null}));
        executed.errors.push(ServerError::new("no", None));
        assert_eq!(Answer::new(executed).status(MediaType::GraphqlResponse), StatusCode::OK);
    }

    #[test]
    fn json_that_a_resolver_wrote_goes_into_the_answer_as_it_is() {
        let written = Value::Binary(r#"[{"a": 1.50}, "é"]"#.into());
        let answer = Answer::new(Executed::new(value!({"rows": [1, {"x": null}], "text": (written)})));
        let text = r#"{"data":{"rows":[1,{"x":null}],"text":[{"a": 1.50}, "é"]}}"#;
        assert_eq!(serde_json::to_string(&answer).unwrap(), text);
        assert_eq!(serde_json::to_value(&answer).unwrap(), serde_json::from_str::<serde_json::Value>(text).unwrap());
    }

    #[test]
    fn the_code_of_a_request_error_decides_the_status_of_a_graphql_response_only() {
        for (code, status) in [
            (None, 400),
            (Some("BAD_USER_INPUT"), 400),
            (Some("UNAUTHENTICATED"), 401),
            (Some("FORBIDDEN"), 403),
            (Some("RATE_LIMITED"), 429),
            (Some("UNAVAILABLE"), 503),
        ] {
            assert_eq!(request_error(code).status(MediaType::GraphqlResponse), status, "{code:?}");
            assert_eq!(request_error(code).status(MediaType::Json), 200, "{code:?}");
        }
        assert_eq!(request_error(Some("INTERNAL")).status(MediaType::GraphqlResponse), 500);
        assert_eq!(request_error(Some("INTERNAL")).status(MediaType::Json), 500);
    }

    #[test]
    fn a_code_that_is_there_stays() {
        let written = serde_json::to_value(request_error(Some("FORBIDDEN"))).unwrap();
        assert_eq!(written["errors"][0]["extensions"]["code"], "FORBIDDEN");
    }

    #[test]
    fn a_line_has_no_line_breaks() {
        let answer = Answer::new(Executed::new(value!({"a": "\n", "b": (Value::Binary("[1,\r\n2]".into()))})));
        assert_eq!(String::from_utf8(answer.to_line()).unwrap(), r#"{"data":{"a":"\n","b":[1,  2]}}"#);
    }

    #[test]
    fn headers_and_cache_hints_of_resolvers_reach_the_response() {
        let mut executed = Executed::new(value!({"a": 1}));
        executed.http_headers.insert("x-cube", HeaderValue::from_static("7"));
        executed.cache_control.max_age = 60;
        let response = Answer::new(executed).into_response(MediaType::Json);
        assert_eq!(response.headers()["x-cube"], "7");
        assert_eq!(response.headers()[CACHE_CONTROL], "max-age=60");
        assert_eq!(response.headers()[VARY], "accept");
    }
}
