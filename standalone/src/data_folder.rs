//! The folder in which `paystats run` keeps the engines' files and the data lake. One process at a time uses it.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::time::sleep;

/// How long a lock is waited for: a child that was forked and has not yet become its program holds it for a moment longer.
const MOMENT: Duration = Duration::from_millis(500);

/// A data folder that is ours until this is dropped. The kernel lets go of the lock when the process ends, so it cannot be stale.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Creates the folder if it is missing, and takes it.
    pub(crate) async fn take(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("PAYSTATS_DATA_DIR: creating {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("PAYSTATS_DATA_DIR: finding {}", path.display()))?;
        let lock_file = path.join("lock");
        let lock = File::options().create(true).truncate(false).read(true).write(true).open(&lock_file);
        let mut lock = lock.with_context(|| format!("PAYSTATS_DATA_DIR: opening {}", lock_file.display()))?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < MOMENT => sleep(Duration::from_millis(10)).await,
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = lock.read_to_string(&mut holder);
                    bail!(
                        "the data folder {} is used by another paystats (process {}): stop that one, or set PAYSTATS_DATA_DIR to \
                         another folder",
                        path.display(),
                        holder.trim_end()
                    );
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("PAYSTATS_DATA_DIR: locking {}", lock_file.display()));
                }
            }
        }
        let noted = lock.set_len(0).and_then(|()| lock.write_all(format!("{}\n", process::id()).as_bytes()));
        noted.with_context(|| format!("PAYSTATS_DATA_DIR: writing {}", lock_file.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// The folder, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_data_folder_in_use_is_refused_by_name_and_free_again_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let taken = DataFolder::take(&path).await.unwrap();

        let error = DataFolder::take(&path).await.unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains(&process::id().to_string()) && error.contains("PAYSTATS_DATA_DIR"), "{error}");

        drop(taken);
        DataFolder::take(&path).await.unwrap();
    }
}
