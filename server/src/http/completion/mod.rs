//! Makes an executor's `data` what the specification says it must be.
//!
//! async-graphql 7.2.1 writes fields in the order in which they were resolved, leaves those that failed out of their objects, and keeps
//! an object that lacks a field which its type promises. Typed clients rely on the opposite, so every response that ran, over HTTP or
//! as an event of a subscription, goes through [`Completion::complete`], which guarantees:
//!
//! - Keys are in the order of the query, with fragments in the places where they are spread.
//! - A field that failed is `null`. Where its type forbids that, the nearest thing above that may be `null` is, up to `data` itself.
//! - Where that happens there is an error at that place or below it: the executor's, or else one that is added.
//!
//! The work grows with the answer and no more than that; values are moved, never copied.

mod collect;
mod question;
mod selects_only;
#[cfg(test)]
mod tests;
mod types;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_graphql::{
    Name, PathSegment, Positioned, Response, ServerError, Value, Variables,
    parser::types::{
        BaseType, ExecutableDocument, FragmentDefinition, OperationDefinition, OperationType, SelectionSet, Type,
    },
};
use indexmap::IndexMap;

use self::{
    collect::{Collector, Field, Fields, Place},
    question::{ALONE_KEY, TYPE_KEY},
    types::Composite,
};
use super::response::{Code, with_code};

pub(super) use question::rewrite;
pub(crate) use question::{is_added, stands_alone};
pub use types::Types;

/// What an operation's answers have to look like: made before it runs, for all that it answers.
#[derive(Debug)]
pub(super) struct Completion {
    types: Arc<Types>,
    kind: OperationType,
    selection_set: SelectionSet,
    fragments: HashMap<Name, Positioned<FragmentDefinition>>,
    conditions: HashMap<Name, bool>,
}

impl Completion {
    /// For `operation` of `document`, and with `variables` in which the defaults of booleans are filled in.
    pub(super) fn new(
        types: Arc<Types>,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Self {
        let conditions = variables.iter().filter_map(|(name, value)| match value {
            Value::Boolean(value) => Some((name.clone(), *value)),
            _ => None,
        });
        Self {
            kind: operation.ty,
            selection_set: operation.selection_set.node.clone(),
            fragments: document.fragments.clone(),
            conditions: conditions.collect(),
            types,
        }
    }

    /// Completes what the executor returned. A response to a request that did not run stays as it is.
    pub(super) fn complete(&self, executed: &mut Response) {
        let root = self.types.root(self.kind);
        let mut data = match std::mem::take(&mut executed.data) {
            Value::Object(entries) => entries,
            // An event of a subscription whose field failed.
            Value::Null if root.is_some() && executed.errors.iter().any(|error| !error.path.is_empty()) => {
                IndexMap::new()
            }
            other => return executed.data = other,
        };
        let (collector, explained) = (self.collector(), places_above(&executed.errors));
        let mut completing = Completing { collector, explained, unexplained: Vec::new() };
        if completing.object(&mut data, &mut Place::of(&self.selection_set), root, &Path::Root) {
            executed.data = Value::Object(data);
        }
        executed.errors.append(&mut completing.unexplained);
    }

    fn collector(&self) -> Collector<'_> {
        Collector { types: &self.types, fragments: &self.fragments, conditions: &self.conditions }
    }
}

/// One answer while it is completed.
struct Completing<'a> {
    collector: Collector<'a>,
    /// The places of the executor's errors and everything above them.
    explained: HashSet<String>,
    /// Errors for what the executor had no error.
    unexplained: Vec<ServerError>,
}

impl<'a> Completing<'a> {
    /// Completes an object; `false` if it cannot stand, because one of its fields is null and must not be.
    fn object(
        &mut self,
        entries: &mut IndexMap<Name, Value>,
        place: &mut Place<'a>,
        declared: Option<&'a Composite>,
        path: &Path<'_>,
    ) -> bool {
        let told = entries.swap_remove(ALONE_KEY).or_else(|| entries.swap_remove(TYPE_KEY));
        let object = match (declared, told) {
            (Some(declared), _) if declared.is_object() => Some(declared),
            (Some(_), Some(Value::String(name))) => self.collector.types.named(&name),
            _ => None,
        };
        let fields = place.fields(object, self.collector);
        put_in_order(entries, fields, object.is_some());
        let mut entries = entries.iter_mut().peekable();
        fields.iter_mut().all(|(key, field)| match entries.next_if(|(name, _)| name == key) {
            Some((_, value)) => self.value(value, field, field.returns, &Path::Field(path, key)),
            None => true,
        })
    }

    /// Completes what stands in a field or in a list; `false` if it is null where its type forbids that.
    fn value(&mut self, value: &mut Value, field: &mut Field<'a>, returns: Option<&'a Type>, path: &Path<'_>) -> bool {
        let may_be_null = returns.is_none_or(|returns| returns.nullable);
        let stands = match value {
            Value::Null => {
                if !may_be_null {
                    self.explain(field, path);
                }
                return may_be_null;
            }
            Value::List(items) => self.items(items, field, returns, path),
            Value::Object(entries) if !field.place.is_leaf() => {
                self.object(entries, &mut field.place, field.declared, path)
            }
            _ => true,
        };
        if !stands {
            *value = Value::Null;
        }
        stands || may_be_null
    }

    fn items(
        &mut self,
        items: &mut [Value],
        field: &mut Field<'a>,
        returns: Option<&'a Type>,
        path: &Path<'_>,
    ) -> bool {
        let item = match returns.map(|returns| &returns.base) {
            Some(BaseType::List(item)) => Some(&**item),
            // A scalar that is written as a list.
            Some(BaseType::Named(_)) => return true,
            None => None,
        };
        let is_done = |item: &Type| item.nullable && matches!(item.base, BaseType::Named(_));
        if field.place.is_leaf() && item.is_none_or(is_done) {
            return true;
        }
        let mut items = items.iter_mut().enumerate();
        items.all(|(index, value)| self.value(value, field, item, &Path::Item(path, index)))
    }

    /// Sees to it that there is an error for a null which must not be there. Only a defect of ours leads to a new one, such as a number
    /// that JSON cannot write.
    fn explain(&mut self, field: &Field<'_>, path: &Path<'_>) {
        let segments = path.segments();
        if self.explained.contains(&written(&segments)) {
            return;
        }
        let (name, returns) =
            (&field.selected.node.name.node, field.returns.map(ToString::to_string).unwrap_or_default());
        tracing::error!(field = %name, "a field has no value although its type promises one");
        let message = format!("the field {name} has no value although its type is {returns}");
        let error = ServerError::new(message, Some(field.selected.pos)).with_path(segments);
        self.unexplained.push(with_code(error, Code::Internal));
    }
}

/// Brings the entries of an object into the order of its fields. If its type is known, each field has an entry then and nothing else
/// has one.
fn put_in_order(entries: &mut IndexMap<Name, Value>, fields: &Fields<'_>, is_known: bool) {
    let mut place = 0;
    for key in fields.keys() {
        if entries.get_index(place).is_none_or(|(name, _)| name != *key) {
            let found = match entries.get_index_of(*key) {
                Some(found) => found,
                None if is_known => entries.insert_full((*key).clone(), Value::Null).0,
                None => continue,
            };
            entries.swap_indices(place, found);
        }
        place += 1;
    }
    if is_known {
        entries.truncate(fields.len());
    }
}

/// Where in an answer something stands. Written out only if it is needed.
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn segments(&self) -> Vec<PathSegment> {
        let (mut segments, last) = match self {
            Self::Root => return Vec::new(),
            Self::Field(above, key) => (above.segments(), PathSegment::Field((*key).to_owned())),
            Self::Item(above, index) => (above.segments(), PathSegment::Index(*index)),
        };
        segments.push(last);
        segments
    }
}

fn places_above(errors: &[ServerError]) -> HashSet<String> {
    let paths = errors.iter().map(|error| &error.path);
    paths.flat_map(|path| (1..=path.len()).map(|length| written(&path[..length]))).collect()
}

fn written(path: &[PathSegment]) -> String {
    let segment = |segment: &PathSegment| match segment {
        PathSegment::Field(key) => format!("/{key}"),
        PathSegment::Index(index) => format!("/{index}"),
    };
    path.iter().map(segment).collect()
}
