//! The route `/graphql`: queries and mutations by POST, queries by GET, whose answers can be held; subscriptions where a stream is accepted;
//! and everything over a WebSocket.

use std::sync::Arc;

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode, request::Parts},
    middleware::{from_fn, from_fn_with_state},
    response::Response,
    routing::any,
};

use super::{
    accept::{Accept, Form, MediaType},
    callers,
    completion::Completion,
    compression::compression,
    conditional,
    document::{Documents, Inspected, Runnable},
    etag::Tag,
    fan_out::FanOut,
    options::GraphqlOptions,
    refusal,
    rejection::Rejection,
    request,
    response::{Answer, or_internal_error},
    streaming, websocket,
};
use crate::access::Caller;

/// Serves `executor` on `/graphql`.
pub fn graphql_routes<E: Executor>(executor: E, options: GraphqlOptions) -> Router {
    let endpoint = Endpoint::new(executor, options);
    // `any`, because the router's own answers to other methods, and its HEAD for every GET, are not ours.
    let route = Router::new().route("/graphql", any(serve::<E>));
    let identify = from_fn_with_state(endpoint.options.access.clone(), callers::identify);
    route.layer(compression()).layer(from_fn(conditional::revalidate)).layer(identify).with_state(endpoint)
}

/// What every request on the route shares.
#[derive(Clone)]
pub(super) struct Endpoint<E> {
    pub(super) executor: E,
    pub(super) options: Arc<GraphqlOptions>,
    pub(super) documents: Arc<Documents>,
    pub(super) fan_out: Arc<FanOut>,
}

impl<E> Endpoint<E> {
    pub(super) fn new(executor: E, options: GraphqlOptions) -> Self {
        let documents = Arc::new(Documents::new(&options));
        Self { executor, options: Arc::new(options), documents, fan_out: Arc::default() }
    }
}

async fn serve<E: Executor>(State(endpoint): State<Endpoint<E>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && websocket::is_upgrade(&parts.headers) {
        return websocket::upgrade(endpoint, parts).await;
    }
    match parts.method {
        Method::GET | Method::POST => {}
        Method::PUT => return Rejection::SingleConnectionMode.into_response(MediaType::Json),
        method => return Rejection::MethodNotAllowed(method).into_response(MediaType::Json),
    }
    let caller = match callers::caller(&parts.extensions) {
        Ok(caller) => caller,
        Err(unknown) => return refusal(&unknown),
    };
    let accept = Accept::of(&parts.headers);
    let media_type = accept.for_refusal();
    answer(&endpoint, parts, body, &accept, caller)
        .await
        .unwrap_or_else(|rejection| rejection.into_response(media_type))
}

async fn answer<E: Executor>(
    endpoint: &Endpoint<E>,
    parts: Parts,
    body: Body,
    accept: &Accept,
    caller: Caller,
) -> Result<Response, Rejection> {
    let any_form = accept.best_of(Form::ALL).ok_or(Rejection::NotAcceptable)?;
    let mut request = match parts.method {
        Method::GET => request::from_uri(&parts.uri)?,
        _ => request::from_body(&parts.headers, body, endpoint.options.max_body_bytes).await?,
    };
    let inspected = endpoint.documents.inspect(&mut request, &caller);
    let form = match inspected.as_ref().map(|Inspected { kind, .. }| *kind) {
        Ok(OperationType::Mutation) if parts.method == Method::GET => return Err(Rejection::MutationByGet),
        Ok(OperationType::Query | OperationType::Mutation) => {
            accept.best_of(Form::OF_ONE_RESULT).ok_or(Rejection::NotAcceptable)?
        }
        Ok(OperationType::Subscription) => {
            accept.best_of(Form::OF_MANY_RESULTS).ok_or(Rejection::SubscriptionWithoutStream)?
        }
        Err(_) => any_form,
    };
    let media_type = match form {
        Form::Document(media_type) => media_type,
        Form::EventStream => {
            return Ok(streaming::event_stream(endpoint.clone(), &parts.headers, request, caller, inspected));
        }
        Form::Multipart => return Ok(streaming::multipart(endpoint.clone(), request, caller, inspected)),
    };
    Ok(match inspected.and_then(Inspected::runnable) {
        Err(error) => Answer::failed(error).into_response(media_type),
        Ok(Runnable { completion, .. }) if parts.method == Method::GET => {
            answer_or_confirm(endpoint, &parts, request, completion, media_type).await
        }
        Ok(Runnable { completion, .. }) => execute(endpoint, request, completion).await.into_response(media_type),
    })
}

/// Answers a query, with a tag if nothing is missing. Where the version of the data decides the answer, the tag is known before, and a
/// client that holds the answer is told so at once.
///
/// The version may move while the query runs. Then the answer may tell of either version or of both, and the tag of none would be true:
/// another server could give it to other bytes. The tag of the body is, since it says nothing but what the body is.
async fn answer_or_confirm<E: Executor>(
    endpoint: &Endpoint<E>,
    parts: &Parts,
    request: async_graphql::Request,
    completion: Completion,
    media_type: MediaType,
) -> Response {
    let GraphqlOptions { version, versioned, .. } = &*endpoint.options;
    let tag_now = || Some(Tag::of_version(parts.uri.query().unwrap_or_default(), version()?, media_type));
    let tag = completion.selects_only(versioned).then(tag_now).flatten();
    if let Some(held) = tag.as_ref().and_then(|tag| conditional::held(&parts.headers, tag)) {
        return conditional::not_modified(held);
    }
    let answer = execute(endpoint, request, completion).await;
    let is_whole = answer.is_whole();
    let response = answer.written(media_type);
    if !is_whole || response.status() != StatusCode::OK {
        return response.map(Body::from);
    }
    let tag = tag.filter(|tag| tag_now().as_ref() == Some(tag));
    let tag = tag.unwrap_or_else(|| Tag::of_body(response.body(), media_type));
    conditional::tagged(response.map(Body::from), tag)
}

async fn execute<E: Executor>(
    endpoint: &Endpoint<E>,
    request: async_graphql::Request,
    completion: Completion,
) -> Answer {
    let execution = async {
        let mut executed = endpoint.executor.execute((endpoint.options.prepare)(request)).await;
        completion.complete(&mut executed);
        Answer::new(executed)
    };
    or_internal_error(execution).await.unwrap_or_else(Answer::failed)
}

#[cfg(test)]
mod tests;
