//! Paystats: read, make, change, remove.

use paystats_core::{
    domain::{AgeGroup, Amount, Gender, Month, Paystat, PaystatId, PaystatScope, PostalCodeId, StatsFilter},
    store::{Direction, Page, PageRequest, PaystatChange, PaystatOrderField, Provenance, StoreError, StoredPaystat},
};

use super::{ActionError, Actions};
use crate::memory::KnownPostalCodes;

/// Which paystats a list holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PaystatFilter {
    /// By time, people and place.
    pub stats: StatsFilter,
    /// Least amount.
    pub min_amount: Option<Amount>,
    /// Greatest amount, included.
    pub max_amount: Option<Amount>,
}

/// A paystat to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPaystat {
    /// Number; the next free one if `None`.
    pub id: Option<PaystatId>,
    /// Amount.
    pub amount: Amount,
    /// Month.
    pub month: Month,
    /// Age group.
    pub age: AgeGroup,
    /// Gender.
    pub gender: Gender,
    /// Postal code.
    pub postal_code_id: PostalCodeId,
}

/// Tries to find a free number, each lost to somebody who took it first.
const MAX_TRIES: usize = 20;

impl Actions {
    /// The scope of a filter of lists.
    pub async fn paystat_scope(
        &self,
        known: &KnownPostalCodes,
        filter: PaystatFilter,
    ) -> Result<PaystatScope, ActionError> {
        let (min_amount, max_amount) = (filter.min_amount, filter.max_amount);
        if let (Some(min), Some(max)) = (min_amount, max_amount)
            && min > max
        {
            return Err(ActionError::bad_input(format!(
                "minAmount ({min}) must not be greater than maxAmount ({max})"
            )));
        }
        Ok(PaystatScope { min_amount, max_amount, ..self.scope(known, filter.stats).await? })
    }

    /// A page of paystats.
    pub async fn paystats(
        &self,
        scope: &PaystatScope,
        order: PaystatOrderField,
        direction: Direction,
        request: PageRequest,
    ) -> Result<Page<StoredPaystat>, ActionError> {
        Ok(self.engines.store.paystats.page(scope, order, direction, request).await?)
    }

    /// How many paystats match.
    pub async fn count_paystats(&self, scope: &PaystatScope) -> Result<u64, ActionError> {
        Ok(self.engines.store.paystats.count(scope).await?)
    }

    /// The paystat with this number.
    pub async fn paystat(&self, id: PaystatId) -> Result<Option<StoredPaystat>, ActionError> {
        Ok(self.engines.store.paystats.by_id(id).await?)
    }

    /// Makes a paystat.
    pub async fn create_paystat(&self, new: NewPaystat) -> Result<StoredPaystat, ActionError> {
        let written = self.edit().await?;
        let store = &self.engines.store.paystats;
        for _ in 0..MAX_TRIES {
            let id = match new.id {
                Some(id) => id,
                None => store
                    .greatest_id()
                    .await?
                    .checked_add(1)
                    .and_then(|id| id.try_into().ok())
                    .ok_or_else(|| ActionError::conflict("the greatest id is taken: name a free one"))?,
            };
            let paystat = Paystat {
                id,
                amount: new.amount,
                month: new.month,
                age: new.age,
                gender: new.gender,
                postal_code_id: new.postal_code_id,
            };
            match store.insert(&paystat, written).await {
                Ok(true) => {
                    self.catch_up().await;
                    return Ok(StoredPaystat { paystat, written });
                }
                Ok(false) => return Err(unknown_postal_code(new.postal_code_id)),
                Err(StoreError::Duplicate(_)) if new.id.is_none() => {}
                Err(StoreError::Duplicate(_)) => {
                    return Err(ActionError::conflict(format!("a paystat with id {id} exists")));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ActionError::unavailable("many paystats are made at once; try again"))
    }

    /// Changes a paystat.
    pub async fn update_paystat(&self, id: PaystatId, change: PaystatChange) -> Result<StoredPaystat, ActionError> {
        if change == PaystatChange::default() {
            return Err(ActionError::bad_input("nothing to change was given"));
        }
        let written = self.edit().await?;
        match self.engines.store.paystats.update(id, &change, written).await? {
            Some(Some(changed)) => {
                self.catch_up().await;
                Ok(changed)
            }
            Some(None) => Err(unknown_paystat(id)),
            None => match change.postal_code_id {
                Some(postal_code) => Err(unknown_postal_code(postal_code)),
                None => Err(unknown_paystat(id)),
            },
        }
    }

    /// Removes a paystat.
    pub async fn delete_paystat(&self, id: PaystatId) -> Result<StoredPaystat, ActionError> {
        let removed = self.engines.store.paystats.delete(id).await?.ok_or_else(|| unknown_paystat(id))?;
        self.catch_up().await;
        Ok(removed)
    }

    /// The mark of an edit made now.
    pub(super) async fn edit(&self) -> Result<Provenance, ActionError> {
        Ok(Provenance::edit(self.engines.store.loads.last_number().await?))
    }
}

fn unknown_paystat(id: PaystatId) -> ActionError {
    ActionError::not_found(format!("there is no paystat with id {id}"))
}

fn unknown_postal_code(id: PostalCodeId) -> ActionError {
    ActionError::bad_input(format!("there is no postal code with id {id}"))
}
