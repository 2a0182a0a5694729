//! Sources in object stores and on web servers, as `object_store` reads them.

use std::{io, sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use object_store::{Error, GetOptions, ObjectMeta, ObjectStore, path::Path};
use time::OffsetDateTime;
use tracing::warn;

use super::{DatalakeObject, ListError, SourceError, transport::Fault, url::SourceUrl};

/// How long a store may take to tell what it has, tries included: a person waits for the answer.
const HEAD: Duration = Duration::from_secs(15);

/// One remote source.
#[derive(Clone, Debug)]
pub(super) struct RemoteSource {
    /// As it was asked for.
    pub(super) name: String,
    store: Arc<dyn ObjectStore>,
    path: Path,
}

/// What tells one version of a remote source from another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub(super) size_bytes: u64,
    pub(super) etag: Option<String>,
    /// `None` where the server does not say.
    pub(super) modified_at: Option<OffsetDateTime>,
}

impl Version {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        // A time that is missing comes as the beginning of Unix time.
        let nanos = meta.last_modified.timestamp_nanos_opt().filter(|nanos| *nanos != 0);
        let modified_at = nanos.and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos.into()).ok());
        Self { size_bytes: meta.size, etag: meta.e_tag.clone(), modified_at }
    }
}

impl RemoteSource {
    pub(super) fn new(name: &str, store: Arc<dyn ObjectStore>, url: &SourceUrl) -> Result<Self, SourceError> {
        let path = Path::parse(url.path()).map_err(|_| SourceError::Outside(name.to_owned()))?;
        Ok(Self { name: name.to_owned(), store, path })
    }

    /// What its store tells of it.
    pub(super) async fn head(&self) -> Result<DatalakeObject, SourceError> {
        let asked = self.get(GetOptions { head: true, ..GetOptions::default() });
        let answer = tokio::time::timeout(HEAD, asked).await;
        let found = answer.map_err(|_| SourceError::Away(self.name.clone()))?.map_err(|error| self.refused(&error))?;
        let Version { size_bytes, etag, modified_at } = Version::of(&found.meta);
        if etag.is_none() && modified_at.is_none() {
            return Err(self.unsuitable(
                "its server gives it neither an ETag nor a time of last change, so a change while it is loaded could not be seen",
            ));
        }
        let modified_at = modified_at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok(DatalakeObject { path: self.name.clone(), size_bytes, modified_at, etag })
    }

    pub(super) async fn get(&self, options: GetOptions) -> object_store::Result<object_store::GetResult> {
        self.store.get_opts(&self.path, options).await
    }

    /// What an error of the store means for this source.
    pub(super) fn refused(&self, error: &Error) -> SourceError {
        let refused = match error {
            Error::NotFound { .. } => SourceError::NotFound(self.name.clone()),
            Error::Precondition { .. } | Error::NotModified { .. } => SourceError::Changed(self.name.clone()),
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                self.unreadable(io::ErrorKind::PermissionDenied)
            }
            error => match Fault::behind(error) {
                Some(Fault::Away(_)) => SourceError::Away(self.name.clone()),
                Some(Fault::Redirect) => {
                    self.unsuitable("its server sends the reader to another address, and redirects are not followed")
                }
                Some(Fault::PrivateAddress) => self.unsuitable("its host has an address that is not a public one"),
                Some(Fault::NoParts) => self.unsuitable("its server does not serve parts of a file"),
                None => self.unreadable(io::ErrorKind::InvalidData),
            },
        };
        warn!(source = self.name, %error, "a source could not be read");
        refused
    }

    pub(super) fn unsuitable(&self, reason: &'static str) -> SourceError {
        SourceError::Unsuitable { source_name: self.name.clone(), reason }
    }

    fn unreadable(&self, kind: io::ErrorKind) -> SourceError {
        SourceError::Unreadable { source_name: self.name.clone(), kind }
    }
}

/// The objects under `root` whose path from there starts with `prefix`, by path; hidden ones are left out, and so is what follows
/// the first `limit`.
pub(super) async fn list(
    store: &dyn ObjectStore,
    root: &SourceUrl,
    prefix: &str,
    limit: usize,
) -> Result<Vec<DatalakeObject>, ListError> {
    let base = root.path();
    // Stores are asked by whole segments.
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let Ok(under) = Path::parse(format!("{base}/{folder}").trim_matches('/')) else { return Ok(Vec::new()) };
    let mut objects = store.list(Some(&under));
    let mut found = Vec::new();
    let asked = async {
        while found.len() < limit {
            let Some(meta) = objects.try_next().await? else { break };
            let location = meta.location.as_ref();
            let Some(path) = location.strip_prefix(base.as_str()).map(|path| path.trim_start_matches('/')) else {
                continue;
            };
            let is_hidden = path.split('/').any(|segment| segment.starts_with('.'));
            if path.starts_with(prefix) && !is_hidden {
                let Version { size_bytes, etag, modified_at } = Version::of(&meta);
                let modified_at = modified_at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
                found.push(DatalakeObject { path: path.to_owned(), size_bytes, modified_at, etag });
            }
        }
        Ok::<_, Error>(())
    };
    match tokio::time::timeout(HEAD, asked).await {
        Ok(Ok(())) => Ok(found),
        Ok(Err(error)) if !matches!(Fault::behind(&error), Some(Fault::Away(_))) => {
            Err(ListError::Failed(error.to_string()))
        }
        Ok(Err(error)) => {
            warn!(%error, "the data lake is away");
            Err(ListError::Away)
        }
        Err(_) => Err(ListError::Away),
    }
}
