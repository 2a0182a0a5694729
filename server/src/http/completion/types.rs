//! What a schema says about the shape of answers: which fields a type has, what they return, and which fragments apply to it.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name,
    parser::{
        self, parse_schema,
        types::{BaseType, OperationType, Type, TypeKind, TypeSystemDefinition},
    },
};

/// The output types of a schema. [`Default`] knows none: answers are then put in order and otherwise left as they are.
#[derive(Debug, Default)]
pub struct Types {
    by_name: HashMap<Name, Composite>,
    query: Option<Name>,
    mutation: Option<Name>,
    subscription: Option<Name>,
}

/// An object, interface or union type.
#[derive(Debug, Default)]
pub(in crate::http) struct Composite {
    pub(super) name: String,
    /// The types that a fragment on an object of this type may name: the type itself, its interfaces and the unions that it is in. Empty
    /// for interfaces and unions, because every object is more than that.
    conditions: HashSet<Name>,
    fields: HashMap<Name, Type>,
}

impl Types {
    /// Reads a schema in the schema definition language, such as `Schema::sdl` writes. Types of introspection are not part of that, and
    /// so stay unknown.
    ///
    /// # Errors
    /// If the text is not a schema.
    pub fn from_sdl(sdl: &str) -> Result<Self, parser::Error> {
        let mut types = Self {
            by_name: HashMap::new(),
            query: Some(Name::new("Query")),
            mutation: Some(Name::new("Mutation")),
            subscription: Some(Name::new("Subscription")),
        };
        let mut unions = Vec::new();
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    types.query = schema.node.query.map(|name| name.node);
                    types.mutation = schema.node.mutation.map(|name| name.node);
                    types.subscription = schema.node.subscription.map(|name| name.node);
                }
                TypeSystemDefinition::Type(definition) => {
                    let name = definition.node.name.node;
                    let (conditions, fields) = match definition.node.kind {
                        TypeKind::Object(object) => {
                            let interfaces = object.implements.into_iter().map(|interface| interface.node);
                            (interfaces.chain([name.clone()]).collect(), object.fields)
                        }
                        TypeKind::Interface(interface) => (HashSet::new(), interface.fields),
                        TypeKind::Union(union) => {
                            unions.push((name.clone(), union.members));
                            (HashSet::new(), Vec::new())
                        }
                        TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => continue,
                    };
                    let fields = fields.into_iter().map(|field| (field.node.name.node, field.node.ty.node)).collect();
                    types.by_name.insert(name.clone(), Composite { name: name.to_string(), conditions, fields });
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        for (union, members) in unions {
            for member in members {
                if let Some(object) = types.by_name.get_mut(&member.node) {
                    object.conditions.insert(union.clone());
                }
            }
        }
        Ok(types)
    }

    /// The type of that name, unless it is a scalar, an enum, or unknown.
    pub(super) fn named(&self, name: &str) -> Option<&Composite> {
        self.by_name.get(name)
    }

    /// What `returned` consists of when lists and `!` are taken off.
    pub(super) fn base_of(&self, returned: &Type) -> Option<&Composite> {
        match &returned.base {
            BaseType::Named(name) => self.named(name),
            BaseType::List(item) => self.base_of(item),
        }
    }

    /// The names of the fields at the root of an operation.
    pub fn root_fields(&self, kind: OperationType) -> impl Iterator<Item = &str> {
        self.root(kind).into_iter().flat_map(|root| root.fields.keys().map(Name::as_str))
    }

    /// The type at the root of an operation.
    pub(in crate::http) fn root(&self, kind: OperationType) -> Option<&Composite> {
        let name = match kind {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => &self.subscription,
        };
        self.named(name.as_ref()?)
    }
}

impl Composite {
    /// Whether this is the type of an object, rather than an interface or a union, behind which there is another type.
    pub(super) fn is_object(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Whether a fragment on the type `condition` applies to objects of this type.
    pub(super) fn satisfies(&self, condition: &str) -> bool {
        self.conditions.contains(condition)
    }

    /// What a field returns; `None` for the fields that every type has, such as `__typename`.
    pub(in crate::http) fn field(&self, name: &str) -> Option<&Type> {
        self.fields.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Types {
        let sdl = "
            type Query { animal: [[Animal!]]! pet: Pet count: Int! }
            interface Animal { name: String }
            union Pet = Dog | Fish
            type Dog implements Animal { name: String }
            type Fish { scales: Int }
            scalar Date
        ";
        Types::from_sdl(sdl).unwrap()
    }

    #[test]
    fn an_object_satisfies_its_own_name_its_interfaces_and_its_unions() {
        let types = types();
        let satisfied = |name| {
            let conditions = ["Dog", "Fish", "Animal", "Pet", "Query"];
            conditions.into_iter().filter(|it| types.named(name).unwrap().satisfies(it)).collect::<Vec<_>>()
        };
        assert_eq!(satisfied("Dog"), ["Dog", "Animal", "Pet"]);
        assert_eq!(satisfied("Fish"), ["Fish", "Pet"]);
        assert_eq!(satisfied("Animal"), [""; 0]);
        let is_object = |name| types.named(name).map(Composite::is_object);
        assert_eq!(["Dog", "Animal", "Pet"].map(is_object), [Some(true), Some(false), Some(false)]);
        assert_eq!(["Date", "Int", "Gone"].map(is_object), [None; 3]);
    }

    #[test]
    fn lists_and_exclamation_marks_are_looked_through() {
        let types = types();
        let query = types.root(OperationType::Query).unwrap();
        let base = |field| types.base_of(query.field(field).unwrap()).map(|base| base.name.as_str());
        assert_eq!(["animal", "pet", "count"].map(base), [Some("Animal"), Some("Pet"), None]);
        assert!(query.field("gone").is_none());
    }

    #[test]
    fn roots_have_their_usual_names_unless_the_schema_says_otherwise() {
        let root = |types: &Types, kind| types.root(kind).map(|root| root.name.clone());
        assert_eq!(root(&types(), OperationType::Query).as_deref(), Some("Query"));
        assert_eq!(root(&types(), OperationType::Mutation), None);
        let renamed =
            "schema { query: Q subscription: S } type Q { a: Int } type S { a: Int } type Mutation { a: Int }";
        let renamed = Types::from_sdl(renamed).unwrap();
        assert_eq!(root(&renamed, OperationType::Query).as_deref(), Some("Q"));
        assert_eq!(root(&renamed, OperationType::Subscription).as_deref(), Some("S"));
        assert_eq!(root(&renamed, OperationType::Mutation), None);
        assert!(Types::from_sdl("{").is_err());
    }
}
