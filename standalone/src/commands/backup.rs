//! `paystats backup`: writes all that is kept in MongoDB into a file.

use std::{io, os::fd::AsFd as _, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use paystats_core::store::{BackupHeader, Store};
use tempfile::Builder;
use tokio::fs::File;

use super::database::with_store;
use crate::{progress, terminal::say};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file; `-` is standard output
    file: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

impl Backup {
    pub(super) async fn run(self) -> Result<ExitCode> {
        with_store(async |store| self.back_up(store).await).await
    }

    async fn back_up(&self, store: &Store) -> Result<ExitCode> {
        store.ping().await.context("asking MongoDB")?;
        if self.file.as_os_str() == "-" {
            let out = io::stdout().as_fd().try_clone_to_owned().context("opening standard output")?;
            write(store, &mut File::from_std(out.into())).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let path = self.file.display();
        if !self.force && self.file.exists() {
            bail!("{path} exists: --force replaces it");
        }
        // It gets its name when it is complete, and is nobody else's to read.
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let unfinished = Builder::new().prefix(".").suffix(".part").tempfile_in(folder.unwrap_or(".".as_ref()));
        let unfinished = unfinished.with_context(|| format!("creating {path}"))?;
        let mut out = File::from_std(unfinished.reopen().with_context(|| format!("creating {path}"))?);
        let header = write(store, &mut out).await?;
        out.sync_all().await.with_context(|| format!("writing {path}"))?;
        let size = out.metadata().await.with_context(|| format!("writing {path}"))?.len();
        let persisted = match self.force {
            true => unfinished.persist(&self.file),
            false => unfinished.persist_noclobber(&self.file),
        };
        persisted.map_err(|error| error.error).with_context(|| format!("writing {path}"))?;
        let (documents, size) = (HumanCount(header.documents()), HumanBytes(size));
        say(format_args!("{path}: {documents} documents of {} as of {}, {size}", header.database, header.taken_at));
        Ok(ExitCode::SUCCESS)
    }
}

async fn write(store: &Store, out: &mut File) -> Result<BackupHeader> {
    let bar = progress::step_bar();
    let header = store.backup(out, |step| progress::show_step(&bar, step)).await;
    bar.finish_and_clear();
    header.with_context(|| format!("backing up {}", store.database_name()))
}
