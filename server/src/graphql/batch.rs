//! Batches: what the items of a list ask for one by one goes to the store as one question.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use async_graphql::{
    Context, Request, Result,
    dataloader::{DataLoader, Loader},
};
use paystats_core::{
    domain::{Dimension, Geometry, PaystatScope, PostalCodeId},
    load::{Load, LoadId},
    store::{GroupTotal, Provenance, StoredPostalCode},
};

use super::load as graphql;
use crate::actions::{ActionError, Actions};

/// The batches of one request.
pub struct Batches {
    postal_codes: DataLoader<PostalCodeBatch>,
    geometries: DataLoader<GeometryBatch>,
    totals: DataLoader<TotalBatch>,
    loads: DataLoader<LoadBatch>,
}

impl Batches {
    /// Fresh ones.
    pub fn new(actions: &Actions) -> Self {
        Self {
            postal_codes: DataLoader::new(PostalCodeBatch(actions.clone()), tokio::spawn),
            geometries: DataLoader::new(GeometryBatch(actions.clone()), tokio::spawn),
            totals: DataLoader::new(TotalBatch(actions.clone()), tokio::spawn),
            loads: DataLoader::new(LoadBatch(actions.clone()), tokio::spawn),
        }
    }

    /// Gives them to a request.
    pub fn attach(self, request: Request) -> Request {
        request.data(self)
    }

    fn of<'a>(context: &Context<'a>) -> &'a Self {
        context.data_unchecked()
    }
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

/// The totals of one postal code in a scope, by some dimensions.
pub async fn totals(
    context: &Context<'_>,
    id: PostalCodeId,
    scope: Arc<PaystatScope>,
    by: Vec<Dimension>,
) -> Result<Vec<GroupTotal>, ActionError> {
    let groups = Batches::of(context).totals.load_one(TotalKey { id, scope, by }).await?;
    Ok(groups.unwrap_or_default())
}

/// The load that wrote a document last; `None` if a mutation did.
pub async fn load_of(context: &Context<'_>, written: Provenance) -> Result<Option<graphql::Load>> {
    match written.line {
        Some(_) => Ok(Batches::of(context).loads.load_one(written.load).await?.map(graphql::Load)),
        None => Ok(None),
    }
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
        let found = self.0.engines.store.postal_codes.by_ids(ids).await?;
        Ok(found.into_iter().map(|code| (code.id, code)).collect())
    }
}

struct GeometryBatch(Actions);

impl Loader<PostalCodeId> for GeometryBatch {
    type Value = Arc<Geometry>;
    type Error = ActionError;

    async fn load(&self, ids: &[PostalCodeId]) -> Result<HashMap<PostalCodeId, Arc<Geometry>>, ActionError> {
        let found = self.0.engines.store.postal_codes.geometries(ids).await?;
        Ok(found.into_iter().map(|(id, geometry)| (id, Arc::new(geometry))).collect())
    }
}

/// The same question about one of many postal codes.
#[derive(Clone, PartialEq, Eq, Hash)]
struct TotalKey {
    id: PostalCodeId,
    scope: Arc<PaystatScope>,
    by: Vec<Dimension>,
}

struct TotalBatch(Actions);

impl Loader<TotalKey> for TotalBatch {
    type Value = Vec<GroupTotal>;
    type Error = ActionError;

    async fn load(&self, keys: &[TotalKey]) -> Result<HashMap<TotalKey, Vec<GroupTotal>>, ActionError> {
        type Question<'a> = (&'a Arc<PaystatScope>, &'a Vec<Dimension>);
        let mut questions: HashMap<Question<'_>, Vec<PostalCodeId>> = HashMap::new();
        for key in keys {
            questions.entry((&key.scope, &key.by)).or_default().push(key.id);
        }
        let mut answers: HashMap<TotalKey, Vec<GroupTotal>> = HashMap::new();
        for ((scope, by), mut ids) in questions {
            if let Some(allowed) = &scope.postal_code_ids {
                ids.retain(|id| allowed.contains(id));
            }
            let narrowed = PaystatScope { postal_code_ids: Some(ids), ..scope.as_ref().clone() };
            let dimensions: Vec<Dimension> = by.iter().copied().chain([Dimension::PostalCode]).collect();
            for group in self.0.totals(&narrowed, &dimensions).await? {
                let Some(id) = group.postal_code_id else { continue };
                match answers.entry(TotalKey { id, scope: scope.clone(), by: by.clone() }) {
                    Entry::Occupied(mut groups) => groups.get_mut().push(group),
                    Entry::Vacant(place) => drop(place.insert(vec![group])),
                }
            }
        }
        Ok(answers)
    }
}

struct LoadBatch(Actions);

impl Loader<i64> for LoadBatch {
    type Value = Load;
    type Error = ActionError;

    async fn load(&self, numbers: &[i64]) -> Result<HashMap<i64, Load>, ActionError> {
        let found = self.0.engines.store.loads.by_numbers(numbers).await?;
        Ok(found.into_iter().map(|load| (load.number, load)).collect())
    }
}

impl Loader<LoadId> for LoadBatch {
    type Value = Load;
    type Error = ActionError;

    async fn load(&self, ids: &[LoadId]) -> Result<HashMap<LoadId, Load>, ActionError> {
        let found = self.0.engines.store.loads.by_ids(ids).await?;
        Ok(found.into_iter().map(|load| (load.id, load)).collect())
    }
}
