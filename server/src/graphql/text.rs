//! Lists of totals, written as JSON at once.
//!
//! async-graphql resolves each field of each row as a task of its own and makes a tree of what they return, which takes many times as long
//! as writing it. So where all that is asked of the rows is in memory, [`AsText`] finds out once what that is, and then writes row after
//! row. Where something has to be looked up, the rows are resolved as any others. The answer is the same.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::{Display, Write},
    sync::Arc,
};

use async_graphql::{
    ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, FragmentDefinition, Selection, SelectionSet},
    registry::Registry,
};
use indexmap::IndexMap;

use super::snapshot::snapshot;
use crate::{
    http::{is_added, stands_alone},
    memory::KnownPostalCodes,
};

/// A list that is written at once where that is possible.
pub struct AsText<T>(pub Vec<T>);

/// An object whose fields, or some of them, can be written without being resolved.
pub trait Row: Sized + 'static {
    /// The name of its type.
    const TYPE: &'static str;

    /// What writes a field; `None` where it has to be resolved.
    fn field(name: &str, selected: &Selected<'_>) -> Option<Writer<Self>>;
}

/// Writes a part of a row as JSON; `None` where that has to be resolved after all.
pub type Writer<T> = Box<dyn Fn(&T, &mut String) -> Option<()> + Send + Sync>;

/// What is asked of a field.
pub struct Selected<'a> {
    sets: Vec<&'a SelectionSet>,
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// The postal codes that need not be looked up.
    pub postal_codes: &'a Arc<KnownPostalCodes>,
}

/// The fields of an object by their keys in the answer, in order: the name of each, and what is asked of it.
type Fields<'a> = IndexMap<&'a Name, (&'a Name, Vec<&'a SelectionSet>)>;

impl<'a> Selected<'a> {
    /// Writes an object of which this is asked.
    pub fn object<T: Row>(&self) -> Option<Writer<T>> {
        let mut fields = Fields::new();
        for set in &self.sets {
            self.collect::<T>(set, &mut fields);
        }
        let mut parts: Vec<(String, Writer<T>)> = Vec::with_capacity(fields.len());
        for (key, (name, sets)) in fields {
            let writer = match name.as_str() {
                "__typename" => string(|_| Some(T::TYPE)),
                name => T::field(name, &Selected { sets, ..*self }),
            };
            let separator = if parts.is_empty() { '{' } else { ',' };
            parts.push((format!("{separator}\"{key}\":"), writer?));
        }
        if parts.is_empty() {
            return None;
        }
        Some(Box::new(move |row, text| {
            for (key, write) in &parts {
                text.push_str(key);
                write(row, text)?;
            }
            text.push('}');
            Some(())
        }))
    }

    /// Writes the object that `get` finds in a row, or null.
    pub fn nested<T: 'static, N: Row>(
        &self,
        get: impl Fn(&T) -> Option<N> + Send + Sync + 'static,
    ) -> Option<Writer<T>> {
        let write = self.object::<N>()?;
        Some(Box::new(move |row, text| match get(row) {
            Some(nested) => write(&nested, text),
            None => null(text),
        }))
    }

    /// Writes the objects that `get` finds in a row as a list.
    pub fn list<T: 'static, N: Row>(&self, get: impl Fn(&T) -> &[N] + Send + Sync + 'static) -> Option<Writer<T>> {
        let write = self.object::<N>()?;
        Some(Box::new(move |row, text| {
            let mut separator = '[';
            let items = get(row);
            for item in items {
                text.push(separator);
                separator = ',';
                write(item, text)?;
            }
            text.push_str(if items.is_empty() { "[]" } else { "]" });
            Some(())
        }))
    }

    /// Nothing has a condition any more here: the executor has taken out what is skipped.
    fn collect<T: Row>(&self, set: &'a SelectionSet, fields: &mut Fields<'a>) {
        for selection in &set.items {
            let (condition, set) = match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let key = &field.response_key().node;
                    if !is_added(key) {
                        let (_, sets) = fields.entry(key).or_insert_with(|| (&field.name.node, Vec::new()));
                        sets.push(&field.selection_set.node);
                    }
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    (fragment.node.type_condition.as_ref(), &fragment.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => match self.fragments.get(&spread.node.fragment_name.node) {
                    Some(fragment) => (Some(&fragment.node.type_condition), &fragment.node.selection_set.node),
                    None => continue,
                },
            };
            if condition.is_none_or(|condition| condition.node.on.node == T::TYPE) {
                self.collect::<T>(set, fields);
            }
        }
    }
}

/// Writes what `get` finds as a string, or null. It must need no escapes.
pub fn string<T, V: Display>(get: impl Fn(&T) -> Option<V> + Send + Sync + 'static) -> Option<Writer<T>> {
    Some(Box::new(move |row, text| match get(row) {
        Some(value) => {
            text.push('"');
            write!(text, "{value}").ok()?;
            text.push('"');
            Some(())
        }
        None => null(text),
    }))
}

/// Writes what `get` finds as a number, or null.
pub fn number<T, V: Into<serde_json::Number>>(
    get: impl Fn(&T) -> Option<V> + Send + Sync + 'static,
) -> Option<Writer<T>> {
    Some(Box::new(move |row, text| match get(row) {
        Some(value) => write!(text, "{}", value.into()).ok(),
        None => null(text),
    }))
}

/// The same for a number with a fraction. One that JSON has no form for is left to be resolved.
pub fn float<T>(get: impl Fn(&T) -> Option<f64> + Send + Sync + 'static) -> Option<Writer<T>> {
    Some(Box::new(move |row, text| match get(row) {
        Some(value) => write!(text, "{}", serde_json::Number::from_f64(value)?).ok(),
        None => null(text),
    }))
}

/// Writes nothing.
pub fn null(text: &mut String) -> Option<()> {
    text.push_str("null");
    Some(())
}

impl<T: Row> AsText<T> {
    fn text(&self, context: &ContextSelectionSet<'_>) -> Option<String> {
        let snapshot = snapshot(context);
        let selected = Selected {
            sets: vec![&context.item.node],
            fragments: &context.query_env.fragments,
            postal_codes: &snapshot.postal_codes,
        };
        let mut text = String::new();
        selected.list(|rows: &Self| &rows.0)?(self, &mut text)?;
        Some(text)
    }
}

impl<T: Row + OutputType> OutputType for AsText<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(&self, context: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let text = stands_alone(&context.item.node).then(|| self.text(context)).flatten();
        match text {
            Some(text) => Ok(Value::Binary(text.into())),
            None => self.0.resolve(context, field).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::{
        parse_query, parse_schema,
        types::{TypeKind, TypeSystemDefinition},
    };
    use paystats_core::store::StoredPostalCode;

    use super::*;
    use crate::graphql::{
        compare::ComparisonRow,
        sdl,
        stats::{Change, StatsRow},
        totals::{AgeGenderTotal, PostalCodeTotal, TimePoint, TimeSeries, Total},
    };

    /// The fields of `T` that have to be resolved.
    fn left<T: Row>() -> Vec<String> {
        let definitions = parse_schema(sdl()).unwrap().definitions.into_iter();
        let fields = definitions.filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else { return None };
            let TypeKind::Object(object) = definition.node.kind else { return None };
            (definition.node.name.node == T::TYPE).then_some(object.fields)
        });
        let document = parse_query("{ __typename }").unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let postal_codes = Arc::default();
        let selected = || Selected {
            sets: vec![&operation.node.selection_set.node],
            fragments: &document.fragments,
            postal_codes: &postal_codes,
        };
        let is_left = |name: &String| T::field(name, &selected()).is_none();
        fields.flatten().map(|field| field.node.name.node.to_string()).filter(is_left).collect()
    }

    #[test]
    fn all_that_needs_no_look_up_can_be_written() {
        let none: [&str; 0] = [];
        assert_eq!(left::<Total>(), none);
        assert_eq!(left::<TimeSeries>(), none);
        assert_eq!(left::<TimePoint>(), none);
        assert_eq!(left::<AgeGenderTotal>(), none);
        assert_eq!(left::<PostalCodeTotal>(), none);
        assert_eq!(left::<StatsRow>(), none);
        assert_eq!(left::<Change>(), none);
        assert_eq!(left::<ComparisonRow>(), none);
        let of_postal_codes = left::<StoredPostalCode>();
        assert!(of_postal_codes.contains(&"geojson".to_owned()) && !of_postal_codes.contains(&"code".to_owned()));
    }
}
