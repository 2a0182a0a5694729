//! The cells of all postal codes in memory: sums and counts by any dimensions, without the database.
//!
//! A [`Cube`] is a snapshot that never changes. [`Cube::with`] makes the next one, which shares with it whatever stays the same, so
//! that questions go on with the snapshot that they began with and wait for nothing. What it answers is what
//! [`Totals::by`](paystats_core::store::Totals::by) answers over the same rows.

mod block;
mod everything;
mod places;
mod question;
mod sum;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use paystats_core::{
    domain::{Cells, Dimension, Month, PaystatScope, PostalCodeId},
    store::GroupTotal,
};

use self::{block::Block, everything::Everything, places::Places, question::Question};

/// The cells of all postal codes at one moment; without any paystats by default.
#[derive(Clone, Debug, Default)]
pub struct Cube {
    places: Places,
    everything: Everything,
}

/// Why a cube does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CubeError {
    /// The scope has a least or a greatest amount, and cells know no single amounts.
    #[error("a question about single amounts cannot be answered from sums")]
    SingleAmounts,
    /// A sum leaves the range of sums.
    #[error("a sum of amounts is too large")]
    SumTooLarge,
}

impl Cube {
    /// The cube in which these postal codes have these cells; those whose cells hold no paystats are taken out. Of two changes of
    /// the same postal code the last one counts.
    ///
    /// It cannot fail: sums that are too large are kept exactly too, and refused only where a question is about them.
    pub fn with(&self, changed: impl IntoIterator<Item = (PostalCodeId, Cells)>) -> Self {
        let mut next = self.clone();
        for (id, cells) in changed {
            let new = Block::new(&cells).map(Arc::new);
            if let Some(new) = &new {
                next.everything.add(new);
            }
            if let Some(old) = next.places.replace(id, new) {
                next.everything.subtract(&old);
            }
        }
        next
    }

    /// The postal codes that have paystats, in order.
    pub fn postal_codes(&self) -> impl Iterator<Item = PostalCodeId> {
        self.places.iter().map(|(id, _)| id)
    }

    /// The first and the last month that have paystats; `None` without paystats.
    pub fn months(&self) -> Option<(Month, Month)> {
        self.everything.months()
    }

    /// The totals of the groups that have paystats, in no order. Without dimensions: one group, or none where nothing matches.
    pub fn by(&self, scope: &PaystatScope, dimensions: &[Dimension]) -> Result<Vec<GroupTotal>, CubeError> {
        if scope.min_amount.is_some() || scope.max_amount.is_some() {
            return Err(CubeError::SingleAmounts);
        }
        let question = Question::new(scope, dimensions);
        match &scope.postal_code_ids {
            Some(ids) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                question.of_places(ids.into_iter().filter_map(|id| Some((id, self.places.get(id)?))), &self.everything)
            }
            None if question.by_place => question.of_places(self.places.iter(), &self.everything),
            None => question.of_everything(&self.everything),
        }
    }
}
