//! What a transport has to know about a document before it runs: that it parses, that it can be validated in reasonable time, which
//! operation is meant, that the variables which this operation requires are there, and what its answers have to look like.
//!
//! The executor would find most of this too, but later and without saying which kind of failure it was: the kind of operation decides
//! whether a request is allowed on its transport, and a missing variable would surface as the failure of a field.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_graphql::{
    Name, Positioned, Request, ServerError, Value, Variables,
    parser::{
        parse_query,
        types::{
            DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
        },
    },
};
use lru::LruCache;

use super::{
    callers,
    completion::{self, Completion, Types},
    fan_out::Question,
    options::{GraphqlOptions, Rights, Shared},
    persisted::PersistedDocuments,
    response::{Code, code_of, refused, with_code},
    size::Limits,
};
use crate::{access::Caller, actions::ActionError, metrics::Metrics};

/// How much text of documents is kept parsed, in bytes. Parsed it takes ten times as much, and at worst three hundred times.
const KEPT: usize = 128 * 1024;

/// The longest document that is kept.
const LONGEST_KEPT: usize = 8 * 1024;

/// The documents that were asked for last, by their text: clients ask the same few again and again, and to parse one takes as long as to
/// answer it.
#[derive(Debug)]
pub(super) struct Documents {
    types: Arc<Types>,
    /// Subscriptions whose watchers share what comes.
    shared: Shared,
    limits: Limits,
    rights: Rights,
    persisted: Arc<PersistedDocuments>,
    metrics: Metrics,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    documents: LruCache<String, Arc<Document>>,
    /// Bytes of their text.
    bytes: usize,
}

/// A document that parses and is not too large.
#[derive(Debug)]
struct Document {
    /// As the client wrote it.
    own: ExecutableDocument,
    /// As the executor gets it.
    question: ExecutableDocument,
}

impl Documents {
    /// Those of the schema that the options tell of.
    pub(super) fn new(options: &GraphqlOptions) -> Self {
        let GraphqlOptions { types, shared, limits, rights, persisted, metrics, .. } = options;
        let (types, persisted, metrics) = (types.clone(), persisted.clone(), metrics.clone());
        Self {
            types,
            shared: *shared,
            limits: *limits,
            rights: *rights,
            persisted,
            metrics,
            kept: Mutex::new(Kept { documents: LruCache::unbounded(), bytes: 0 }),
        }
    }

    /// Parses the document of `request`, puts it there as the executor needs it, so that it is parsed once, and returns what it is about.
    /// The executor is told who calls.
    ///
    /// # Errors
    /// What the specification calls request errors: nothing has run, and the answer has no `data`. So is what `caller` may not ask for, in
    /// whichever place: a subscription that others watch already is none that may be joined.
    pub(super) fn inspect(&self, request: &mut Request, caller: &Caller) -> Result<Inspected, ServerError> {
        self.look_into(request, caller).inspect_err(|error| self.metrics.refused(code_of(error)))
    }

    fn look_into(&self, request: &mut Request, caller: &Caller) -> Result<Inspected, ServerError> {
        self.persisted.resolve(request)?;
        let document = self.parsed(&request.query)?;
        let operation = select(&document.own, request.operation_name.as_deref())?;
        check_root(operation)?;
        self.check_rights(&document.own, operation, caller)?;
        request.data.insert(caller.clone());
        let variables = check_variables(operation, &request.variables);
        fill_in_conditions(operation, &mut request.variables);
        let completion = Completion::new(self.types.clone(), &document.own, operation, &request.variables);
        request.set_parsed_query(document.question.clone());
        let Shared { fields, resumed_by } = self.shared;
        let is_shared = operation.ty == OperationType::Subscription && completion.starts_within(fields);
        let shared_by = is_shared.then(|| Question::of(request, variable_of(operation, resumed_by, &request.query)));
        let watched = self.watched(operation);
        Ok(Inspected { kind: operation.ty, variables, completion, shared_by, watched })
    }

    /// The field of a subscription, if the schema has it.
    fn watched(&self, operation: &OperationDefinition) -> Option<Name> {
        let root = self.types.root(operation.ty).filter(|_| operation.ty == OperationType::Subscription)?;
        let Some(Selection::Field(field)) = operation.selection_set.node.items.first().map(|item| &item.node) else {
            return None;
        };
        let name = &field.node.name.node;
        root.field(name).map(|_| name.clone())
    }

    /// Fields that the schema does not have, and those of introspection, take no right of their own.
    fn check_rights(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        caller: &Caller,
    ) -> Result<(), ServerError> {
        let mut fields = Vec::new();
        collect_fields(&operation.selection_set.node, document, &mut HashSet::new(), &mut fields);
        let root = self.types.root(operation.ty);
        for field in fields {
            let name = field.node.name.node.as_str();
            if root.is_some_and(|root| root.field(name).is_some()) {
                callers::check(caller, (self.rights)(operation.ty, name)).map_err(|refusal| {
                    let refusal = ActionError { message: format!("{name}: {}", refusal.message), ..refusal };
                    ServerError { locations: vec![field.pos], ..refused(refusal) }
                })?;
            }
        }
        Ok(())
    }

    fn parsed(&self, text: &str) -> Result<Arc<Document>, ServerError> {
        if let Some(document) = self.kept().documents.get(text) {
            return Ok(document.clone());
        }
        self.limits.check_text(text)?;
        let own = parse_query(text).map_err(|error| with_code(error.into(), Code::ParseFailed))?;
        self.limits.check(&own)?;
        let mut question = own.clone();
        completion::rewrite(&mut question, &self.types);
        let document = Arc::new(Document { own, question });
        if text.len() <= LONGEST_KEPT {
            self.kept().keep(text, document.clone());
        }
        Ok(document)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, text: &str, document: Arc<Document>) {
        if self.documents.put(text.to_owned(), document).is_none() {
            self.bytes += text.len();
        }
        while self.bytes > KEPT
            && let Some((text, _)) = self.documents.pop_lru()
        {
            self.bytes -= text.len();
        }
    }
}

/// What [`inspect`](Documents::inspect) found out. The kind is known even if variables are missing, since it decides first what to answer.
#[derive(Debug)]
pub(super) struct Inspected {
    /// Query, mutation or subscription.
    pub(super) kind: OperationType,
    /// Whether every variable that must have a value has one.
    pub(super) variables: Result<(), ServerError>,
    /// For every response to the operation.
    pub(super) completion: Completion,
    /// What is asked, if it is a subscription whose watchers share what comes.
    pub(super) shared_by: Option<Question>,
    /// Which field is watched, if it is a subscription.
    pub(super) watched: Option<Name>,
}

/// What can run.
#[derive(Debug)]
pub(super) struct Runnable {
    /// As in [`Inspected`].
    pub(super) completion: Completion,
    /// As in [`Inspected`].
    pub(super) shared_by: Option<Question>,
}

impl Inspected {
    /// The same if all variables are there, or why it cannot run.
    pub(super) fn runnable(self) -> Result<Runnable, ServerError> {
        let Self { variables, completion, shared_by, .. } = self;
        variables.map(|()| Runnable { completion, shared_by })
    }
}

fn select<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Result<&'d OperationDefinition, ServerError> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations.values().next(),
        (DocumentOperations::Multiple(_), None) => None,
    };
    operation.map(|operation| &operation.node).ok_or_else(|| {
        let message = match name {
            Some(name) => format!("the document has no operation named \"{name}\""),
            None => "the document has several operations: say which with operationName".to_owned(),
        };
        with_code(ServerError::new(message, None), Code::BadUserInput)
    })
}

/// The fields of a selection set, through all fragments in it, whether or not they are skipped.
fn collect_fields<'d>(
    set: &'d SelectionSet,
    document: &'d ExecutableDocument,
    seen: &mut HashSet<&'d Name>,
    fields: &mut Vec<&'d Positioned<Field>>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => fields.push(field),
            Selection::InlineFragment(fragment) => {
                collect_fields(&fragment.node.selection_set.node, document, seen, fields);
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                if let Some(fragment) = document.fragments.get(name)
                    && seen.insert(name)
                {
                    collect_fields(&fragment.node.selection_set.node, document, seen, fields);
                }
            }
        }
    }
}

/// The executor would run the fields of a subscription's root beside each other and mix their events, and not find one in a fragment.
fn check_root(operation: &OperationDefinition) -> Result<(), ServerError> {
    let message = match operation.selection_set.node.items.as_slice() {
        _ if operation.ty != OperationType::Subscription => return Ok(()),
        [Positioned { node: Selection::Field(_), .. }] => return Ok(()),
        [_] => "the field of a subscription's root must not stand in a fragment",
        _ => "a subscription has one field at its root",
    };
    let error = ServerError::new(message, Some(operation.selection_set.pos));
    Err(with_code(error, Code::ValidationFailed))
}

/// The variable that is the argument of the root's field, if it is nothing else.
fn variable_of<'d>(operation: &'d OperationDefinition, argument: &str, text: &str) -> Option<&'d Name> {
    let [Positioned { node: Selection::Field(field), .. }] = operation.selection_set.node.items.as_slice() else {
        return None;
    };
    let written = field.node.get_argument(argument)?.node.to_string();
    let mut definitions = operation.variable_definitions.iter().map(|definition| &definition.node.name.node);
    let name = definitions.find(|name| written.strip_prefix('$') == Some(name.as_str()))?;
    // Once it is defined, and once it is used.
    (text.matches(&written).count() == 2).then_some(name)
}

/// The part of variable coercion that needs no schema; the executor's validation checks the values that are there.
fn check_variables(operation: &OperationDefinition, variables: &Variables) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let (name, var_type) = (&definition.node.name.node, &definition.node.var_type.node);
        let problem = match variables.get(name) {
            _ if var_type.nullable => continue,
            None if definition.node.default_value.is_some() => continue,
            None => "is missing",
            Some(Value::Null) => "must not be null",
            Some(_) => continue,
        };
        let message = format!("the variable ${name} of type {var_type} {problem}");
        return Err(with_code(ServerError::new(message, Some(definition.pos)), Code::BadUserInput));
    }
    Ok(())
}

/// The executor knows the defaults of variables, but forgets them where `@skip` and `@include` name one.
fn fill_in_conditions(operation: &OperationDefinition, variables: &mut Variables) {
    for definition in &operation.variable_definitions {
        if let Some(Value::Boolean(default)) = definition.node.default_value.as_ref().map(|default| &default.node) {
            variables.entry(definition.node.name.node.clone()).or_insert(Value::Boolean(*default));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(query: &str, operation_name: Option<&str>, variables: serde_json::Value) -> Request {
        let mut request = Request::new(query).variables(Variables::from_json(variables));
        request.operation_name = operation_name.map(str::to_owned);
        request
    }

    fn inspect(request: &mut Request) -> Result<Inspected, ServerError> {
        Documents::new(&GraphqlOptions::default()).inspect(request, &Caller::anybody(None))
    }

    fn kind(query: &str, operation_name: Option<&str>) -> Result<OperationType, String> {
        inspect(&mut request(query, operation_name, json!({}))).map(|found| found.kind).map_err(|error| error.message)
    }

    fn variables(query: &str, variables: serde_json::Value) -> Result<(), String> {
        inspect(&mut request(query, None, variables)).unwrap().variables.map_err(|error| error.message)
    }

    #[test]
    fn the_only_operation_needs_no_name() {
        assert_eq!(kind("{ a }", None), Ok(OperationType::Query));
        assert_eq!(kind("mutation M { a }", None), Ok(OperationType::Mutation));
    }

    #[test]
    fn a_name_selects_among_several() {
        let query = "query Q { a } mutation M { a } subscription S { a }";
        assert_eq!(kind(query, Some("Q")), Ok(OperationType::Query));
        assert_eq!(kind(query, Some("M")), Ok(OperationType::Mutation));
        assert_eq!(kind(query, Some("S")), Ok(OperationType::Subscription));
        assert_eq!(kind(query, Some("X")), Err("the document has no operation named \"X\"".to_owned()));
        assert_eq!(kind("{ a }", Some("Q")), Err("the document has no operation named \"Q\"".to_owned()));
        assert_eq!(
            kind(query, None),
            Err("the document has several operations: say which with operationName".to_owned())
        );
    }

    #[test]
    fn a_parse_error_says_so_and_where() {
        let error = inspect(&mut Request::new("{")).unwrap_err();
        assert_eq!(error.extensions.unwrap().get("code"), Some(&Value::from("GRAPHQL_PARSE_FAILED")));
        assert_eq!(error.locations.len(), 1);
    }

    #[test]
    fn a_document_that_nests_too_deep_is_an_error_and_not_a_crash() {
        let nested = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
        let chain = |length: usize| -> String {
            (0..length).map(|n| format!("fragment f{n} on Query {{ ...f{} }} ", n + 1)).collect()
        };
        for query in [
            nested("{a", "}"),
            nested("{...", "}"),
            format!("{{ a(b: {}) }}", nested("[", "]")),
            format!("{{ a(b: {}1{}) }}", "{c:".repeat(100_000), "}".repeat(100_000)),
            format!("query($v: {}) {{ a }}", nested("[", "]")),
            format!("{{ ...f0 }} {}", chain(20_000)),
            "{ ...f } fragment f on Query { ...f }".to_owned(),
        ] {
            assert!(kind(&query, None).is_err(), "{}", &query[..20]);
        }
    }

    #[test]
    fn what_is_asked_again_is_not_parsed_again_and_what_is_kept_is_bounded() {
        let documents = Documents::new(&GraphqlOptions::default());
        let kept = |text: &str| documents.kept().documents.contains(text);
        let first = documents.parsed("{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &documents.parsed("{ a }").unwrap()));
        assert!(documents.parsed("{ a").is_err() && !kept("{ a"), "what is wrong is not kept");
        let long = format!("{{ {} }}", "a ".repeat(LONGEST_KEPT / 2));
        assert!(documents.parsed(&long).is_ok() && !kept(&long));
        let text = |number: usize| format!("{{ a{number} {} }}", "b ".repeat(500));
        for number in 0..2 * KEPT / 1_000 {
            documents.parsed(&text(number)).unwrap();
            documents.parsed("{ a }").unwrap();
        }
        assert!(kept("{ a }") && !kept(&text(0)) && kept(&text(2 * KEPT / 1_000 - 1)));
        let kept = documents.kept();
        assert_eq!(kept.bytes, kept.documents.iter().map(|(text, _)| text.len()).sum::<usize>());
        assert!(kept.bytes <= KEPT && kept.bytes > KEPT / 2);
    }

    #[test]
    fn fragments_count_each_time_they_are_spread() {
        let doubling = |levels: usize| {
            let fragments = (0..levels).map(|n| format!("fragment f{n} on Query {{ ...f{0} ...f{0} }} ", n + 1));
            format!("{{ ...f0 }} {} fragment f{levels} on Query {{ a }}", fragments.collect::<String>())
        };
        assert_eq!(kind(&doubling(11), None), Ok(OperationType::Query));
        let error = "the document has more than 10000 selections, fragments written out".to_owned();
        assert_eq!(kind(&doubling(12), None), Err(error.clone()));
        assert_eq!(kind(&doubling(20), None), Err(error));
        assert_eq!(kind(&doubling(60), None), Err("the document nests deeper than 32 levels".to_owned()));
        assert_eq!(kind(&format!("{{ {} }}", "a ".repeat(9_998)), None), Ok(OperationType::Query));
        assert_eq!(
            kind(&format!("{{ {} }}", "a ".repeat(9_999)), None),
            Err("the document has more than 10000 words and signs".to_owned())
        );
    }

    #[test]
    fn a_subscription_has_one_field_at_its_root() {
        assert_eq!(kind("subscription { a(b: 1) { c d } }", None), Ok(OperationType::Subscription));
        let error = Err("a subscription has one field at its root".to_owned());
        for query in ["subscription { a b }", "subscription { a a }", "subscription { a __typename }"] {
            assert_eq!(kind(query, None), error, "{query}");
        }
        let error = Err("the field of a subscription's root must not stand in a fragment".to_owned());
        for query in ["subscription { ... { a } }", "subscription { ...F } fragment F on Subscription { a }"] {
            assert_eq!(kind(query, None), error, "{query}");
        }
        assert_eq!(kind("query Q { a b } subscription S { a b }", Some("Q")), Ok(OperationType::Query));
    }

    #[test]
    fn a_required_variable_must_be_given_and_not_null() {
        let query = "query($id: ID!) { a(id: $id) }";
        assert_eq!(variables(query, json!({"id": "1"})), Ok(()));
        assert_eq!(variables(query, json!({})), Err("the variable $id of type ID! is missing".to_owned()));
        assert_eq!(
            variables(query, json!({"id": null})),
            Err("the variable $id of type ID! must not be null".to_owned())
        );
    }

    #[test]
    fn a_default_stands_in_for_a_missing_variable_but_not_for_null() {
        let query = "query($n: Int! = 1) { a(n: $n) }";
        assert_eq!(variables(query, json!({})), Ok(()));
        assert_eq!(
            variables(query, json!({"n": null})),
            Err("the variable $n of type Int! must not be null".to_owned())
        );
        assert_eq!(variables("query($n: Int) { a(n: $n) }", json!({})), Ok(()));
    }
}
