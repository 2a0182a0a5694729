//! The data lake: the folder that sources of loads are read from. Nothing outside it can be named.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use time::OffsetDateTime;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, Take},
};

/// The data lake under one root folder.
#[derive(Clone, Debug)]
pub struct Datalake {
    root: PathBuf,
}

/// A file of the data lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatalakeObject {
    /// Path from the root, with `/`.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Last change.
    pub modified_at: OffsetDateTime,
}

impl DatalakeObject {
    /// Differs between versions of a file: made of its size and its last change.
    pub fn fingerprint(&self) -> String {
        format!("{}-{}", self.size_bytes, self.modified_at.unix_timestamp_nanos())
    }
}

/// Why a source cannot be read. The messages name the source as it was asked for, never a path of the machine.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No such file.
    #[error("source '{0}' does not exist in the data lake")]
    NotFound(String),
    /// A folder, a device.
    #[error("source '{0}' is not a file")]
    NotAFile(String),
    /// Absolute, with `..`, or a link that leads out.
    #[error("source '{0}' leaves the data lake")]
    Outside(String),
    /// The system refuses it.
    #[error("source '{source_path}' cannot be read: {kind}")]
    Unreadable {
        /// As it was asked for.
        source_path: String,
        /// The system's reason.
        kind: io::ErrorKind,
    },
}

impl Datalake {
    /// Most files that [`Datalake::list`] gives.
    pub const LIST_LIMIT: usize = 1_000;

    /// The data lake under `root`, a folder that need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// What is known of a source without reading it.
    pub async fn head(&self, source: &str) -> Result<DatalakeObject, SourceError> {
        let path = self.resolve(source).await?;
        let metadata = tokio::fs::metadata(&path).await.map_err(|error| refused(source, &error))?;
        if !metadata.is_file() {
            return Err(SourceError::NotAFile(source.to_owned()));
        }
        let modified_at = metadata.modified().map_err(|error| refused(source, &error))?.into();
        Ok(DatalakeObject { path: source.to_owned(), size_bytes: metadata.len(), modified_at })
    }

    /// The bytes of a source from `start` up to `end`.
    pub async fn open(&self, source: &str, start: u64, end: u64) -> Result<Take<File>, SourceError> {
        let path = self.resolve(source).await?;
        let read = async {
            let mut file = File::open(&path).await?;
            file.set_max_buf_size(1 << 20);
            file.seek(io::SeekFrom::Start(start)).await?;
            Ok(file)
        };
        let file = read.await.map_err(|error| refused(source, &error))?;
        Ok(file.take(end.saturating_sub(start)))
    }

    /// The files whose path starts with `prefix`, by path; hidden ones are left out, and so is what follows the
    /// first [`Datalake::LIST_LIMIT`].
    pub async fn list(&self, prefix: &str) -> io::Result<Vec<DatalakeObject>> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            walk(&root, "", &prefix, &mut found)?;
            Ok(found)
        })
        .await?
    }

    /// The file that a source names, links followed.
    async fn resolve(&self, source: &str) -> Result<PathBuf, SourceError> {
        let relative = Path::new(source);
        if source.is_empty() {
            return Err(SourceError::NotAFile(source.to_owned()));
        }
        if source.contains('\0') {
            return Err(SourceError::NotFound(source.escape_debug().to_string()));
        }
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(SourceError::Outside(source.to_owned()));
        }
        let root = tokio::fs::canonicalize(&self.root).await.map_err(|error| refused(source, &error))?;
        let path = tokio::fs::canonicalize(root.join(relative)).await.map_err(|error| refused(source, &error))?;
        if path.starts_with(&root) { Ok(path) } else { Err(SourceError::Outside(source.to_owned())) }
    }
}

fn refused(source: &str, error: &io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            SourceError::NotFound(source.to_owned())
        }
        kind => SourceError::Unreadable { source_path: source.to_owned(), kind },
    }
}

/// Goes through a folder in order of names. Links are not followed, so it ends and stays inside.
fn walk(folder: &Path, path: &str, prefix: &str, found: &mut Vec<DatalakeObject>) -> io::Result<()> {
    let mut entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        if found.len() == Datalake::LIST_LIMIT {
            return Ok(());
        }
        let metadata = entry.metadata()?;
        let entry_path = format!("{path}{name}");
        if metadata.is_dir() {
            let below = format!("{entry_path}/");
            if below.starts_with(prefix) || prefix.starts_with(&below) {
                walk(&entry.path(), &below, prefix, found)?;
            }
        } else if metadata.is_file() && entry_path.starts_with(prefix) {
            let modified_at = metadata.modified()?.into();
            found.push(DatalakeObject { path: entry_path, size_bytes: metadata.len(), modified_at });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn lake() -> (tempfile::TempDir, Datalake) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("lake/2015")).unwrap();
        std::fs::write(folder.path().join("lake/2015/paystats.csv"), "0123456789").unwrap();
        std::fs::write(folder.path().join("lake/a.csv"), "a").unwrap();
        std::fs::write(folder.path().join("lake/.hidden"), "h").unwrap();
        std::fs::write(folder.path().join("secret.csv"), "s").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret.csv"), folder.path().join("lake/link.csv")).unwrap();
        let lake = Datalake::new(folder.path().join("lake"));
        (folder, lake)
    }

    #[tokio::test]
    async fn a_source_is_read_from_and_to_a_byte() {
        let (_folder, lake) = lake();
        let object = lake.head("2015/paystats.csv").await.unwrap();
        assert_eq!((object.size_bytes, object.fingerprint()), (10, object.fingerprint()));
        let mut text = String::new();
        lake.open("2015/paystats.csv", 3, 6).await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "345");
    }

    #[tokio::test]
    async fn nothing_outside_can_be_named() {
        let (folder, lake) = lake();
        let absolute = folder.path().join("secret.csv").display().to_string();
        for source in ["../secret.csv", "2015/../../secret.csv", "./a.csv", "link.csv", absolute.as_str()] {
            let error = lake.head(source).await.unwrap_err();
            assert!(matches!(error, SourceError::Outside(_)), "{source}: {error}");
        }
        for source in ["missing.csv", "a.csv/b.csv", "a\0b", "2015/none/x.csv"] {
            let error = lake.head(source).await.unwrap_err();
            assert!(matches!(error, SourceError::NotFound(_)), "{source}: {error}");
        }
        for source in ["2015", ""] {
            let error = lake.head(source).await.unwrap_err();
            assert!(matches!(error, SourceError::NotAFile(_)), "{source}: {error}");
        }
    }

    #[tokio::test]
    async fn files_are_listed_by_prefix_without_hidden_ones_and_links() {
        let (_folder, lake) = lake();
        let paths = |objects: Vec<DatalakeObject>| objects.into_iter().map(|object| object.path).collect::<Vec<_>>();
        assert_eq!(paths(lake.list("").await.unwrap()), ["2015/paystats.csv", "a.csv"]);
        assert_eq!(paths(lake.list("2015/pay").await.unwrap()), ["2015/paystats.csv"]);
        assert!(Datalake::new("/nowhere/at/all").list("").await.unwrap().is_empty());
    }
}
