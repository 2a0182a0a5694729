//! Batches: what the items of a list ask for one by one goes to the store as one question.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Context, Result,
    dataloader::{DataLoader, Loader},
};
use futures_util::future::BoxFuture;
use paystats_core::{
    domain::{Geometry, PostalCodeId},
    load::{Load, LoadId},
    store::{Provenance, StoredPostalCode},
};

use super::{OfRequest, load as graphql};
use crate::actions::{ActionError, Actions};

/// The batches of one request.
pub struct Batches {
    postal_codes: DataLoader<PostalCodeBatch>,
    geometries: DataLoader<GeometryBatch>,
    loads: DataLoader<LoadBatch>,
    /// How often anything was asked for.
    asked: Arc<AtomicUsize>,
}

/// How long a request has to ask for nothing before its batches are fetched.
const SILENCE: Duration = Duration::from_millis(1);

impl Batches {
    fn new(actions: &Actions) -> Self {
        let asked = Arc::default();
        Self {
            postal_codes: batched(PostalCodeBatch(actions.clone()), &asked),
            geometries: batched(GeometryBatch(actions.clone()), &asked),
            loads: batched(LoadBatch(actions.clone()), &asked),
            asked,
        }
    }

    /// Those of a request that is about to ask for something.
    fn of<'a>(context: &Context<'a>) -> &'a Self {
        let own: &OfRequest = context.data_unchecked();
        let batches = own.batches.get_or_init(|| Self::new(context.data_unchecked()));
        batches.asked.fetch_add(1, Ordering::Relaxed);
        batches
    }
}

/// A loader that fetches once its request has fallen silent. The executor resolves a list a few items at a time, so after the
/// fixed pause that a [`DataLoader`] makes by itself it may still be in the middle of one.
fn batched<B>(batch: B, asked: &Arc<AtomicUsize>) -> DataLoader<B> {
    let asked = asked.clone();
    let spawn = move |fetch: BoxFuture<'static, ()>| {
        let asked = asked.clone();
        tokio::spawn(async move {
            let mut before = None;
            while before != Some(asked.load(Ordering::Relaxed)) {
                before = Some(asked.load(Ordering::Relaxed));
                tokio::time::sleep(SILENCE).await;
            }
            fetch.await;
        })
    };
    DataLoader::new(batch, spawn).delay(Duration::ZERO)
}

/// The postal code with this number.
pub async fn postal_code(context: &Context<'_>, id: PostalCodeId) -> Result<Option<StoredPostalCode>, ActionError> {
    Batches::of(context).postal_codes.load_one(id).await
}

/// The area of a postal code.
pub async fn geometry(context: &Context<'_>, id: PostalCodeId) -> Result<Arc<Geometry>, ActionError> {
    let geometry = Batches::of(context).geometries.load_one(id).await?;
    geometry.ok_or_else(|| ActionError::not_found(format!("there is no postal code with id {id}")))
}

/// The load that wrote a document last; `None` if a mutation did.
pub async fn load_of(context: &Context<'_>, written: Provenance) -> Result<Option<graphql::Load>> {
    match written.line {
        Some(_) => load_numbered(context, written.load).await,
        None => Ok(None),
    }
}

/// The load with this number.
pub async fn load_numbered(context: &Context<'_>, number: i64) -> Result<Option<graphql::Load>> {
    Ok(Batches::of(context).loads.load_one(number).await?.map(graphql::Load))
}

/// The load with this id.
pub async fn load(context: &Context<'_>, id: LoadId) -> Result<Option<Load>, ActionError> {
    Batches::of(context).loads.load_one(id).await
}

struct PostalCodeBatch(Actions);

impl Loader<PostalCodeId> for PostalCodeBatch {
    type Value = StoredPostalCode;
    type Error = ActionError;

    async fn load(&self, ids: &[PostalCodeId]) -> Result<HashMap<PostalCodeId, StoredPostalCode>, ActionError> {
        let found = self.0.postal_codes_by_ids(ids).await?;
        Ok(found.into_iter().map(|code| (code.id, code)).collect())
    }
}

struct GeometryBatch(Actions);

impl Loader<PostalCodeId> for GeometryBatch {
    type Value = Arc<Geometry>;
    type Error = ActionError;

    async fn load(&self, ids: &[PostalCodeId]) -> Result<HashMap<PostalCodeId, Arc<Geometry>>, ActionError> {
        let found = self.0.geometries(ids).await?;
        Ok(found.into_iter().map(|(id, geometry)| (id, Arc::new(geometry))).collect())
    }
}

struct LoadBatch(Actions);

impl Loader<i64> for LoadBatch {
    type Value = Load;
    type Error = ActionError;

    async fn load(&self, numbers: &[i64]) -> Result<HashMap<i64, Load>, ActionError> {
        let found = self.0.loads_by_numbers(numbers).await?;
        Ok(found.into_iter().map(|load| (load.number, load)).collect())
    }
}

impl Loader<LoadId> for LoadBatch {
    type Value = Load;
    type Error = ActionError;

    async fn load(&self, ids: &[LoadId]) -> Result<HashMap<LoadId, Load>, ActionError> {
        let found = self.0.loads_by_ids(ids).await?;
        Ok(found.into_iter().map(|load| (load.id, load)).collect())
    }
}
