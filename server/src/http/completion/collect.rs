//! Which fields an object has in the answer and in which order: `CollectFields` of the specification.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Value,
    parser::types::{Directive, Field as Selected, FragmentDefinition, Selection, SelectionSet, Type},
};
use indexmap::IndexMap;

use super::types::{Composite, Types};

/// What the selections of an operation depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Collector<'a> {
    pub(super) types: &'a Types,
    pub(super) fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// The variables that `@skip` and `@include` may name.
    pub(super) conditions: &'a HashMap<Name, bool>,
}

/// The fields of an object by their keys in the answer, in the order in which they were asked for.
pub(super) type Fields<'a> = IndexMap<&'a Name, Field<'a>>;

/// One entry of an object, however often it was selected.
#[derive(Debug)]
pub(super) struct Field<'a> {
    /// Where it was selected first.
    pub(super) selected: &'a Positioned<Selected>,
    /// What it returns, as far as that is known.
    pub(super) returns: Option<&'a Type>,
    /// The type of the objects in it.
    pub(super) declared: Option<&'a Composite>,
    /// What was selected of those objects.
    pub(super) place: Place<'a>,
}

/// The selections that apply to one place in the answer. All items of a list are in the same place, and so are all objects in the
/// same field of those items, so what they come to is found out once for each type of object that turns up there.
#[derive(Debug, Default)]
pub(super) struct Place<'a> {
    sets: Vec<&'a SelectionSet>,
    collected: Vec<(Option<&'a Composite>, Fields<'a>)>,
}

impl<'a> Place<'a> {
    /// The place that one selection set describes.
    pub(super) fn of(set: &'a SelectionSet) -> Self {
        Self { sets: vec![set], collected: Vec::new() }
    }

    /// Whether nothing was selected, so that what stands there is a scalar, whatever it is made of.
    pub(super) fn is_leaf(&self) -> bool {
        self.sets.is_empty()
    }

    /// The fields that an object of this type has here. Of a type that is not known it is taken that every fragment applies to it.
    pub(super) fn fields(&mut self, object: Option<&'a Composite>, collector: Collector<'a>) -> &mut Fields<'a> {
        let is_object = |known: Option<&Composite>| known.map(|known| &known.name) == object.map(|object| &object.name);
        let index = self.collected.iter().position(|(known, _)| is_object(*known)).unwrap_or_else(|| {
            let mut fields = Fields::new();
            for set in &self.sets {
                collector.collect(set, object, &mut fields);
            }
            self.collected.push((object, fields));
            self.collected.len() - 1
        });
        &mut self.collected[index].1
    }
}

impl<'a> Collector<'a> {
    /// Fragments that are spread twice are walked through twice, which changes nothing: `document` has bounded what that can cost.
    fn collect(self, set: &'a SelectionSet, object: Option<&'a Composite>, into: &mut Fields<'a>) {
        let applies = |condition: &str| object.is_none_or(|object| object.satisfies(condition));
        for selection in set.items.iter().filter(|selection| self.includes(selection.node.directives())) {
            match &selection.node {
                Selection::Field(selected) => {
                    let field =
                        into.entry(&selected.node.response_key().node).or_insert_with(|| self.field(selected, object));
                    let inner = &selected.node.selection_set.node;
                    if !inner.items.is_empty() {
                        field.place.sets.push(inner);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    if condition.is_none_or(|condition| applies(&condition.node.on.node)) {
                        self.collect(&fragment.node.selection_set.node, object, into);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.fragments.get(&spread.node.fragment_name.node);
                    if let Some(fragment) = fragment.filter(|it| applies(&it.node.type_condition.node.on.node)) {
                        self.collect(&fragment.node.selection_set.node, object, into);
                    }
                }
            }
        }
    }

    fn field(self, selected: &'a Positioned<Selected>, object: Option<&'a Composite>) -> Field<'a> {
        let returns = object.and_then(|object| object.field(&selected.node.name.node));
        let declared = returns.and_then(|returns| self.types.base_of(returns));
        Field { selected, returns, declared, place: Place::default() }
    }

    /// Whether `@skip` and `@include` let a selection through.
    fn includes(self, directives: &[Positioned<Directive>]) -> bool {
        let condition = |directive: &Directive| {
            let value = directive.get_argument("if").map(|argument| argument.node.clone());
            let value = value.and_then(|value| {
                value.into_const_with(|name| self.conditions.get(&name).map(|value| Value::from(*value)).ok_or(())).ok()
            });
            value == Some(Value::Boolean(true))
        };
        directives.iter().all(|directive| match directive.node.name.node.as_str() {
            "skip" => !condition(&directive.node),
            "include" => condition(&directive.node),
            _ => true,
        })
    }
}
