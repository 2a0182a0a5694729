//! The route `/graphql`: queries and mutations by POST, queries by GET, and everything over a WebSocket.

use std::sync::Arc;

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, request::Parts},
    response::Response,
    routing::any,
};

use super::{
    accept::{self, MediaType},
    compression::compression,
    document::{self, Inspected},
    options::GraphqlOptions,
    rejection::Rejection,
    request,
    response::{Answer, or_internal_error},
    websocket,
};

/// Serves `executor` on `/graphql`.
pub fn graphql_routes<E: Executor>(executor: E, options: GraphqlOptions) -> Router {
    let endpoint = Endpoint { executor, options: Arc::new(options) };
    // `any`, because the router's own answers to other methods, and its HEAD for every GET, are not ours.
    Router::new().route("/graphql", any(serve::<E>)).layer(compression()).with_state(endpoint)
}

/// What every request on the route shares.
#[derive(Clone)]
pub(super) struct Endpoint<E> {
    pub(super) executor: E,
    pub(super) options: Arc<GraphqlOptions>,
}

async fn serve<E: Executor>(State(endpoint): State<Endpoint<E>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && websocket::is_upgrade(&parts.headers) {
        return websocket::upgrade(endpoint, parts).await;
    }
    if parts.method != Method::GET && parts.method != Method::POST {
        return Rejection::MethodNotAllowed(parts.method).into_response(MediaType::Json);
    }
    let Some(media_type) = accept::negotiate(&parts.headers) else {
        return Rejection::NotAcceptable.into_response(MediaType::Json);
    };
    match answer(&endpoint, parts, body).await {
        Ok(answer) => answer.into_response(media_type),
        Err(rejection) => rejection.into_response(media_type),
    }
}

async fn answer<E: Executor>(endpoint: &Endpoint<E>, parts: Parts, body: Body) -> Result<Answer, Rejection> {
    let mut request = match parts.method {
        Method::GET => request::from_uri(&parts.uri)?,
        _ => request::from_body(&parts.headers, body, endpoint.options.max_body_bytes).await?,
    };
    let Inspected { kind, variables, completion } = match document::inspect(&mut request, &endpoint.options.types) {
        Ok(inspected) => inspected,
        Err(error) => return Ok(Answer::failed(error)),
    };
    match kind {
        OperationType::Mutation if parts.method == Method::GET => return Err(Rejection::MutationByGet),
        OperationType::Subscription => return Err(Rejection::SubscriptionOverHttp),
        OperationType::Query | OperationType::Mutation => {}
    }
    if let Err(error) = variables {
        return Ok(Answer::failed(error));
    }
    let execution = async {
        let mut executed = endpoint.executor.execute((endpoint.options.prepare)(request)).await;
        completion.complete(&mut executed);
        Answer::new(executed)
    };
    Ok(or_internal_error(execution).await.unwrap_or_else(Answer::failed))
}

#[cfg(test)]
mod tests;
