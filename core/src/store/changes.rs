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

/// Which state of the store is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
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
    /// The cells of postal codes whose totals changed, each once; no cells where all its paystats are gone.
    pub cells: HashMap<PostalCodeId, Cells>,
    /// All postal codes, where any of them changed.
    pub postal_codes: Option<Vec<StoredPostalCode>>,
}

impl Changes {
    pub(super) fn new(database: &Database, rollups: Rollups, postal_codes: PostalCodes) -> Self {
        Self { counters: Counters::new(database), rollups, postal_codes }
    }

    /// Tells this store from any other one, whose versions mean something else.
    pub async fn epoch(&self) -> Result<u64, StoreError> {
        Ok(self.counters.last(EPOCH).await?.cast_unsigned())
    }

    /// What changed after `known`; after the default, everything.
    pub async fn since(&self, known: Versions) -> Result<Changed, StoreError> {
        let mut session = self.rollups.snapshot().await?;
        let versions = self.versions(&mut session).await?;
        let mut changed = Changed { versions, ..Changed::default() };
        if versions.data != known.data {
            changed.cells = self.rollups.newer_than(known.data, &mut session).await?;
        }
        if versions.places != known.places || known == Versions::default() {
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
            data: self.counters.last_in(VERSION, session).await?.cast_unsigned(),
            places: self.counters.last_in(PLACES_VERSION, session).await?.cast_unsigned(),
        })
    }
}
