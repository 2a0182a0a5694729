//! What has arrived of files that are being uploaded: parts in a hidden folder of the data lake, which is never listed nor loaded.
//!
//! An upload in pieces has two files there: the part, and a note of its size, whose lock whoever works on the upload holds, in this process
//! or another one that shares the folder. The note stays after the end and says so, because the answer to the last piece may get lost.
//! A file that comes as a whole has a part only, which goes with its request.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag},
};
use sha2::{Digest, Sha256};
use tracing::{info, warn};
use uuid::Uuid;

use super::{UploadError, UploadId};

/// The hidden folder.
const FOLDER: &str = ".uploads";
const PART: &str = "part";
const NOTE: &str = "note";

/// The folder of parts.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    folder: PathBuf,
}

/// What has arrived of one file. One of a file that comes as a whole is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    length: u64,
    note: Option<Note>,
}

/// What is known of an upload in pieces. Its lock is held.
#[derive(Debug)]
struct Note {
    lock: Flock<File>,
    path: PathBuf,
    total: u64,
}

/// An upload in pieces, as whoever takes it finds it.
#[derive(Debug)]
pub(super) enum Taken {
    /// It was begun now.
    New(Part),
    /// Something of it was sent before.
    Begun(Part),
    /// All of it is where it belongs.
    Done,
}

impl Parts {
    /// The parts of the data lake at `root`; their folder is made.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let folder = root.join(FOLDER);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !fs::symlink_metadata(&folder)?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "the name of the folder of uploads is taken"));
        }
        Ok(Self { folder })
    }

    /// The parts of a data lake that need not have any.
    pub(super) fn of(root: &Path) -> Self {
        Self { folder: root.join(FOLDER) }
    }

    /// A part for a file that comes as a whole.
    pub(super) fn whole(&self) -> io::Result<Part> {
        let path = self.folder.join(format!("{}.{PART}", Uuid::new_v4()));
        let file = options().create_new(true).append(true).open(&path)?;
        Ok(Part { file, path, length: 0, note: None })
    }

    /// Takes an upload of a file of `total` bytes, for this caller alone until it is dropped.
    pub(super) fn take(&self, path: &str, id: &UploadId, total: u64) -> Result<Taken, UploadError> {
        let (part, note) = self.paths(path, id);
        let Some(mut lock) = lock(&note, true)? else { return Err(UploadError::Busy) };
        let known = read_note(&mut lock)?;
        match known {
            None => write_note(&mut lock, total, false)?,
            Some((told, _)) if told != total => return Err(UploadError::OtherTotal { total_bytes: told }),
            Some((_, true)) => return Ok(Taken::Done),
            Some((_, false)) => {}
        }
        let file = options().create(true).append(true).open(&part)?;
        let length = file.metadata()?.len();
        let part = Part { file, path: part, length, note: Some(Note { lock, path: note, total }) };
        Ok(if known.is_none() { Taken::New(part) } else { Taken::Begun(part) })
    }

    /// How many bytes of an upload are there; 0 where nothing is known of it.
    pub(super) fn offset(&self, path: &str, id: &UploadId) -> Result<u64, UploadError> {
        let (part, note) = self.paths(path, id);
        let known = match options().read(true).open(note) {
            Ok(mut note) => read_note(&mut note)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        match known {
            Some((total, true)) => Ok(total),
            _ => Ok(length(&part)?),
        }
    }

    /// Forgets an upload and removes what has arrived of it.
    pub(super) fn give_up(&self, path: &str, id: &UploadId) -> Result<(), UploadError> {
        let (part, note) = self.paths(path, id);
        if let Some(_lock) = lock(&note, false)? {
            remove(&part)?;
            remove(&note)?;
        }
        Ok(())
    }

    /// Removes what nobody has touched since `limit`.
    pub(super) fn remove_stale(&self, limit: SystemTime) {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => return warn!(%error, "old uploads could not be looked for"),
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            match remove_if_stale(&path, limit) {
                Ok(true) => info!(file = ?path.file_name(), "an upload that nobody went on with was removed"),
                // Somebody works on it.
                Ok(false) | Err(UploadError::Busy) => {}
                Err(error) => warn!(%error, "an old upload could not be removed"),
            }
        }
    }

    fn paths(&self, path: &str, id: &UploadId) -> (PathBuf, PathBuf) {
        // Ids are chosen by clients: the same one for another file is another upload.
        let file = hex::encode(&Sha256::digest(path)[..16]);
        let name = |kind| self.folder.join(format!("{file}-{}.{kind}", id.as_str()));
        (name(PART), name(NOTE))
    }
}

impl Part {
    /// Bytes that are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what comes next.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Goes back to where it had `length` bytes.
    pub(super) fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.length = length;
        Ok(())
    }

    /// Puts it on disk. Tells when it was changed last.
    pub(super) fn sync(&mut self) -> io::Result<SystemTime> {
        self.file.sync_all()?;
        self.file.metadata()?.modified()
    }

    /// Notes that it is where it belongs.
    pub(super) fn set_done(&mut self) -> io::Result<()> {
        match &mut self.note {
            Some(note) => write_note(&mut note.lock, note.total, true),
            None => Ok(()),
        }
    }

    /// Leaves nothing of it.
    pub(super) fn discard(self) -> io::Result<()> {
        remove(&self.path)?;
        match &self.note {
            Some(note) => remove(&note.path),
            None => Ok(()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // What has become a file is not there any more.
        if self.note.is_none()
            && let Err(error) = remove(&self.path)
        {
            warn!(%error, "a part of an upload stays until it is old");
        }
    }
}

/// Nothing here is opened through a link.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlag::O_NOFOLLOW.bits());
    options
}

/// Locks a note, if it is there or is to be made.
fn lock(path: &Path, make: bool) -> Result<Option<Flock<File>>, UploadError> {
    loop {
        let file = match options().read(true).write(true).create(make).truncate(false).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => return Err(UploadError::Busy),
            Err((_, error)) => return Err(io::Error::from(error).into()),
        };
        // Who removes a note holds its lock, which may have been between opening and locking it.
        let locked = lock.metadata()?;
        match fs::symlink_metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (locked.dev(), locked.ino()) => return Ok(Some(lock)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The size that was told, and whether all is done; `None` where nothing was noted yet.
fn read_note(note: &mut File) -> io::Result<Option<(u64, bool)>> {
    let mut text = String::new();
    note.rewind()?;
    note.take(64).read_to_string(&mut text)?;
    let mut words = text.split_whitespace();
    let total = words.next().and_then(|total| total.parse().ok());
    Ok(total.map(|total| (total, words.next() == Some("done"))))
}

fn write_note(note: &mut File, total: u64, is_done: bool) -> io::Result<()> {
    note.rewind()?;
    note.write_all(format!("{total}{}\n", if is_done { " done" } else { "" }).as_bytes())
}

fn length(path: &Path) -> io::Result<u64> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a note with its part, or a part without a note. Tells whether it did.
fn remove_if_stale(path: &Path, limit: SystemTime) -> Result<bool, UploadError> {
    let is_old = |path: &Path| match fs::symlink_metadata(path).and_then(|found| found.modified()) {
        Ok(modified) => Ok(modified < limit),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    };
    let (part, note) = (path.with_extension(PART), path.with_extension(NOTE));
    if !is_old(&part)? || !is_old(&note)? {
        return Ok(false);
    }
    // Of a part with a note it is the note's turn.
    let is_note = path == note;
    if !is_note && note.exists() {
        return Ok(false);
    }
    let _lock = if is_note { lock(&note, false)? } else { None };
    // Somebody may have gone on with it meanwhile.
    if !is_old(&part)? {
        return Ok(false);
    }
    remove(&part)?;
    remove(&note)?;
    Ok(true)
}
