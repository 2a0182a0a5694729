//! All collections, by what becomes of them in a backup.

use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::{
    Database,
    bson::{Document, doc},
};

use super::{
    StoreError, audit, counters, load_batches::LoadedDocument, load_chunks, load_sums, loads, paystats,
    paystats::PaystatDocument, postal_codes, postal_codes::PostalCodeDocument, rejections, rollups, schema,
};

/// What cannot be made from anything else, in the order in which it is restored. Loads come last: a server that runs meanwhile publishes those
/// that are not published, and then all that belongs to them has to be there.
pub const KEPT: [&str; 10] = [
    counters::COLLECTION,
    postal_codes::COLLECTION,
    paystats::COLLECTION,
    PaystatDocument::UNDO_COLLECTION,
    PostalCodeDocument::UNDO_COLLECTION,
    load_chunks::COLLECTION,
    load_sums::COLLECTION,
    rejections::COLLECTION,
    audit::COLLECTION,
    loads::COLLECTION,
];

/// What a restore makes anew.
pub const MADE_ANEW: [&str; 4] = [rollups::COLLECTION, rollups::HEADS, rollups::LOCKS, schema::COLLECTION];

/// What [`super::Store::prepare`] writes into an empty database.
const PREPARED: [&str; 3] = [counters::COLLECTION, rollups::LOCKS, schema::COLLECTION];

/// The names of the collections that hold more than a database which was prepared and never used, in order.
pub(super) async fn in_use(database: &Database) -> Result<Vec<String>, StoreError> {
    let names = database.list_collection_names().await?;
    let names = names.into_iter().filter(|name| !PREPARED.contains(&name.as_str()) && !name.starts_with("system."));
    let holds = |name: String| async move {
        let any = database.collection::<Document>(&name).find_one(doc! {}).projection(doc! { "_id": 1 }).await?;
        Ok::<_, StoreError>(any.map(|_| name))
    };
    let mut in_use: Vec<String> =
        stream::iter(names).then(holds).try_filter_map(async |name| Ok(name)).try_collect().await?;
    in_use.sort();
    Ok(in_use)
}
