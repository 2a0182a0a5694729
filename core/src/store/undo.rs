//! Taking one batch of a load back, by its document of the undo log, in one transaction: what it inserted goes, what it replaced returns,
//! and what was changed since is kept.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use mongodb::{
    ClientSession, Collection,
    bson::{Bson, doc},
    error::Error,
};
use roaring::RoaringBitmap;
use serde::Deserialize;

use super::{
    BATCH_SIZE, KeptReason, KeptRow, LoadSession, Provenance, Store, StoreError,
    load_batches::{LoadRow, LoadedDocument, RowOutcome, failed, touch},
    load_chunks::{ids_to_binary, lines_from_binary},
    undo_log::{Before, Shadowed, UndoDocument, UndoLog},
    write_commands::replace_all,
};
use crate::load::{Load, Reverted};

impl Store {
    /// Takes one step of [`Store::undo_steps`], unless it was taken before.
    pub async fn undo_step<R: LoadRow>(
        &self,
        load: &Load,
        step: &str,
        session: &mut LoadSession,
    ) -> Result<Reverted, StoreError> {
        let mut undo = Undo::<R::Document> {
            store: self,
            log: UndoLog::new(&self.database),
            collection: self.database.collection(R::Document::COLLECTION),
            load,
            step,
            refused: HashSet::new(),
        };
        loop {
            let run = session.0.start_transaction().and_run(&undo, |session, undo| undo.run(session));
            match run.await {
                Ok(reverted) => return Ok(reverted),
                Err(error) => match error.get_custom::<CannotReturn>() {
                    Some(CannotReturn(id)) => undo.refused.insert(*id),
                    None => return Err(error.into()),
                },
            };
        }
    }
}

/// The document with this id cannot return to what it was: its code is another's now.
#[derive(Clone, Copy, Debug)]
struct CannotReturn(i64);

/// A row as it is when its load is taken back.
#[derive(Deserialize)]
struct Found {
    #[serde(rename = "_id")]
    id: i64,
    written: Provenance,
    postal_code_id: Option<i32>,
}

/// One batch on its way back.
struct Undo<'a, D: LoadedDocument> {
    store: &'a Store,
    log: UndoLog<D>,
    collection: Collection<D>,
    load: &'a Load,
    step: &'a str,
    /// Ids that could not return in an earlier run.
    refused: HashSet<i64>,
}

impl<D: LoadedDocument> Undo<'_, D> {
    fn run<'b>(&'b self, session: &'b mut ClientSession) -> BoxFuture<'b, Result<Reverted, Error>> {
        self.take_back(session).boxed()
    }

    async fn take_back(&self, session: &mut ClientSession) -> Result<Reverted, Error> {
        let name = doc! { "_id": self.step, "reverted": false };
        let Some(mut document) = self.log.log.find_one(name.clone()).session(&mut *session).await? else {
            return Ok(Reverted::default());
        };
        let inserted = lines_from_binary(&document.inserted).map_err(failed)?;
        let mut before: Before<D> = inserted.iter().map(|id| (id as i64, None)).collect();
        let order: HashMap<i64, usize> = document.replaced.iter().map(LoadedDocument::id).zip(0..).collect();
        before.extend(document.replaced.drain(..).map(|replaced| (replaced.id(), Some(replaced))));

        let shadowed = document.shadowed.take().map(|shadowed| shadowed.rows).unwrap_or_default();
        let found = self.found(&before, session).await?;
        let kept = self.kept(&before, &found, session).await?;
        let kept_ids: HashSet<i64> = kept.iter().map(|row| row.id).collect();
        let since = kept.iter().filter(|row| row.reason == KeptReason::ReplacedByLoad).map(|row| row.id).collect();
        // The newer load may be on its way back too, and look into this log by now.
        touch(&self.collection, since, session).await?;
        let (stays, mut returns): (Before<D>, Before<D>) =
            before.into_iter().partition(|(id, _)| kept_ids.contains(id));
        let reverted = Reverted { rows: returns.len() as u64, kept: kept.len() as u64 };

        self.skip_taken_back(&mut returns, session).await?;
        self.bring_to_light(&mut returns, session).await?;
        // What counts of a row that stands upon a version which does not is a version before that.
        let versions: Vec<(i64, Provenance)> =
            stays.values().chain(returns.values()).flatten().map(|row| (row.id(), row.written())).collect();
        let by_load = versions.iter().filter(|(_, written)| written.line.is_some());
        let writers: HashSet<i64> = by_load.clone().map(|(_, written)| written.load).collect();
        let open = self.store.loads.not_succeeded(writers, None, session).await?;
        let stands_on_open = by_load.filter(|(_, written)| open.contains(&written.load)).map(|(id, _)| *id);
        let entangled = stands_on_open.chain(shadowed.iter().map(LoadedDocument::id)).collect();
        let mut touched: RoaringBitmap = match D::COLLECTION {
            super::paystats::COLLECTION => self.store.rollups.postal_codes_of(entangled, session).await?,
            _ => BTreeSet::new(),
        }
        .into_iter()
        .map(i32::cast_unsigned)
        .collect();
        touched.extend(returns.keys().filter_map(|id| found.get(id)?.postal_code_id).map(i32::cast_unsigned));
        touched.extend(postal_codes(returns.values().flatten()).map_err(failed)?);
        self.write(returns, &order, session).await?;

        let inserted = stays.iter().filter(|(_, was)| was.is_none()).map(|(id, _)| *id as u64).collect();
        let left = UndoDocument {
            id: document.id,
            load: document.load,
            reverted: true,
            returned: reverted.rows as i64,
            expires_at: document.expires_at.filter(|_| kept.is_empty()),
            kept,
            elsewhere: document.elsewhere,
            touched: (!touched.is_empty()).then(|| ids_to_binary(&touched)).transpose().map_err(failed)?,
            ..UndoDocument::of(&inserted, stays.into_values().flatten().collect()).map_err(failed)?
        };
        self.log.log.replace_one(name, left).session(&mut *session).await?;
        Ok(reverted)
    }

    /// The rows as they are now.
    async fn found(&self, before: &Before<D>, session: &mut ClientSession) -> Result<HashMap<i64, Found>, Error> {
        let ids: Vec<Bson> = before.keys().copied().map(Bson::Int64).collect();
        let mut cursor = self
            .collection
            .clone_with_type::<Found>()
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "written": 1, "postal_code_id": 1 })
            .batch_size(BATCH_SIZE)
            .session(&mut *session)
            .await?;
        let found: Vec<Found> = cursor.stream(session).try_collect().await?;
        Ok(found.into_iter().map(|row| (row.id, row)).collect())
    }

    /// Rows that stay as they are, and why.
    async fn kept(
        &self,
        before: &Before<D>,
        found: &HashMap<i64, Found>,
        session: &mut ClientSession,
    ) -> Result<Vec<KeptRow>, Error> {
        let mut named = HashSet::new();
        if D::COLLECTION == super::postal_codes::COLLECTION {
            let going = before.iter().filter(|(_, was)| was.is_none()).map(|(id, _)| *id);
            named = self.store.paystats.named_postal_codes(going, session).await?;
            self.store.load_chunks.note_postal_codes_removed(session).await?;
        }
        let mut kept = Vec::new();
        for &id in before.keys() {
            let (reason, load) = match found.get(&id).map(|row| row.written) {
                None => (KeptReason::Deleted, None),
                Some(written) if written.line.is_none() => (KeptReason::Edited, None),
                Some(written) if written.load != self.load.number => (KeptReason::ReplacedByLoad, Some(written.load)),
                Some(_) if named.contains(&id) || self.refused.contains(&id) => (KeptReason::InUse, None),
                Some(_) => continue,
            };
            kept.push(KeptRow { id, reason, load });
        }
        kept.sort_by_key(|row| row.id);
        Ok(kept)
    }

    /// A version that a load wrote which is taken back itself is no version to return to: its own log tells the one before.
    async fn skip_taken_back(&self, returns: &mut Before<D>, session: &mut ClientSession) -> Result<(), Error> {
        loop {
            let by: HashSet<i64> = writers(returns.values().flatten());
            let gone = self.taken_back(by, session).await?;
            let mut ids: HashMap<i64, HashSet<i64>> = HashMap::new();
            for row in returns.values().flatten().filter(|row| is_of(*row, &gone)) {
                ids.entry(row.written().load).or_default().insert(row.id());
            }
            if ids.is_empty() {
                return Ok(());
            }
            for (load, ids) in ids {
                let older = self.log.before(load, &ids, session).await?;
                for id in ids {
                    // A row that its load's log does not know any more was taken back before: nothing is left of it.
                    returns.insert(id, older.get(&id).cloned().flatten());
                }
            }
        }
    }

    /// Lets rows return to what an older load brought while this load's version was there: the newest such version that is newer than
    /// what this load replaced. The older load's log then tells that it replaced it.
    async fn bring_to_light(&self, returns: &mut Before<D>, session: &mut ClientSession) -> Result<(), Error> {
        let (Some(first), Some(last)) = (returns.keys().min().copied(), returns.keys().max().copied()) else {
            return Ok(());
        };
        let found = self.log.shadowed(first, last, session).await?;
        let found: Vec<_> = found.into_iter().filter(|document| document.load < self.load.number).collect();
        let gone = self.taken_back(found.iter().map(|document| document.load).collect(), session).await?;
        let mut lit = HashSet::new();
        for mut document in found.into_iter().filter(|document| !gone.contains(&document.load)) {
            let (rows, mut left) =
                (document.shadowed.take().map(|shadowed| shadowed.rows).unwrap_or_default(), Vec::new());
            let mut inserted = lines_from_binary(&document.inserted).map_err(failed)?;
            let mut changed = false;
            for row in rows {
                let newer = |known: &Option<D>| known.as_ref().is_none_or(|known| known.written().load < document.load);
                match returns.get_mut(&row.id()) {
                    Some(before) if newer(before) && lit.insert(row.id()) => {
                        changed = true;
                        match before.replace(row.clone()) {
                            Some(before) => {
                                let before_in = before.counted().map_err(failed)?;
                                document.elsewhere.extend(before_in.map(|(postal_code, ..)| postal_code.get()));
                                document.replaced.push(before);
                            }
                            None => drop(inserted.insert(row.id() as u64)),
                        }
                    }
                    _ => left.push(row),
                }
            }
            if changed {
                let now = UndoDocument {
                    id: document.id.clone(),
                    load: document.load,
                    shadowed: Shadowed::of(left),
                    expires_at: document.expires_at,
                    elsewhere: document.elsewhere,
                    ..UndoDocument::of(&inserted, document.replaced).map_err(failed)?
                };
                self.log.log.replace_one(doc! { "_id": document.id }, now).session(&mut *session).await?;
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        returns: Before<D>,
        order: &HashMap<i64, usize>,
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        let (mut gone, mut back) = (Vec::new(), Vec::new());
        for (id, before) in returns {
            match before {
                None => gone.push(Bson::Int64(id)),
                Some(before) => back.push(before),
            }
        }
        if !gone.is_empty() {
            self.collection.delete_many(doc! { "_id": { "$in": gone } }).session(&mut *session).await?;
        }
        // In the opposite order of writing, so that a code that passed from one to another passes back.
        back.sort_by_key(|row| std::cmp::Reverse(order.get(&row.id()).copied()));
        match replace_all(&self.collection, &back.iter().collect::<Vec<_>>(), session).await? {
            None => Ok(()),
            Some((index, RowOutcome::DuplicateValue)) => Err(Error::custom(CannotReturn(back[index].id()))),
            Some((_, outcome)) => {
                let reason = format!("a document could not return to what it was: {outcome:?}");
                Err(failed(StoreError::Corrupt { collection: D::COLLECTION, reason }))
            }
        }
    }

    /// Which of these loads are taken back, or on their way.
    async fn taken_back(&self, loads: HashSet<i64>, session: &mut ClientSession) -> Result<HashSet<i64>, Error> {
        if loads.is_empty() {
            return Ok(loads);
        }
        let states = self.store.loads.states(loads.into_iter().collect(), session).await?;
        Ok(states.into_iter().filter(|(_, state)| state.is_taken_back()).map(|(load, _)| load).collect())
    }
}

/// Numbers of the postal codes that rows are counted in.
fn postal_codes<'a, D: LoadedDocument + 'a>(rows: impl Iterator<Item = &'a D>) -> Result<RoaringBitmap, StoreError> {
    let mut postal_codes = RoaringBitmap::new();
    for row in rows {
        postal_codes.extend(row.counted()?.map(|(postal_code, ..)| postal_code.get().cast_unsigned()));
    }
    Ok(postal_codes)
}

fn writers<'a, D: LoadedDocument + 'a>(rows: impl Iterator<Item = &'a D>) -> HashSet<i64> {
    rows.map(LoadedDocument::written).filter(|written| written.line.is_some()).map(|written| written.load).collect()
}

fn is_of<D: LoadedDocument>(row: &D, loads: &HashSet<i64>) -> bool {
    row.written().line.is_some() && loads.contains(&row.written().load)
}
