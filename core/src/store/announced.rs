//! Rows of loads that stand in `paystats` before the transaction of their batch: new ones, which mongod inserts faster outside of one.
//!
//! Such a batch is announced first: its chunk's document names the ids and a token. Then one ordered insert brings a document with the
//! token as its `_id`, and the rows after it. The transaction that makes the rows the load's, by the undo log and the chunk's place,
//! ends the announcement too. Until then they are nobody's:
//!
//! - Whoever takes or revokes the chunk takes them back first. An insert that comes late, however late, is refused as a whole: who
//!   takes rows back leaves the token there before.
//! - Whoever has to decide by one of them, a newer load or an edit, waits, and takes them back if that lasts too long. The batch is
//!   written once more then.
//!
//! Nothing that counts sees them: the totals of an open load are those of its undo log.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, TryStreamExt};
use mongodb::{
    ClientSession, Collection, Database,
    bson::{
        Binary, Bson, Document, RawDocumentBuf, Uuid, deserialize_from_document, doc, serialize_to_raw_document_buf,
    },
    error::Error,
};
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::{
    Provenance, StoreError,
    error::{DUPLICATE_KEY, is_ended},
    load_batches::{COMMAND_BYTES, LoadedDocument, WriteReply, failed},
    load_chunks::{self, lines_from_binary, lines_to_binary},
    paystats,
    session::end_sessions,
};

/// How long a worker may take from an announcement to the end of its transaction while others wait for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(10);

/// The rows that are announced.
#[derive(Clone, Debug)]
pub(super) struct AnnouncedRows {
    chunks: Collection<AnnouncingChunk>,
    paystats: Collection<Document>,
}

/// What a chunk's document says of rows that are inserted before their transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Announcement {
    /// `_id` of the document that is inserted before the rows.
    pub token: Uuid,
    /// The session in which they are inserted, or of who takes them back.
    pub session: Document,
    /// Number of the load.
    load: i64,
    first_line: i64,
    last_line: i64,
    ids: Binary,
}

/// A chunk with rows that are announced.
#[derive(Clone, Debug, Deserialize)]
struct AnnouncingChunk {
    #[serde(rename = "_id")]
    id: String,
    announced: Announcement,
}

/// An insert of announced rows, as MongoDB is sent it.
pub(super) struct AnnouncedInsert {
    pub announcement: Announcement,
    command: RawDocumentBuf,
    documents: i64,
}

/// These rows are announced by others, so nothing can be decided by them yet.
#[derive(Clone, Debug)]
struct StillAnnounced(RoaringTreemap);

impl AnnouncedRows {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            chunks: database.collection(load_chunks::COLLECTION),
            paystats: database.collection(paystats::COLLECTION),
        }
    }

    /// Inserts rows whose announcement is in the store. `false` if they are not all new, or somebody takes them back: a part of them may be
    /// there then.
    ///
    /// The answer comes from the primary alone. Should another member take its place, the last rows may be lost: see [`Self::confirm`].
    pub(super) async fn insert(
        &self,
        insert: AnnouncedInsert,
        session: &mut ClientSession,
    ) -> Result<bool, StoreError> {
        let database = self.paystats.client().database(&self.paystats.namespace().db);
        // Sent once: the driver tries commands like this one no second time.
        let reply = match database.run_raw_command(insert.command).session(session).await {
            Err(error) if is_ended(&error) => return Ok(false),
            reply => reply?,
        };
        let reply: WriteReply = deserialize_from_document(reply).map_err(Error::from)?;
        match reply.write_errors.first() {
            None if reply.n == insert.documents => Ok(true),
            None => Err(StoreError::Corrupt {
                collection: paystats::COLLECTION,
                reason: format!("{} documents were to be written, and {} were", insert.documents, reply.n),
            }),
            Some(failure) if failure.code == DUPLICATE_KEY => Ok(false),
            Some(failure) => Err(failure.error()),
        }
    }

    /// Removes the token of rows that are to be the load's, inside their transaction. `false` if not all of them are there, or somebody takes
    /// them back. Since they were inserted in their order, the last one tells; and the token, whether it is of this insert.
    pub(super) async fn confirm(
        &self,
        announcement: &Announcement,
        last: (i64, Provenance),
        session: &mut ClientSession,
    ) -> Result<bool, Error> {
        let (id, written) = last;
        let last = doc! { "_id": id, "written.load": written.load, "written.line": written.line };
        let token = doc! { "_id": announcement.token, "refused": null };
        Ok(self.paystats.find_one(last).projection(doc! { "_id": 1 }).session(&mut *session).await?.is_some()
            && self.paystats.delete_one(token).session(session).await?.deleted_count == 1)
    }

    /// Takes back rows of one's own, whose insert was answered, in the session in which they were inserted.
    pub(super) async fn withdraw(
        &self,
        chunk: &str,
        announcement: &Announcement,
        session: &mut ClientSession,
    ) -> Result<(), StoreError> {
        self.take_back(chunk, announcement, true, session).await
    }

    /// Takes back the rows that a chunk has announced, if it has and is held by this claim, whatever their worker is about to do.
    pub(super) async fn withdraw_from(&self, chunk: &str, claim: &str) -> Result<(), StoreError> {
        let announcing = doc! { "_id": chunk, "claim": claim, "announced.load": { "$exists": true } };
        match self.chunks.find_one(announcing).await? {
            Some(announcing) => self.withdraw_late(announcing).await,
            None => Ok(()),
        }
    }

    /// The same for all chunks of a load.
    pub(super) async fn withdraw_from_all(&self, load: &str) -> Result<(), StoreError> {
        let announcing = doc! { "load": load, "done": false, "announced.load": { "$exists": true } };
        let announcing: Vec<AnnouncingChunk> = self.chunks.find(announcing).await?.try_collect().await?;
        for chunk in announcing {
            self.withdraw_late(chunk).await?;
        }
        Ok(())
    }

    /// Fails where others have announced one of these rows, inside a transaction that is to decide by them. See [`Self::waited_for`].
    pub(super) async fn check(
        &self,
        ids: impl IntoIterator<Item = i64>,
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        let mut ids = ids.into_iter().map(|id| id as u64).collect::<RoaringTreemap>();
        if ids.is_empty() {
            return Ok(());
        }
        let mut announced = RoaringTreemap::new();
        for chunk in self.all(session).await? {
            announced |= chunk.announced.ids().map_err(failed)?;
        }
        ids &= announced;
        if ids.is_empty() { Ok(()) } else { Err(Error::custom(StillAnnounced(ids))) }
    }

    /// Whether a transaction failed by [`Self::check`]; then it may begin again when this returns.
    pub(super) async fn waited_for(&self, error: &Error) -> Result<bool, StoreError> {
        let Some(StillAnnounced(ids)) = error.get_custom() else { return Ok(false) };
        let mut session = self.chunks.client().start_session().await?;
        let start = Instant::now();
        loop {
            let mut waited_for = Vec::new();
            for chunk in self.all(&mut session).await? {
                if !chunk.announced.ids()?.is_disjoint(ids) {
                    waited_for.push(chunk);
                }
            }
            if waited_for.is_empty() {
                return Ok(true);
            }
            if start.elapsed() < PATIENCE {
                tokio::time::sleep(PAUSE).await;
            } else {
                for chunk in waited_for {
                    self.withdraw_late(chunk).await?;
                }
            }
        }
    }

    async fn all(&self, session: &mut ClientSession) -> Result<Vec<AnnouncingChunk>, Error> {
        let announcing = doc! { "announced.load": { "$exists": true } };
        let fields = doc! { "announced": 1 };
        self.chunks
            .find(announcing)
            .projection(fields)
            .session(&mut *session)
            .await?
            .stream(session)
            .try_collect()
            .await
    }

    /// Takes back rows of a worker that may be anywhere.
    ///
    /// Whoever dies in the middle of the last transaction leaves its session in the announcement: it would keep the chunk locked for a minute.
    async fn withdraw_late(&self, chunk: AnnouncingChunk) -> Result<(), StoreError> {
        let Announcement { token, session, .. } = &chunk.announced;
        end_sessions(&self.chunks, vec![session.clone()]).await?;
        let refuse = doc! { "$set": { "refused": true } };
        let has_come = self.paystats.update_one(doc! { "_id": token }, refuse).upsert(true).await?.matched_count == 1;
        if has_come {
            // What it does until it hears that it is ended has to be there before.
            end_sessions(&self.chunks, vec![session.clone()]).await?;
            while self.is_inserting(session).await? {
                tokio::time::sleep(PAUSE).await;
            }
        }
        let mut session = self.chunks.client().start_session().await?;
        let announcing = doc! { "_id": &chunk.id, "announced.token": token };
        self.chunks.update_one(announcing, doc! { "$set": { "announced.session": session.id() } }).await?;
        self.take_back(&chunk.id, &chunk.announced, false, &mut session).await
    }

    /// Whether MongoDB is busy with an insert of rows in a session. For other things the driver may use the same session again by now, for this
    /// question too.
    async fn is_inserting(&self, session: &Document) -> Result<bool, StoreError> {
        let rows = self.paystats.namespace().to_string();
        let inserts = doc! { "lsid.id": session.get("id"), "op": "insert", "ns": rows };
        let operations = [doc! { "$currentOp": {} }, doc! { "$match": inserts }, doc! { "$project": { "opid": 1 } }];
        Ok(self.chunks.client().database("admin").aggregate(operations).await?.try_next().await?.is_some())
    }

    /// Removes rows and their announcement, unless somebody else does. What is one's own is known by the token too, which nobody has
    /// refused then: the announcement may be gone with the whole database. A token that stays refuses its insert for ever.
    async fn take_back(
        &self,
        chunk: &str,
        announcement: &Announcement,
        is_own: bool,
        session: &mut ClientSession,
    ) -> Result<(), StoreError> {
        let ids: Vec<Bson> = announcement.ids()?.iter().map(|id| Bson::Int64(id as i64)).collect();
        let rows = doc! {
            "_id": { "$in": ids },
            "written.load": announcement.load,
            "written.line": { "$gte": announcement.first_line, "$lte": announcement.last_line },
        };
        let token = doc! { "_id": announcement.token, "refused": null };
        let announcing =
            doc! { "_id": chunk, "announced.token": announcement.token, "announced.session": session.id() };
        session
            .start_transaction()
            .and_run((self, rows, token, announcing), move |session, (this, rows, token, announcing)| {
                async move {
                    let end = doc! { "$unset": { "announced": 1 } };
                    let ended = this.chunks.update_one(announcing.clone(), end).session(&mut *session).await?;
                    let is_mine = is_own
                        && this.paystats.delete_one(token.clone()).session(&mut *session).await?.deleted_count == 1;
                    if ended.matched_count == 1 || is_mine {
                        this.paystats.delete_many(rows.clone()).session(&mut *session).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await?;
        Ok(())
    }
}

impl Announcement {
    fn ids(&self) -> Result<RoaringTreemap, StoreError> {
        lines_from_binary(&self.ids)
    }
}

impl AnnouncedInsert {
    /// An insert of rows of a load; `None` if they are too many for one command.
    pub(super) fn of<D: LoadedDocument>(
        load: i64,
        rows: &[D],
        session: &ClientSession,
    ) -> Result<Option<Self>, StoreError> {
        #[derive(Serialize)]
        struct Insert<'a, D> {
            insert: &'a str,
            documents: Vec<Inserted<'a, D>>,
            #[serde(rename = "writeConcern")]
            write_concern: Acknowledged,
        }
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Inserted<'a, D> {
            Token {
                #[serde(rename = "_id")]
                token: Uuid,
            },
            Row(&'a D),
        }
        #[derive(Serialize)]
        struct Acknowledged {
            w: i32,
        }
        let token = Uuid::new();
        let documents: Vec<_> =
            std::iter::once(Inserted::Token { token }).chain(rows.iter().map(Inserted::Row)).collect();
        let count = documents.len() as i64;
        let insert = Insert { insert: D::COLLECTION, documents, write_concern: Acknowledged { w: 1 } };
        let command = serialize_to_raw_document_buf(&insert).map_err(Error::from)?;
        let ids = rows.iter().map(|row| row.id() as u64).collect();
        let lines = || rows.iter().filter_map(|row| row.written().line);
        let (first_line, last_line) = (lines().min().unwrap_or_default(), lines().max().unwrap_or_default());
        let (session, ids) = (session.id().clone(), lines_to_binary(&ids)?);
        let announcement = Announcement { token, session, load, first_line, last_line, ids };
        let fits = command.as_bytes().len() <= COMMAND_BYTES;
        Ok(fits.then_some(Self { announcement, command, documents: count }))
    }
}
