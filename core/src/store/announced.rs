//! Rows of loads that stand in `paystats` before the transaction of their batch: new ones, which mongod inserts faster outside of one.
//!
//! Such a batch is announced first: its chunk's document names the ids and some tokens. Then come ordered inserts, one for each token: a
//! document with the token as its `_id`, and the next rows after it. The transaction that makes the rows the load's, by the undo log and
//! the chunk's place, ends the announcement too. Until then they are nobody's:
//!
//! - Whoever takes or revokes the chunk takes them back first. An insert that comes late, however late, is refused as a whole: who
//!   takes rows back leaves its token there before.
//! - Whoever has to decide by one of them, a newer load or an edit, waits, and takes them back if that lasts too long. The batch is
//!   written once more then.
//!
//! Nothing that counts sees them: the totals of an open load are those of its undo log.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, TryStreamExt, join};
use mongodb::{
    ClientSession, Collection, Database,
    bson::{Binary, Bson, Document, Uuid, deserialize_from_document, doc},
    error::Error,
};
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    error::{DUPLICATE_KEY, is_ended},
    load_batches::{LoadedDocument, failed},
    load_chunks::{self, lines_from_binary, lines_to_binary},
    paystats,
    session::end_sessions,
    write_commands::{COMMAND_ROWS, WriteReply, insert_command},
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
    /// Of each insert, the `_id` of the document that it brings before its rows.
    pub tokens: Vec<Uuid>,
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

    /// Whether a row is there, a load's or nobody's.
    pub(super) async fn is_there(&self, id: i64) -> Result<bool, StoreError> {
        Ok(self.paystats.find_one(doc! { "_id": id }).projection(doc! { "_id": 1 }).await?.is_some())
    }

    /// Inserts rows whose announcement is in the store. `false` if they are not all new, or somebody takes them back: a part of them may be
    /// there then.
    ///
    /// The answers come from the primary alone. Should another member take its place, rows may be lost: see [`Self::confirm`].
    pub(super) async fn insert<D: LoadedDocument>(
        &self,
        announcement: &Announcement,
        rows: &[D],
        session: &mut ClientSession,
    ) -> Result<bool, StoreError> {
        let database = self.paystats.client().database(&self.paystats.namespace().db);
        let mut commands = announcement.inserts(rows).map(|(token, rows)| {
            let documents = rows.len() as i64 + 1;
            insert_command(rows.iter(), Some(token)).map(|command| (command, documents))
        });
        let mut next = commands.next().transpose()?;
        while let Some((command, documents)) = next {
            // Sent once: the driver tries commands like this one no second time. While MongoDB takes it, the next one is made.
            let sent = database.run_raw_command(command).session(&mut *session).into_future();
            let (reply, following) = join!(sent, async { commands.next() });
            let reply = match reply {
                Err(error) if is_ended(&error) => return Ok(false),
                reply => reply?,
            };
            let reply: WriteReply = deserialize_from_document(reply).map_err(Error::from)?;
            match reply.write_errors.first() {
                None if reply.n == documents => next = following.transpose()?,
                None => {
                    let reason = format!("{documents} documents were to be written, and {} were", reply.n);
                    return Err(StoreError::Corrupt { collection: paystats::COLLECTION, reason });
                }
                Some(failure) if failure.code == DUPLICATE_KEY => return Ok(false),
                Some(failure) => return Err(failure.error()),
            }
        }
        Ok(true)
    }

    /// Removes the tokens of rows that are to be the load's, inside their transaction. `false` if not all of them are there, or somebody takes
    /// them back. Since each insert brings its rows in their order, its last one tells; and its token, whether it is of this insert.
    pub(super) async fn confirm<D: LoadedDocument>(
        &self,
        announcement: &Announcement,
        rows: &[D],
        session: &mut ClientSession,
    ) -> Result<bool, Error> {
        let last = announcement.inserts(rows).filter_map(|(_, rows)| rows.last());
        let last: Vec<_> = last
            .map(|row| doc! { "_id": row.id(), "written.load": row.written().load, "written.line": row.written().line })
            .collect();
        let inserts = announcement.tokens.len() as u64;
        let there = self.paystats.count_documents(doc! { "$or": last }).session(&mut *session).await?;
        let tokens = doc! { "_id": { "$in": &announcement.tokens }, "refused": null };
        Ok(there == inserts && self.paystats.delete_many(tokens).session(session).await?.deleted_count == inserts)
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
        let Announcement { tokens, session, .. } = &chunk.announced;
        end_sessions(&self.chunks, vec![session.clone()]).await?;
        let mut has_come = false;
        for token in tokens {
            let refuse = doc! { "$set": { "refused": true } };
            has_come |= self.paystats.update_one(doc! { "_id": token }, refuse).upsert(true).await?.matched_count == 1;
        }
        if has_come {
            // What it does until it hears that it is ended has to be there before.
            end_sessions(&self.chunks, vec![session.clone()]).await?;
            while self.is_inserting(session).await? {
                tokio::time::sleep(PAUSE).await;
            }
        }
        let mut session = self.chunks.client().start_session().await?;
        let announcing = doc! { "_id": &chunk.id, "announced.tokens": tokens };
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

    /// Removes rows and their announcement, unless somebody else does. What is one's own is known by the tokens too, which nobody has
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
        let tokens = doc! { "_id": { "$in": &announcement.tokens }, "refused": null };
        let announcing =
            doc! { "_id": chunk, "announced.tokens": &announcement.tokens, "announced.session": session.id() };
        session
            .start_transaction()
            .and_run((self, rows, tokens, announcing), move |session, (this, rows, tokens, announcing)| {
                async move {
                    let end = doc! { "$unset": { "announced": 1 } };
                    let ended = this.chunks.update_one(announcing.clone(), end).session(&mut *session).await?;
                    let is_mine = is_own
                        && this.paystats.delete_many(tokens.clone()).session(&mut *session).await?.deleted_count > 0;
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
    /// Of rows of a load that are to be inserted in a session.
    pub(super) fn of<D: LoadedDocument>(load: i64, rows: &[D], session: &ClientSession) -> Result<Self, StoreError> {
        let ids = rows.iter().map(|row| row.id() as u64).collect();
        let lines = || rows.iter().filter_map(|row| row.written().line);
        Ok(Self {
            tokens: rows.chunks(COMMAND_ROWS).map(|_| Uuid::new()).collect(),
            session: session.id().clone(),
            load,
            first_line: lines().min().unwrap_or_default(),
            last_line: lines().max().unwrap_or_default(),
            ids: lines_to_binary(&ids)?,
        })
    }

    /// Their ids.
    pub(super) fn ids(&self) -> Result<RoaringTreemap, StoreError> {
        lines_from_binary(&self.ids)
    }

    /// The rows of each insert, after its token.
    fn inserts<'a, D>(&'a self, rows: &'a [D]) -> impl Iterator<Item = (Uuid, &'a [D])> {
        self.tokens.iter().copied().zip(rows.chunks(COMMAND_ROWS))
    }
}
