//! The cube that this server answers from, kept as the store is.
//!
//! A change stream rings when the store's version changes; then what changed since the cube's own version is read, of one moment, and put
//! into the next snapshot. So nothing is lost with a stream that ends, or that starts anew: the first look after it finds all of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::StreamExt;
use paystats_core::{
    engines::wait_for,
    store::{Store, StoreError},
};
use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use super::Cube;

/// The newest snapshot, and who waits for the next one.
pub struct LiveCube {
    store: Store,
    now: watch::Sender<Arc<Cube>>,
    places_version: AtomicU64,
    epoch: u64,
    /// One reads at a time; who waited finds most of it done.
    reading: Mutex<()>,
}

impl LiveCube {
    /// The cube of a store as it is now.
    pub async fn build(store: Store) -> Result<Self, StoreError> {
        store.rollups.make_if_new().await?;
        let epoch = store.rollups.epoch().await?;
        let live = Self {
            store,
            now: watch::Sender::new(Arc::new(Cube::new(0))),
            epoch,
            places_version: AtomicU64::default(),
            reading: Mutex::default(),
        };
        live.catch_up().await?;
        Ok(live)
    }

    /// The newest snapshot.
    pub fn now(&self) -> Arc<Cube> {
        self.now.borrow().clone()
    }

    /// The version of the postal codes: another one once any of them has changed.
    pub fn places_version(&self) -> u64 {
        self.places_version.load(Ordering::Relaxed)
    }

    /// The version of the newest snapshot as a number that no other state, of this store or another one, has.
    pub fn unique_version(&self) -> u64 {
        self.epoch.wrapping_add(self.now.borrow().version())
    }

    /// Hears of new snapshots.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Cube>> {
        self.now.subscribe()
    }

    /// Takes in all that is in the store by now.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        let mut base = self.now();
        let mut changes = self.store.rollups.changes(base.version()).await?;
        if changes.version == base.version() {
            return Ok(());
        }
        // A store that is behind is another one: it was restored, or made anew.
        if changes.version < base.version() {
            base = Arc::new(Cube::new(0));
            changes = self.store.rollups.changes(0).await?;
        }
        self.places_version.store(changes.places_version, Ordering::Relaxed);
        let next = tokio::task::spawn_blocking(move || base.with(changes.version, changes.changed)).await;
        let next = next.map_err(StoreError::failed)?;
        self.now.send_replace(Arc::new(next));
        Ok(())
    }

    /// Keeps the cube as the store is, for ever.
    pub async fn follow(&self) {
        loop {
            let mut changes = Box::pin(wait_for("the stream of changes", || self.store.rollups.watch()).await);
            loop {
                if let Err(error) = self.catch_up().await {
                    warn!(%error, "the totals in memory are behind; trying again");
                    wait_for("MongoDB", || self.catch_up()).await;
                }
                match changes.next().await {
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        info!(%error, "the stream of changes has ended; it is opened anew");
                        break;
                    }
                    None => break,
                }
            }
        }
    }
}
