//! What changed in the store, for who keeps totals and postal codes in memory: roll-ups and the heads of postal codes, by version.

use std::collections::HashMap;

use futures_util::{Stream, TryStreamExt};
use mongodb::{ClientSession, Database, bson::doc};

use super::{
    PostalCodes, Rollups, StoreError, StoredPostalCode,
    counters::Counters,
    rollups::{EPOCH, PLACES_VERSION, VERSION},
};
use crate::domain::{Cells, PostalCodeId};

/// The way to learn what changed.
#[derive(Clone, Debug)]
pub struct Changes {
    counters: Counters,
    rollups: Rollups,
    postal_codes: PostalCodes,
}

/// Which state of which store is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Tells this store from any other one, whose versions mean something else; one that was restored is another one.
    pub epoch: u64,
    /// Of everything: it grows with every change. 0 is the state before the first.
    pub data: u64,
    /// Of the postal codes: it grows when one is made, changed or removed, and when a load of them ends.
    pub places: u64,
}

/// What changed since some versions, all of one moment.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// The versions that it makes.
    pub versions: Versions,
    /// Whether it is everything, and nothing of what was known holds.
    pub is_all: bool,
    /// The cells of postal codes whose totals changed, each once; no cells where all its paystats are gone.
    pub cells: HashMap<PostalCodeId, Cells>,
    /// All postal codes, where any of them changed.
    pub postal_codes: Option<Vec<StoredPostalCode>>,
}

impl Changes {
    pub(super) fn new(database: &Database, rollups: Rollups, postal_codes: PostalCodes) -> Self {
        Self { counters: Counters::new(database), rollups, postal_codes }
    }

    /// What changed after `known`. Everything after the default, and where what is there now is another store, or one that is behind: it was
    /// restored, or made anew.
    pub async fn since(&self, known: Versions) -> Result<Changed, StoreError> {
        let mut session = self.rollups.snapshot().await?;
        let versions = self.versions(&mut session).await?;
        let is_all = versions.epoch != known.epoch || versions.data < known.data || known == Versions::default();
        let known = if is_all { Versions::default() } else { known };
        let mut changed = Changed { versions, is_all, ..Changed::default() };
        if versions.data != known.data {
            changed.cells = self.rollups.newer_than(known.data, &mut session).await?;
        }
        if versions.places != known.places || is_all {
            changed.postal_codes = Some(self.postal_codes.all_heads(&mut session).await?);
        }
        Ok(changed)
    }

    /// Returns when the version may have changed. Fails where the database cannot be listened to any more.
    pub async fn watch(&self) -> Result<impl Stream<Item = Result<(), StoreError>> + use<>, StoreError> {
        let version = doc! { "$match": { "documentKey._id": VERSION } };
        let stream = self.counters.watch([version]).await?;
        Ok(stream.map_ok(|_| ()).map_err(StoreError::from))
    }

    async fn versions(&self, session: &mut ClientSession) -> Result<Versions, StoreError> {
        Ok(Versions {
            epoch: self.counters.last_in(EPOCH, session).await?.cast_unsigned(),
            data: self.counters.last_in(VERSION, session).await?.cast_unsigned(),
            places: self.counters.last_in(PLACES_VERSION, session).await?.cast_unsigned(),
        })
    }
}
