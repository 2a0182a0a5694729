//! Paystats: the type, and questions for them.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, connection::Connection};
use paystats_core::{
    domain::PaystatScope,
    store::{self, StoredPaystat},
};

use super::{
    batch,
    connection::{Cursor, PageArguments, connection},
    cost::page_cost,
    enums::{AgeGroup, Gender, OrderDirection},
    filter::PaystatFilter,
    load::Load,
    node::{PAYSTAT, global_id, own_id},
    postal_code::{self, PostalCode},
    scalars::{Decimal, Long, Month},
    snapshot::paystat_scope,
};
use crate::actions::Actions;

/// What was paid by card in one postal code, month, age group and gender.
pub struct Paystat(pub StoredPaystat);

/// What was paid by card in one postal code, month, age group and gender.
#[Object]
impl Paystat {
    /// Names this paystat in the whole API.
    pub async fn id(&self) -> ID {
        global_id(PAYSTAT, self.0.paystat.id)
    }

    /// The number under which the data source knows it: `id` in the files.
    async fn database_id(&self) -> Long {
        Long(self.0.paystat.id.get())
    }

    /// Sum paid.
    async fn amount(&self) -> Decimal {
        Decimal(self.0.paystat.amount)
    }

    /// When.
    async fn month(&self) -> Month {
        Month(self.0.paystat.month)
    }

    /// Age group of the card holders.
    async fn age(&self) -> AgeGroup {
        self.0.paystat.age.into()
    }

    /// Gender of the card holders.
    async fn gender(&self) -> Gender {
        self.0.paystat.gender.into()
    }

    /// Where.
    async fn postal_code(&self, context: &Context<'_>) -> Result<PostalCode> {
        Ok(postal_code::of_paystats(context, self.0.paystat.postal_code_id).await?)
    }

    /// The load that wrote it last; null if a mutation did.
    async fn load(&self, context: &Context<'_>) -> Result<Option<Load>> {
        batch::load_of(context, self.0.written).await
    }

    /// The line of that load's source.
    async fn load_line(&self) -> Option<Long> {
        self.0.written.line.map(Long)
    }
}

/// What a list of paystats is ordered by; equal ones are ordered by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "store::PaystatOrderField")]
pub enum PaystatOrderField {
    /// Number.
    Id,
    /// Amount.
    Amount,
    /// Month.
    Month,
}

/// An order of paystats.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct PaystatOrder {
    /// What they are ordered by.
    pub field: PaystatOrderField,
    /// Direction.
    #[graphql(default_with = "OrderDirection::Ascending")]
    pub direction: OrderDirection,
}

/// A list of paystats.
pub type PaystatConnection = Connection<Cursor, Paystat, PaystatCount>;

/// What is asked of a list of paystats as a whole.
pub struct PaystatCount(PaystatScope);

#[Object]
impl PaystatCount {
    /// Number of paystats in the whole list.
    async fn total_count(&self, context: &Context<'_>) -> Result<Long> {
        let actions: &Actions = context.data_unchecked();
        Ok(actions.count_paystats(&self.0).await?.into())
    }
}

/// A page of the paystats of a scope.
pub async fn paystat_connection(
    actions: &Actions,
    scope: PaystatScope,
    order: Option<PaystatOrder>,
    page: PageArguments,
) -> Result<PaystatConnection> {
    let order = order.unwrap_or(PaystatOrder { field: PaystatOrderField::Id, direction: OrderDirection::Ascending });
    let field: store::PaystatOrderField = order.field.into();
    let request = page.request(&field.sample_key())?;
    let page = actions.paystats(&scope, field, order.direction.into(), request).await?;
    Ok(connection(page, PaystatCount(scope), |stored| field.key(&stored.paystat), Paystat))
}

/// Questions for paystats.
#[derive(Default)]
pub struct PaystatQuery;

#[Object]
impl PaystatQuery {
    /// The paystat with this id, global or as in the files; null if there is none.
    async fn paystat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its id, global or as in the files.")] id: ID,
    ) -> Result<Option<Paystat>> {
        let actions: &Actions = context.data_unchecked();
        Ok(actions.paystat(own_id(PAYSTAT, &id)?).await?.map(Paystat))
    }

    /// Paystats by id, unless ordered otherwise.
    #[expect(clippy::too_many_arguments, reason = "Relay's four, a filter and an order")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn paystats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which ones; all if left out.")] filter: Option<PaystatFilter>,
        #[graphql(desc = "Their order; by id if left out.")] order_by: Option<PaystatOrder>,
        #[graphql(desc = "At most this many from the start, up to 1000; 50 where `last` is left out too.")]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, up to 1000.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<PaystatConnection> {
        let actions: &Actions = context.data_unchecked();
        let scope = paystat_scope(context, filter).await?;
        paystat_connection(actions, scope, order_by, PageArguments { first, after, last, before }).await
    }
}
