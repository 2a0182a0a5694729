//! The data lake: where the sources of loads are. It is a folder or a part of an object store; beside it, sources can be read from other
//! stores and web servers that an operator lists.
//!
//! Nothing else can be named: not by `..` in whatever encoding, by a link, by a redirect, or by a host name that leads to an address
//! inside. Reading streams, a few MiB at most are held, and what breaks off is taken up again on the same version.
//! Files are added by [`Datalake::start_upload`], at once and whole.

mod addresses;
mod allow_list;
mod error;
mod folder;
mod format;
mod remote;
mod resume;
mod stores;
mod transport;
mod upload;
mod url;

use std::{fmt, path::PathBuf, pin::Pin, sync::Arc};

use time::OffsetDateTime;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

pub use allow_list::AllowList;
pub use error::{ListError, SourceError};
pub use format::{Compression, SourceFormat, TextFormat};
pub use stores::StoreOptions;
pub use upload::{NewUpload, Piece, Upload, UploadError, UploadId, Uploaded};
pub use url::{Scheme, SourceUrl};

use crate::config::DatalakeConfig;
use folder::Folder;
use remote::RemoteSource;
use resume::Reading;
use stores::Stores;
use url::{BadUrl, MAX_NAME_BYTES, without_secrets};

/// The data lake and the sources beside it.
#[derive(Clone, Debug)]
pub struct Datalake {
    root: Root,
    sources: AllowList,
    stores: Arc<Stores>,
}

/// Where the data lake is.
#[derive(Clone, Debug)]
enum Root {
    Folder(Folder),
    Store(SourceUrl),
}

/// Where the data lake is, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatalakeRoot {
    /// A folder of this machine, which need not exist yet.
    Folder(PathBuf),
    /// A bucket or container, or what lies under a prefix in it.
    Store(SourceUrl),
}

/// A file or an object that can be a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatalakeObject {
    /// What names it as a source: its path from the data lake's root, with `/`, or its URL.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Last change; the beginning of Unix time where a web server does not tell.
    pub modified_at: OffsetDateTime,
    /// The version as the store names it; files have none.
    pub etag: Option<String>,
}

/// The bytes of a source.
pub type SourceReader = Pin<Box<dyn AsyncRead + Send>>;

impl DatalakeObject {
    /// Differs between versions of a source: made of its size and its ETag, or else its last change.
    pub fn fingerprint(&self) -> String {
        match &self.etag {
            Some(etag) => format!("{}-{etag}", self.size_bytes),
            None => format!("{}-{}", self.size_bytes, self.modified_at.unix_timestamp_nanos()),
        }
    }
}

impl DatalakeRoot {
    /// Reads a folder's path, or a URL such as `s3://bucket/prefix`. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Ok(Self::Folder(text.into()));
        }
        match SourceUrl::of_folder(text) {
            Ok(url) if matches!(url.scheme(), Scheme::S3 | Scheme::Gs | Scheme::Az) => Ok(Self::Store(url)),
            Ok(_) => Err("a web server cannot be the data lake: it has no list of its files".to_owned()),
            Err(BadUrl::Malformed(reason)) => Err(format!("'{}' {reason}", without_secrets(text))),
            Err(BadUrl::Outside | BadUrl::Folder) => Err(format!("'{text}' does not say where it leads")),
        }
    }
}

impl fmt::Display for DatalakeRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Store(url) => url.fmt(f),
        }
    }
}

/// Where a source is.
enum Place<'a> {
    Folder(&'a Folder),
    Remote(RemoteSource),
}

impl Datalake {
    /// Most files that [`Datalake::list`] gives.
    pub const LIST_LIMIT: usize = 1_000;

    /// The data lake that is configured. Nothing is looked at or connected to yet.
    pub fn new(config: &DatalakeConfig) -> Self {
        let root = match &config.root {
            DatalakeRoot::Folder(root) => Root::Folder(Folder::new(root.clone())),
            DatalakeRoot::Store(url) => Root::Store(url.clone()),
        };
        Self { root, sources: config.sources.clone(), stores: Arc::new(Stores::new(config.stores.clone())) }
    }

    /// What is known of a source without reading it.
    pub async fn head(&self, source: &str) -> Result<DatalakeObject, SourceError> {
        match self.find(source)? {
            Place::Folder(folder) => folder.head(source).await,
            Place::Remote(remote) => remote.head().await,
        }
    }

    /// The bytes of a source from `start` up to `end`. Its errors tell what happened by [`SourceError::in_read_error`].
    pub async fn open(&self, source: &str, start: u64, end: u64) -> Result<SourceReader, SourceError> {
        Ok(match self.find(source)? {
            Place::Folder(folder) => Box::pin(folder.open(source, start, end).await?),
            Place::Remote(remote) => {
                Box::pin(StreamReader::new(Box::pin(Reading::open(remote, start, end).await?.into_stream())))
            }
        })
    }

    /// The files of the data lake whose path starts with `prefix`, by path; hidden ones are left out, and so is what follows the
    /// first [`Datalake::LIST_LIMIT`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<DatalakeObject>, ListError> {
        let failed = |error: &dyn std::fmt::Display| ListError::Failed(error.to_string());
        match &self.root {
            Root::Folder(folder) => folder.list(prefix, Self::LIST_LIMIT).await.map_err(|error| failed(&error)),
            Root::Store(url) => {
                let store = self.stores.of(url).map_err(|error| failed(&error))?;
                remote::list(store.as_ref(), url, prefix, Self::LIST_LIMIT).await
            }
        }
    }

    /// Where a source is, if it may be read at all.
    fn find(&self, source: &str) -> Result<Place<'_>, SourceError> {
        let name = || without_secrets(source);
        if source.is_empty() {
            return Err(SourceError::NotAFile(String::new()));
        }
        if source.len() > MAX_NAME_BYTES {
            let start: String = name().chars().take(100).collect();
            return Err(SourceError::BadName {
                source_name: format!("{start}…"), reason: "is longer than 1024 bytes"
            });
        }
        if source.contains("://") {
            let url = SourceUrl::of_source(source).map_err(|error| bad_name(source, error))?;
            return if self.sources.allows(&url) {
                self.remote(source, &url)
            } else {
                Err(SourceError::NotAllowed(name()))
            };
        }
        if source.contains('\0') {
            return Err(SourceError::NotFound(name()));
        }
        match &self.root {
            Root::Folder(folder) => Ok(Place::Folder(folder)),
            Root::Store(_) if source.starts_with('/') => Err(SourceError::Outside(name())),
            Root::Store(root) => {
                let url = match source.strip_suffix('/') {
                    Some(folder) => root.below(folder).and(Err(BadUrl::Folder)),
                    None => root.below(source),
                };
                let url = url.map_err(|error| bad_name(source, error))?;
                if source.split('/').any(|segment| segment.starts_with('.')) {
                    return Err(SourceError::NotFound(name()));
                }
                self.remote(source, &url)
            }
        }
    }

    fn remote(&self, source: &str, url: &SourceUrl) -> Result<Place<'_>, SourceError> {
        let store = self.stores.of(url).map_err(|error| {
            tracing::warn!(source, %error, "the store of a source cannot be used");
            SourceError::Unsuitable {
                source_name: source.to_owned(),
                reason: "access to its store is not set up; the log says what is missing",
            }
        })?;
        Ok(Place::Remote(RemoteSource::new(source, store, url)?))
    }
}

fn bad_name(source: &str, error: BadUrl) -> SourceError {
    let source_name = without_secrets(source);
    match error {
        BadUrl::Malformed(reason) => SourceError::BadName { source_name, reason },
        BadUrl::Outside => SourceError::Outside(source_name),
        BadUrl::Folder => SourceError::NotAFile(source_name),
    }
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
        let lake = Datalake::new(&DatalakeConfig::folder(folder.path().join("lake")));
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
        for source in [
            "missing.csv",
            "a.csv/b.csv",
            "a\0b",
            "2015/none/x.csv",
            "%2e%2e/secret.csv",
            "..%2fsecret.csv",
            "..\\secret.csv",
        ] {
            let error = lake.head(source).await.unwrap_err();
            assert!(matches!(error, SourceError::NotFound(_)), "{source}: {error}");
        }
        for source in ["2015", ""] {
            let error = lake.head(source).await.unwrap_err();
            assert!(matches!(error, SourceError::NotAFile(_)), "{source}: {error}");
        }
    }

    #[tokio::test]
    async fn what_is_hidden_is_no_source() {
        let (folder, lake) = lake();
        let root = folder.path().join("lake");
        std::fs::create_dir(root.join(".uploads")).unwrap();
        std::fs::write(root.join(".uploads/half.csv"), "h").unwrap();
        std::os::unix::fs::symlink(".uploads/half.csv", root.join("shown.csv")).unwrap();
        for source in [".hidden", ".uploads/half.csv", "2015/.x/a.csv", "shown.csv"] {
            let error = lake.head(source).await.unwrap_err();
            assert!(matches!(error, SourceError::NotFound(_)), "{source}: {error}");
        }
        for prefix in ["", ".", ".uploads/", ".uploads/half"] {
            let found = lake.list(prefix).await.unwrap();
            assert!(found.iter().all(|object| !object.path.contains("half")), "{prefix}: {found:?}");
        }
        assert_eq!(
            refusal(&remote_lake(), ".uploads/a.csv"),
            "source '.uploads/a.csv' does not exist in the data lake"
        );
    }

    #[tokio::test]
    async fn files_are_listed_by_prefix_without_hidden_ones_and_links() {
        let (_folder, lake) = lake();
        let paths = |objects: Vec<DatalakeObject>| objects.into_iter().map(|object| object.path).collect::<Vec<_>>();
        assert_eq!(paths(lake.list("").await.unwrap()), ["2015/paystats.csv", "a.csv"]);
        assert_eq!(paths(lake.list("2015/pay").await.unwrap()), ["2015/paystats.csv"]);
        assert!(Datalake::new(&DatalakeConfig::folder("/nowhere/at/all")).list("").await.unwrap().is_empty());
    }

    /// A data lake in a store, and a list of sources beside it. Nothing is asked: names alone decide.
    fn remote_lake() -> Datalake {
        let root = DatalakeRoot::parse("s3://lake/in").unwrap();
        let sources = AllowList::parse("https://data.example.org/paystats,az://container").unwrap();
        Datalake::new(&DatalakeConfig { root, sources, stores: StoreOptions::default() })
    }

    fn refusal(lake: &Datalake, source: &str) -> String {
        match lake.find(source) {
            Ok(_) => "found".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn nothing_outside_a_store_can_be_named() {
        let lake = remote_lake();
        for source in ["a.csv", "2015/a b.csv", "ä/%.csv", "https://data.example.org/paystats/a.csv"] {
            assert_eq!(refusal(&lake, source), "found", "{source}");
        }
        for source in
            ["..", "../a", "a/../../b", "/a", "./a", "a/.", "%2e%2e/a", "a%2f..%2fb", "%252e%252e/a", "a\\b", "a\nb"]
        {
            let shown = source.replace('\n', "\\n");
            assert_eq!(refusal(&lake, source), format!("source '{shown}' leaves the data lake"));
        }
        for source in ["", "a/", "s3://lake", "https://data.example.org/paystats/"] {
            assert_eq!(refusal(&lake, source), format!("source '{source}' is not a file"));
        }
        assert_eq!(refusal(&lake, "a//b"), "source 'a//b' has an empty part in its path");
    }

    #[test]
    fn a_url_has_to_be_listed_and_secrets_in_it_are_not_repeated() {
        let lake = remote_lake();
        let not_listed = "is not among the sources that may be read: it is not in the data lake, and PAYSTATS_SOURCES does not list it";
        for source in ["https://data.example.org/a.csv", "http://data.example.org/paystats/a.csv", "s3://other/a.csv"] {
            assert_eq!(refusal(&lake, source), format!("source '{source}' {not_listed}"));
        }
        for (source, reason) in [
            (
                "https://user:hunter2@data.example.org/paystats/a.csv",
                "source 'https://…@data.example.org/paystats/a.csv' names a user: credentials come from the environment of the programs",
            ),
            (
                "https://data.example.org/paystats/a.csv?sig=hunter2",
                "source 'https://data.example.org/paystats/a.csv?…' has a query or a fragment, which a source cannot have",
            ),
            (
                "https://data.example.org/paystats/../a.csv",
                "source 'https://data.example.org/paystats/../a.csv' leaves what may be read",
            ),
            (
                "file:///etc/passwd",
                "source 'file:///etc/passwd' is of an unknown kind: s3://, gs://, az:// and https:// can be read",
            ),
        ] {
            assert_eq!(refusal(&lake, source), reason);
        }
        let error = refusal(&lake, "az://container/a.csv");
        assert!(error.contains("access to its store is not set up"), "{error}");
        let error = refusal(&lake, &"x".repeat(1_025));
        assert!(error.ends_with("xx…' is longer than 1024 bytes"), "{error}");
    }

    #[test]
    fn a_root_is_a_folder_or_a_store() {
        for root in ["./lake", "/srv/lake", "lake"] {
            assert_eq!(DatalakeRoot::parse(root), Ok(DatalakeRoot::Folder(root.into())));
        }
        assert!(
            matches!(DatalakeRoot::parse("s3://lake/in/"), Ok(DatalakeRoot::Store(url)) if url.to_string() == "s3://lake/in")
        );
        for (root, reason) in [
            ("https://h/lake", "a web server cannot be the data lake: it has no list of its files"),
            (
                "s3://user:hunter2@lake/in",
                "'s3://…@lake/in' names a user: credentials come from the environment of the programs",
            ),
            ("s3://lake/../in", "'s3://lake/../in' does not say where it leads"),
        ] {
            assert_eq!(DatalakeRoot::parse(root), Err(reason.to_owned()));
        }
    }
}
