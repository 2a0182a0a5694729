//! How access is configured. Its variables:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_API_KEYS` | file of API keys | none |
//! | `PAYSTATS_JWKS` | file or `https://` URL of a JSON Web Key Set, whose keys sign tokens | none |
//! | `PAYSTATS_JWT_AUDIENCE` | what a token has to name as its audience | required with `PAYSTATS_JWKS` |
//! | `PAYSTATS_JWT_ISSUER` | what a token has to name as its issuer | any |
//! | `PAYSTATS_JWT_ROLES_CLAIM` | where a token names its roles; points go into objects: `realm_access.roles` | `roles` |
//! | `PAYSTATS_RATE_PER_SECOND` | requests of one caller in a second, twice as many at once; `0`: any | `200` |
//! | `PAYSTATS_SUBSCRIPTIONS` | subscriptions of one caller at once; `0`: any | `1000` |

use std::{net::SocketAddr, path::PathBuf};

use paystats_core::config::{ConfigError, number, optional};
use url::Url;

/// Who may call, and how often.
#[derive(Clone, Debug, Default)]
pub struct AccessConfig {
    /// File of API keys.
    pub api_keys: Option<PathBuf>,
    /// Which tokens are accepted.
    pub tokens: Option<TokensConfig>,
    /// How much one caller may ask for.
    pub quota: Quota,
}

/// How much one caller may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Requests in a second, and twice as many at once; 0: any number.
    pub requests_per_second: u32,
    /// Subscriptions at once; 0: any number.
    pub subscriptions: usize,
}

/// Which tokens are accepted.
#[derive(Clone, Debug)]
pub struct TokensConfig {
    /// Where the keys are that may sign them.
    pub keys: KeySource,
    /// What they have to name as their audience.
    pub audience: String,
    /// What they have to name as their issuer.
    pub issuer: Option<String>,
    /// The way to their roles.
    pub roles_claim: Vec<String>,
}

/// Where a JSON Web Key Set is.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// A URL.
    Url(Url),
}

impl Default for Quota {
    fn default() -> Self {
        Self { requests_per_second: 200, subscriptions: 1_000 }
    }
}

impl AccessConfig {
    /// Reads the variables above, for a server that listens at `address`.
    ///
    /// # Errors
    /// If the address can be reached from elsewhere, and nobody would be asked who they are.
    pub fn from_env(address: SocketAddr) -> Result<Self, ConfigError> {
        let config = Self {
            api_keys: optional("PAYSTATS_API_KEYS").map(PathBuf::from),
            tokens: TokensConfig::from_env()?,
            quota: Quota {
                requests_per_second: number("PAYSTATS_RATE_PER_SECOND", 200, 0..=1_000_000)? as u32,
                subscriptions: number("PAYSTATS_SUBSCRIPTIONS", 1_000, 0..=1_000_000)? as usize,
            },
        };
        config.check(address)?;
        Ok(config)
    }

    fn check(&self, address: SocketAddr) -> Result<(), ConfigError> {
        if self.api_keys.is_some() || self.tokens.is_some() || address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(ConfigError::Invalid {
            variable: "PAYSTATS_HTTP_ADDR",
            reason: format!(
                "{address} can be reached from other machines, and nobody would be asked who they are: \
                 set PAYSTATS_API_KEYS or PAYSTATS_JWKS, or listen on 127.0.0.1"
            ),
        })
    }
}

impl TokensConfig {
    fn from_env() -> Result<Option<Self>, ConfigError> {
        let Some(keys) = optional("PAYSTATS_JWKS") else { return Ok(None) };
        let keys =
            KeySource::parse(&keys).map_err(|reason| ConfigError::Invalid { variable: "PAYSTATS_JWKS", reason })?;
        let audience = optional("PAYSTATS_JWT_AUDIENCE").ok_or_else(|| ConfigError::Invalid {
            variable: "PAYSTATS_JWT_AUDIENCE",
            reason: "is needed beside PAYSTATS_JWKS: else a token that was made for another service would do"
                .to_owned(),
        })?;
        let roles_claim = optional("PAYSTATS_JWT_ROLES_CLAIM").unwrap_or_else(|| "roles".to_owned());
        let roles_claim = roles_claim.split('.').map(str::to_owned).collect();
        Ok(Some(Self { keys, audience, issuer: optional("PAYSTATS_JWT_ISSUER"), roles_claim }))
    }
}

impl KeySource {
    fn parse(text: &str) -> Result<Self, String> {
        match Url::parse(text) {
            Ok(url) if url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url) => Ok(Self::Url(url)),
            Ok(url) if url.scheme() == "http" => {
                Err("who is on the way could change keys that come by http://: use https://".to_owned())
            }
            _ => Ok(Self::File(text.into())),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_others_can_reach_is_not_open() {
        let check = |config: AccessConfig, address: &str| config.check(address.parse().unwrap());
        let keys = || AccessConfig { api_keys: Some("keys".into()), ..Default::default() };
        for loopback in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(check(AccessConfig::default(), loopback).is_ok(), "{loopback}");
        }
        for open in ["0.0.0.0:80", "[::]:80", "192.0.2.7:80", "10.0.0.1:80"] {
            let error = check(AccessConfig::default(), open).expect_err(open).to_string();
            assert!(error.contains("PAYSTATS_API_KEYS") && error.contains("PAYSTATS_JWKS"), "{error}");
            assert!(check(keys(), open).is_ok(), "{open}");
        }
    }

    #[test]
    fn keys_do_not_come_over_a_way_that_others_can_change() {
        let is_url = |text| matches!(KeySource::parse(text), Ok(KeySource::Url(_)));
        assert!(is_url("https://id.example.org/keys") && is_url("http://127.0.0.1:9/keys"));
        assert!(KeySource::parse("http://id.example.org/keys").is_err());
        assert!(matches!(KeySource::parse("/etc/keys.json"), Ok(KeySource::File(_))));
    }
}
