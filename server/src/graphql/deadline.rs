//! A field of the root that takes too long is given up, so that no request hangs on an engine that does not answer.

use std::{sync::Arc, time::Duration};

use async_graphql::{
    ServerError, ServerResult, Value, async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo},
};

use crate::actions::ActionError;

/// The longest that a field of the root may take.
pub struct Deadline(pub Duration);

impl ExtensionFactory for Deadline {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self(self.0))
    }
}

#[async_trait::async_trait]
impl Extension for Deadline {
    async fn resolve(
        &self,
        context: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        if info.path_node.parent.is_some() || info.parent_type == "Subscription" {
            return next.run(context, info).await;
        }
        let position = info.field.name.pos;
        match tokio::time::timeout(self.0, next.run(context, info)).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = self.0.as_secs();
                let error = ActionError::unavailable(format!("no answer within {seconds} seconds; try again"));
                let error: ServerError = async_graphql::Error::from(error).into_server_error(position);
                Err(error)
            }
        }
    }
}
