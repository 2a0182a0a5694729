//! What `server`, `loader` and `standalone` tell of what they do: logs, one line an event on standard error, with dotted fields such as `load.id`;
//! and [`traces`], where somebody collects them.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_LOG` | filter in `tracing`'s directive syntax | [`SERVICE`], [`TERMINAL`] under `paystats run` |
//! | `PAYSTATS_LOG_FORMAT` | `text` or `json` | `text` |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | where traces go, by OTLP over HTTP, such as `http://127.0.0.1:4318` | nowhere: there are none |
//! | `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`, … | as [OpenTelemetry] says | the program's name, all, none |
//!
//! [OpenTelemetry]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/

pub mod traces;

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use self::traces::Traces;
use crate::config::{ConfigError, optional};

/// What a service logs unless told otherwise: what happens to loads and connections.
pub const SERVICE: &str = "info,async_nats=warn";
/// What a program that speaks to a person logs unless told otherwise: what went wrong.
pub const TERMINAL: &str = "warn";

/// Installs the process's log output, and traces under the name of this program if they go anywhere. Called once, in `main`; held until its end,
/// which sends the last traces.
pub fn init(program: &'static str, default: &str) -> Result<Traces, ConfigError> {
    let directives = optional("PAYSTATS_LOG").unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(&directives)
        .map_err(|error| ConfigError::Invalid { variable: "PAYSTATS_LOG", reason: error.to_string() })?;
    let colours = std::io::stderr().is_terminal();
    let output = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let output = match optional("PAYSTATS_LOG_FORMAT").as_deref() {
        None | Some("text") => output.boxed(),
        Some("json") => output.json().flatten_event(true).with_current_span(false).boxed(),
        Some(other) => {
            return Err(ConfigError::Invalid {
                variable: "PAYSTATS_LOG_FORMAT",
                reason: format!("'{other}' is neither 'text' nor 'json'"),
            });
        }
    };
    let traces = Traces::from_env(program)?;
    tracing_subscriber::registry().with(output.with_filter(filter)).with(Traces::layer()).init();
    Ok(traces)
}
