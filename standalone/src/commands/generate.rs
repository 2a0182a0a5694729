//! `paystats generate`: writes made-up files to load.

use std::{
    fs::{self, Permissions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{ArgGroup, Args};
use indicatif::HumanCount;
use tempfile::{Builder, NamedTempFile};

use crate::{demo::Dataset, terminal::say};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("size").required(true)))]
pub(super) struct Generate {
    /// How many postal codes, 1 to 99,999
    #[arg(long, value_name = "P", group = "size")]
    postal_codes: Option<u32>,
    /// How many paystats instead, rounded up to whole postal codes: each has 12 a month
    #[arg(long, value_name = "N", group = "size")]
    rows: Option<u64>,
    /// How many months from January 2015 on, 1 to 1,020
    #[arg(long, value_name = "M", default_value_t = 24)]
    months: u32,
    /// The same seed makes the same bytes
    #[arg(long, value_name = "S", default_value_t = 2015)]
    seed: u64,
    /// The folder to write to; created if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

impl Generate {
    pub(super) fn run(self) -> Result<ExitCode> {
        let dataset = match self.postal_codes {
            Some(postal_codes) => Dataset::new(self.seed, postal_codes, self.months)?,
            None => Dataset::with_paystats(self.seed, self.rows.unwrap_or(0), self.months)?,
        };
        fs::create_dir_all(&self.out).with_context(|| format!("creating {}", self.out.display()))?;
        let postal_codes = NewFile::new(&self.out, "postal_codes.csv", self.force)?;
        let paystats = NewFile::new(&self.out, "paystats.csv", self.force)?;
        postal_codes.write(dataset.postal_codes(), |out| dataset.write_postal_codes(out))?;
        paystats.write(dataset.paystats(), |out| dataset.write_paystats(out))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A file that gets its name when it is complete.
struct NewFile {
    path: PathBuf,
    unfinished: NamedTempFile,
    force: bool,
}

impl NewFile {
    fn new(folder: &Path, name: &str, force: bool) -> Result<Self> {
        let path = folder.join(name);
        if !force && path.exists() {
            bail!("{} exists: --force replaces it", path.display());
        }
        // Readable for a server that runs as somebody else, as far as the umask allows; hidden, so that it is no file of a data lake.
        let unfinished =
            Builder::new().prefix(".").suffix(".part").permissions(Permissions::from_mode(0o666)).tempfile_in(folder);
        let unfinished = unfinished.with_context(|| format!("creating a file in {}", folder.display()))?;
        Ok(Self { path, unfinished, force })
    }

    fn write(
        mut self,
        rows: u64,
        write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> io::Result<()>,
    ) -> Result<()> {
        let mut out = BufWriter::new(&mut self.unfinished);
        let written = write(&mut out).and_then(|()| out.flush());
        drop(out);
        written.with_context(|| format!("writing {}", self.path.display()))?;
        let persisted = match self.force {
            true => self.unfinished.persist(&self.path),
            false => self.unfinished.persist_noclobber(&self.path),
        };
        let size = persisted.map_err(|error| error.error).and_then(|file| file.metadata());
        let size = size.with_context(|| format!("writing {}", self.path.display()))?.len();
        say(format_args!("{}: {} rows, {} bytes", self.path.display(), HumanCount(rows), HumanCount(size)));
        Ok(())
    }
}
