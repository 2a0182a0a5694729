//! Global ids: `PostalCode:6055`, `Paystat:1117`, `Load:<uuid>`. Each names one object of the whole API, so caches of clients
//! can keep all objects side by side.

use std::{fmt::Display, str::FromStr};

use async_graphql::{ID, Interface};

use super::{load::Load, paystat::Paystat, postal_code::PostalCode};
use crate::actions::ActionError;

/// An object that can be asked for again by its id.
#[derive(Interface)]
#[expect(clippy::large_enum_variant, reason = "one exists at a time, for the length of a request")]
#[graphql(field(name = "id", ty = "ID", desc = "Names this object in the whole API."))]
pub enum Node {
    /// A postal code.
    PostalCode(PostalCode),
    /// A paystat.
    Paystat(Paystat),
    /// A load.
    Load(Load),
}

/// The kinds of objects that have global ids, by the name of their type.
pub const POSTAL_CODE: &str = "PostalCode";
pub const PAYSTAT: &str = "Paystat";
pub const LOAD: &str = "Load";

/// The global id of an object.
pub fn global_id(kind: &str, id: impl Display) -> ID {
    ID(format!("{kind}:{id}"))
}

/// The own id of an object from its global id, or from the bare own id, as scripts know it from the files.
pub fn own_id<T: FromStr>(kind: &str, id: &ID) -> Result<T, ActionError> {
    let bare = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')).unwrap_or(id);
    bare.parse().map_err(|_| ActionError::bad_input(format!("\"{}\" is not the id of a {kind}", id.as_str())))
}
