//! Any object by its global id.

use async_graphql::{Context, ID, Object, Result};

use super::{
    load::Load,
    node::{LOAD, Node, PAYSTAT, POSTAL_CODE, own_id},
    paystat::Paystat,
    postal_code::PostalCode,
    snapshot,
};
use crate::actions::{ActionError, Actions};

/// Questions for any object.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with this global id; null if there is none.
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "A global id, such as `PostalCode:6055`.")] id: ID,
    ) -> Result<Option<Node>> {
        let actions: &Actions = context.data_unchecked();
        let kind = id.split_once(':').map(|(kind, _)| kind);
        Ok(match kind {
            Some(POSTAL_CODE) => {
                snapshot::postal_code(context, own_id(POSTAL_CODE, &id)?).await?.map(|code| PostalCode(code).into())
            }
            Some(PAYSTAT) => actions.paystat(own_id(PAYSTAT, &id)?).await?.map(|paystat| Paystat(paystat).into()),
            Some(LOAD) => actions.load(own_id(LOAD, &id)?).await?.map(|load| Load(load).into()),
            _ => return Err(ActionError::bad_input(format!("\"{}\" is not a global id", id.as_str())).into()),
        })
    }
}
