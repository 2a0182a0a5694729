//! Configuration shared by `server`, `loader` and `standalone`, read once, in `main`, from the environment.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_MONGODB_URI` | MongoDB connection string (a replica set) | none: required |
//! | `PAYSTATS_DATABASE` | name of the MongoDB database | `paystats` |
//! | `PAYSTATS_UNDO_DAYS` | days after its acceptance in which a load can be undone: as long its undo log is kept | `30` |
//! | `PAYSTATS_NATS_URL` | NATS with JetStream; several servers of a cluster with commas between them | none: required |
//! | `PAYSTATS_NATS_CA` | PEM file of the authority that signed NATS's certificate | the authorities of this machine |
//! | `PAYSTATS_NATS_PREFIX` | first token of every subject, and of stream names | `paystats` |
//! | `PAYSTATS_NATS_REPLICAS` | servers of a NATS cluster that keep each stream: `1`, `3` or `5` | `1` for new streams; others stay as they are |
//! | `PAYSTATS_ACK_WAIT_SECONDS` | time after which the work of a silent worker goes to another | `10` |
//! | `PAYSTATS_DATALAKE` | the data lake: a folder, or a part of a store such as `s3://bucket/prefix` | none: required |
//! | `PAYSTATS_SOURCES` | sources that may be read beside it: beginnings of URLs with commas between them | none |
//! | `AWS_…`, `GOOGLE_…`, `AZURE_…` | credentials, endpoints and options of stores, by the names that `object_store` knows | none |
//!
//! `PAYSTATS_MONGODB_URI` and `PAYSTATS_NATS_URL` may carry a password: with `_FILE` behind their names they name a file that holds the value.

use std::{fmt, ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::datalake::{AllowList, DatalakeRoot, StoreOptions};

/// A variable that is missing or has a value that cannot be used. The message names the variable, never a secret value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The variable has to be set and is not.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// The variable is set to something that cannot be used.
    #[error("{variable}: {reason}")]
    Invalid {
        /// Name of the variable.
        variable: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
}

/// A value that may carry credentials: it never prints.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the driver that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where the store is.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// MongoDB connection string.
    pub uri: Secret,
    /// Database name.
    pub database: String,
    /// Days after its acceptance in which a load can be undone.
    pub undo_days: u32,
}

/// Where the bus is, and under which first token this installation speaks on it.
#[derive(Clone, Debug)]
pub struct BusConfig {
    /// NATS URL, or several with commas between them.
    pub url: Secret,
    /// Who signed NATS's certificate, a PEM file; `None`: an authority that this machine trusts.
    pub ca: Option<PathBuf>,
    /// First token of every subject: letters, digits, `_` and `-`.
    pub prefix: String,
    /// Time after which the work of a worker that gives no sign of life goes to another.
    pub ack_wait: Duration,
    /// Servers that keep each stream: 1, 3 or 5. `None`: one where a stream is new, and as many as there are where it is not.
    pub replicas: Option<usize>,
}

/// Where sources may come from.
#[derive(Clone, Debug)]
pub struct DatalakeConfig {
    /// The data lake.
    pub root: DatalakeRoot,
    /// What may be read beside it.
    pub sources: AllowList,
    /// How object stores are reached, and with which credentials.
    pub stores: StoreOptions,
}

impl DatalakeConfig {
    /// A folder, and nothing beside it.
    pub fn folder(root: impl Into<PathBuf>) -> Self {
        let root = DatalakeRoot::Folder(root.into());
        Self { root, sources: AllowList::default(), stores: StoreOptions::default() }
    }

    /// The data lake at `root`, a folder or a URL, with the other variables of this module from the environment.
    pub fn at(root: &str) -> Result<Self, ConfigError> {
        let invalid = |variable| move |reason| ConfigError::Invalid { variable, reason };
        let sources = optional("PAYSTATS_SOURCES").unwrap_or_default();
        Ok(Self {
            root: DatalakeRoot::parse(root).map_err(invalid("PAYSTATS_DATALAKE"))?,
            sources: AllowList::parse(&sources).map_err(invalid("PAYSTATS_SOURCES"))?,
            stores: StoreOptions::from_env(),
        })
    }
}

impl StoreConfig {
    /// Reads the variables listed at the top of this module that it needs.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::at(required_secret("PAYSTATS_MONGODB_URI")?)
    }

    /// The store at `uri`, with the other variables of this module from the environment.
    pub fn at(uri: Secret) -> Result<Self, ConfigError> {
        Ok(Self {
            uri,
            database: optional("PAYSTATS_DATABASE").unwrap_or_else(|| "paystats".to_owned()),
            undo_days: number("PAYSTATS_UNDO_DAYS", 30, 1..=36_500)? as u32,
        })
    }
}

impl BusConfig {
    /// The bus at `url`, with the other variables of this module from the environment.
    pub fn at(url: Secret) -> Result<Self, ConfigError> {
        let prefix = optional("PAYSTATS_NATS_PREFIX").unwrap_or_else(|| "paystats".to_owned());
        if !prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(ConfigError::Invalid {
                variable: "PAYSTATS_NATS_PREFIX",
                reason: format!("'{prefix}' may only hold letters, digits, '_' and '-'"),
            });
        }
        let ca = optional("PAYSTATS_NATS_CA").map(PathBuf::from);
        let ack_wait = Duration::from_secs(seconds("PAYSTATS_ACK_WAIT_SECONDS", 10)?);
        let replicas = replicas("PAYSTATS_NATS_REPLICAS", optional("PAYSTATS_NATS_REPLICAS").as_deref())?;
        Ok(Self { url, ca, prefix, ack_wait, replicas })
    }
}

/// An even number would need as many servers for a majority as the next odd one.
fn replicas(variable: &'static str, value: Option<&str>) -> Result<Option<usize>, ConfigError> {
    match value {
        None => Ok(None),
        Some("1") => Ok(Some(1)),
        Some("3") => Ok(Some(3)),
        Some("5") => Ok(Some(5)),
        Some(other) => Err(ConfigError::Invalid { variable, reason: format!("'{other}' is neither 1, 3 nor 5") }),
    }
}

/// What both programs need.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store.
    pub store: StoreConfig,
    /// The bus.
    pub bus: BusConfig,
    /// The data lake and other sources.
    pub datalake: DatalakeConfig,
}

impl Config {
    /// Reads the variables listed at the top of this module.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            store: StoreConfig::from_env()?,
            bus: BusConfig::at(required_secret("PAYSTATS_NATS_URL")?)?,
            datalake: DatalakeConfig::at(&required("PAYSTATS_DATALAKE")?)?,
        })
    }
}

/// The variable's value; `None` when it is unset or empty.
pub fn optional(variable: &'static str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// The variable's value, or an error that names it.
pub fn required(variable: &'static str) -> Result<String, ConfigError> {
    optional(variable).ok_or(ConfigError::Missing(variable))
}

fn required_secret(variable: &'static str) -> Result<Secret, ConfigError> {
    secret(variable)?.ok_or(ConfigError::Missing(variable))
}

/// The variable's value, or the content of the file that the variable with `_FILE` behind its name names: so orchestrators hand out secrets.
/// A line break at its end is not part of it.
pub fn secret(variable: &'static str) -> Result<Option<Secret>, ConfigError> {
    let Some(path) = std::env::var(format!("{variable}_FILE")).ok().filter(|path| !path.is_empty()) else {
        return Ok(optional(variable).map(Secret::new));
    };
    let invalid = |reason| ConfigError::Invalid { variable, reason };
    if optional(variable).is_some() {
        return Err(invalid(format!("{variable}_FILE is set too, and only one of them can be")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| invalid(format!("reading {path}: {error}")))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(invalid(format!("{path} is empty"))),
        text => Ok(Some(Secret::new(text))),
    }
}

/// `on` or `off`.
pub fn on_or_off(variable: &'static str, default: bool) -> Result<bool, ConfigError> {
    is_on(variable, optional(variable).as_deref(), default)
}

fn is_on(variable: &'static str, value: Option<&str>, default: bool) -> Result<bool, ConfigError> {
    match value {
        None => Ok(default),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(ConfigError::Invalid { variable, reason: format!("'{other}' is neither 'on' nor 'off'") }),
    }
}

/// A number of seconds from 1 to 3600.
pub fn seconds(variable: &'static str, default: u64) -> Result<u64, ConfigError> {
    number(variable, default, 1..=3_600)
}

/// A whole number in a range.
pub fn number(variable: &'static str, default: u64, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
    let Some(text) = optional(variable) else { return Ok(default) };
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| ConfigError::Invalid {
        variable,
        reason: format!("'{text}' is not a whole number from {} to {}", range.start(), range.end()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("mongodb://user:hunter2@host")), "Secret(***)");
    }

    #[test]
    fn what_is_on_or_off_is_nothing_else() {
        let is_on = |value, default| is_on("PAYSTATS_DEMO", value, default).map_err(|error| error.to_string());
        assert_eq!(
            [is_on(None, true), is_on(Some("off"), true), is_on(Some("on"), false)],
            [Ok(true), Ok(false), Ok(true)]
        );
        assert_eq!(is_on(Some("no"), true), Err("PAYSTATS_DEMO: 'no' is neither 'on' nor 'off'".to_owned()));
    }

    #[test]
    fn a_stream_is_kept_by_an_odd_number_of_servers() {
        let replicas = |value| replicas("PAYSTATS_NATS_REPLICAS", value).map_err(|error| error.to_string());
        assert_eq!([replicas(None), replicas(Some("1")), replicas(Some("3"))], [Ok(None), Ok(Some(1)), Ok(Some(3))]);
        for refused in ["0", "2", "7", "three"] {
            let error = format!("PAYSTATS_NATS_REPLICAS: '{refused}' is neither 1, 3 nor 5");
            assert_eq!(replicas(Some(refused)), Err(error));
        }
    }
}
