//! Who sends a request: found out and counted once for each, before any route sees it, and looked up there by [`caller`] or [`permitted`].

use std::net::IpAddr;

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{Extensions, HeaderMap, header::AUTHORIZATION},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};

use super::{Peer, refusal};
use crate::{
    access::{Access, Caller, Right},
    actions::ActionError,
};

/// Who sends a request, or why it is not answered.
#[derive(Clone, Debug)]
struct Identity(Result<Caller, ActionError>);

/// The middleware that finds it out. Refusing is left to the routes: pages and probes are for everybody, and each route has its own way.
pub(super) async fn identify(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let (address, token) = (address(request.extensions()), bearer_token(request.headers()));
    let caller = admit(&access, token.as_deref(), address).await;
    request.extensions_mut().insert(Identity(caller));
    next.run(request).await
}

/// Routes that whoever may read may ask for.
pub(crate) fn shown_to_readers(routes: Router, access: &Access) -> Router {
    let check = async |request: Request, next: Next| match permitted(request.extensions(), Right::Read) {
        Ok(_) => next.run(request).await,
        Err(refused) => refusal(&refused),
    };
    routes.layer(from_fn(check)).layer(from_fn_with_state(access.clone(), identify))
}

/// Who sends the request, which is counted.
async fn admit(access: &Access, token: Option<&str>, address: Option<IpAddr>) -> Result<Caller, ActionError> {
    let caller = known(access, token, address).await?;
    access.count_request(&caller)?;
    Ok(caller)
}

/// Who shows `token`. Only trying is counted, by the address: a connection was counted when it was opened.
pub(super) async fn known(
    access: &Access,
    token: Option<&str>,
    address: Option<IpAddr>,
) -> Result<Caller, ActionError> {
    match access.caller(token, address).await {
        Ok(caller) => Ok(caller),
        Err(unknown) => {
            access.count_attempt(address)?;
            Err(unknown.into())
        }
    }
}

/// Where a request comes from, if the server has noted that.
pub(super) fn address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get().map(|ConnectInfo(Peer(address)): &ConnectInfo<Peer>| address.ip())
}

/// The token of `Authorization: Bearer …`.
fn bearer_token(headers: &HeaderMap) -> Option<String> {
    token_of(headers.get(AUTHORIZATION)?.to_str().ok()?).map(str::to_owned)
}

/// The token in the value of such a header.
pub(super) fn token_of(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who sends the request that these belong to.
pub(super) fn caller(extensions: &Extensions) -> Result<Caller, ActionError> {
    match extensions.get() {
        Some(Identity(caller)) => caller.clone(),
        None => Err(ActionError::internal("a route was asked without its middleware")),
    }
}

/// The same, if the caller has the right.
pub(super) fn permitted(extensions: &Extensions, right: Right) -> Result<Caller, ActionError> {
    let caller = caller(extensions)?;
    check(&caller, right)?;
    Ok(caller)
}

/// Whether the caller has the right.
pub(super) fn check(caller: &Caller, right: Right) -> Result<(), ActionError> {
    if caller.may(right) {
        return Ok(());
    }
    Err(ActionError::forbidden(format!("this takes the role {}, which you do not have", right.role().name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_its_scheme() {
        assert_eq!(token_of("Bearer abc"), Some("abc"));
        assert_eq!(token_of(" bearer  abc "), Some("abc"));
        for other in ["", "abc", "Basic abc", "Bearer"] {
            assert_eq!(token_of(other), None, "{other}");
        }
    }
}
