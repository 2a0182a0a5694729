//! The question that the executor gets: the client's document with what completion needs to know besides, and without repetitions.
//!
//! Nothing is taken away that validation has to see, so what was wrong with the document still is.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{DocumentOperations, ExecutableDocument, Field, OperationType, Selection, SelectionSet},
};

use super::types::{Composite, Types};

/// The key under which every object says its type. Not a name that could stand in a document, so no client's alias is the same.
pub(super) const TYPE_KEY: &str = "__typename?";

/// The same where an object, or a list of them, is selected by one field alone: nothing has to be merged with what it resolves to.
pub(super) const ALONE_KEY: &str = "__typename!";

/// Whether a field of the executor's question is not one of the client's.
pub(crate) fn is_added(key: &str) -> bool {
    key == TYPE_KEY || key == ALONE_KEY
}

/// Whether the field with these selections may be resolved to text (see [`Data`](super::super::response::Data)).
pub(crate) fn stands_alone(set: &SelectionSet) -> bool {
    set.items.last().is_some_and(|last| match &last.node {
        Selection::Field(field) => field.node.response_key().node == ALONE_KEY,
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
    })
}

/// Rewrites a document, in which selections nest to a depth that `document` has checked:
///
/// - Every object is asked for its type. Behind an interface or a union nothing else tells which fragments applied. And an object of
///   which all fields failed or none applied is `null` for async-graphql, as if it did not exist; now one field is always there.
/// - A field that a selection set has twice becomes one. async-graphql resolves both and merges the results, which does a mutation
///   twice, and loses what is in lists of lists.
pub(in crate::http) fn rewrite(document: &mut ExecutableDocument, types: &Types) {
    let mut repeated = HashSet::new();
    for (_, operation) in document.operations.iter() {
        find_repeated(&[&operation.node.selection_set.node], document, &mut repeated);
    }
    let operations: Vec<_> = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    let rewriting = Rewriting { types, repeated };
    for operation in operations {
        let kind = operation.node.ty;
        let Some(root) = types.root(kind) else { continue };
        let set = &mut operation.node.selection_set.node;
        rewriting.set(set, root);
        // Each field of a subscription is a stream of its own.
        if kind != OperationType::Subscription {
            ask_for_type(set, TYPE_KEY);
        }
    }
    for fragment in document.fragments.values_mut() {
        if let Some(on) = types.named(&fragment.node.type_condition.node.on.node) {
            rewriting.set(&mut fragment.node.selection_set.node, on);
        }
    }
}

/// What is known of a document that is rewritten.
struct Rewriting<'a> {
    types: &'a Types,
    /// The places of fields that share their place in the answer with another one.
    repeated: HashSet<Pos>,
}

impl Rewriting<'_> {
    fn set(&self, set: &mut SelectionSet, on: &Composite) {
        merge_repeated(set);
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(field) => {
                    let returned = on.field(&field.node.name.node).and_then(|returned| self.types.base_of(returned));
                    let inner = &mut field.node.selection_set.node;
                    // A field whose selections are missing, or must not be there, is left for validation to find.
                    if let Some(returned) = returned.filter(|_| !inner.items.is_empty()) {
                        self.set(inner, returned);
                        ask_for_type(inner, if self.repeated.contains(&field.pos) { TYPE_KEY } else { ALONE_KEY });
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = match &fragment.node.type_condition {
                        Some(condition) => self.types.named(&condition.node.on.node),
                        None => Some(on),
                    };
                    if let Some(on) = on {
                        self.set(&mut fragment.node.selection_set.node, on);
                    }
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }
}

/// Finds the fields that are not alone in their place in the answer, whatever conditions they have. `sets` describe one place.
fn find_repeated<'a>(sets: &[&'a SelectionSet], document: &'a ExecutableDocument, repeated: &mut HashSet<Pos>) {
    let mut places: HashMap<&Name, Vec<&'a Positioned<Field>>> = HashMap::new();
    for set in sets {
        find_places(set, document, &mut places);
    }
    for fields in places.into_values() {
        if fields.len() > 1 {
            repeated.extend(fields.iter().map(|field| field.pos));
        }
        let inner: Vec<&SelectionSet> = fields.iter().map(|field| &field.node.selection_set.node).collect();
        find_repeated(&inner, document, repeated);
    }
}

/// The fields of a place by their keys in the answer.
fn find_places<'a>(
    set: &'a SelectionSet,
    document: &'a ExecutableDocument,
    places: &mut HashMap<&'a Name, Vec<&'a Positioned<Field>>>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => places.entry(&field.node.response_key().node).or_default().push(field),
            Selection::InlineFragment(fragment) => find_places(&fragment.node.selection_set.node, document, places),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    find_places(&fragment.node.selection_set.node, document, places);
                }
            }
        }
    }
}

/// Last, so that taking it away leaves the others in their places.
fn ask_for_type(set: &mut SelectionSet, key: &str) {
    let nowhere = Pos::default();
    let field = Field {
        alias: Some(Positioned::new(Name::new(key), nowhere)),
        name: Positioned::new(Name::new("__typename"), nowhere),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    };
    set.items.push(Positioned::new(Selection::Field(Positioned::new(field, nowhere)), nowhere));
}

fn merge_repeated(set: &mut SelectionSet) {
    let mut places: HashMap<Name, usize> = HashMap::new();
    let mut merged: Vec<Positioned<Selection>> = Vec::with_capacity(set.items.len());
    for mut selection in std::mem::take(&mut set.items) {
        if let Selection::Field(field) = &mut selection.node {
            let place = *places.entry(field.node.response_key().node.clone()).or_insert(merged.len());
            if let Some(Selection::Field(first)) = merged.get_mut(place).map(|selection| &mut selection.node)
                && is_repeated(&first.node, &field.node)
            {
                first.node.selection_set.node.items.append(&mut field.node.selection_set.node.items);
                continue;
            }
        }
        merged.push(selection);
    }
    set.items = merged;
}

/// Whether one field can stand for both; if it cannot, they are in conflict or one of them depends on a condition.
fn is_repeated(first: &Field, second: &Field) -> bool {
    let is_leaf = |field: &Field| field.selection_set.node.items.is_empty();
    first.name == second.name
        && first.arguments == second.arguments
        && first.directives.is_empty()
        && second.directives.is_empty()
        && is_leaf(first) == is_leaf(second)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    /// The fields with selections that do not stand alone, by their keys and in order.
    fn repeated(query: &str) -> String {
        fn walk(set: &SelectionSet, found: &mut Vec<String>) {
            for selection in &set.items {
                let inner = match &selection.node {
                    Selection::Field(field) => {
                        let set = &field.node.selection_set.node;
                        if !set.items.is_empty() && !stands_alone(set) {
                            found.push(field.node.response_key().to_string());
                        }
                        set
                    }
                    Selection::InlineFragment(fragment) => &fragment.node.selection_set.node,
                    Selection::FragmentSpread(_) => continue,
                };
                walk(inner, found);
            }
        }
        let types = "type Query { row: Row, rows: [Row!]! } type Row { n: Int, row: Row, rows: [Row!]! }";
        let mut document = parse_query(query).unwrap();
        rewrite(&mut document, &Types::from_sdl(types).unwrap());
        let mut found = Vec::new();
        let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
        let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
        operations.chain(fragments).for_each(|set| walk(set, &mut found));
        found.sort();
        found.join(" ")
    }

    #[test]
    fn a_field_stands_alone_unless_another_one_has_its_place_in_the_answer() {
        for (query, expected) in [
            ("{ rows { n } }", ""),
            ("{ a: rows { n } b: rows { n rows { n } } row { rows { n } } }", ""),
            ("{ ...F } fragment F on Query { rows { n ...G } } fragment G on Row { rows { n } row { n } }", ""),
            ("{ rows { n } ...F } fragment F on Query { rows { n } }", "rows rows"),
            ("{ rows { n } ... { rows @skip(if: true) { n } } }", "rows rows"),
            ("{ row { a: rows { n } } ...F } fragment F on Query { row { b: rows { n } } }", "row row"),
            ("{ row { rows { n } } ...F } fragment F on Query { row { rows { n } } }", "row row rows rows"),
            ("{ row { ...F } rows { ...F rows { n } } } fragment F on Row { rows { n } }", "rows rows"),
            ("query A { rows { n } } query B { rows { n } }", ""),
        ] {
            assert_eq!(repeated(query), expected, "{query}");
        }
    }
}
