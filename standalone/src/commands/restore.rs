//! `paystats restore`: fills an empty database from a backup.

use std::{io, os::fd::AsFd as _, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::HumanCount;
use paystats_core::store::Store;
use tokio::{fs::File, io::AsyncWriteExt as _};

use super::database::with_store;
use crate::{progress, terminal::say};

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The file; `-` is standard input
    file: PathBuf,
}

impl Restore {
    pub(super) async fn run(self) -> Result<ExitCode> {
        with_store(async |store| self.restore(store).await).await
    }

    async fn restore(&self, store: &Store) -> Result<ExitCode> {
        let mut file = match self.file.as_os_str() == "-" {
            true => from_stdin().await.context("reading standard input")?,
            false => File::open(&self.file).await.with_context(|| format!("opening {}", self.file.display()))?,
        };
        store.ping().await.context("asking MongoDB")?;
        let bar = progress::step_bar();
        let restored = store.restore(&mut file, |step| progress::show_step(&bar, step)).await;
        bar.finish_and_clear();
        let database = store.database_name();
        let header = restored.with_context(|| format!("restoring {} into {database}", self.file.display()))?;
        let documents = HumanCount(header.documents());
        say(format_args!("{database}: {documents} documents of {} as of {}", header.database, header.taken_at));
        Ok(ExitCode::SUCCESS)
    }
}

/// What comes on standard input, as a file: a backup is read once to check it, and once more to restore it.
async fn from_stdin() -> io::Result<File> {
    let mut stdin = File::from_std(io::stdin().as_fd().try_clone_to_owned()?.into());
    let mut file = File::from_std(tempfile::tempfile()?);
    tokio::io::copy(&mut stdin, &mut file).await?;
    file.flush().await?;
    Ok(file)
}
