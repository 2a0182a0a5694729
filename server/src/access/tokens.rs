//! JSON Web Tokens: who signed them is known by the keys of a key set, which are read again as they change.
//!
//! A key set in a file is looked at every few seconds; one at a URL every five minutes, and when a token names a key that is not there, but
//! not more often than every ten seconds, so that nobody can make us ask at will.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};

use jsonwebtoken::{Header, Validation};
use paystats_core::config::ConfigError;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tracing::{debug, warn};

use super::{
    Roles,
    caller::Known,
    config::{KeySource, TokensConfig},
    key_set::{self, Key, Keys, Source},
    signatures,
};

/// By how much the clocks of who signs and of this machine may differ, in seconds.
const LEEWAY: u64 = 60;
/// Longest token that is looked at, in bytes.
const LONGEST: usize = 16 << 10;
/// How long the keys of a URL are taken for current.
const CURRENT: Duration = Duration::from_secs(300);
/// Least time between two questions for them.
const PAUSE: Duration = Duration::from_secs(10);

/// The tokens that are accepted.
#[derive(Debug)]
pub(super) struct Tokens {
    config: TokensConfig,
    source: Source,
    keys: RwLock<Arc<Keys>>,
    /// The text that the keys were read from, and when that was tried last. Held while it is read: one reads for all.
    read: Mutex<(String, Option<Instant>)>,
}

impl Tokens {
    /// Tokens by these keys. A file is read at once; a URL is asked when the first token comes, or [`Tokens::look`] is called.
    pub(super) fn new(config: &TokensConfig) -> Result<Self, ConfigError> {
        signatures::install();
        let invalid = |reason| ConfigError::Invalid { variable: "PAYSTATS_JWKS", reason };
        let mut keys = Keys::new();
        let mut read = String::new();
        if let KeySource::File(path) = &config.keys {
            let text = std::fs::read_to_string(path);
            read = text.map_err(|error| invalid(format!("reading {}: {error}", path.display())))?;
            keys = key_set::parse(&read, true).map_err(invalid)?;
        }
        Ok(Self {
            source: Source::new(config.keys.clone()).map_err(invalid)?,
            config: config.clone(),
            keys: RwLock::new(Arc::new(keys)),
            read: Mutex::new((read, None)),
        })
    }

    /// Who the token names, if it is to be believed.
    pub(super) async fn verify(&self, token: &str) -> Option<Arc<Known>> {
        if token.len() > LONGEST {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let id = header.kid.clone().unwrap_or_default();
        let mut keys = self.keys();
        if !keys.contains_key(&id) && !self.source.is_file() {
            self.read(PAUSE).await;
            keys = self.keys();
        }
        match self.by(&keys, &id, &header, token) {
            Ok(known) => Some(Arc::new(known)),
            Err(reason) => {
                debug!(reason, key.id = id, "a token was refused");
                None
            }
        }
    }

    fn by(&self, keys: &Keys, id: &str, header: &Header, token: &str) -> Result<Known, String> {
        let fitting = keys.get(id).into_iter().flatten().filter(|key| key.algorithm == header.alg);
        let mut reason = "there is no such key".to_owned();
        for key in fitting {
            match self.claims(key, token) {
                Ok(claims) => return self.known(&claims),
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    fn claims(&self, key: &Key, token: &str) -> Result<Map<String, Value>, String> {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.config.audience]);
        let mut required = vec!["exp", "aud", "sub"];
        if let Some(issuer) = &self.config.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        let decoded = jsonwebtoken::decode(token, &key.key, &validation).map_err(|error| error.to_string())?;
        Ok(decoded.claims)
    }

    fn known(&self, claims: &Map<String, Value>) -> Result<Known, String> {
        let name = claims.get("sub").and_then(Value::as_str).filter(|name| !name.is_empty() && name.len() <= 200);
        let expires = claims.get("exp").and_then(Value::as_f64).filter(|at| (0.0..1e11).contains(at));
        Ok(Known {
            name: name.ok_or("its subject is no name")?.into(),
            roles: self.roles(claims),
            expires: expires.map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at as u64 + LEEWAY)),
        })
    }

    /// The roles that the token names and we know: as a list, or as words in a text. An issuer may have others too.
    fn roles(&self, claims: &Map<String, Value>) -> Roles {
        let mut way = self.config.roles_claim.iter();
        let first = way.next().and_then(|name| claims.get(name));
        let named = way.try_fold(first, |inner, name| Some(inner?.get(name))).flatten();
        match named {
            Some(Value::String(text)) => text.split_whitespace().filter_map(|role| role.parse().ok()).collect(),
            Some(Value::Array(list)) => list.iter().filter_map(|role| role.as_str()?.parse().ok()).collect(),
            _ => Roles::default(),
        }
    }

    /// Reads the keys again if it is time, and tells whether they changed.
    pub(super) async fn look(&self) -> bool {
        self.read(if self.source.is_file() { Duration::ZERO } else { CURRENT }).await
    }

    /// Reads the keys again unless that was tried within `pause`. What cannot be read leaves the keys as they are.
    async fn read(&self, pause: Duration) -> bool {
        let mut read = self.read.lock().await;
        let (text, tried) = &mut *read;
        if tried.is_some_and(|tried| tried.elapsed() < pause) {
            return false;
        }
        *tried = Some(Instant::now());
        let new = match self.source.read().await {
            Ok(new) if new == *text => return false,
            Ok(new) => new,
            Err(error) => {
                warn!(%error, "the key set cannot be read: its keys stay as they were");
                return false;
            }
        };
        match key_set::parse(&new, self.source.is_file()) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                *text = new;
                true
            }
            Err(error) => {
                warn!(%error, "the key set cannot be used: its keys stay as they were");
                false
            }
        }
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
