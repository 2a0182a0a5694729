//! What holds for every field of the roots: one that takes too long is given up, so that no request hangs on an engine that does not answer; and a
//! mutation is noted before it begins and when it has ended.

use std::borrow::Cow;

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, Error, ObjectType, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, OperationType},
    registry::Registry,
    resolver_utils::resolve_container,
};

use super::audit;
use crate::actions::Deadline;

/// A type at the root, whose fields keep the request's [`Deadline`] and, if they change something, are [noted](audit::noted).
///
/// Not an extension of the schema: as soon as there is one, async-graphql prepares every field of every object for it, which takes as long as
/// answering.
#[derive(Default)]
pub struct Root<T>(T);

impl<T: ObjectType> OutputType for Root<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, context: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container(context, self).await
    }
}

impl<T: ObjectType> ContainerType for Root<T> {
    async fn resolve_field(&self, context: &Context<'_>) -> ServerResult<Option<Value>> {
        let deadline: &Deadline = context.data_unchecked();
        let resolving = self.0.resolve_field(context);
        let in_time = match context.query_env.operation.node.ty {
            OperationType::Mutation => {
                deadline.keep("look whether it was done before you try again", audit::noted(context, resolving)).await
            }
            OperationType::Query | OperationType::Subscription => deadline.keep("try again", resolving).await,
        };
        in_time
            .unwrap_or_else(|late| Err(context.set_error_path(Error::from(late).into_server_error(context.item.pos))))
    }
}

impl<T: ObjectType> ObjectType for Root<T> {}
