//! How fast MongoDB takes documents like ours at all: built before the clock starts, inserted in the best batches on the best number
//! of connections. And how fast in the transactions of a load, which is what it pays for leaving a batch whole or not at all.

use std::time::Instant;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::{
    Client, Collection, IndexModel,
    bson::{DateTime, Decimal128, RawDocumentBuf, doc},
};

use crate::bed::Bed;

/// How documents are inserted.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub batch: usize,
    pub concurrency: usize,
    /// Whether each batch is a transaction.
    pub transactions: bool,
}

/// How loads insert them.
pub const OF_LOADS: Shape = Shape { batch: 32_000, concurrency: 2, transactions: true };

/// Most documents of one try of the search, and of those of the best ones that are tried again, since the first tries take a second only.
const SEARCH_ROWS: u64 = 200_000;
const FINAL_ROWS: u64 = 2_000_000;
const FINALISTS: usize = 3;
/// How often each is tried: its best try counts, since what else the machine does makes tries slower only.
const TRIES: usize = 3;

/// The fastest shape for so many documents.
pub async fn search(bed: &Bed, rows: u64) -> Result<Shape> {
    let mut shapes = Vec::new();
    for batch in [1_000, 3_000, 10_000] {
        for concurrency in [1, 2, 3, 4] {
            shapes.push(Shape { batch, concurrency, transactions: false });
        }
    }
    let mut finalists = fastest_first(bed, rows.min(SEARCH_ROWS), &shapes).await?;
    finalists.truncate(FINALISTS);
    Ok(fastest_first(bed, rows.min(FINAL_ROWS), &finalists).await?[0])
}

async fn fastest_first(bed: &Bed, rows: u64, shapes: &[Shape]) -> Result<Vec<Shape>> {
    let mut best: Vec<(f64, Shape)> = shapes.iter().map(|&shape| (0.0, shape)).collect();
    for _ in 0..TRIES {
        for (rate, shape) in &mut best {
            *rate = rate.max(measure(bed, rows, *shape).await?);
        }
    }
    best.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    Ok(best.into_iter().map(|(_, shape)| shape).collect())
}

/// Documents a second.
pub async fn measure(bed: &Bed, rows: u64, shape: Shape) -> Result<f64> {
    let client = Client::with_uri_str(bed.engines.mongod.uri()).await?;
    let database = client.database("ceiling");
    let paystats: Collection<RawDocumentBuf> = database.collection("paystats");
    let by_place = doc! { "postal_code_id": 1, "month": 1, "age": 1, "gender": 1 };
    paystats.create_index(IndexModel::builder().keys(by_place).build()).await?;
    let batches = documents(rows, shape.batch)?;
    let start = Instant::now();
    stream::iter(batches)
        .map(|batch| {
            let paystats = paystats.clone();
            async move { tokio::spawn(insert(paystats, batch, shape.transactions)).await }
        })
        .buffer_unordered(shape.concurrency)
        .map(|inserted| inserted?)
        .try_for_each(async |()| Ok(()))
        .await?;
    let rate = rows as f64 / start.elapsed().as_secs_f64();
    database.drop().await?;
    Ok(rate)
}

async fn insert(paystats: Collection<RawDocumentBuf>, batch: Vec<RawDocumentBuf>, in_transaction: bool) -> Result<()> {
    if in_transaction {
        let mut session = paystats.client().start_session().await?;
        session.start_transaction().await?;
        paystats.insert_many(batch).session(&mut session).await?;
        session.commit_transaction().await?;
    } else {
        paystats.insert_many(batch).ordered(false).await?;
    }
    Ok(())
}

/// Documents as the loader writes them, in batches.
fn documents(rows: u64, batch: usize) -> Result<Vec<Vec<RawDocumentBuf>>> {
    const AGES: [&str; 6] = ["UNDER_25", "FROM_25_TO_34", "FROM_35_TO_44", "FROM_45_TO_54", "FROM_55_TO_64", "FROM_65"];
    const GENDERS: [&str; 2] = ["F", "M"];
    let mut batches = Vec::new();
    let mut documents = Vec::with_capacity(batch);
    for row in 0..rows as i64 {
        let amount: Decimal128 = format!("{}.{:05}", 1_000 + row % 90_000, row % 100_000).parse()?;
        let document = doc! {
            "_id": row,
            "amount": amount,
            "month": DateTime::from_millis(1_420_070_400_000 + row / 12 % 76 * 2_629_800_000),
            "age": AGES[(row % 12 / 2) as usize],
            "gender": GENDERS[(row % 2) as usize],
            "postal_code_id": (row / 912) as i32,
            "written": { "load": 1_i64, "line": row + 2 },
        };
        documents.push(RawDocumentBuf::try_from(document)?);
        if documents.len() == batch {
            batches.push(std::mem::replace(&mut documents, Vec::with_capacity(batch)));
        }
    }
    if !documents.is_empty() {
        batches.push(documents);
    }
    Ok(batches)
}
