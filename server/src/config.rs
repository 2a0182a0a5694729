//! What a server needs beyond the engines. Its variables:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_HTTP_ADDR` | address that the server listens on | `127.0.0.1:8080` |
//! | `PAYSTATS_WEB_DIR` | folder of the built web pages | `web/dist` |
//! | `PAYSTATS_REQUEST_SECONDS` | longest that a field of a query or mutation may take | `30` |

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use paystats_core::config::{ConfigError, optional, seconds};

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// Folder of the built web pages; `None` where they were not built.
    pub web_dir: Option<PathBuf>,
    /// Longest that a field of a query or mutation may take.
    pub deadline: Duration,
}

impl ServerConfig {
    /// Reads the variables above.
    pub fn from_env() -> Result<Self, ConfigError> {
        let address = optional("PAYSTATS_HTTP_ADDR").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        let web_dir = PathBuf::from(optional("PAYSTATS_WEB_DIR").unwrap_or_else(|| "web/dist".to_owned()));
        Ok(Self {
            address: address.parse().map_err(|_| ConfigError::Invalid {
                variable: "PAYSTATS_HTTP_ADDR",
                reason: format!("'{address}' is not an address such as 127.0.0.1:8080"),
            })?,
            web_dir: web_dir.join("index.html").is_file().then_some(web_dir),
            deadline: Duration::from_secs(seconds("PAYSTATS_REQUEST_SECONDS", 30)?),
        })
    }
}
