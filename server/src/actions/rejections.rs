//! Refused rows of a load: a page of them, all of them, and how many there are.

use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use paystats_core::{
    load::{Load, LoadId, Rejection, RejectionCount},
    store::{Page, PageRequest},
};

use super::{ActionError, Actions, unknown_load};

/// All refused rows of a load that are kept.
pub struct RejectedRows {
    /// The load as it was before the first row was read: if it had ended by then, no row is missing and none will change.
    pub load: Load,
    /// Columns of its source; empty while none is known.
    pub columns: Vec<String>,
    /// The rows, by line. They are read as they are taken.
    pub rows: BoxStream<'static, Result<Rejection, ActionError>>,
}

impl Actions {
    /// A page of a load's refused rows, by line.
    pub async fn rejections(&self, load: LoadId, request: PageRequest) -> Result<Page<Rejection>, ActionError> {
        Ok(self.engines.store.rejections.page(load, request).await?)
    }

    /// How many refused rows of a load are kept.
    pub async fn count_rejections(&self, load: LoadId) -> Result<u64, ActionError> {
        Ok(self.engines.store.rejections.count(load).await?)
    }

    /// How many rows of a load were refused, by code and column.
    pub async fn rejection_counts(&self, load: LoadId) -> Result<Vec<RejectionCount>, ActionError> {
        Ok(self.engines.store.load_chunks.rejection_counts(load).await?)
    }

    /// All refused rows of a load that are kept, by line.
    pub async fn rejected_rows(&self, id: LoadId) -> Result<RejectedRows, ActionError> {
        let store = &self.engines.store;
        let load = self.load(id).await?.ok_or_else(unknown_load)?;
        // Rows that are refused a moment later would stand under a header that does not know their columns.
        let Some(columns) = store.load_chunks.columns(id).await? else {
            return Ok(RejectedRows { load, columns: Vec::new(), rows: stream::empty().boxed() });
        };
        let rows = store.rejections.stream(id).await?.map_err(ActionError::from).boxed();
        Ok(RejectedRows { load, columns, rows })
    }
}
