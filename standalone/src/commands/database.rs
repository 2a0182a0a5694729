//! What commands share that work on the database itself.

use anyhow::{Context as _, Result};
use paystats_core::{config::StoreConfig, store::Store};

/// Does something with the database that PAYSTATS_MONGODB_URI and PAYSTATS_DATABASE name, and closes it.
pub(super) async fn with_store<T>(work: impl AsyncFnOnce(&Store) -> Result<T>) -> Result<T> {
    let store = Store::new(&StoreConfig::from_env()?).await.context("PAYSTATS_MONGODB_URI")?;
    let done = work(&store).await;
    store.close().await;
    done
}
