//! Taking a backup.

use async_compression::tokio::write::ZstdEncoder;
use mongodb::{
    ClientSession,
    bson::{RawDocumentBuf, doc},
};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    fs::File,
    io::{AsyncWrite, AsyncWriteExt, BufWriter},
};
use tokio_util::io::InspectWriter;

use super::{BUFFER_BYTES, BackedUp, BackupError, BackupHeader, BackupStep, FORMAT, MAGIC};
use crate::{
    engines::backoff,
    store::{BATCH_SIZE, Store, StoreError, collections},
};

/// How often a moment is looked for that MongoDB has of every collection.
const TRIES: usize = 4;

impl Store {
    /// Writes a backup into `file`, of one moment, whatever is written to the database meanwhile. `told` hears how far it is.
    ///
    /// The database is only read. So a newer release can back up what an older one has written, before it is brought up to date. Where it fails, the
    /// file holds a part, which a restore refuses.
    pub async fn backup(&self, file: &mut File, mut told: impl FnMut(BackupStep)) -> Result<BackupHeader, BackupError> {
        let (header, mut session) = self.find_moment().await?;
        let mut hasher = Sha256::new();
        let mut hashed =
            BufWriter::with_capacity(BUFFER_BYTES, InspectWriter::new(&mut *file, |bytes| hasher.update(bytes)));
        let text = serde_json::to_string(&header).map_err(StoreError::failed)?;
        hashed.write_all(format!("{MAGIC}{FORMAT}\n{text}\n").as_bytes()).await?;
        // A document is small: written one by one, each would be a step of the compression.
        let mut packed = BufWriter::with_capacity(BUFFER_BYTES, ZstdEncoder::new(hashed));
        let (mut done, all) = (0, header.documents());
        for collection in &header.collections {
            let written = self.write_documents(collection, &mut session, &mut packed, |documents| {
                told(BackupStep::Documents { done: done + documents, all });
            });
            done += written.await?;
        }
        packed.shutdown().await?;
        drop(packed);
        file.write_all(&hasher.finalize()).await?;
        file.flush().await?;
        Ok(header)
    }

    /// What there is at this moment, and a session that sees it.
    async fn find_moment(&self) -> Result<(BackupHeader, ClientSession), BackupError> {
        let mut pauses = backoff().take(TRIES);
        loop {
            match self.look().await {
                // A collection or an index was made just now.
                Err(BackupError::MomentGone) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(BackupError::MomentGone),
                },
                looked => return looked,
            }
        }
    }

    async fn look(&self) -> Result<(BackupHeader, ClientSession), BackupError> {
        let mut session = self.database.client().start_session().snapshot(true).await?;
        let schema_version = self.schema.version_in(&mut session).await?;
        let mut kept = Vec::new();
        for name in collections::KEPT {
            let documents = self.database.collection::<RawDocumentBuf>(name);
            let documents = documents.count_documents(doc! {}).session(&mut session).await?;
            kept.push(BackedUp { name: name.to_owned(), documents });
        }
        let moment = session.snapshot_time().map_or_else(OffsetDateTime::now_utc, |moment| {
            OffsetDateTime::from_unix_timestamp(moment.time.into()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        });
        let header = BackupHeader {
            schema_version,
            taken_at: moment.format(&Rfc3339).map_err(StoreError::failed)?,
            database: self.database.name().to_owned(),
            collections: kept,
        };
        match header.documents() {
            // A wrong name, most likely: nobody should take it for a backup.
            0 => Err(BackupError::Nothing(header.database)),
            _ => Ok((header, session)),
        }
    }

    /// Writes the documents of a collection, and gives their number.
    async fn write_documents(
        &self,
        collection: &BackedUp,
        session: &mut ClientSession,
        out: &mut (impl AsyncWrite + Unpin),
        mut told: impl FnMut(u64),
    ) -> Result<u64, BackupError> {
        let BackedUp { name, documents } = collection;
        // One that was made since is not there at that moment, which MongoDB refuses to say.
        if *documents == 0 {
            return Ok(0);
        }
        let found = self.database.collection::<RawDocumentBuf>(name);
        let mut found = found.find(doc! {}).batch_size(BATCH_SIZE).session(&mut *session).await?;
        let mut written = 0;
        while found.advance(session).await? {
            out.write_all(found.current().as_bytes()).await?;
            written += 1;
            told(written);
        }
        if written != *documents {
            let reason = format!("{documents} documents of {name} were counted, and {written} read");
            return Err(BackupError::Contradicts(reason));
        }
        Ok(written)
    }
}
