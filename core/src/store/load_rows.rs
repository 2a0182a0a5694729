//! Writing a batch of a load's rows so that doing it twice, late, or beside another load leaves the same store.
//!
//! The existing documents of the batch are read first, unless the rows are likely to be new; new rows are inserted, changed
//! ones replaced unless a newer load or a later edit wrote them, equal ones left alone. What races with another writer is read
//! again and judged again.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::{
    Collection,
    bson::{Bson, Document, doc, serialize_to_document},
    error::ErrorKind,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Provenance, StoreError, Write, error::DUPLICATE_KEY};

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// It is new.
    Inserted,
    /// It replaced an older version.
    Updated,
    /// The store has the same row, or one from a newer load or a later edit.
    Unchanged,
    /// The same load wrote this id from another line.
    DuplicateId,
    /// Another document has the same unique value.
    DuplicateValue,
    /// MongoDB's index does not take its geometry.
    GeometryRefused(String),
}

/// A document that loads write.
pub(super) trait LoadedDocument: Serialize + DeserializeOwned + Send + Sync {
    fn id(&self) -> i64;
    fn written(&self) -> Provenance;
    fn set_write(&mut self, write: Write);
    /// Whether both say the same, whoever wrote them.
    fn same_content(&self, other: &Self) -> bool;
}

/// The answer of the `update` command, as far as it tells which statements took effect.
#[derive(Deserialize)]
struct UpdateReply {
    #[serde(default)]
    n: i64,
    #[serde(default, rename = "writeErrors")]
    write_errors: Vec<StatementError>,
}

#[derive(Deserialize)]
struct StatementError {
    index: i32,
    code: i32,
    #[serde(default)]
    errmsg: String,
}

/// Rounds after which rows that keep racing are an error. Each round loses to another writer that made progress.
const MAX_ROUNDS: usize = 20;
/// Bytes of one `update` command, well below the 48 MB that a message may have.
const UPDATE_COMMAND_BYTES: usize = 16 << 20;

/// Writes `rows`, marked as inserted by their load and line, and tells for each what became of it. Rows that are
/// `likely_new` are inserted without a look at what is there; the unique index finds those that are not.
pub(super) async fn write_rows<D: LoadedDocument>(
    collection: &Collection<D>,
    mut rows: Vec<D>,
    likely_new: bool,
) -> Result<Vec<RowOutcome>, StoreError> {
    let mut outcomes: Vec<Option<RowOutcome>> = vec![None; rows.len()];
    let mut collided = vec![false; rows.len()];
    if likely_new {
        let all: Vec<usize> = (0..rows.len()).collect();
        insert(collection, &rows, &all, &mut outcomes, &mut collided).await?;
        collided.fill(false);
    }
    for _ in 0..MAX_ROUNDS {
        let open: Vec<usize> = (0..rows.len()).filter(|&row| outcomes[row].is_none()).collect();
        if open.is_empty() {
            break;
        }
        let existing = find_existing(collection, open.iter().map(|&row| rows[row].id())).await?;
        let (mut inserts, mut updates) = (Vec::new(), Vec::new());
        for row in open {
            match existing.get(&rows[row].id()) {
                // An insert was refused although the id is free: it is another unique value that is taken.
                None if collided[row] => outcomes[row] = Some(RowOutcome::DuplicateValue),
                None => inserts.push(row),
                Some(known) => match judge(&rows[row], known) {
                    Some(outcome) => outcomes[row] = Some(outcome),
                    None => updates.push(row),
                },
            }
        }
        insert(collection, &rows, &inserts, &mut outcomes, &mut collided).await?;
        for &row in &updates {
            rows[row].set_write(Write::Updated);
        }
        update(collection, &rows, &updates, &mut outcomes).await?;
    }
    outcomes.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| StoreError::Corrupt {
        collection: "rows",
        reason: format!("other writers kept changing the same rows for {MAX_ROUNDS} rounds"),
    })
}

/// What becomes of a row whose id is known; `None` if it replaces the known one.
fn judge<D: LoadedDocument>(row: &D, known: &D) -> Option<RowOutcome> {
    let (mine, theirs) = (row.written(), known.written());
    if theirs.load == mine.load && theirs.line.is_some() {
        // This load wrote it: the chunk is done again.
        return Some(match theirs.write {
            _ if theirs.line != mine.line => RowOutcome::DuplicateId,
            Write::Inserted => RowOutcome::Inserted,
            Write::Updated | Write::Edited => RowOutcome::Updated,
        });
    }
    (theirs.load >= mine.load || row.same_content(known)).then_some(RowOutcome::Unchanged)
}

async fn find_existing<D: LoadedDocument>(
    collection: &Collection<D>,
    ids: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, D>, StoreError> {
    let ids: Vec<Bson> = ids.map(Bson::Int64).collect();
    let found: Vec<D> = collection.find(doc! { "_id": { "$in": ids } }).await?.try_collect().await?;
    Ok(found.into_iter().map(|document| (document.id(), document)).collect())
}

async fn insert<D: LoadedDocument>(
    collection: &Collection<D>,
    rows: &[D],
    inserts: &[usize],
    outcomes: &mut [Option<RowOutcome>],
    collided: &mut [bool],
) -> Result<(), StoreError> {
    if inserts.is_empty() {
        return Ok(());
    }
    let failures = match collection.insert_many(inserts.iter().map(|&row| &rows[row])).ordered(false).await {
        Ok(_) => Vec::new(),
        Err(error) => match error.kind.as_ref() {
            ErrorKind::InsertMany(failure) if failure.write_concern_error.is_none() => {
                failure.write_errors.clone().unwrap_or_default()
            }
            _ => return Err(error.into()),
        },
    };
    let mut done = vec![true; inserts.len()];
    for failure in failures {
        let row = inserts[failure.index];
        done[failure.index] = false;
        match failure.code {
            DUPLICATE_KEY => collided[row] = true,
            code if StoreError::is_geometry_code(code) => {
                outcomes[row] = Some(RowOutcome::GeometryRefused(failure.message));
            }
            _ => return Err(unexpected(failure.code, failure.message)),
        }
    }
    for (&row, _) in inserts.iter().zip(done).filter(|(_, done)| *done) {
        outcomes[row] = Some(RowOutcome::Inserted);
    }
    Ok(())
}

/// Replaces documents by the `update` command: the driver's own bulk write needs MongoDB 8.
async fn update<D: LoadedDocument>(
    collection: &Collection<D>,
    rows: &[D],
    updates: &[usize],
    outcomes: &mut [Option<RowOutcome>],
) -> Result<(), StoreError> {
    let mut rest = updates;
    while !rest.is_empty() {
        let (mut statements, mut bytes): (Vec<Document>, usize) = (Vec::new(), 0);
        for &row in rest {
            let document = serialize_to_document(&rows[row]).map_err(|error| corrupt(error.to_string()))?;
            bytes += document.to_vec().map_err(|error| corrupt(error.to_string()))?.len();
            if !statements.is_empty() && bytes > UPDATE_COMMAND_BYTES {
                break;
            }
            let older = doc! { "_id": rows[row].id(), "written.load": { "$lt": rows[row].written().load } };
            statements.push(doc! { "q": older, "u": document });
        }
        let (now, later) = rest.split_at(statements.len());
        rest = later;
        let command = doc! { "update": collection.name(), "updates": statements, "ordered": false };
        let reply = collection.client().database(&collection.namespace().db).run_command(command).await?;
        let reply: UpdateReply =
            mongodb::bson::deserialize_from_document(reply).map_err(|error| corrupt(error.to_string()))?;
        let mut failed = vec![false; now.len()];
        for failure in reply.write_errors {
            let index = failure.index as usize;
            failed[index] = true;
            outcomes[now[index]] = Some(match failure.code {
                DUPLICATE_KEY => RowOutcome::DuplicateValue,
                code if StoreError::is_geometry_code(code) => RowOutcome::GeometryRefused(failure.errmsg),
                code => return Err(unexpected(code, failure.errmsg)),
            });
        }
        // Where fewer took effect than were sent, the next round reads them again and tells which.
        let sent = failed.iter().filter(|failed| !**failed).count();
        if reply.n == sent as i64 {
            for (&row, _) in now.iter().zip(failed).filter(|(_, failed)| !*failed) {
                outcomes[row] = Some(RowOutcome::Updated);
            }
        }
    }
    Ok(())
}

fn unexpected(code: i32, message: String) -> StoreError {
    StoreError::Failed(mongodb::error::Error::custom(format!("write error {code}: {message}")))
}

fn corrupt(reason: String) -> StoreError {
    StoreError::Corrupt { collection: "rows", reason }
}
