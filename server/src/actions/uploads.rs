//! Uploads into the data lake: whether they are taken, and how large files may be.

use std::time::Instant;

use paystats_core::datalake::{Datalake, NewUpload, Piece, Upload, UploadError, UploadId, Uploaded};
use tracing::info;

/// The data lake as clients may write to it. It needs neither the store nor the bus.
#[derive(Clone, Debug)]
pub struct Uploads {
    datalake: Datalake,
    max_bytes: u64,
}

impl Uploads {
    /// Files of up to `max_bytes`; 0: none at all.
    pub fn new(datalake: Datalake, max_bytes: u64) -> Self {
        Self { datalake, max_bytes }
    }

    /// Size of the largest file in bytes; 0 where uploads are off.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Whether files can be sent in pieces.
    pub fn takes_pieces(&self) -> bool {
        self.max_bytes > 0 && self.datalake.takes_pieces()
    }

    /// Begins a request that sends `size_bytes`, if that is known, of a file.
    pub async fn start(
        &self,
        path: &str,
        only_new: bool,
        size_bytes: Option<u64>,
        piece: Option<Piece>,
    ) -> Result<Upload, UploadError> {
        let limit_bytes = self.max_bytes;
        self.datalake.start_upload(NewUpload { path: path.to_owned(), only_new, size_bytes, limit_bytes, piece }).await
    }

    /// Ends a request that began at `started`.
    pub async fn finish(&self, upload: Upload, started: Instant) -> Result<Uploaded, UploadError> {
        let uploaded = upload.finish().await?;
        if let Uploaded::File { object, is_new } = &uploaded {
            let seconds = started.elapsed().as_secs_f32();
            info!(source = object.path, size_bytes = object.size_bytes, is_new, seconds, "a file was uploaded");
        }
        Ok(uploaded)
    }

    /// How many bytes of an upload are there.
    pub async fn offset(&self, path: &str, id: &UploadId) -> Result<u64, UploadError> {
        self.datalake.upload_offset(path, id).await
    }

    /// Forgets an upload.
    pub async fn give_up(&self, path: &str, id: &UploadId) -> Result<(), UploadError> {
        self.datalake.give_up_upload(path, id).await?;
        info!(source = path, "an upload was given up by its client");
        Ok(())
    }
}
