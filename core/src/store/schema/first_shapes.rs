//! To version 1: loads and chunks as the first builds wrote them get what newer code reads.
//!
//! The first chunks said only whether they were done; of their refused rows the rows themselves told. Those after them did not note whose totals
//! they change. Loads had no policy and could not be undone. A load that is under way in such chunks cannot go on: it is taken back, as far as
//! there is a log of what it replaced, and fails.

use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use mongodb::{
    Collection, Database,
    bson::{Bson, DateTime, Document, doc, serialize_to_bson},
};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde::Deserialize;

use super::super::{
    StoreError, load_chunks,
    load_chunks::{ids_to_binary, lines_to_binary},
    loads, rejections,
};
use crate::load::{Counts, LoadState, RejectPolicy, RejectionCode, RejectionCount};

const STOPPED: &str =
    "it was under way when a newer release was installed, which cannot go on with it: load its source again";

pub(super) fn migrate(database: &Database) -> BoxFuture<'_, Result<(), StoreError>> {
    async move {
        let chunks = database.collection::<Document>(load_chunks::COLLECTION);
        let loads = database.collection::<Document>(loads::COLLECTION);
        stop_what_cannot_go_on(&loads, &chunks).await?;
        for load in chunks.distinct("load", doc! { "next_byte": { "$exists": false } }).await? {
            complete_chunks(database, &loads, &chunks, &load).await?;
        }
        let nobody = doc! { "$set": { "postal_codes": ids_to_binary(&RoaringBitmap::new())? } };
        chunks.update_many(doc! { "postal_codes": { "$exists": false } }, nobody).await?;
        complete_loads(&loads).await
    }
    .boxed()
}

/// First, while its chunks can be told from others.
async fn stop_what_cannot_go_on(loads: &Collection<Document>, chunks: &Collection<Document>) -> Result<(), StoreError> {
    let old = chunks.distinct("load", doc! { "postal_codes": { "$exists": false } }).await?;
    let forward = [LoadState::Queued, LoadState::Planning, LoadState::Loading].map(LoadState::name);
    let under_way = doc! { "_id": { "$in": old }, "state": { "$in": forward.to_vec() } };
    let taken_back = doc! {
        "state": LoadState::Reverting.name(),
        "ends_as": LoadState::Failed.name(),
        "error": STOPPED,
        "published": false,
    };
    loads.update_many(under_way, doc! { "$set": taken_back }).await?;
    Ok(())
}

/// Gives the chunks of a load how far they are. Which rows the load refused stands in the first one, since nobody knows of which chunk they were.
async fn complete_chunks(
    database: &Database,
    loads: &Collection<Document>,
    chunks: &Collection<Document>,
    load: &Bson,
) -> Result<(), StoreError> {
    let entity = loads.find_one(doc! { "_id": load }).projection(doc! { "entity": 1 }).await?;
    let entity = entity.and_then(|load| load.get("entity").cloned()).unwrap_or(Bson::Null);
    let refused = Refused::of(database, load).await?;
    for (refused, of) in [(&refused, doc! { "index": 0 }), (&Refused::default(), doc! {})] {
        let is_done = doc! { "$ne": [{ "$ifNull": ["$counts", null] }, null] };
        let set = doc! {
            "entity": &entity,
            "start_line": "$first_line",
            "only_lines": null,
            "postal_codes_removed": 0_i64,
            "revoked": false,
            "claim": null,
            "session": null,
            "next_byte": { "$cond": [&is_done, "$end", "$start"] },
            "next_line": "$first_line",
            "done": is_done,
            "counts": { "$ifNull": ["$counts", { "$literal": bson(&Counts::default())? }] },
            "rejections": { "$literal": bson(&refused.counts)? },
            "rejected_lines": lines_to_binary(&refused.lines)?,
            "rejections_kept": refused.kept,
            "changes": [],
            "postal_codes": ids_to_binary(&RoaringBitmap::new())?,
        };
        let mut old = doc! { "load": load, "next_byte": { "$exists": false } };
        old.extend(of);
        chunks.update_many(old, vec![doc! { "$set": set }, doc! { "$unset": "first_line" }]).await?;
    }
    Ok(())
}

async fn complete_loads(loads: &Collection<Document>) -> Result<(), StoreError> {
    let known_or = |field: &str, otherwise: Bson| doc! { "$ifNull": [format!("${field}"), otherwise] };
    let refused_of = doc! { "$cond": [{ "$eq": ["$only_rejected", true] }, "$retry_of", null] };
    let set = doc! {
        "policy": known_or("policy", doc! { "$literal": bson(&RejectPolicy::default())? }.into()),
        "dry_run": known_or("dry_run", false.into()),
        "retry_of": known_or("retry_of", Bson::Null),
        "only_rejected_of": known_or("only_rejected_of", refused_of.into()),
        "cut": known_or("cut", Bson::Null),
        "plan": known_or("plan", Bson::Null),
        // It has passed: what they replaced was not kept.
        "undo_until": known_or("undo_until", DateTime::from_millis(0).into()),
    };
    let lacking =
        ["policy", "dry_run", "undo_until", "only_rejected_of"].map(|field| doc! { field: { "$exists": false } });
    let old = doc! { "$or": lacking.to_vec() };
    loads.update_many(old, vec![doc! { "$set": set }, doc! { "$unset": ["only_rejected", "chunk_bytes"] }]).await?;
    Ok(())
}

/// The refused rows of a load.
#[derive(Default)]
struct Refused {
    counts: Vec<RejectionCount>,
    lines: RoaringTreemap,
    kept: i64,
}

impl Refused {
    async fn of(database: &Database, load: &Bson) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Row {
            line: i64,
            column: Option<String>,
            code: RejectionCode,
        }
        let rows = database.collection::<Row>(rejections::COLLECTION);
        let mut rows = rows.find(doc! { "load": load }).projection(doc! { "line": 1, "column": 1, "code": 1 }).await?;
        let mut refused = Self::default();
        while let Some(row) = rows.try_next().await? {
            RejectionCount::add(&mut refused.counts, row.code, row.column.as_deref(), 1);
            refused.lines.insert(row.line as u64);
            refused.kept += 1;
        }
        Ok(refused)
    }
}

fn bson(value: &impl serde::Serialize) -> Result<Bson, StoreError> {
    serialize_to_bson(value).map_err(StoreError::failed)
}
