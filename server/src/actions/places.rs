//! Looking up the places that a filter names.

use paystats_core::{
    domain::{PaystatScope, StatsFilter},
    store::PostalCodeFilter,
};

use super::{ActionError, Actions};

impl Actions {
    /// The scope of a filter: its postal codes and areas become postal code ids. Codes that do not exist match nothing.
    pub async fn scope(&self, filter: StatsFilter) -> Result<PaystatScope, ActionError> {
        if let (Some(from), Some(to)) = (filter.from, filter.to)
            && from > to
        {
            return Err(ActionError::bad_input(format!("from ({from}) must not be after to ({to})")));
        }
        let postal_code_ids = if filter.postal_codes.is_none() && filter.areas.is_empty() {
            None
        } else {
            let places = PostalCodeFilter { codes: filter.postal_codes, code_prefix: None, areas: filter.areas };
            Some(self.engines.store.postal_codes.ids(&places).await?)
        };
        Ok(PaystatScope {
            from: filter.from,
            to: filter.to,
            ages: filter.ages,
            genders: filter.genders,
            postal_code_ids,
            ..PaystatScope::default()
        })
    }
}
