//! Where an uploaded file goes: its name, its folder, and how it gets there at once.
//!
//! A folder of the path may be a link that stays in the data lake, as when files are read. The file itself is never written through a
//! link: it takes the place of a file, or of nothing.

use std::{
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{
    super::{
        folder::is_hidden,
        format::SourceFormat,
        url::{MAX_NAME_BYTES, without_secrets},
    },
    UploadError,
};

/// What may be uploaded under some name, or why nothing may.
pub(super) fn check_name(path: &str) -> Result<(), UploadError> {
    let bad = |reason| Err(UploadError::BadName { file: shown(path), reason });
    if path.len() > MAX_NAME_BYTES {
        return bad("its name is longer than 1024 bytes");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return bad("its name holds a backslash or a control character");
    }
    for segment in path.split('/') {
        match segment {
            "" => return bad("its path has an empty part"),
            "." | ".." => return Err(UploadError::Outside(shown(path))),
            hidden if hidden.starts_with('.') => return bad("its path has a hidden part, which starts with a dot"),
            _ => {}
        }
    }
    if !SourceFormat::has_ending(path) {
        return bad("its name has to end in .csv, .json or .geojson, which .gz or .zst may follow");
    }
    Ok(())
}

/// A name as an error may repeat it.
pub(super) fn shown(path: &str) -> String {
    let name = without_secrets(path);
    if name.len() <= MAX_NAME_BYTES { name } else { name.chars().take(100).chain(['…']).collect() }
}

/// Whether there is a file under this name. Refuses a name that no file can get.
pub(super) fn exists(root: &Path, path: &str) -> Result<bool, UploadError> {
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    match folder(root, path, parents, false)? {
        Some(folder) => is_file(&folder.join(name), path),
        None => Ok(false),
    }
}

/// Moves a part that is complete to its place, where it is found at once and whole. Missing folders are made. Tells whether there was
/// no file before.
pub(super) fn publish(root: &Path, path: &str, part: &Path, only_new: bool) -> Result<bool, UploadError> {
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = folder(root, path, parents, true)?.ok_or_else(|| taken(path, "its folder was removed"))?;
    let place = folder.join(name);
    is_file(&place, path)?;
    // A link is made only where nothing is, so of two who want to make the file one does, on any file system that is shared.
    let is_new = match fs::hard_link(part, &place) {
        Ok(()) => {
            fs::remove_file(part)?;
            true
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && only_new => {
            return Err(UploadError::Exists(shown(path)));
        }
        Err(error) if only_new => return Err(unmoved(path, error)),
        // Not every file system has links.
        Err(_) => {
            let is_new = !is_file(&place, path)?;
            fs::rename(part, &place).map_err(|error| unmoved(path, error))?;
            is_new
        }
    };
    sync(&folder)?;
    Ok(is_new)
}

/// The folder that `parents` lead to, links followed; `None` where it is missing and is not to be made.
fn folder(root: &Path, path: &str, parents: &str, make: bool) -> Result<Option<PathBuf>, UploadError> {
    let mut folder = root.to_owned();
    for segment in parents.split('/').filter(|segment| !segment.is_empty()) {
        let next = folder.join(segment);
        if is_missing(&next, path)? {
            if !make {
                return Ok(None);
            }
            match fs::create_dir(&next) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(refused(path, error)),
                _ => sync(&folder)?,
            }
        }
        // A link to nothing ends here.
        let found = fs::canonicalize(&next).map_err(|error| refused(path, error))?;
        if !found.strip_prefix(root).is_ok_and(|below| !is_hidden(below)) {
            return Err(UploadError::Outside(shown(path)));
        }
        if !found.is_dir() {
            return Err(taken(path, "a part of its path is a file"));
        }
        folder = found;
    }
    Ok(Some(folder))
}

fn is_missing(place: &Path, path: &str) -> Result<bool, UploadError> {
    Ok(look(place).map_err(|error| refused(path, error))?.is_none())
}

fn is_file(place: &Path, path: &str) -> Result<bool, UploadError> {
    match look(place).map_err(|error| refused(path, error))? {
        None => Ok(false),
        Some(found) if found.is_file() => Ok(true),
        Some(found) if found.is_dir() => Err(taken(path, "a folder has this name")),
        Some(_) => Err(taken(path, "a link or a device has this name")),
    }
}

/// What is there itself, be it a link.
fn look(place: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(place) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Names in a folder last over a loss of power once the folder is on disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn unmoved(path: &str, error: io::Error) -> UploadError {
    match error.kind() {
        io::ErrorKind::CrossesDevices => taken(path, "its folder is on another file system than the data lake"),
        _ => error.into(),
    }
}

fn taken(path: &str, reason: &'static str) -> UploadError {
    UploadError::Taken { file: shown(path), reason }
}

fn refused(path: &str, error: io::Error) -> UploadError {
    match error.kind() {
        io::ErrorKind::InvalidFilename => {
            UploadError::BadName { file: shown(path), reason: "a part of its path is too long" }
        }
        io::ErrorKind::NotADirectory => taken(path, "a part of its path is a file"),
        io::ErrorKind::NotFound => taken(path, "a part of its path is a link to nothing"),
        _ => error.into(),
    }
}
