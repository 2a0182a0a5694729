//! The API: types of the domain as GraphQL. Resolvers read arguments, call one action, and map its result.

mod batch;
mod choropleth;
mod compare;
mod connection;
mod datalake;
mod deadline;
mod enums;
mod error;
mod filter;
mod load;
mod mutation;
mod node;
mod paystat;
mod postal_code;
mod query;
mod scalars;
mod snapshot;
mod stats;
mod subscription;
mod text;
mod totals;
mod versioned;

use std::sync::{Arc, OnceLock};

use async_graphql::{MergedObject, Request, SchemaBuilder};

use self::{batch::Batches, deadline::InTime};
use crate::{
    actions::{Actions, Deadline},
    memory::Snapshot,
};

pub(crate) use load::find_load_id;
pub(crate) use subscription::SHARED;
pub(crate) use versioned::VERSIONED;

/// Ask: postal codes, paystats, totals, loads.
#[derive(Default, MergedObject)]
pub struct Query(
    query::NodeQuery,
    postal_code::PostalCodeQuery,
    paystat::PaystatQuery,
    totals::TotalsQuery,
    choropleth::ChoroplethQuery,
    stats::StatsQuery,
    compare::CompareQuery,
    load::LoadQuery,
    datalake::DatalakeQuery,
);

/// Change: make, change and remove postal codes and paystats, and start loads.
#[derive(Default, MergedObject)]
pub struct Mutation(mutation::PostalCodeMutation, mutation::PaystatMutation, mutation::LoadMutation);

/// The whole schema.
pub type Schema = async_graphql::Schema<InTime<Query>, InTime<Mutation>, subscription::Subscription>;

fn builder() -> SchemaBuilder<InTime<Query>, InTime<Mutation>, subscription::Subscription> {
    Schema::build(InTime::default(), InTime::default(), subscription::Subscription)
        .override_output_type_description::<postal_code::PostalCodeConnection>("A page of a list of postal codes.")
        .override_output_type_description::<paystat::PaystatConnection>("A page of a list of paystats.")
        .override_output_type_description::<load::LoadConnection>("A page of a list of loads.")
        .override_output_type_description::<load::RejectionConnection>("A page of the refused rows of a load.")
}

/// The schema, answering by `actions`; a field of the root that takes longer than `deadline` is given up.
pub fn schema(actions: Actions, deadline: Deadline) -> Schema {
    builder().data(actions).data(deadline).finish()
}

/// The schema as text, with every description.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new().include_specified_by();
    format!("{}\n", builder().finish().sdl_with_options(options).trim_end())
}

/// What each request has of its own, made when it first needs it.
#[derive(Default)]
struct OfRequest {
    /// What a query is answered from.
    snapshot: OnceLock<Arc<Snapshot>>,
    /// What keeps lists from asking the store once an item.
    batches: OnceLock<Batches>,
}

/// Gives a request what it needs to be executed.
pub fn prepare(request: Request) -> Request {
    request.data(OfRequest::default())
}
