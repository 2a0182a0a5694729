//! The state that a request is answered from, and what resolvers ask of it.

use std::sync::Arc;

use async_graphql::{Context, ContextBase, parser::types::OperationType};
use paystats_core::{
    domain::{Dimension, PaystatScope, PostalCodeCode, PostalCodeId},
    store::{GroupTotal, StoredPostalCode},
};

use super::{
    OfRequest, batch,
    filter::{PaystatFilter, StatsFilter},
};
use crate::{
    actions::{ActionError, Actions},
    memory::Snapshot,
};

/// What a request is answered from. All of a query's answer is of one moment; in a mutation, each change is in what follows it.
pub fn snapshot<T>(context: &ContextBase<'_, T>) -> Arc<Snapshot> {
    let now = || context.data_unchecked::<Actions>().memory.now();
    match context.query_env.operation.node.ty {
        OperationType::Query => context.data_unchecked::<OfRequest>().snapshot.get_or_init(now).clone(),
        OperationType::Mutation | OperationType::Subscription => now(),
    }
}

/// The postal code with this number.
pub async fn postal_code(context: &Context<'_>, id: PostalCodeId) -> Result<Option<StoredPostalCode>, ActionError> {
    match snapshot(context).postal_codes.by_id(id) {
        Some(known) => Ok(Some(known.clone())),
        None => batch::postal_code(context, id).await,
    }
}

/// The postal code with this code.
pub async fn postal_code_by_code(
    context: &Context<'_>,
    code: &PostalCodeCode,
) -> Result<Option<StoredPostalCode>, ActionError> {
    match snapshot(context).postal_codes.by_code(code) {
        Some(known) => Ok(Some(known.clone())),
        None => context.data_unchecked::<Actions>().postal_code_by_code(code).await,
    }
}

/// The scope of a filter.
pub async fn scope(context: &Context<'_>, filter: Option<StatsFilter>) -> Result<PaystatScope, ActionError> {
    let actions: &Actions = context.data_unchecked();
    actions.scope(&snapshot(context).postal_codes, filter.unwrap_or_default().try_into()?).await
}

/// The scope of the filter of a list.
pub async fn paystat_scope(context: &Context<'_>, filter: Option<PaystatFilter>) -> Result<PaystatScope, ActionError> {
    let actions: &Actions = context.data_unchecked();
    actions.paystat_scope(&snapshot(context).postal_codes, filter.unwrap_or_default().try_into()?).await
}

/// The totals of a scope by some dimensions.
pub fn totals(context: &Context<'_>, scope: &PaystatScope, by: &[Dimension]) -> Result<Vec<GroupTotal>, ActionError> {
    Ok(snapshot(context).cube.by(scope, by)?)
}

/// A scope narrowed to one postal code.
pub fn within(id: PostalCodeId, mut scope: PaystatScope) -> PaystatScope {
    let is_in = scope.postal_code_ids.as_ref().is_none_or(|ids| ids.contains(&id));
    scope.postal_code_ids = Some(if is_in { vec![id] } else { Vec::new() });
    scope
}
