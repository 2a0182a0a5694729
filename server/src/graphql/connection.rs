//! Relay connections: arguments become a page request, a page becomes a connection.

use std::convert::Infallible;

use async_graphql::{
    ObjectType, OutputType,
    connection::{Connection, CursorType, Edge, EmptyFields},
};
use paystats_core::store::{Key, Page, PageRequest};

use crate::actions::ActionError;

/// Edges of a page when the client names no number.
const DEFAULT_SIZE: usize = 50;
/// Most edges of a page.
const MAX_SIZE: i32 = 1_000;

/// The place of an edge in its list, opaque to clients.
pub struct Cursor(pub Key);

impl CursorType for Cursor {
    type Error = Infallible;

    fn decode_cursor(_: &str) -> Result<Self, Infallible> {
        unreachable!("cursors are decoded by `page_request`, which has an error to give")
    }

    fn encode_cursor(&self) -> String {
        self.0.encode()
    }
}

/// The page that Relay's four arguments ask for.
pub fn page_request(
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
) -> Result<PageRequest, ActionError> {
    let (size, from_end) = match (first, last) {
        (Some(_), Some(_)) => return Err(ActionError::bad_input("first and last cannot be asked for at once")),
        (None, Some(last)) => (Some(("last", last)), true),
        (first, None) => (first.map(|first| ("first", first)), false),
    };
    let limit = match size {
        None => DEFAULT_SIZE,
        Some((_, size @ 0..=MAX_SIZE)) => size as usize,
        Some((name, _)) => return Err(ActionError::bad_input(format!("{name} must be from 0 to {MAX_SIZE}"))),
    };
    Ok(PageRequest { limit, from_end, after: cursor("after", after)?, before: cursor("before", before)? })
}

fn cursor(name: &str, text: Option<String>) -> Result<Option<Key>, ActionError> {
    text.map(|text| Key::decode(&text).ok_or_else(|| ActionError::bad_input(format!("{name} is not a cursor"))))
        .transpose()
}

/// A connection of a page's items. `fields` adds what is asked of the list as a whole.
pub fn connection<T, Node, Fields>(
    page: Page<T>,
    fields: Fields,
    key: impl Fn(&T) -> Key,
    node: impl Fn(T) -> Node,
) -> Connection<Cursor, Node, Fields, EmptyFields>
where
    Node: OutputType,
    Fields: ObjectType,
{
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, fields);
    connection.edges.extend(page.items.into_iter().map(|item| Edge::new(Cursor(key(&item)), node(item))));
    connection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_make_no_page_are_refused() {
        assert!(page_request(Some(1), None, Some(1), None).is_err());
        assert!(page_request(Some(-1), None, None, None).is_err());
        assert!(page_request(Some(1_001), None, None, None).is_err());
        assert!(page_request(None, Some("?".to_owned()), None, None).is_err());
        assert_eq!(page_request(None, None, None, None), Ok(PageRequest::first(DEFAULT_SIZE)));
        assert!(page_request(None, None, Some(3), None).is_ok_and(|request| request.from_end && request.limit == 3));
    }
}
