//! Who did what: how mutations are noted, which the type at the root does for all of them, so none can be forgotten; and the questions for that.

use async_graphql::{
    Context, Error, ID, Object, Result, ServerResult, Value,
    connection::{Connection, EmptyFields},
};
use paystats_core::store;
use time::OffsetDateTime;

use super::{
    OfRequest, batch,
    connection::{Cursor, PageArguments, connection},
    cost::page_cost,
    load::Load,
    node::{LOAD, own_id},
};
use crate::{
    access::Caller,
    actions::{ActionError, Actions},
    http::code_of,
};

/// Says what the mutation of this request that runs now changes. They run one after the other.
pub fn changes(context: &Context<'_>, subject: &ID) {
    let own: &OfRequest = context.data_unchecked();
    own.changes(Some(subject.to_string()));
}

/// Notes that the mutation of this field begins, and how it ended. Where the first fails, it is not done.
pub async fn noted(
    context: &Context<'_>,
    mutation: impl Future<Output = ServerResult<Option<Value>>>,
) -> ServerResult<Option<Value>> {
    let field = context.item.node.name.node.as_str();
    if field == "__typename" {
        return mutation.await;
    }
    let (actions, caller): (&Actions, &Caller) = (context.data_unchecked(), context.data_unchecked());
    let own: &OfRequest = context.data_unchecked();
    own.changes(None);
    let refused = |error: ActionError| context.set_error_path(Error::from(error).into_server_error(context.item.pos));
    let id = actions.begin_audit(caller, field).await.map_err(refused)?;
    let resolved = mutation.await;
    let outcome = resolved.as_ref().map_or_else(code_of, |_| "DONE");
    actions.end_audit(id, own.changes(None).as_deref(), outcome).await;
    resolved
}

/// Something that was done by a mutation.
pub struct AuditRecord(store::AuditRecord);

/// Something that was done by a mutation.
#[Object]
impl AuditRecord {
    /// When it began.
    async fn at(&self) -> OffsetDateTime {
        self.0.at
    }

    /// Who did it: the name of an API key, or the subject of a token. Null where nobody was asked.
    async fn caller(&self) -> Option<&str> {
        self.0.caller.as_deref()
    }

    /// The field of `Mutation`, such as `startLoad`.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// Global id of what it was done to; null where that is not known, as of something that could not be made.
    async fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The load that it was done to, if it was one.
    async fn load(&self, context: &Context<'_>) -> Result<Option<Load>> {
        let subject = self.0.subject.as_deref().filter(|subject| subject.starts_with(LOAD));
        let Some(id) = subject.and_then(|subject| own_id(LOAD, &ID::from(subject)).ok()) else { return Ok(None) };
        Ok(batch::load(context, id).await?.map(Load))
    }

    /// How it ended: `DONE`, or the code of the refusal. Null where it is not over, or where the server died before it was: then it may be done.
    async fn outcome(&self) -> Option<&str> {
        self.0.outcome.as_deref()
    }
}

/// A list of what was done.
pub type AuditRecordConnection = Connection<Cursor, AuditRecord, EmptyFields>;

/// Questions for what was done.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// What was done by mutations, the newest first. Takes the role `admin`.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn audit(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "At most this many from the start, up to 1000; 50 where `last` is left out too.")]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, up to 1000.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<AuditRecordConnection> {
        let actions: &Actions = context.data_unchecked();
        let request = PageArguments { first, after, last, before }.request(&store::Audit::sample_key())?;
        let page = actions.audit(request).await?;
        Ok(connection(page, EmptyFields, store::Audit::key, AuditRecord))
    }
}
