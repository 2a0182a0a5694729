//! A folder belongs to one engine at a time.
//!
//! `<engine>.pid` is locked, and the engine inherits the locked file as its standard input. So the file is locked exactly as long as the
//! engine lives, whatever became of the process that started it, and a lock cannot be stale. The file says who that is.

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    process,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::sleep;

/// How long an engine that was killed may take to be gone.
const DYING: Duration = Duration::from_secs(10);

/// How long a folder in use is waited for. On Linux an engine dies with its starter, but both may be seen for a moment after a SIGKILL.
const IN_USE: Duration = Duration::from_secs(2);

pub(super) struct Claim {
    file: File,
    path: PathBuf,
}

impl Claim {
    /// Takes the folder for the engine `name`. An engine whose starter is gone is ended and waited for; one that is in use is an error.
    pub(super) async fn take(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(format!("{name}.pid"));
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut claim = Self { file: file.with_context(|| format!("opening {}", path.display()))?, path };
        let start = Instant::now();
        loop {
            match claim.file.try_lock() {
                Ok(()) => return Ok(claim),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("locking {}", claim.path.display()));
                }
            }
            match claim.holder() {
                // On Linux the kernel is killing it already. It is surely the one that the file names: only that one holds the lock.
                Some(holder) if holder.is_left_behind() => drop(kill(holder.engine, Signal::SIGKILL)),
                Some(Holder { engine, starter }) if start.elapsed() > IN_USE => {
                    bail!("the folder {} is used by a {name} (process {engine}) of process {starter}", dir.display());
                }
                // The file may not be written yet: somebody is starting just now, or died doing it.
                Some(_) | None => {}
            }
            if start.elapsed() > DYING {
                bail!("the folder {} is still used by a {name} that does not end", dir.display());
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The locked file, for the engine to inherit.
    pub(super) fn to_inherit(&self) -> Result<File> {
        self.file.try_clone().with_context(|| format!("opening {}", self.path.display()))
    }

    /// Notes the engine, and lets go: from now on only the engine holds the lock.
    pub(super) fn hand_over(mut self, engine: u32) -> Result<()> {
        let mut note = || {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(format!("{engine} {}\n", process::id()).as_bytes())
        };
        note().with_context(|| format!("writing {}", self.path.display()))
    }

    fn holder(&mut self) -> Option<Holder> {
        let mut text = String::new();
        self.file.rewind().ok()?;
        self.file.read_to_string(&mut text).ok()?;
        let (engine, starter) = text.trim_end().split_once(' ')?;
        Some(Holder { engine: Pid::from_raw(engine.parse().ok()?), starter: Pid::from_raw(starter.parse().ok()?) })
    }
}

struct Holder {
    engine: Pid,
    starter: Pid,
}

impl Holder {
    /// A starter's number may have been given to another process since; then this errs on the safe side, and nothing is killed.
    fn is_left_behind(&self) -> bool {
        kill(self.starter, None) == Err(Errno::ESRCH)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn a_folder_in_use_is_refused_and_free_again_when_the_engine_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path(), "engine").await.unwrap();
        let mut engine = Command::new("sleep").arg("1000").stdin(claim.to_inherit().unwrap()).spawn().unwrap();
        claim.hand_over(engine.id()).unwrap();

        let error = Claim::take(dir.path(), "engine").await.err().unwrap().to_string();
        assert!(
            error.contains(&dir.path().display().to_string()) && error.contains(&engine.id().to_string()),
            "{error}"
        );

        engine.kill().unwrap();
        engine.wait().unwrap();
        Claim::take(dir.path(), "engine").await.unwrap();
    }

    #[tokio::test]
    async fn an_engine_whose_starter_is_gone_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path(), "engine").await.unwrap();
        // A shell starts the engine and ends; its number is gone as soon as it has been waited for.
        let mut starter = Command::new("sh")
            .args(["-c", "exec 3<&0; sleep 1000 <&3 3<&- & echo $!"])
            .stdin(claim.to_inherit().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut engine = [0; 16];
        let length = starter.stdout.take().unwrap().read(&mut engine).unwrap();
        let engine = String::from_utf8_lossy(&engine[..length]).trim().to_owned();
        let starter_id = starter.id();
        starter.wait().unwrap();
        std::fs::write(dir.path().join("engine.pid"), format!("{engine} {starter_id}\n")).unwrap();
        drop(claim);

        Claim::take(dir.path(), "engine").await.unwrap();
    }
}
