//! Writes an uploaded file as an object of a store: a small one at once, a larger one in parts that the store puts together at the end.
//!
//! Where it ends before, nothing is left of it in the store.

use std::{sync::Arc, time::Duration};

use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, PutMode, PutPayloadMut, WriteMultipart, path::Path as ObjectPath,
};
use tracing::warn;

use super::{super::transport::Fault, UploadError, place::shown};

/// Least size of a part. Stores take 10,000 of them at most.
const PART_BYTES: u64 = 8 << 20;
const MAX_PARTS: u64 = 10_000;
/// Parts that are under way to the store at once.
const CONCURRENCY: usize = 2;
/// How long a store may take to tell what it has.
const HEAD: Duration = Duration::from_secs(15);

/// The object that a file becomes.
pub(super) struct Object {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: ObjectPath,
    /// As it was asked for.
    pub(super) file: String,
    pub(super) only_new: bool,
}

/// An object that is being written.
pub(super) struct ObjectUpload {
    object: Object,
    is_new: bool,
    part_bytes: usize,
    /// What has come, as long as it is less than a part.
    held: PutPayloadMut,
    parts: Option<WriteMultipart>,
}

impl ObjectUpload {
    /// Starts one, of `size` bytes if that is known and of `limit` at most.
    pub(super) async fn start(object: Object, size: Option<u64>, limit: u64) -> Result<Self, UploadError> {
        // Where neither is a matter of gigabytes, this is the least.
        let part_bytes = PART_BYTES.max(size.unwrap_or(limit.min(MAX_PARTS * PART_BYTES)).div_ceil(MAX_PARTS - 1));
        let part_bytes = usize::try_from(part_bytes).map_err(|_| UploadError::TooLarge { limit_bytes: limit })?;
        let is_new = object.check_new().await?;
        Ok(Self { object, is_new, part_bytes, held: PutPayloadMut::new(), parts: None })
    }

    /// Writes what comes next. It waits where the store is slower than the client.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        if self.parts.is_none() {
            self.held.extend_from_slice(bytes);
            if self.held.content_length() < self.part_bytes {
                return Ok(());
            }
            let Object { store, path, .. } = &self.object;
            let parts = store.put_multipart(path).await.map_err(|error| self.object.refused(error))?;
            let parts = self.parts.insert(WriteMultipart::new_with_chunk_size(parts, self.part_bytes));
            for held in std::mem::take(&mut self.held).freeze() {
                parts.write(&held);
            }
        } else if let Some(parts) = &mut self.parts {
            parts.wait_for_capacity(CONCURRENCY).await.map_err(|error| self.object.refused(error))?;
            parts.write(bytes);
        }
        Ok(())
    }

    /// Makes the object. Tells whether there was none before.
    pub(super) async fn finish(mut self) -> Result<bool, UploadError> {
        if self.parts.is_some() {
            // No store is asked to put parts together only where nothing is; between here and there is a moment.
            self.object.check_new().await?;
        }
        let Object { store, path, only_new, .. } = &self.object;
        match self.parts.take() {
            None => {
                let mode = if *only_new { PutMode::Create } else { PutMode::Overwrite };
                let held = std::mem::take(&mut self.held).freeze();
                store.put_opts(path, held, mode.into()).await.map_err(|error| self.object.refused(error))?;
            }
            Some(parts) => {
                // A client that goes now has sent everything.
                let finished = tokio::spawn(parts.finish()).await;
                let finished = finished.map_err(|error| UploadError::Failed(error.to_string()))?;
                finished.map_err(|error| self.object.refused(error))?;
            }
        }
        Ok(self.is_new)
    }
}

impl Object {
    /// Whether there is no object yet, which is an error if there has to be none.
    async fn check_new(&self) -> Result<bool, UploadError> {
        match tokio::time::timeout(HEAD, self.store.head(&self.path)).await {
            Ok(Ok(_)) if self.only_new => Err(UploadError::Exists(shown(&self.file))),
            Ok(Ok(_)) => Ok(false),
            Ok(Err(Error::NotFound { .. })) => Ok(true),
            Ok(Err(error)) => Err(self.refused(error)),
            Err(_) => Err(UploadError::Away),
        }
    }

    /// What an error of the store means for the upload.
    fn refused(&self, error: Error) -> UploadError {
        let source = &self.file;
        match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => UploadError::Exists(shown(source)),
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                warn!(source, %error, "the store does not take an upload");
                UploadError::ReadOnly
            }
            error if matches!(Fault::behind(&error), Some(Fault::Away(_))) => {
                warn!(source, %error, "the store of an upload is away");
                UploadError::Away
            }
            error => UploadError::Failed(error.to_string()),
        }
    }
}

impl Drop for ObjectUpload {
    fn drop(&mut self) {
        let (Some(parts), Ok(runtime)) = (self.parts.take(), tokio::runtime::Handle::try_current()) else { return };
        let file = std::mem::take(&mut self.object.file);
        runtime.spawn(async move {
            if let Err(error) = parts.abort().await {
                warn!(source = file, %error, "parts of an upload stay in the store");
            }
        });
    }
}
