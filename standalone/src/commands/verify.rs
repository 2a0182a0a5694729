//! `paystats verify`: holds the roll-ups that totals are answered from against the paystats themselves.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::database::with_store;
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
        let verified = with_store(async |store| {
            store.ping().await.context("asking MongoDB")?;
            store.prepare().await.context("preparing the database")?;
            store.rollups.verify(self.repair, |_| ()).await.context("adding up")
        });
        let verified = verified.await?;
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
