//! The areas of all postal codes as text, drawn once for each tolerance that is asked for.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use paystats_core::{
    domain::{BBox, PostalCodeCode, PostalCodeId},
    store::{PostalCodes, StoreError, Versions},
};
use serde_json::value::{RawValue, to_raw_value};
use tokio::{
    sync::{OnceCell, Semaphore},
    task::spawn_blocking,
};
use tracing::debug;

use super::{simplify::simplify, tolerance::Tolerance, topology::Topology};

/// The areas of all postal codes, simplified, by number.
#[derive(Debug)]
pub struct Map {
    /// How far.
    pub tolerance: Tolerance,
    /// The postal codes.
    pub places: Vec<DrawnPlace>,
}

/// A postal code with its simplified area.
#[derive(Debug)]
pub struct DrawnPlace {
    /// Number.
    pub id: PostalCodeId,
    /// Code.
    pub code: PostalCodeCode,
    /// The box around the simplified area.
    pub bbox: BBox,
    /// The simplified area as a GeoJSON geometry.
    pub geometry: Box<RawValue>,
}

/// The maps of the newest postal codes. Those of other tolerances than the last few are drawn again when they are asked for; who asks
/// for one that is being drawn waits for it.
#[derive(Debug)]
pub struct Maps {
    newest: Mutex<Option<Arc<Edition>>>,
    /// Drawing keeps a core busy, so one at a time.
    pen: Arc<Semaphore>,
}

/// The maps of one version of the postal codes.
#[derive(Debug)]
struct Edition {
    /// Epoch and version.
    of: (u64, u64),
    topology: OnceCell<Arc<Topology>>,
    maps: Mutex<LruCache<Tolerance, Arc<OnceCell<Arc<Map>>>>>,
}

/// Tolerances whose maps are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// What went wrong while a map was drawn.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The postal codes could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect of ours.
    #[error("drawing a map failed: {0}")]
    Drawing(String),
}

impl Default for Maps {
    fn default() -> Self {
        Self { newest: Mutex::default(), pen: Arc::new(Semaphore::new(1)) }
    }
}

impl Maps {
    /// The map of the postal codes as they are in this version of theirs, or newer.
    pub async fn map(
        self: &Arc<Self>,
        store: &PostalCodes,
        versions: Versions,
        tolerance: Tolerance,
    ) -> Result<Arc<Map>, MapError> {
        let edition = self.edition((versions.epoch, versions.places));
        let cell = edition.cell(tolerance);
        if let Some(map) = cell.get() {
            return Ok(map.clone());
        }
        // A task of its own: who has no more time to wait finds the map ready when asking again.
        let (maps, store) = (self.clone(), store.clone());
        let drawing = tokio::spawn(async move {
            let map = cell.get_or_try_init(|| async {
                let topology = edition.topology.get_or_try_init(|| maps.read(&store)).await?.clone();
                maps.draw(move || draw(&topology, tolerance)).await
            });
            map.await.cloned()
        });
        drawing.await.map_err(|error| MapError::Drawing(error.to_string()))?
    }

    fn edition(&self, of: (u64, u64)) -> Arc<Edition> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match newest.as_ref().filter(|edition| edition.of == of) {
            Some(edition) => edition.clone(),
            None => newest.insert(Arc::new(Edition::new(of))).clone(),
        }
    }

    async fn read(&self, store: &PostalCodes) -> Result<Arc<Topology>, MapError> {
        let codes = store.all().await?;
        self.draw(|| Arc::new(Topology::new(codes))).await
    }

    /// Does heavy work on a thread that answers nobody.
    async fn draw<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, MapError> {
        let permit = self.pen.clone().acquire_owned().await.map_err(|error| MapError::Drawing(error.to_string()))?;
        let work = move || {
            let _permit = permit;
            work()
        };
        spawn_blocking(work).await.map_err(|error| MapError::Drawing(error.to_string()))
    }
}

impl Edition {
    fn new(of: (u64, u64)) -> Self {
        Self { of, topology: OnceCell::new(), maps: Mutex::new(LruCache::new(KEPT)) }
    }

    /// Where the map of a tolerance is, or will be.
    fn cell(&self, tolerance: Tolerance) -> Arc<OnceCell<Arc<Map>>> {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        maps.get_or_insert(tolerance, Arc::default).clone()
    }
}

fn draw(topology: &Topology, tolerance: Tolerance) -> Arc<Map> {
    let areas = simplify(topology, tolerance);
    let places = topology.places.iter().zip(areas).map(|(place, area)| DrawnPlace {
        id: place.id,
        code: place.code.clone(),
        bbox: area.bbox(),
        geometry: to_raw_value(&area.geojson()).expect("numbers of degrees are JSON"),
    });
    let map = Map { tolerance, places: places.collect() };
    let bytes: usize = map.places.iter().map(|place| place.geometry.get().len()).sum();
    debug!(meters = tolerance.meters(), places = map.places.len(), bytes, "a map was drawn");
    Arc::new(map)
}
