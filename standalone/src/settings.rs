//! What `paystats run` reads from the environment, once.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_DATA_DIR` | where the engines' files are kept | `.paystats` |
//! | `PAYSTATS_DATALAKE` | the data lake, a folder or a part of a store | `datalake` in the data folder |
//! | `PAYSTATS_MONGODB_URI` | use this MongoDB instead of starting one | unset |
//! | `PAYSTATS_NATS_URL` | use this NATS instead of starting one | unset |
//! | `PAYSTATS_DEMO` | `off`: start empty; `on`: fill an empty store with a demo data set | `on` |
//!
//! The variables of [`paystats_core::config`], [`paystats_server::ServerConfig`] and [`paystats_loader::LoaderConfig`] are read by those.

use std::path::PathBuf;

use paystats_core::config::{ConfigError, Secret, on_or_off, optional, secret};

/// Everything that `paystats run` can be told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) datalake: Option<String>,
    pub(crate) mongodb_uri: Option<Secret>,
    pub(crate) nats_url: Option<Secret>,
    pub(crate) demo: bool,
}

impl Settings {
    /// Reads the variables listed at the top of this module.
    pub(crate) fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            data_dir: optional("PAYSTATS_DATA_DIR").unwrap_or_else(|| ".paystats".to_owned()).into(),
            datalake: optional("PAYSTATS_DATALAKE"),
            mongodb_uri: secret("PAYSTATS_MONGODB_URI")?,
            nats_url: secret("PAYSTATS_NATS_URL")?,
            demo: on_or_off("PAYSTATS_DEMO", true)?,
        })
    }
}
