//! Looking up the places that a filter names.

use paystats_core::{
    domain::{PaystatScope, PostalCodeCode, PostalCodeId, StatsFilter},
    store::PostalCodeFilter,
};

use super::{ActionError, Actions};
use crate::memory::KnownPostalCodes;

impl Actions {
    /// The scope of a filter: its postal codes and areas become postal code ids. Codes that do not exist match nothing.
    pub async fn scope(&self, known: &KnownPostalCodes, filter: StatsFilter) -> Result<PaystatScope, ActionError> {
        if let (Some(from), Some(to)) = (filter.from, filter.to)
            && from > to
        {
            return Err(ActionError::bad_input(format!("from ({from}) must not be after to ({to})")));
        }
        let mut postal_code_ids = match filter.postal_codes {
            Some(codes) => Some(self.ids_of(known, codes).await?),
            None => None,
        };
        for area in &filter.areas {
            let in_area = known.in_area(area, &self.engines.store.postal_codes).await?;
            match &mut postal_code_ids {
                Some(ids) => ids.retain(|id| in_area.binary_search(id).is_ok()),
                None => postal_code_ids = Some(in_area.to_vec()),
            }
        }
        Ok(PaystatScope {
            from: filter.from,
            to: filter.to,
            ages: filter.ages,
            genders: filter.genders,
            postal_code_ids,
            ..PaystatScope::default()
        })
    }

    /// The numbers of the postal codes with these codes, each once. The store is asked for those that are not known.
    async fn ids_of(
        &self,
        known: &KnownPostalCodes,
        codes: Vec<PostalCodeCode>,
    ) -> Result<Vec<PostalCodeId>, ActionError> {
        let (mut ids, mut unknown) = (Vec::with_capacity(codes.len()), Vec::new());
        for code in codes {
            match known.by_code(&code) {
                Some(postal_code) => ids.push(postal_code.id),
                None => unknown.push(code),
            }
        }
        if !unknown.is_empty() {
            let filter = PostalCodeFilter { codes: Some(unknown), ..PostalCodeFilter::default() };
            ids.extend(self.engines.store.postal_codes.ids(&filter).await?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}
