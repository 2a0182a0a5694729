//! What this server answers from without asking the database: the totals and the postal codes, kept as the store is.
//!
//! A change stream rings when the store's version changes; then what changed since the own versions is read, of one moment, and makes the
//! next snapshot. So nothing is lost with a stream that ends, or that starts anew: the first look after it finds all of it.

mod postal_codes;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use paystats_core::{
    engines::wait_for,
    store::{Store, StoreError, Versions},
};
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};
use tracing::{debug, info, warn};

pub use self::postal_codes::KnownPostalCodes;
use crate::cube::Cube;

/// The store at one moment, as far as it is in memory.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Which moment.
    pub versions: Versions,
    /// The totals.
    pub cube: Arc<Cube>,
    /// The postal codes.
    pub postal_codes: Arc<KnownPostalCodes>,
}

/// The newest snapshot, and who waits for the next one.
pub struct Memory {
    store: Store,
    now: watch::Sender<Arc<Snapshot>>,
    /// One reads at a time; who waited finds most of it done.
    reading: Mutex<()>,
    /// When the snapshot was last known to be all that the store had.
    current_at: watch::Sender<Instant>,
}

/// How often the store is looked at though nothing rang: a stream that is silent for ever looks like a store that does not change.
const LOOK: Duration = Duration::from_secs(5);

impl Memory {
    /// The memory of a store as it is now.
    pub async fn build(store: Store) -> Result<Self, StoreError> {
        store.rollups.make_if_new().await?;
        let memory = Self {
            store,
            now: watch::Sender::default(),
            reading: Mutex::default(),
            current_at: watch::Sender::new(Instant::now()),
        };
        memory.catch_up().await?;
        Ok(memory)
    }

    /// The newest snapshot.
    pub fn now(&self) -> Arc<Snapshot> {
        self.now.borrow().clone()
    }

    /// The version of the newest snapshot as a number that no other state, of this store or another one, has.
    pub fn unique_version(&self) -> u64 {
        let Versions { epoch, data, .. } = self.now.borrow().versions;
        epoch.wrapping_add(data)
    }

    /// Hears of new snapshots.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.now.subscribe()
    }

    /// How long ago the snapshot was last known to be all that the store had.
    pub fn age(&self) -> Duration {
        self.current_at.borrow().elapsed()
    }

    /// Takes in all that is in the store by now.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        let known = self.now();
        let start = Instant::now();
        let changed = self.store.changes.since(known.versions).await?;
        if changed.versions == known.versions {
            self.current_at.send_replace(start);
            return Ok(());
        }
        let base = if changed.is_all { Arc::default() } else { known };
        let (read, postal_codes) = (start.elapsed(), changed.cells.len());
        let next = move || Snapshot {
            versions: changed.versions,
            cube: Arc::new(base.cube.with(changed.cells)),
            postal_codes: match changed.postal_codes {
                Some(all) => Arc::new(KnownPostalCodes::new(all)),
                None => base.postal_codes.clone(),
            },
        };
        let next = tokio::task::spawn_blocking(next).await.map_err(StoreError::failed)?;
        debug!(version = next.versions.data, postal_codes, ?read, all = ?start.elapsed(), "the totals in memory have changed");
        self.now.send_replace(Arc::new(next));
        self.current_at.send_replace(start);
        Ok(())
    }

    /// Keeps the memory as the store is, for ever.
    pub async fn follow(&self) {
        loop {
            let mut changes = Box::pin(wait_for("the stream of changes", || self.store.changes.watch()).await);
            loop {
                if let Err(error) = self.catch_up().await {
                    warn!(%error, "the totals in memory are behind; trying again");
                    wait_for("MongoDB", || self.catch_up()).await;
                }
                match timeout(LOOK, changes.next()).await {
                    Ok(Some(Ok(()))) | Err(_) => {}
                    Ok(Some(Err(error))) => {
                        info!(%error, "the stream of changes has ended; it is opened anew");
                        break;
                    }
                    Ok(None) => break,
                }
            }
        }
    }
}
