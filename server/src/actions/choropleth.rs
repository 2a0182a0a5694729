//! A map of totals.

use std::collections::{HashMap, HashSet};

use paystats_core::domain::{Dimension, PaystatScope, PostalCodeId, Total};
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use super::{ActionError, Actions, sum};
use crate::{
    choropleth::{MapError, Style, Tolerance, paint},
    memory::Snapshot,
};

impl Actions {
    /// The places of a scope with their totals and classes, as a GeoJSON FeatureCollection.
    pub async fn choropleth(
        &self,
        snapshot: &Snapshot,
        scope: &PaystatScope,
        tolerance: Tolerance,
        style: Style,
    ) -> Result<Box<RawValue>, ActionError> {
        let mut groups = snapshot.cube.by(scope, &[Dimension::PostalCode])?;
        let map = self.maps.map(&self.engines.store.postal_codes, snapshot.versions, tolerance).await?;
        let shown = scope.postal_code_ids.clone();
        let work = move || -> Result<Box<RawValue>, ActionError> {
            // But for one that was removed in between.
            let known: HashSet<PostalCodeId> = map.places.iter().map(|place| place.id).collect();
            groups.retain(|group| group.postal_code_id.is_some_and(|id| known.contains(&id)));
            let whole = sum(&groups)?;
            let totals: HashMap<PostalCodeId, Total> =
                groups.iter().filter_map(|group| Some((group.postal_code_id?, group.total))).collect();
            paint(&map, shown.as_deref(), &totals, whole, style).map_err(ActionError::internal)
        };
        // A whole country takes a while.
        spawn_blocking(work).await.map_err(ActionError::internal)?
    }
}

impl From<MapError> for ActionError {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Store(error) => error.into(),
            MapError::Drawing(_) => Self::internal(error),
        }
    }
}
