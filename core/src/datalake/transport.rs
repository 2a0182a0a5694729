//! HTTP as all remote sources speak it: without redirects, with limits on silence, and with failures that say what they mean.
//!
//! `object_store` tries requests again that fail in a way that may pass; of what is left in the end it keeps the text of an
//! error. So whatever goes wrong is told here as a [`Fault`], which is found again in the chain of causes.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService},
};
use reqwest::{Proxy, StatusCode, redirect};

use super::addresses::PublicNames;
use crate::tls;

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence of a server in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(30);

/// What went wrong between us and a server, where it is more than a status that `object_store` knows.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It does not answer, breaks off, or says that it cannot now.
    #[error("the server is away: {0}")]
    Away(String),
    /// It sends us elsewhere.
    #[error("the server redirects")]
    Redirect,
    /// Its name leads to an address that is not public.
    #[error("the host has an address that is not public")]
    PrivateAddress,
    /// It answers a question for a part with the whole.
    #[error("the server does not serve parts of a file")]
    NoParts,
}

impl Fault {
    /// The fault behind an error.
    pub(super) fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(fault) = error.downcast_ref() {
                return Some(fault);
            }
            cause = error.source();
        }
        None
    }
}

/// Whom a client may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The store that the environment names, wherever it is, also through a proxy.
    Store,
    /// A host that a source names: a public one, and directly, because a proxy would look the name up by itself.
    PublicHost,
}

impl HttpConnector for Reach {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let is_set = |key| options.get_config_value(&key).is_some_and(|value| is_true(&value));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("paystats/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls::by_authorities_of_this_machine())
            .https_only(!is_set(ClientConfigKey::AllowHttp))
            .http1_only()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE);
        match self {
            Self::Store => {
                if let Some(proxy) = options.get_config_value(&ClientConfigKey::ProxyUrl) {
                    builder = builder.proxy(Proxy::all(proxy).map_err(unusable)?);
                }
            }
            Self::PublicHost => builder = builder.no_proxy().dns_resolver(Arc::new(PublicNames)),
        }
        Ok(HttpClient::new(Transport(builder.build().map_err(unusable)?)))
    }
}

fn unusable(error: reqwest::Error) -> object_store::Error {
    object_store::Error::Generic { store: "HTTP", source: Box::new(error) }
}

/// As `object_store` reads what is true in the environment.
fn is_true(value: &str) -> bool {
    ["1", "true", "on", "yes", "y"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Asks, and tells failures as faults.
#[derive(Debug)]
struct Transport(reqwest::Client);

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let wants_part = request.headers().contains_key("range");
        let response = self.0.call(request).await.map_err(|error| match Fault::behind(&error) {
            Some(Fault::PrivateAddress) => HttpError::new(HttpErrorKind::Unknown, Fault::PrivateAddress),
            // Whatever it was, nothing came back: such a request is worth another try.
            _ => HttpError::new(retryable(error.kind()), Fault::Away(causes(&error))),
        })?;
        let status = response.status();
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            return Err(HttpError::new(HttpErrorKind::Unknown, Fault::Redirect));
        }
        if status == StatusCode::OK && wants_part {
            return Err(HttpError::new(HttpErrorKind::Unknown, Fault::NoParts));
        }
        let is_away = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
        if is_away {
            return Err(HttpError::new(HttpErrorKind::Request, Fault::Away(format!("status {status}"))));
        }
        Ok(response)
    }
}

fn retryable(kind: HttpErrorKind) -> HttpErrorKind {
    match kind {
        HttpErrorKind::Unknown | HttpErrorKind::Decode => HttpErrorKind::Interrupted,
        other => other,
    }
}

/// An error and what is behind it, for the log.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
