//! Logs of `server`, `loader` and `standalone`: one line an event on standard error, with dotted fields such as `load.id`.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_LOG` | filter in `tracing`'s directive syntax | [`SERVICE`], [`TERMINAL`] under `paystats run` |
//! | `PAYSTATS_LOG_FORMAT` | `text` or `json` | `text` |

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, optional};

/// What a service logs unless told otherwise: what happens to loads and connections.
pub const SERVICE: &str = "info,async_nats=warn";
/// What a program that speaks to a person logs unless told otherwise: what went wrong.
pub const TERMINAL: &str = "warn";

/// Installs the process's log output. Called once, in `main`.
pub fn init(default: &str) -> Result<(), ConfigError> {
    let directives = optional("PAYSTATS_LOG").unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(&directives)
        .map_err(|error| ConfigError::Invalid { variable: "PAYSTATS_LOG", reason: error.to_string() })?;
    let colours = std::io::stderr().is_terminal();
    let output = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match optional("PAYSTATS_LOG_FORMAT").as_deref() {
        None | Some("text") => output.init(),
        Some("json") => output.json().flatten_event(true).init(),
        Some(other) => {
            return Err(ConfigError::Invalid {
                variable: "PAYSTATS_LOG_FORMAT",
                reason: format!("'{other}' is neither 'text' nor 'json'"),
            });
        }
    }
    Ok(())
}
