//! The files that can be loaded.

use async_graphql::{Context, Object, Result, SimpleObject};
use paystats_core::datalake;
use time::OffsetDateTime;

use super::scalars::Long;
use crate::actions::Actions;

/// A file of the data lake.
#[derive(Clone, Debug, SimpleObject)]
pub struct DatalakeObject {
    /// Path from the data lake's root: the `source` of a load.
    path: String,
    /// Size in bytes.
    size_bytes: Long,
    /// Last change.
    modified_at: OffsetDateTime,
}

/// Questions for files.
#[derive(Default)]
pub struct DatalakeQuery;

#[Object]
impl DatalakeQuery {
    /// Files of the data lake whose path starts with `prefix`, by path: the first 1000. Hidden ones are left out.
    async fn datalake(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How the paths start, such as `2015/`; all if left out.")] prefix: Option<String>,
    ) -> Result<Vec<DatalakeObject>> {
        let actions: &Actions = context.data_unchecked();
        let found = actions.datalake(prefix.as_deref().unwrap_or_default()).await?;
        Ok(found.into_iter().map(DatalakeObject::from).collect())
    }
}

impl From<datalake::DatalakeObject> for DatalakeObject {
    fn from(object: datalake::DatalakeObject) -> Self {
        Self { path: object.path, size_bytes: object.size_bytes.into(), modified_at: object.modified_at }
    }
}
