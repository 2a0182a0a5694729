//! Whether an operation stays within some fields of the schema.

use super::{
    Completion,
    collect::{Collector, Field, Place},
    types::Composite,
};
use crate::http::options::FieldTable;

impl Completion {
    /// Whether the operation selects nothing but fields of `table`, and `__typename`. Fields that the schema does not have, those of
    /// introspection, and what stands behind interfaces and unions are never within.
    pub(in crate::http) fn selects_only(&self, table: FieldTable) -> bool {
        let mut place = Place::of(&self.selection_set);
        self.types.root(self.kind).is_some_and(|root| is_within(&mut place, root, self.collector(), table))
    }
}

fn is_within<'a>(place: &mut Place<'a>, object: &'a Composite, collector: Collector<'a>, table: FieldTable) -> bool {
    let listed = table.iter().find(|(name, _)| *name == object.name).map_or(&[][..], |(_, fields)| fields);
    let is_listed = |field: &Field<'_>| {
        let name = field.selected.node.name.node.as_str();
        field.returns.is_some() && listed.iter().any(|listed| *listed == name || *listed == "*")
    };
    object.is_object()
        && place.fields(Some(object), collector).values_mut().all(|field| match field.declared {
            Some(declared) => is_listed(field) && is_within(&mut field.place, declared, collector, table),
            None => is_listed(field) || field.selected.node.name.node == "__typename",
        })
}
