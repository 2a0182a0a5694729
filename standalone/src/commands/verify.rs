//! `paystats verify`: holds the roll-ups that totals are answered from against the paystats themselves.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use paystats_core::{config::StoreConfig, store::Store};

use crate::terminal::say;

/// Wrong postal codes that are named.
const NAMED: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Add up anew what is wrong; servers show it at once
    #[arg(long)]
    repair: bool,
}

impl Verify {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let store = Store::new(&StoreConfig::from_env()?).await.context("PAYSTATS_MONGODB_URI")?;
        store.ping().await.context("asking MongoDB")?;
        store.prepare().await.context("preparing the database")?;
        let verified = store.rollups.verify(self.repair, |_| ()).await.context("adding up")?;
        let (wrong, all) = (verified.wrong.len(), verified.postal_codes);
        if wrong == 0 {
            say(format_args!("the totals of all {all} postal codes are what their paystats add up to"));
            return Ok(ExitCode::SUCCESS);
        }
        let named: Vec<String> = verified.wrong.iter().take(NAMED).map(ToString::to_string).collect();
        let more = if wrong > NAMED { ", ..." } else { "" };
        say(format_args!("the totals of {wrong} of {all} postal codes were wrong: id {}{more}", named.join(", ")));
        if self.repair {
            say(format_args!("they were added up anew"));
            return Ok(ExitCode::SUCCESS);
        }
        say(format_args!("`paystats verify --repair` adds them up anew"));
        Ok(ExitCode::FAILURE)
    }
}
