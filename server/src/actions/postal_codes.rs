//! Postal codes: find, make, change, remove.

use std::collections::HashMap;

use paystats_core::{
    domain::{Geometry, Near, PostalCode, PostalCodeCode, PostalCodeId},
    load::LoadEntity,
    store::{DeletedPostalCode, Page, PageRequest, PostalCodeChange, PostalCodeFilter, StoreError, StoredPostalCode},
};

use super::{ActionError, Actions};

impl Actions {
    /// The postal code with this number.
    pub async fn postal_code(&self, id: PostalCodeId) -> Result<Option<StoredPostalCode>, ActionError> {
        Ok(self.postal_codes_by_ids(&[id]).await?.pop())
    }

    /// The postal code with this code.
    pub async fn postal_code_by_code(&self, code: &PostalCodeCode) -> Result<Option<StoredPostalCode>, ActionError> {
        Ok(self.engines.store.postal_codes.by_code(code).await?)
    }

    /// A page of postal codes, by number.
    pub async fn postal_codes(
        &self,
        filter: &PostalCodeFilter,
        request: PageRequest,
    ) -> Result<Page<StoredPostalCode>, ActionError> {
        Ok(self.engines.store.postal_codes.page(filter, request).await?)
    }

    /// How many postal codes match.
    pub async fn count_postal_codes(&self, filter: &PostalCodeFilter) -> Result<u64, ActionError> {
        Ok(self.engines.store.postal_codes.count(filter).await?)
    }

    /// The postal codes with these numbers, in any order.
    pub async fn postal_codes_by_ids(&self, ids: &[PostalCodeId]) -> Result<Vec<StoredPostalCode>, ActionError> {
        Ok(self.engines.store.postal_codes.by_ids(ids).await?)
    }

    /// The areas of these postal codes.
    pub async fn geometries(&self, ids: &[PostalCodeId]) -> Result<HashMap<PostalCodeId, Geometry>, ActionError> {
        Ok(self.engines.store.postal_codes.geometries(ids).await?)
    }

    /// The postal codes near a point, the nearest first, each with its distance in metres.
    pub async fn postal_codes_near(
        &self,
        filter: &PostalCodeFilter,
        near: Near,
    ) -> Result<Vec<(StoredPostalCode, f64)>, ActionError> {
        Ok(self.engines.store.postal_codes.near(filter, near).await?)
    }

    /// Makes a postal code.
    pub async fn create_postal_code(&self, code: PostalCode) -> Result<StoredPostalCode, ActionError> {
        let written = self.edit().await?;
        match self.engines.store.postal_codes.insert(&code, written).await {
            Ok(()) => {
                self.postal_codes_changed().await;
                Ok(StoredPostalCode { id: code.id, code: code.code, written })
            }
            Err(StoreError::Duplicate("id")) => {
                Err(ActionError::conflict(format!("a postal code with id {} exists", code.id)))
            }
            Err(StoreError::Duplicate(_)) => Err(code_taken(&code.code)),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a postal code.
    pub async fn update_postal_code(
        &self,
        id: PostalCodeId,
        change: PostalCodeChange,
    ) -> Result<StoredPostalCode, ActionError> {
        if change == PostalCodeChange::default() {
            return Err(ActionError::bad_input("nothing to change was given"));
        }
        let written = self.edit().await?;
        match self.engines.store.postal_codes.update(id, &change, written).await {
            Ok(Some(changed)) => {
                self.postal_codes_changed().await;
                Ok(changed)
            }
            Ok(None) => Err(unknown(id)),
            Err(StoreError::Duplicate(_)) => match &change.code {
                Some(code) => Err(code_taken(code)),
                None => Err(ActionError::conflict("the code is taken")),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a postal code that no paystat names.
    pub async fn delete_postal_code(&self, id: PostalCodeId) -> Result<(), ActionError> {
        let store = &self.engines.store;
        if store.loads.any_open(LoadEntity::Paystats).await? {
            // A loader that has read the list of postal codes may be about to write rows that name this one.
            return Err(ActionError::conflict("paystats are being loaded: delete the postal code after the load"));
        }
        match store.postal_codes.delete(id).await? {
            DeletedPostalCode::Deleted => {
                self.postal_codes_changed().await;
                Ok(())
            }
            DeletedPostalCode::Unknown => Err(unknown(id)),
            DeletedPostalCode::HasPaystats => {
                Err(ActionError::conflict(format!("postal code {id} has paystats: delete them first")))
            }
        }
    }
}

fn unknown(id: PostalCodeId) -> ActionError {
    ActionError::not_found(format!("there is no postal code with id {id}"))
}

fn code_taken(code: &PostalCodeCode) -> ActionError {
    ActionError::conflict(format!("a postal code with code {code} exists"))
}
