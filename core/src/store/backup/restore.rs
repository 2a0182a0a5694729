//! Restoring a backup, into an empty database.

use std::io::SeekFrom;

use async_compression::tokio::bufread::ZstdDecoder;
use mongodb::bson::RawDocumentBuf;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeekExt, BufReader},
};
use tracing::debug;

use super::{BUFFER_BYTES, BackupError, BackupHeader, BackupStep, DIGEST_BYTES, FORMAT, MAGIC};
use crate::store::{
    SCHEMA_VERSION, Store, collections, counters,
    rollups::{EPOCH, PLACES_VERSION, VERSION},
};

/// Longest first lines.
const HEAD_BYTES: u64 = 1 << 20;
/// Bytes of documents that are inserted together.
const BATCH_BYTES: usize = 8 << 20;
/// Documents that are inserted together.
const BATCH_DOCUMENTS: usize = 10_000;
/// Longest document: what MongoDB takes, and a little that it adds itself.
const DOCUMENT_BYTES: usize = (16 << 20) + (16 << 10);
/// More numbers, of events or of versions of the data, than are given in a second. A restored database goes on so far behind those that it knows: what
/// was numbered after the backup must not be taken for what comes now.
const NUMBERS_A_SECOND: i64 = 1_000;

impl Store {
    /// Restores a backup into the database, which has to be empty, and brings it up to date. `told` hears how far it is.
    ///
    /// Nothing is written before the whole file was read once. From then on nobody starts with the database until all of it is there, also where
    /// this ends half-way.
    pub async fn restore(&self, file: &mut File, told: impl FnMut(BackupStep)) -> Result<BackupHeader, BackupError> {
        let (header, start, end) = read_head(file).await?;
        self.schema.check().await?;
        let holds = collections::in_use(&self.database).await?;
        if !holds.is_empty() {
            return Err(BackupError::NotEmpty { database: self.database.name().to_owned(), holds });
        }
        self.schema.begin_restore(header.schema_version).await?;
        file.seek(SeekFrom::Start(start)).await?;
        let packed = BufReader::with_capacity(BUFFER_BYTES, file.take(end - start));
        let documents = BufReader::with_capacity(BUFFER_BYTES, ZstdDecoder::new(packed));
        let filled = self.fill(&header, documents, told).await;
        filled.map_err(|error| BackupError::HalfWay(Box::new(error)))?;
        Ok(header)
    }

    /// Writes everything that a backup holds, and makes anew what it does not hold.
    async fn fill(
        &self,
        header: &BackupHeader,
        mut documents: impl AsyncRead + Unpin,
        mut told: impl FnMut(BackupStep),
    ) -> Result<(), BackupError> {
        self.counters.delete_all().await?;
        // Before anything is there: servers that run meanwhile, and caches, then know that this is another database.
        self.rollups.prepare_epoch().await?;

        let (mut done, all) = (0, header.documents());
        for collection in &header.collections {
            let inserted = self.insert_documents(&collection.name, collection.documents, &mut documents, |inserted| {
                told(BackupStep::Documents { done: done + inserted, all });
            });
            inserted.await?;
            done += collection.documents;
        }
        if documents.read(&mut [0]).await? != 0 {
            return Err(BackupError::Contradicts("it holds more documents than it says".to_owned()));
        }

        told(BackupStep::AddingUp);
        self.schema.migrate_restored(header.schema_version).await?;
        debug!(documents = all, "all documents are restored");
        self.create_indexes().await?;
        debug!("indexes are made");
        let since = OffsetDateTime::now_utc() - taken_at(header)?;
        let numbers = since.whole_seconds().max(0) * NUMBERS_A_SECOND;
        self.loads.skip_events(numbers).await?;
        self.counters.count_up_by(VERSION, numbers).await?;
        self.counters.count_up(PLACES_VERSION).await?;
        self.rollups.make_anew().await?;
        // The bus does not know of them.
        self.loads.set_unpublished().await?;
        self.schema.end_restore().await?;
        Ok(())
    }

    /// Inserts as many documents as are said to come.
    async fn insert_documents(
        &self,
        name: &str,
        documents: u64,
        from: &mut (impl AsyncRead + Unpin),
        mut told: impl FnMut(u64),
    ) -> Result<(), BackupError> {
        let collection = self.database.collection::<RawDocumentBuf>(name);
        let mut left = documents;
        let mut batch = read_batch(from, &mut left).await?;
        while !batch.is_empty() {
            if name == counters::COLLECTION {
                batch.retain(|document| document.get_str("_id").ok() != Some(EPOCH));
            }
            let inserted = async {
                match batch.is_empty() {
                    true => Ok(()),
                    false => collection.insert_many(batch).await.map(drop).map_err(BackupError::from),
                }
            };
            let so_far = documents - left;
            let ((), next) = tokio::try_join!(inserted, read_batch(from, &mut left))?;
            told(so_far);
            batch = next;
        }
        Ok(())
    }
}

/// The header, where the documents start, and where they end. The whole file is read for that.
async fn read_head(file: &mut File) -> Result<(BackupHeader, u64, u64), BackupError> {
    let length = file.seek(SeekFrom::End(0)).await?;
    file.seek(SeekFrom::Start(0)).await?;
    let mut head = BufReader::new((&mut *file).take(HEAD_BYTES));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    head.read_until(b'\n', &mut first).await?;
    head.read_until(b'\n', &mut second).await?;
    let format = std::str::from_utf8(&first).ok().and_then(|line| line.strip_prefix(MAGIC)?.strip_suffix('\n'));
    match format.and_then(|format| format.parse::<u32>().ok()).ok_or(BackupError::NoBackup)? {
        FORMAT => {}
        newer => return Err(BackupError::NewerFormat(newer)),
    }
    let start = (first.len() + second.len()) as u64;
    let end = length.checked_sub(DIGEST_BYTES).filter(|end| start <= *end).ok_or(BackupError::Damaged)?;
    check_digest(file, end).await?;
    let header: BackupHeader =
        serde_json::from_slice(&second).map_err(|error| BackupError::Contradicts(error.to_string()))?;
    let (found, known) = (header.schema_version, SCHEMA_VERSION);
    if found > known {
        return Err(BackupError::NewerSchema { found, known });
    }
    if found < 0 {
        return Err(BackupError::Contradicts(format!("{found} is no schema version")));
    }
    if let Some(other) = header.collections.iter().find(|other| !collections::KEPT.contains(&other.name.as_str())) {
        return Err(BackupError::Contradicts(format!("{} is no collection that is backed up", other.name)));
    }
    taken_at(&header)?;
    Ok((header, start, end))
}

async fn check_digest(file: &mut File, end: u64) -> Result<(), BackupError> {
    file.seek(SeekFrom::Start(0)).await?;
    let mut content = BufReader::with_capacity(BUFFER_BYTES, (&mut *file).take(end));
    let mut hasher = Sha256::new();
    loop {
        let bytes = content.fill_buf().await?;
        if bytes.is_empty() {
            break;
        }
        hasher.update(bytes);
        let read = bytes.len();
        content.consume(read);
    }
    let mut digest = [0; DIGEST_BYTES as usize];
    file.seek(SeekFrom::Start(end)).await?;
    file.read_exact(&mut digest).await?;
    if hasher.finalize()[..] == digest { Ok(()) } else { Err(BackupError::Damaged) }
}

fn taken_at(header: &BackupHeader) -> Result<OffsetDateTime, BackupError> {
    OffsetDateTime::parse(&header.taken_at, &Rfc3339).map_err(|error| BackupError::Contradicts(error.to_string()))
}

/// Some documents; none once none are left.
async fn read_batch(from: &mut (impl AsyncRead + Unpin), left: &mut u64) -> Result<Vec<RawDocumentBuf>, BackupError> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while *left > 0 && batch.len() < BATCH_DOCUMENTS && bytes < BATCH_BYTES {
        let document = read_document(from).await?;
        bytes += document.as_bytes().len();
        batch.push(document);
        *left -= 1;
    }
    Ok(batch)
}

async fn read_document(from: &mut (impl AsyncRead + Unpin)) -> Result<RawDocumentBuf, BackupError> {
    let no_document = || BackupError::Contradicts("it holds something that is no document".to_owned());
    // A document begins with its own length.
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let bytes = usize::try_from(i32::from_le_bytes(length)).ok().filter(|bytes| (5..=DOCUMENT_BYTES).contains(bytes));
    let mut document = vec![0; bytes.ok_or_else(no_document)?];
    document[..4].copy_from_slice(&length);
    from.read_exact(&mut document[4..]).await?;
    RawDocumentBuf::from_bytes(document).map_err(|_| no_document())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file with these first lines, no documents and a right checksum.
    fn file(head: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(head.as_bytes()).unwrap();
        file.write_all(&Sha256::digest(head)).unwrap();
        File::from_std(file)
    }

    #[tokio::test]
    async fn a_backup_that_this_release_cannot_restore_is_refused_by_its_header() {
        let header = |schema: i64, name: &str| BackupHeader {
            schema_version: schema,
            taken_at: "2026-11-29T23:13:17Z".to_owned(),
            database: "paystats".to_owned(),
            collections: vec![super::super::BackedUp { name: name.to_owned(), documents: 1 }],
        };
        let read = async |header: &str| match read_head(&mut file(&format!("paystats backup 1\n{header}\n"))).await {
            Ok((header, ..)) => format!("{header:?}"),
            Err(refused) => refused.to_string(),
        };
        let text = |header: &BackupHeader| serde_json::to_string(header).unwrap();
        let good = header(SCHEMA_VERSION, "loads");
        assert_eq!(read(&text(&good)).await, format!("{good:?}"));
        let newer = read(&text(&header(SCHEMA_VERSION + 1, "loads"))).await;
        assert!(newer.contains(&format!("schema version {}", SCHEMA_VERSION + 1)), "{newer}");
        assert!(newer.contains(&format!("none beyond {SCHEMA_VERSION}")), "{newer}");
        let other = read(&text(&header(SCHEMA_VERSION, "rollups"))).await;
        assert!(other.ends_with("rollups is no collection that is backed up"), "{other}");
        assert!(read("{}").await.starts_with("the backup contradicts itself: "));
        assert!(read(&text(&BackupHeader { taken_at: "yesterday".to_owned(), ..good })).await.contains("contradicts"));
    }
}
