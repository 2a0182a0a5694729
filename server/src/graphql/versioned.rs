//! Which fields are answered from nothing but the totals and the postal codes, so that the version of the data decides what they say.

/// The types that such an answer may consist of, each with its fields; `*` stands for all of them. What is not here is answered as well: only
/// the server has to run it to find out whether it is what the client holds. Where postal codes come from (`load`), and what a load
/// says, changes without the totals.
pub const VERSIONED: &[(&str, &[&str])] = &[
    (
        "Query",
        &["total", "timeSeries", "byAgeAndGender", "byPostalCode", "stats", "compare", "choropleth", "dataVersion"],
    ),
    ("Total", &["*"]),
    ("TimeSeries", &["*"]),
    ("TimePoint", &["*"]),
    ("AgeGenderTotal", &["*"]),
    ("PostalCodeTotal", &["*"]),
    ("StatsRow", &["*"]),
    ("Change", &["*"]),
    ("Comparison", &["*"]),
    ("ComparisonRow", &["*"]),
    ("PostalCode", &["id", "databaseId", "code", "geojson", "wkb", "bbox", "centroid"]),
    ("BBox", &["*"]),
    ("Point", &["*"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_graphql::parser::{
        parse_schema,
        types::{BaseType, Type, TypeKind, TypeSystemDefinition},
    };

    use super::*;

    /// The object types of the schema, each with its fields and what they return without lists and `!`.
    fn objects() -> BTreeMap<String, BTreeMap<String, String>> {
        let definitions = parse_schema(crate::graphql::sdl()).unwrap().definitions.into_iter();
        let objects = definitions.filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else { return None };
            let TypeKind::Object(object) = definition.node.kind else { return None };
            let fields = object.fields.into_iter();
            let fields = fields.map(|field| (field.node.name.node.to_string(), base(&field.node.ty.node)));
            Some((definition.node.name.node.to_string(), fields.collect()))
        });
        objects.collect()
    }

    fn base(returned: &Type) -> String {
        match &returned.base {
            BaseType::Named(name) => name.to_string(),
            BaseType::List(item) => base(item),
        }
    }

    #[test]
    fn what_is_versioned_exists_and_leads_to_nothing_else() {
        let objects = objects();
        let is_versioned = |name: &str| VERSIONED.iter().any(|(versioned, _)| *versioned == name);
        for (name, fields) in VERSIONED {
            let object = objects.get(*name).unwrap_or_else(|| panic!("there is no type {name}"));
            for field in *fields {
                let is_there = *field == "*" || object.contains_key(*field);
                assert!(is_there, "{name} has no field {field}");
            }
            for (field, returned) in
                object.iter().filter(|(field, _)| fields.contains(&"*") || fields.contains(&field.as_str()))
            {
                let is_leaf = !objects.contains_key(returned);
                assert!(
                    is_leaf || is_versioned(returned),
                    "{name}.{field} leads to {returned}, which is not versioned"
                );
            }
        }
    }
}
