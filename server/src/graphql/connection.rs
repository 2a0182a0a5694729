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
        unreachable!("cursors are decoded by `PageArguments`, which have an error to give")
    }

    fn encode_cursor(&self) -> String {
        self.0.encode()
    }
}

/// Relay's four arguments.
#[derive(Default)]
pub struct PageArguments {
    /// How many from the start.
    pub first: Option<i32>,
    /// Cursor before the page.
    pub after: Option<String>,
    /// How many from the end.
    pub last: Option<i32>,
    /// Cursor behind the page.
    pub before: Option<String>,
}

impl PageArguments {
    /// The page that they ask for, of a list in the order that `sample` is a key of.
    pub fn request(self, sample: &Key) -> Result<PageRequest, ActionError> {
        let (size, from_end) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(ActionError::bad_input("first and last cannot be asked for at once")),
            (None, Some(last)) => (Some(("last", last)), true),
            (first, None) => (first.map(|first| ("first", first)), false),
        };
        let limit = match size {
            None => DEFAULT_SIZE,
            Some((_, size @ 0..=MAX_SIZE)) => size as usize,
            Some((name, _)) => return Err(ActionError::bad_input(format!("{name} must be from 0 to {MAX_SIZE}"))),
        };
        let (after, before) = (key("after", self.after, sample)?, key("before", self.before, sample)?);
        Ok(PageRequest { limit, from_end, after, before })
    }
}

/// Reads the cursor of the argument `name`.
fn key(name: &str, cursor: Option<String>, sample: &Key) -> Result<Option<Key>, ActionError> {
    let Some(cursor) = cursor else { return Ok(None) };
    match Key::decode(&cursor) {
        Some(key) if key.same_order(sample) => Ok(Some(key)),
        Some(_) => Err(ActionError::bad_input(format!("{name} is a cursor of another list, or of another order"))),
        None => Err(ActionError::bad_input(format!("{name} is not a cursor"))),
    }
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
    use paystats_core::store::KeyPart;

    use super::*;

    #[test]
    fn arguments_that_make_no_page_are_refused() {
        let request = |arguments: PageArguments| arguments.request(&Key::number(0));
        let cursor = |key: Key| Some(key.encode());
        let of_another_order = Key { value: Some(KeyPart::Millis(1)), ..Key::number(1) };
        for arguments in [
            PageArguments { first: Some(1), last: Some(1), ..Default::default() },
            PageArguments { first: Some(-1), ..Default::default() },
            PageArguments { last: Some(1_001), ..Default::default() },
            PageArguments { after: Some("?".to_owned()), ..Default::default() },
            PageArguments { before: cursor(of_another_order), ..Default::default() },
        ] {
            assert!(request(arguments).is_err());
        }
        assert_eq!(request(PageArguments::default()), Ok(PageRequest::first(DEFAULT_SIZE)));
        let last = PageArguments { last: Some(3), before: cursor(Key::number(7)), ..Default::default() };
        let expected = PageRequest { limit: 3, from_end: true, after: None, before: Some(Key::number(7)) };
        assert_eq!(request(last), Ok(expected));
    }
}
