//! A JSON Web Key Set: where it is, and the keys in it that we can use.

use std::{collections::HashMap, time::Duration};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use tracing::warn;

use super::{config::KeySource, signatures};

/// Longest that a key set may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest key set, in bytes.
const LARGEST: usize = 1 << 20;
/// Least length of a secret, as RFC 7518 wants it for HS256.
const LEAST_SECRET: usize = 32;

/// A key, and the one algorithm that it may be used with: a token does not get to choose.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Keys by their id. Those without one are under the empty id.
pub(super) type Keys = HashMap<String, Vec<Key>>;

/// Where a key set comes from.
#[derive(Debug)]
pub(super) struct Source {
    source: KeySource,
    client: reqwest::Client,
}

impl Source {
    pub(super) fn new(source: KeySource) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("paystats/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(paystats_core::tls::by_authorities_of_this_machine())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { source, client })
    }

    /// Whether asking costs nothing, and cannot be away.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.source, KeySource::File(_))
    }

    /// Its text as it is now.
    pub(super) async fn read(&self) -> Result<String, String> {
        match &self.source {
            KeySource::File(path) => {
                tokio::fs::read_to_string(path).await.map_err(|error| format!("reading {}: {error}", path.display()))
            }
            KeySource::Url(url) => self.fetch(url.clone()).await.map_err(|error| format!("{}: {error}", host(url))),
        }
    }

    async fn fetch(&self, url: url::Url) -> Result<String, String> {
        let without_url = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = self.client.get(url).send().await.map_err(without_url)?;
        if !answer.status().is_success() {
            return Err(format!("it answers {}", answer.status()));
        }
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(without_url)? {
            if text.len() + piece.len() > LARGEST {
                return Err(format!("it is larger than {LARGEST} bytes"));
            }
            text.extend_from_slice(&piece);
        }
        String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())
    }
}

fn host(url: &url::Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// The keys of a set that can be used. Those that cannot are told to the log: an issuer may have keys for others too.
pub(super) fn parse(text: &str, may_hold_secrets: bool) -> Result<Keys, String> {
    // Where JSON is wrong is told, and not what stands there: it may be a secret.
    let set: JwkSet = serde_json::from_str(text)
        .map_err(|error| format!("it is no JSON Web Key Set (line {}, column {})", error.line(), error.column()))?;
    let mut keys = Keys::new();
    for jwk in set.keys {
        let id = jwk.common.key_id.clone().unwrap_or_default();
        match key(&jwk, may_hold_secrets) {
            Ok(key) => keys.entry(id).or_default().push(key),
            Err(reason) => warn!(key.id = id, reason, "a key of the key set is not used"),
        }
    }
    if keys.is_empty() { Err("there is no key in it that can be used".to_owned()) } else { Ok(keys) }
}

fn key(jwk: &Jwk, may_hold_secrets: bool) -> Result<Key, &'static str> {
    if jwk.common.public_key_use.as_ref().is_some_and(|used_for| *used_for != PublicKeyUse::Signature) {
        return Err("it is not for signatures");
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) if may_hold_secrets => Algorithm::HS256,
        AlgorithmParameters::OctetKey(_) => return Err("a secret must not come from a URL, where others may read it"),
        _ => return Err("its kind is none of RSA, P-256, Ed25519 and secret"),
    };
    let says = jwk.common.key_algorithm.map(|says| says.to_string());
    if says.is_some_and(|says| says != format!("{algorithm:?}")) {
        return Err("its algorithm is none of RS256, ES256, EdDSA and HS256");
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "its parts cannot be read")?;
    debug_assert_eq!(key.family(), signatures::family(algorithm));
    if key.family() == AlgorithmFamily::Hmac && key.try_get_as_bytes().map_or(0, <[u8]>::len) < LEAST_SECRET {
        return Err("a secret needs at least 32 bytes");
    }
    Ok(Key { algorithm, key })
}
