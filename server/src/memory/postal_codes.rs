//! The postal codes without their areas, and which of them lie in the areas that were asked for.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use paystats_core::{
    domain::{Area, PostalCodeCode, PostalCodeId},
    store::{PostalCodeFilter, PostalCodes, StoreError, StoredPostalCode},
};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

/// The postal codes of one version of theirs.
///
/// Postal codes that a load has written and not yet ended with may be in the store and not here. So what is here is known, and of what is
/// not, the store has to be asked.
#[derive(Debug)]
pub struct KnownPostalCodes {
    by_id: HashMap<PostalCodeId, StoredPostalCode>,
    by_code: HashMap<PostalCodeCode, PostalCodeId>,
    in_areas: Mutex<LruCache<AreaKey, Asked>>,
}

/// The postal codes of an area, once the store has told them.
type Asked = Arc<OnceCell<Arc<[PostalCodeId]>>>;

/// Names an area: half of a hash of its numbers.
type AreaKey = [u8; 16];

/// Areas whose postal codes are remembered.
const AREAS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

impl Default for KnownPostalCodes {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl KnownPostalCodes {
    /// These.
    pub fn new(postal_codes: Vec<StoredPostalCode>) -> Self {
        Self {
            by_code: postal_codes.iter().map(|known| (known.code.clone(), known.id)).collect(),
            by_id: postal_codes.into_iter().map(|known| (known.id, known)).collect(),
            in_areas: Mutex::new(LruCache::new(AREAS)),
        }
    }

    /// The one with this number, if it is known.
    pub fn by_id(&self, id: PostalCodeId) -> Option<&StoredPostalCode> {
        self.by_id.get(&id)
    }

    /// The one with this code, if it is known.
    pub fn by_code(&self, code: &PostalCodeCode) -> Option<&StoredPostalCode> {
        self.by_id(*self.by_code.get(code)?)
    }

    /// The numbers of the postal codes that an area meets. The store is asked once, however many want to know.
    pub async fn in_area(&self, area: &Area, store: &PostalCodes) -> Result<Arc<[PostalCodeId]>, StoreError> {
        let ask = || async {
            let filter = PostalCodeFilter { areas: vec![area.clone()], ..PostalCodeFilter::default() };
            let mut ids = store.ids(&filter).await?;
            ids.sort_unstable();
            Ok(ids.into())
        };
        self.cell(area).get_or_try_init(ask).await.cloned()
    }

    /// Where the answer for an area is, or will be.
    fn cell(&self, area: &Area) -> Asked {
        let mut in_areas = self.in_areas.lock().unwrap_or_else(PoisonError::into_inner);
        in_areas.get_or_insert(key(area), Arc::default).clone()
    }
}

fn key(area: &Area) -> AreaKey {
    let mut hasher = Sha256::new();
    match area {
        Area::BBox(bbox) => {
            for degrees in [bbox.west, bbox.south, bbox.east, bbox.north] {
                hasher.update(degrees.to_be_bytes());
            }
        }
        // It is longer than a box.
        Area::Within(geometry) => hasher.update(geometry.ewkb()),
    }
    let [half, _] = *hasher.finalize().as_chunks::<16>().0 else { unreachable!("a SHA-256 has 32 bytes") };
    half
}
