//! The undo log: for each batch of a load, what it takes to take the batch back.
//!
//! A document holds the ids of the rows that the batch inserted, as a compressed bitmap, and the documents that it replaced, as they
//! were. It is written in the batch's own transaction. Taking a load back goes through its documents from the last to the first;
//! each is one transaction again, which also marks the document, so it can stop and go on anywhere.
//!
//! What a newer load or an edit wrote since is left as it is ("kept"), and what the log holds of such rows stays: should the newer load
//! be taken back too, the row returns to what it was before both. Where an older load found a row of a newer one already there, its
//! version stands in its log as "shadowed", and comes to light when the newer load goes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use futures_util::TryStreamExt;
use mongodb::{
    ClientSession, Collection, Database, IndexModel,
    bson::{Binary, DateTime, Document, doc, serialize_to_raw_document_buf},
    error::Error,
    options::IndexOptions,
};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde::{Deserialize, Serialize};

use super::{
    BATCH_SIZE, Store, StoreError,
    load_batches::{LoadRow, LoadedDocument, failed},
    load_chunks::{ids_from_binary, lines_from_binary, lines_to_binary},
    loads::to_bson,
};
use crate::load::{Load, Reverted};

/// What loads replaced in one collection.
#[derive(Clone, Debug)]
pub(super) struct UndoLog<D: LoadedDocument> {
    pub log: Collection<UndoDocument<D>>,
}

/// What rows were before a load. `None`: they were not there.
pub(super) type Before<D> = HashMap<i64, Option<D>>;

/// What a batch replaced.
#[derive(Clone, Debug)]
pub(super) struct Replaced<D> {
    /// Ids of new documents.
    pub inserted: RoaringTreemap,
    /// Documents as they were before.
    pub replaced: Vec<D>,
    /// Documents that the batch would have written, had not a newer load been there before.
    pub shadowed: Vec<D>,
    /// Postal codes that these versions are counted in while the documents themselves stand elsewhere.
    pub elsewhere: BTreeSet<i32>,
}

/// Why a row of a load that was taken back is still there, or is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeptReason {
    /// A newer load replaced it.
    ReplacedByLoad,
    /// A mutation changed it.
    Edited,
    /// A mutation removed it.
    Deleted,
    /// Paystats name it, or what it was before has a code that is another's now.
    InUse,
}

/// A row that was not taken back with its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRow {
    /// Its id.
    pub id: i64,
    /// Why.
    pub reason: KeptReason,
    /// Number of the newer load that replaced it.
    pub load: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "D: LoadedDocument")]
pub(super) struct UndoDocument<D: LoadedDocument> {
    /// `<load>/<chunk>/<first byte of the batch>/<part>`, each as wide as it can be: in the order of writing.
    #[serde(rename = "_id")]
    pub id: String,
    pub load: i64,
    /// Ids in it, shadowed ones left out.
    pub first_id: i64,
    pub last_id: i64,
    pub inserted: Binary,
    pub replaced: Vec<D>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowed: Option<Shadowed<D>>,
    /// Whether it was taken back; what is left in it then is of kept rows.
    pub reverted: bool,
    /// How many rows went back then.
    #[serde(default)]
    pub returned: i64,
    /// When MongoDB removes it; `None` where rows were kept, since undoing a newer load may ask for them then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptRow>,
    /// Postal codes that versions in here are counted in while the rows themselves stand elsewhere; perhaps others too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub elsewhere: BTreeSet<i32>,
    /// Once it was taken back: postal codes whose totals may have changed by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub touched: Option<Binary>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "D: LoadedDocument")]
pub(super) struct Shadowed<D: LoadedDocument> {
    pub first_id: i64,
    pub last_id: i64,
    pub rows: Vec<D>,
}

/// Bytes of replaced documents in one document of the log, which is held some times over on its way; a document that is larger stands alone.
const DOCUMENT_BYTES: usize = 1 << 20;

impl<D: LoadedDocument> UndoLog<D> {
    pub(super) fn new(database: &Database) -> Self {
        Self { log: database.collection(D::UNDO_COLLECTION) }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        let where_set = IndexOptions::builder()
            .partial_filter_expression(doc! { "shadowed.first_id": { "$exists": true } })
            .build();
        let where_elsewhere =
            IndexOptions::builder().partial_filter_expression(doc! { "elsewhere": { "$exists": true } }).build();
        let shadowed = doc! { "shadowed.first_id": 1, "shadowed.last_id": 1 };
        let at_that_time = IndexOptions::builder().expire_after(Duration::ZERO).build();
        self.log
            .create_indexes([
                IndexModel::builder().keys(doc! { "load": 1, "first_id": 1, "last_id": 1 }).build(),
                IndexModel::builder().keys(shadowed).options(where_set).build(),
                IndexModel::builder().keys(doc! { "elsewhere": 1 }).options(where_elsewhere).build(),
                IndexModel::builder().keys(doc! { "expires_at": 1 }).options(at_that_time).build(),
            ])
            .await?;
        Ok(())
    }

    /// Notes what a batch replaced, inside its transaction.
    pub(super) async fn write(
        &self,
        load: &Load,
        chunk: u32,
        byte: u64,
        replaced: Replaced<D>,
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        // A day later than that, so that no undo that was begun in time finds a part of it gone.
        let expires_at = Some(to_bson(load.undo_until + time::Duration::days(1)));
        let load = load.number;
        let Replaced { inserted, replaced, shadowed, elsewhere } = replaced;
        let mut parts: Vec<(RoaringTreemap, Vec<D>, Vec<D>)> = vec![(inserted, Vec::new(), Vec::new())];
        let mut bytes = 0;
        for (document, is_shadowed) in
            replaced.into_iter().map(|document| (document, false)).chain(shadowed.into_iter().map(|row| (row, true)))
        {
            let size = serialize_to_raw_document_buf(&document)?.as_bytes().len();
            if bytes > 0 && bytes + size > DOCUMENT_BYTES {
                parts.push(<_>::default());
                bytes = 0;
            }
            bytes += size;
            let (_, replaced, shadowed) = parts.last_mut().expect("there is a first part");
            if is_shadowed { shadowed.push(document) } else { replaced.push(document) }
        }
        for (part, (inserted, replaced, shadowed)) in parts.into_iter().enumerate() {
            if inserted.is_empty() && replaced.is_empty() && shadowed.is_empty() {
                continue;
            }
            let document = UndoDocument {
                id: format!("{load:012}/{chunk:010}/{byte:020}/{part:04}"),
                load,
                shadowed: Shadowed::of(shadowed),
                expires_at,
                elsewhere: elsewhere.clone(),
                ..UndoDocument::of(&inserted, replaced).map_err(failed)?
            };
            self.log.insert_one(document).session(&mut *session).await?;
        }
        Ok(())
    }

    /// What the log of a load says that these rows were before it.
    pub(super) async fn before(
        &self,
        load: i64,
        ids: &HashSet<i64>,
        session: &mut ClientSession,
    ) -> Result<Before<D>, Error> {
        let (first, last) = (ids.iter().min().copied(), ids.iter().max().copied());
        let filter = doc! { "load": load, "first_id": { "$lte": last }, "last_id": { "$gte": first } };
        let mut cursor = self.log.find(filter).session(&mut *session).await?;
        let mut before = Before::new();
        while let Some(document) = cursor.next(&mut *session).await.transpose()? {
            let inserted = lines_from_binary(&document.inserted).map_err(failed)?;
            before.extend(ids.iter().filter(|&&id| inserted.contains(id as u64)).map(|&id| (id, None)));
            let replaced = document.replaced.into_iter().filter(|row| ids.contains(&row.id()));
            before.extend(replaced.map(|row| (row.id(), Some(row))));
        }
        Ok(before)
    }

    /// The documents of loads that are not taken back with shadowed rows whose ids may lie in a range, those of the newest load first.
    pub(super) async fn shadowed(
        &self,
        first_id: i64,
        last_id: i64,
        session: &mut ClientSession,
    ) -> Result<Vec<UndoDocument<D>>, Error> {
        let filter = doc! {
            "shadowed.first_id": { "$lte": last_id },
            "shadowed.last_id": { "$gte": first_id },
            "reverted": false,
        };
        let mut cursor = self.log.find(filter).sort(doc! { "load": -1 }).session(&mut *session).await?;
        cursor.stream(session).try_collect().await
    }

    /// Numbers of the postal codes whose totals may have changed when a load was taken back.
    async fn touched(&self, load: i64) -> Result<RoaringBitmap, StoreError> {
        #[derive(Deserialize)]
        struct Touched {
            touched: Binary,
        }
        let mut documents = self
            .log
            .clone_with_type::<Touched>()
            .find(doc! { "_id": of_load(load), "touched": { "$exists": true } })
            .projection(doc! { "touched": 1 })
            .await?;
        let mut touched = RoaringBitmap::new();
        while let Some(document) = documents.try_next().await? {
            touched |= ids_from_binary(&document.touched)?;
        }
        Ok(touched)
    }

    /// Ids of the rows of a load that a newer load's version stands in the place of, or that replaced a version of one of `others`.
    pub(super) async fn entangled(&self, load: i64, others: &HashSet<i64>) -> Result<Vec<i64>, StoreError> {
        let mut cases = vec![doc! { "shadowed.first_id": { "$exists": true } }];
        if !others.is_empty() {
            let others: Vec<i64> = others.iter().copied().collect();
            cases.push(doc! { "replaced.written.load": { "$in": others } });
        }
        let mut documents = self.log.find(doc! { "load": load, "$or": cases }).await?;
        let mut ids = Vec::new();
        while let Some(document) = documents.try_next().await? {
            let shadowed = document.shadowed.map(|shadowed| shadowed.rows).unwrap_or_default();
            let replaced = document.replaced.iter().filter(|row| others.contains(&row.written().load));
            ids.extend(replaced.chain(&shadowed).map(LoadedDocument::id));
        }
        Ok(ids)
    }

    /// Names of a load's documents that are to be taken back, the last one first.
    async fn open(&self, load: i64) -> Result<Vec<String>, StoreError> {
        #[derive(Deserialize)]
        struct Name {
            #[serde(rename = "_id")]
            id: String,
        }
        let names: Vec<Name> = self
            .log
            .clone_with_type()
            .find(doc! { "_id": of_load(load), "reverted": false })
            .projection(doc! { "_id": 1 })
            .sort(doc! { "_id": -1 })
            .batch_size(BATCH_SIZE)
            .await?
            .try_collect()
            .await?;
        Ok(names.into_iter().map(|name| name.id).collect())
    }

    /// What was taken back of a load so far.
    async fn reverted(&self, load: i64) -> Result<Reverted, StoreError> {
        #[derive(Deserialize)]
        struct Taken {
            returned: i64,
            #[serde(default)]
            kept: Vec<KeptRow>,
        }
        let mut documents = self
            .log
            .clone_with_type::<Taken>()
            .find(doc! { "_id": of_load(load), "reverted": true })
            .projection(doc! { "returned": 1, "kept": 1 })
            .await?;
        let mut reverted = Reverted::default();
        while let Some(taken) = documents.try_next().await? {
            reverted.rows += taken.returned as u64;
            reverted.kept += taken.kept.len() as u64;
        }
        Ok(reverted)
    }

    /// The first `limit` rows of a load that were kept.
    async fn kept(&self, load: i64, limit: usize) -> Result<Vec<KeptRow>, StoreError> {
        #[derive(Deserialize)]
        struct Kept {
            kept: Vec<KeptRow>,
        }
        let mut documents = self
            .log
            .clone_with_type::<Kept>()
            .find(doc! { "_id": of_load(load), "reverted": true, "kept": { "$exists": true } })
            .projection(doc! { "kept": 1 })
            .sort(doc! { "_id": 1 })
            .await?;
        let mut kept = Vec::new();
        while kept.len() < limit
            && let Some(document) = documents.try_next().await?
        {
            kept.extend(document.kept);
        }
        kept.truncate(limit);
        Ok(kept)
    }
}

impl Store {
    /// Names of what the undo log holds of a load, in the order in which it has to be taken back.
    pub async fn undo_steps<R: LoadRow>(&self, load: &Load) -> Result<Vec<String>, StoreError> {
        UndoLog::<R::Document>::new(&self.database).open(load.number).await
    }

    /// What the steps that were taken came to.
    pub async fn reverted<R: LoadRow>(&self, load: &Load) -> Result<Reverted, StoreError> {
        UndoLog::<R::Document>::new(&self.database).reverted(load.number).await
    }

    /// Numbers of the postal codes whose totals the steps that were taken may have changed.
    pub async fn touched_by_reverting<R: LoadRow>(&self, load: &Load) -> Result<RoaringBitmap, StoreError> {
        UndoLog::<R::Document>::new(&self.database).touched(load.number).await
    }

    /// The first `limit` rows that stayed when a load was taken back.
    pub async fn kept_rows<R: LoadRow>(&self, load: &Load, limit: usize) -> Result<Vec<KeptRow>, StoreError> {
        UndoLog::<R::Document>::new(&self.database).kept(load.number, limit).await
    }
}

impl<D: LoadedDocument> UndoDocument<D> {
    pub(super) fn of(inserted: &RoaringTreemap, replaced: Vec<D>) -> Result<Self, StoreError> {
        let ids = || replaced.iter().map(LoadedDocument::id);
        let first = inserted.min().map(|id| id as i64).into_iter().chain(ids()).min().unwrap_or_default();
        let last = inserted.max().map(|id| id as i64).into_iter().chain(ids()).max().unwrap_or_default();
        Ok(Self {
            id: String::new(),
            load: 0,
            first_id: first,
            last_id: last,
            inserted: lines_to_binary(inserted)?,
            replaced,
            shadowed: None,
            reverted: false,
            returned: 0,
            expires_at: None,
            kept: Vec::new(),
            elsewhere: BTreeSet::new(),
            touched: None,
        })
    }
}

impl<D: LoadedDocument> Shadowed<D> {
    pub(super) fn of(rows: Vec<D>) -> Option<Self> {
        let first_id = rows.iter().map(LoadedDocument::id).min()?;
        let last_id = rows.iter().map(LoadedDocument::id).max()?;
        Some(Self { first_id, last_id, rows })
    }
}

/// The names of a load's documents.
pub(super) fn of_load(load: i64) -> Document {
    // `0` follows `/`.
    doc! { "$gte": format!("{load:012}/"), "$lt": format!("{load:012}0") }
}
