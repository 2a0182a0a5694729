//! The data lake as a folder of this machine. Nothing outside it can be named: paths are resolved, links included, and compared.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, Take},
};

use super::{DatalakeObject, SourceError};

/// A root folder, which need not exist yet.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself, as it was given.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What is known of a source without reading it.
    pub(super) async fn head(&self, source: &str) -> Result<DatalakeObject, SourceError> {
        let path = self.resolve(source).await?;
        let metadata = tokio::fs::metadata(&path).await.map_err(|error| refused(source, &error))?;
        if !metadata.is_file() {
            return Err(SourceError::NotAFile(source.to_owned()));
        }
        let modified_at = metadata.modified().map_err(|error| refused(source, &error))?.into();
        Ok(DatalakeObject { path: source.to_owned(), size_bytes: metadata.len(), modified_at, etag: None })
    }

    /// The bytes of a source from `start` up to `end`.
    pub(super) async fn open(&self, source: &str, start: u64, end: u64) -> Result<Take<File>, SourceError> {
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

    /// The files whose path starts with `prefix`, by path; hidden ones are left out, and so is what follows the first `limit`.
    pub(super) async fn list(&self, prefix: &str, limit: usize) -> io::Result<Vec<DatalakeObject>> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            walk(&root, "", &prefix, limit, &mut found)?;
            Ok(found)
        })
        .await?
    }

    /// The file that a source names, links followed.
    async fn resolve(&self, source: &str) -> Result<PathBuf, SourceError> {
        let relative = Path::new(source);
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(SourceError::Outside(source.to_owned()));
        }
        // Half of a file that is being uploaded is hidden.
        if is_hidden(relative) {
            return Err(SourceError::NotFound(source.to_owned()));
        }
        let root = tokio::fs::canonicalize(&self.root).await.map_err(|error| refused(source, &error))?;
        let path = tokio::fs::canonicalize(root.join(relative)).await.map_err(|error| refused(source, &error))?;
        match path.strip_prefix(&root) {
            // Nor by a link.
            Ok(inside) if is_hidden(inside) => Err(SourceError::NotFound(source.to_owned())),
            Ok(_) => Ok(path),
            Err(_) => Err(SourceError::Outside(source.to_owned())),
        }
    }
}

/// Whether a part of a path starts with a dot.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
}

fn refused(source: &str, error: &io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            SourceError::NotFound(source.to_owned())
        }
        kind => SourceError::Unreadable { source_name: source.to_owned(), kind },
    }
}

/// Goes through a folder in order of names. Links are not followed, so it ends and stays inside.
fn walk(folder: &Path, path: &str, prefix: &str, limit: usize, found: &mut Vec<DatalakeObject>) -> io::Result<()> {
    let mut entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        if found.len() == limit {
            return Ok(());
        }
        let metadata = entry.metadata()?;
        let entry_path = format!("{path}{name}");
        if metadata.is_dir() {
            let below = format!("{entry_path}/");
            if below.starts_with(prefix) || prefix.starts_with(&below) {
                walk(&entry.path(), &below, prefix, limit, found)?;
            }
        } else if metadata.is_file() && entry_path.starts_with(prefix) {
            let modified_at = metadata.modified()?.into();
            found.push(DatalakeObject { path: entry_path, size_bytes: metadata.len(), modified_at, etag: None });
        }
    }
    Ok(())
}
