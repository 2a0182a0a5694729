//! A field of the root that takes too long is given up, so that no request hangs on an engine that does not answer.

use std::borrow::Cow;

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, Error, ObjectType, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, OperationType},
    registry::Registry,
    resolver_utils::resolve_container,
};

use crate::actions::Deadline;

/// A type at the root whose fields keep the request's [`Deadline`].
///
/// Not an extension of the schema: as soon as there is one, async-graphql prepares every field of every object for it, which takes as long as
/// answering.
#[derive(Default)]
pub struct InTime<T>(T);

impl<T: ObjectType> OutputType for InTime<T> {
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

impl<T: ObjectType> ContainerType for InTime<T> {
    async fn resolve_field(&self, context: &Context<'_>) -> ServerResult<Option<Value>> {
        let advice = match context.query_env.operation.node.ty {
            OperationType::Mutation => "look whether it was done before you try again",
            OperationType::Query | OperationType::Subscription => "try again",
        };
        let deadline: &Deadline = context.data_unchecked();
        deadline
            .keep(advice, self.0.resolve_field(context))
            .await
            .unwrap_or_else(|late| Err(context.set_error_path(Error::from(late).into_server_error(context.item.pos))))
    }
}

impl<T: ObjectType> ObjectType for InTime<T> {}
