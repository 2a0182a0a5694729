//! Who calls, what they may do, and how much of it. Knows neither HTTP nor GraphQL.
//!
//! A caller shows a bearer token: an API key, of which the server keeps a hash ([`ApiKeys`]), or a JSON Web Token that somebody else signed
//! ([`Tokens`]). Either gives [`Roles`], which stand for [`Right`]s. Keys and key sets are read again while the server runs, so a key that is
//! taken out of its file, or a token that expires, ends also what is under way: see [`Access::until_void`].
//!
//! Without either, the server is open: everybody may do everything. It starts so on a loopback address only.

mod api_keys;
mod caller;
mod config;
mod key_set;
mod new_key;
mod quotas;
mod roles;
mod signatures;
mod tokens;

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::watch;
use tracing::warn;

pub use self::{
    api_keys::{ApiKey, ApiKeys},
    caller::Caller,
    config::{AccessConfig, Quota},
    new_key::NewKey,
    quotas::Watching,
    roles::{Right, Role, Roles},
};
use self::{
    caller::{Key, Known},
    quotas::Quotas,
    tokens::Tokens,
};

/// How often files of keys are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Decides who calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    api_keys: Option<ApiKeys>,
    tokens: Option<Tokens>,
    quotas: Quotas,
    /// Rings when keys have changed.
    changed: watch::Sender<()>,
}

/// What a caller shows has no meaning here: it is no key and no token of ours, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Nothing was shown.
    #[error("an API key or a token is needed: Authorization: Bearer …")]
    Nothing,
    /// What was shown is not accepted. Why is for the log: whoever tries keys is told nothing.
    #[error("the API key or token is not valid")]
    Invalid,
    /// What was shown was accepted before.
    #[error("the API key or token is not valid any more")]
    Expired,
}

/// A caller asks for more than one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Too many requests. One more is answered within a second.
    #[error("too many requests: try again in a second")]
    Requests,
    /// Too many subscriptions at once.
    #[error("no more than {most} subscriptions of one caller may run at once")]
    Subscriptions {
        /// How many may.
        most: usize,
    },
}

impl Access {
    /// As it is configured.
    ///
    /// # Errors
    /// If a file of keys cannot be read, or is wrong. A key set that is away is waited for while the server runs.
    pub fn new(config: &AccessConfig) -> Result<Self, paystats_core::config::ConfigError> {
        let api_keys = config.api_keys.as_deref().map(ApiKeys::read).transpose()?;
        let tokens = config.tokens.as_ref().map(Tokens::new).transpose()?;
        Ok(Self(Arc::new(Inner {
            api_keys,
            tokens,
            quotas: Quotas::new(config.quota),
            changed: watch::Sender::new(()),
        })))
    }

    /// Everybody may do everything.
    pub fn open() -> Self {
        let quotas = Quotas::new(Quota::default());
        Self(Arc::new(Inner { api_keys: None, tokens: None, quotas, changed: watch::Sender::new(()) }))
    }

    /// Whether everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.0.api_keys.is_none() && self.0.tokens.is_none()
    }

    /// Who shows this bearer token from that address.
    pub async fn caller(&self, token: Option<&str>, address: Option<IpAddr>) -> Result<Caller, Unknown> {
        if self.is_open() {
            return Ok(Caller::anybody(address));
        }
        let token = token.ok_or(Unknown::Nothing)?;
        let known = self.known(token).await?;
        Ok(Caller::known(known, token))
    }

    async fn known(&self, token: &str) -> Result<Arc<Known>, Unknown> {
        let known = match (&self.0.api_keys, &self.0.tokens) {
            (Some(keys), _) if ApiKey::is_one(token) => keys.find(token),
            (_, Some(tokens)) => tokens.verify(token).await,
            _ => None,
        };
        let known = known.ok_or(Unknown::Invalid)?;
        if known.has_expired() { Err(Unknown::Expired) } else { Ok(known) }
    }

    /// Returns when `caller` must not go on: what they showed has expired, or is accepted no longer.
    pub async fn until_void(&self, caller: &Caller) {
        let Some((known, token)) = caller.shown() else { return std::future::pending().await };
        let mut changed = self.0.changed.subscribe();
        // Keys may have changed since the caller was let in.
        changed.mark_changed();
        let expired = known.until_expired();
        tokio::pin!(expired);
        loop {
            tokio::select! {
                () = &mut expired => return,
                _ = changed.changed() => {
                    if !self.known(token).await.is_ok_and(|now| now.roles == known.roles) {
                        return;
                    }
                }
            }
        }
    }

    /// Takes one request off what the caller may ask for.
    pub fn count_request(&self, caller: &Caller) -> Result<(), TooMuch> {
        self.0.quotas.count_request(caller.key())
    }

    /// The same for who is not known, and tries.
    pub fn count_attempt(&self, address: Option<IpAddr>) -> Result<(), TooMuch> {
        self.0.quotas.count_request(&Key::of(address))
    }

    /// A place among the subscriptions of the caller, as long as it is held.
    pub fn watching(&self, caller: &Caller) -> Result<Watching, TooMuch> {
        self.0.quotas.watching(caller.key())
    }

    /// Reads keys again when they change. Never returns.
    pub async fn keep_current(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.look().await;
        }
    }

    /// Reads again what has changed. What cannot be read stays as it was: a mistake in a file must not lock everybody out.
    async fn look(&self) {
        let keys = match self.0.api_keys.as_ref().map(ApiKeys::read_again) {
            Some(Ok(changed)) => changed,
            Some(Err(error)) => {
                warn!(%error, "the API keys stay as they were");
                false
            }
            None => false,
        };
        let tokens = match &self.0.tokens {
            Some(tokens) => tokens.look().await,
            None => false,
        };
        if keys || tokens {
            self.0.changed.send_replace(());
        }
        self.0.quotas.forget_idle();
    }
}

#[cfg(test)]
mod tests;
