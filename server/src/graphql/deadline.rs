//! A field of the root that takes too long is given up, so that no request hangs on an engine that does not answer.

use std::sync::Arc;

use async_graphql::{
    Error, PathSegment, ServerResult, Value, async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo},
};

use crate::actions::Deadline;

impl ExtensionFactory for Deadline {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(*self)
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
        // An event of a subscription is resolved here, too; the subscription itself keeps the deadline where it starts.
        if info.path_node.parent.is_some() || info.parent_type == "Subscription" {
            return next.run(context, info).await;
        }
        let (position, path) = (info.field.name.pos, PathSegment::Field(info.path_node.field_name().to_owned()));
        let advice = match info.parent_type {
            "Mutation" => "look whether it was done before you try again",
            _ => "try again",
        };
        self.keep(advice, next.run(context, info)).await.unwrap_or_else(|late| {
            let mut error = Error::from(late).into_server_error(position);
            error.path.push(path);
            Err(error)
        })
    }
}
