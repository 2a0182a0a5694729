//! Whether an operation stays within some fields of the schema.

use super::{
    Completion,
    collect::{Collector, Field, Place},
    types::Composite,
};
use crate::http::options::FieldTable;

impl Completion {
    /// Whether all fields of the root are of `table`, whatever is selected below them.
    pub(in crate::http) fn starts_within(&self, table: FieldTable) -> bool {
        let mut place = Place::of(&self.selection_set);
        let root = self.types.root(self.kind);
        root.is_some_and(|root| {
            let fields = place.fields(Some(root), self.collector());
            !fields.is_empty() && fields.values().all(|field| is_listed(field, listed(root, table)))
        })
    }

    /// Whether the operation selects nothing but fields of `table`, and `__typename`. Fields that the schema does not have, those of
    /// introspection, and what stands behind interfaces and unions are never within.
    pub(in crate::http) fn selects_only(&self, table: FieldTable) -> bool {
        let mut place = Place::of(&self.selection_set);
        self.types.root(self.kind).is_some_and(|root| is_within(&mut place, root, self.collector(), table))
    }
}

fn is_within<'a>(place: &mut Place<'a>, object: &'a Composite, collector: Collector<'a>, table: FieldTable) -> bool {
    let listed = listed(object, table);
    object.is_object()
        && place.fields(Some(object), collector).values_mut().all(|field| match field.declared {
            Some(declared) => is_listed(field, listed) && is_within(&mut field.place, declared, collector, table),
            None => is_listed(field, listed) || field.selected.node.name.node == "__typename",
        })
}

/// The fields of an object that the table lists.
fn listed(object: &Composite, table: FieldTable) -> &'static [&'static str] {
    table.iter().find(|(name, _)| *name == object.name).map_or(&[], |(_, fields)| fields)
}

fn is_listed(field: &Field<'_>, listed: &[&str]) -> bool {
    let name = field.selected.node.name.node.as_str();
    field.returns.is_some() && listed.iter().any(|listed| *listed == name || *listed == "*")
}
