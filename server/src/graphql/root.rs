//! What holds for every field of the roots: one that takes too long is given up, so that no request hangs on an engine that does not answer; a
//! mutation is noted before it begins and when it has ended; and all are counted.

use std::{borrow::Cow, time::Instant};

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, Error, ObjectType, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, OperationType},
    registry::Registry,
    resolver_utils::resolve_container,
};

use paystats_core::telemetry::traces;
use tracing::{Instrument, trace_span};

use super::audit;
use crate::{actions::Deadline, http::code_of, metrics::Metrics};

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
        let (start, field) = (Instant::now(), context.item.node.name.node.as_str());
        let kind = context.query_env.operation.node.ty;
        let span = trace_span!(target: traces::TARGET, "field", otel.name = format_args!("{kind} {field}"));
        let resolving = self.0.resolve_field(context);
        let in_time = async {
            match kind {
                OperationType::Mutation => {
                    let noted = audit::noted(context, resolving);
                    deadline.keep("look whether it was done before you try again", noted).await
                }
                OperationType::Query | OperationType::Subscription => deadline.keep("try again", resolving).await,
            }
        };
        let resolved = in_time
            .instrument(span)
            .await
            .unwrap_or_else(|late| Err(context.set_error_path(Error::from(late).into_server_error(context.item.pos))));
        if !field.starts_with("__") {
            let code = resolved.as_ref().map_or_else(code_of, |_| "OK");
            context.data_unchecked::<Metrics>().resolved(kind, field, code, start.elapsed());
        }
        resolved
    }
}

impl<T: ObjectType> ObjectType for Root<T> {}
