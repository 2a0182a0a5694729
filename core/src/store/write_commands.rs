//! Write commands of our own: the driver's bulk write needs MongoDB 8, and its `insert_many` keeps each id.

use mongodb::{
    ClientSession, Collection,
    bson::{RawDocumentBuf, Uuid, deserialize_from_document},
    error::Error,
};
use serde::Deserialize;

use super::{
    RowOutcome, StoreError,
    error::DUPLICATE_KEY,
    load_batches::{LoadedDocument, failed},
    raw_fields,
};

/// Documents of one command or answer: its bytes are held some times over on their way.
pub(super) const COMMAND_ROWS: usize = 4_000;
/// Bytes of one command, whose documents may have 16 MiB; a document that is larger goes alone.
const COMMAND_BYTES: usize = 8 << 20;

/// The answer of a write command, as far as it tells which statements failed.
#[derive(Deserialize)]
pub(super) struct WriteReply {
    pub n: i64,
    #[serde(default, rename = "writeErrors")]
    pub write_errors: Vec<StatementError>,
}

#[derive(Deserialize)]
pub(super) struct StatementError {
    index: usize,
    pub code: i32,
    #[serde(default)]
    errmsg: String,
}

impl StatementError {
    /// As an error that no retry mends.
    pub(super) fn error(&self) -> StoreError {
        StoreError::Failed(Error::custom(format!("write error {}: {}", self.code, self.errmsg)))
    }
}

/// The outcome of a row that MongoDB refuses. An id that is taken was seen before, so it is another unique value.
fn refusal(code: i32, message: &str) -> Option<RowOutcome> {
    match code {
        DUPLICATE_KEY => Some(RowOutcome::DuplicateValue),
        code if StoreError::is_geometry_code(code) => Some(RowOutcome::GeometryRefused(message.to_owned())),
        _ => None,
    }
}

/// Inserts documents inside a transaction. The place and the outcome of the first one that MongoDB refuses; the transaction is spoiled
/// then.
pub(super) async fn insert_all<D: LoadedDocument>(
    collection: &Collection<D>,
    documents: &[&D],
    session: &mut ClientSession,
) -> Result<Option<(usize, RowOutcome)>, Error> {
    let command = |documents: &[&D]| insert_command(documents.iter().copied(), None);
    write_all(collection, documents, command, session).await
}

/// Replaces documents, which are there, inside a transaction. The place and the outcome of the first one that MongoDB refuses; the
/// transaction is spoiled then.
pub(super) async fn replace_all<D: LoadedDocument>(
    collection: &Collection<D>,
    documents: &[&D],
    session: &mut ClientSession,
) -> Result<Option<(usize, RowOutcome)>, Error> {
    let command = |documents: &[&D]| {
        raw_fields::document(|command| {
            command.text("update", D::COLLECTION);
            command.documents("updates", |updates| {
                documents.iter().try_for_each(|document| {
                    updates.push(|update| {
                        update.document("q", |filter| {
                            filter.int64("_id", document.id());
                            Ok(())
                        })?;
                        update.document("u", |fields| document.write_to(fields))
                    })
                })
            })
        })
    };
    write_all(collection, documents, command, session).await
}

/// The command that inserts documents, after a token if there is one: then the answer comes from the primary alone.
pub(super) fn insert_command<'a, D: LoadedDocument + 'a>(
    documents: impl Iterator<Item = &'a D>,
    token: Option<Uuid>,
) -> Result<RawDocumentBuf, Error> {
    raw_fields::document(|command| {
        command.text("insert", D::COLLECTION);
        if token.is_some() {
            command.document("writeConcern", |concern| {
                concern.int32("w", 1);
                Ok(())
            })?;
        }
        command.documents("documents", |inserted| {
            if let Some(token) = token {
                inserted.push(|fields| {
                    fields.uuid("_id", token);
                    Ok(())
                })?;
            }
            documents.into_iter().try_for_each(|document| inserted.push(|fields| document.write_to(fields)))
        })
    })
}

/// Writes documents by as many commands as they need.
async fn write_all<D: LoadedDocument>(
    collection: &Collection<D>,
    documents: &[&D],
    command: impl Fn(&[&D]) -> Result<RawDocumentBuf, Error> + Send,
    session: &mut ClientSession,
) -> Result<Option<(usize, RowOutcome)>, Error> {
    let database = collection.client().database(&collection.namespace().db);
    let mut sent = 0;
    while sent < documents.len() {
        let rows = &documents[sent..documents.len().min(sent + COMMAND_ROWS)];
        let (count, body) = first_command(rows, COMMAND_BYTES, &command)?;
        let reply: WriteReply =
            deserialize_from_document(database.run_raw_command(body).session(&mut *session).await?)?;
        if let Some(failure) = reply.write_errors.into_iter().next() {
            return match refusal(failure.code, &failure.errmsg) {
                Some(outcome) => Ok(Some((sent + failure.index, outcome))),
                None => Err(failed(failure.error())),
            };
        }
        if reply.n != count as i64 {
            let reason = format!("{count} documents were to be written, and {} were", reply.n);
            return Err(failed(StoreError::Corrupt { collection: D::COLLECTION, reason }));
        }
        sent += count;
    }
    Ok(None)
}

/// The command for as many of the first documents as it may have, and how many these are.
fn first_command<T>(
    documents: &[T],
    most_bytes: usize,
    command: impl Fn(&[T]) -> Result<RawDocumentBuf, Error>,
) -> Result<(usize, RawDocumentBuf), Error> {
    let mut count = documents.len();
    let mut body = command(documents)?;
    while body.as_bytes().len() > most_bytes && count > 1 {
        count /= 2;
        body = command(&documents[..count])?;
    }
    Ok((count, body))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{RawArrayBuf, rawdoc};

    use super::*;

    #[test]
    fn documents_that_do_not_fit_into_one_command_go_in_several_and_a_large_one_alone() {
        let command = |texts: &[String]| Ok(rawdoc! { "documents": texts.iter().cloned().collect::<RawArrayBuf>() });
        let told = |sizes: &[usize]| {
            let texts: Vec<String> = sizes.iter().map(|&size| "x".repeat(size)).collect();
            let mut rest = texts.as_slice();
            let mut counts = Vec::new();
            while !rest.is_empty() {
                let (count, body) = first_command(rest, 1_000, command).unwrap();
                assert!(body.as_bytes().len() <= 1_000 || count == 1, "{sizes:?}");
                assert_eq!(body.get_array("documents").unwrap().into_iter().count(), count);
                counts.push(count);
                rest = &rest[count..];
            }
            counts
        };
        assert_eq!(told(&[100, 100, 100]), [3]);
        assert_eq!(told(&[300, 300, 300, 300]), [2, 2]);
        assert_eq!(told(&[5_000, 10, 10]), [1, 2]);
        assert_eq!(told(&[10, 10, 5_000]), [1, 1, 1]);
        assert_eq!(told(&[5_000]), [1]);
    }
}
