//! `paystats load`: starts a load, and watches it if asked to.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use paystats_core::load::LoadState;
use serde_json::json;

use super::{ENTITIES, ON_REJECT, api::Server, api_names, follow::follow};
use crate::{loads, terminal::say};

#[derive(Debug, Args)]
pub(super) struct Load {
    /// The file, as its path inside the server's data lake, such as 2015/paystats.csv
    source: String,
    /// What its rows are
    #[arg(long, value_parser = api_names(ENTITIES))]
    entity: String,
    /// Only tell what the load would do, and write no row
    #[arg(long)]
    dry_run: bool,
    /// What a refused row means: skip loads the others, abort fails the load, and nothing of it is left
    #[arg(long, value_name = "POLICY", default_value = "skip", value_parser = api_names(ON_REJECT))]
    on_reject: String,
    /// Fail the load, so that nothing of it is left, if more rows than this are refused
    #[arg(long, value_name = "N")]
    max_rejected: Option<u64>,
    /// Fail the load, so that nothing of it is left, if a greater share of its rows than this is refused, 0 to 1
    #[arg(long, value_name = "R", value_parser = ratio)]
    max_rejected_ratio: Option<f64>,
    /// A name for this request, 1 to 200 bytes: asked again with the same key, the same load is answered
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Show the progress until the load ends, then a summary; Ctrl-C stops watching, and the load goes on
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    server: Server,
}

impl Load {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let client = &self.server.client;
        let input = json!({
            "entity": self.entity,
            "source": self.source,
            "dryRun": self.dry_run,
            "onReject": self.on_reject,
            "maxRejected": self.max_rejected,
            "maxRejectedRatio": self.max_rejected_ratio,
            "idempotencyKey": self.idempotency_key,
        });
        let load = loads::start(client, input).await?;
        say(format_args!("load #{} ({}) accepted", load.number, load.id));
        if self.watch { follow(client, &load, LoadState::Succeeded).await } else { Ok(ExitCode::SUCCESS) }
    }
}

/// JSON has no word for what is no number: it would be left out, and the load would bear everything.
fn ratio(text: &str) -> Result<f64, String> {
    let ratio: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("it is not between 0 and 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_share() {
        assert_eq!(ratio("0.25"), Ok(0.25));
        assert_eq!((ratio("0"), ratio("1")), (Ok(0.0), Ok(1.0)));
        for wrong in ["-0.1", "1.1", "NaN", "inf", "5 %", ""] {
            assert!(ratio(wrong).is_err(), "{wrong}");
        }
    }
}
