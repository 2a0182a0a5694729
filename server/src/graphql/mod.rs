//! The API: types of the domain as GraphQL. Resolvers read arguments, call one action, and map its result.

mod audit;
mod batch;
mod choropleth;
mod compare;
mod connection;
mod cost;
mod datalake;
mod enums;
mod error;
mod filter;
mod load;
mod mutation;
mod node;
mod paystat;
mod postal_code;
mod query;
mod rights;
mod root;
mod scalars;
mod snapshot;
mod stats;
mod subscription;
mod text;
mod totals;
mod versioned;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_graphql::{MergedObject, Request, SchemaBuilder};

use self::{batch::Batches, root::Root};
use crate::{
    actions::{Actions, Deadline},
    config::DocumentsConfig,
    memory::Snapshot,
    metrics::Metrics,
};

pub(crate) use load::find_load_id;
pub(crate) use rights::right;
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
    audit::AuditQuery,
);

/// Change: make, change and remove postal codes and paystats, and start loads.
#[derive(Default, MergedObject)]
pub struct Mutation(mutation::PostalCodeMutation, mutation::PaystatMutation, mutation::LoadMutation);

/// The whole schema.
pub type Schema = async_graphql::Schema<Root<Query>, Root<Mutation>, subscription::Subscription>;

fn builder() -> SchemaBuilder<Root<Query>, Root<Mutation>, subscription::Subscription> {
    Schema::build(Root::default(), Root::default(), subscription::Subscription)
        .override_output_type_description::<postal_code::PostalCodeConnection>("A page of a list of postal codes.")
        .override_output_type_description::<paystat::PaystatConnection>("A page of a list of paystats.")
        .override_output_type_description::<load::LoadConnection>("A page of a list of loads.")
        .override_output_type_description::<audit::AuditRecordConnection>("A page of what was done by mutations.")
        .override_output_type_description::<load::RejectionConnection>("A page of the refused rows of a load.")
}

/// How questions are bounded.
#[derive(Clone, Debug)]
pub struct SchemaSettings {
    /// A field of the root that takes longer is given up.
    pub deadline: Deadline,
    /// What a document may be.
    pub documents: DocumentsConfig,
}

/// The schema, answering by `actions`, and counted in `metrics`.
pub fn schema(actions: Actions, metrics: Metrics, settings: &SchemaSettings) -> Schema {
    let DocumentsConfig { max_complexity, introspection, .. } = settings.documents;
    let builder = builder().data(actions).data(metrics).data(settings.deadline).limit_complexity(max_complexity);
    // Suggestions tell names of the schema as well.
    if introspection { builder.finish() } else { builder.disable_introspection().disable_suggestions().finish() }
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
    /// Global id of what the mutation that runs now changes.
    subject: Mutex<Option<String>>,
}

impl OfRequest {
    /// Notes what is changed now, and answers what was noted before.
    fn changes(&self, subject: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.subject.lock().unwrap_or_else(PoisonError::into_inner), subject)
    }
}

/// Gives a request what it needs to be executed.
pub fn prepare(request: Request) -> Request {
    request.data(OfRequest::default())
}
