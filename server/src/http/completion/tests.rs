//! Completion together with the executor that needs it, on a schema in which every place where a field can fail has a field.

use std::sync::Arc;

use async_graphql::{
    Context, Interface, Object, Request, Result, Schema, SimpleObject, Subscription, Value, Variables,
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::{
    access::Caller,
    http::{
        document::Documents,
        options::{FieldTable, GraphqlOptions},
    },
};

/// How many fields have been resolved: a field with a turn waits until so many others have.
struct Resolved(watch::Sender<usize>);

async fn wait_for_turn(context: &Context<'_>, turn: usize) {
    let Resolved(resolved) = context.data_unchecked();
    resolved.subscribe().wait_for(|resolved| *resolved == turn).await.unwrap();
    resolved.send_modify(|resolved| *resolved += 1);
}

fn failure<T>() -> Result<T> {
    Err("it failed".into())
}

struct Query;

#[Object]
impl Query {
    async fn one(&self) -> i32 {
        1
    }

    async fn turn(&self, context: &Context<'_>, turn: usize) -> usize {
        wait_for_turn(context, turn).await;
        turn
    }

    async fn item(&self) -> Item {
        Item { number: 0 }
    }

    async fn maybe(&self, number: Option<i32>) -> Option<Item> {
        number.map(|number| Item { number })
    }

    async fn items(&self, count: i32) -> Vec<Item> {
        (0..count).map(|number| Item { number }).collect()
    }

    async fn maybe_items(&self, count: i32) -> Vec<Option<Item>> {
        (0..count).map(|number| (number != 1).then_some(Item { number })).collect()
    }

    async fn table(&self) -> Option<Vec<Vec<Option<Item>>>> {
        Some(vec![vec![Some(Item { number: 0 }), None], vec![Some(Item { number: 1 })]])
    }

    async fn animal(&self, dog: bool) -> Option<Animal> {
        Some(if dog { Animal::Dog(Dog { name: "Rex".to_owned(), barks: true }) } else { Animal::Cat(Cat::default()) })
    }

    async fn animals(&self) -> Vec<Animal> {
        let dog = |name: &str| Animal::Dog(Dog { name: name.to_owned(), barks: true });
        vec![dog("Rex"), Animal::Cat(Cat::default()), dog("Bello")]
    }

    async fn not_a_number(&self) -> f64 {
        f64::NAN
    }

    async fn numbers(&self) -> Option<Vec<f64>> {
        Some(vec![0.5, f64::NAN])
    }

    async fn maybe_numbers(&self) -> Vec<Option<f64>> {
        vec![Some(0.5), Some(f64::NAN), None]
    }
}

struct Item {
    number: i32,
}

#[Object]
impl Item {
    async fn number(&self) -> i32 {
        self.number
    }

    async fn turn(&self, context: &Context<'_>, turn: usize) -> usize {
        wait_for_turn(context, turn).await;
        turn
    }

    async fn fails(&self) -> Result<Option<i32>> {
        failure()
    }

    async fn fails_hard(&self) -> Result<i32> {
        failure()
    }

    /// Fails in every second item.
    async fn odd(&self) -> Result<i32> {
        if self.number % 2 == 1 { Ok(self.number) } else { failure() }
    }

    async fn item(&self) -> Self {
        Self { number: self.number }
    }

    async fn maybe(&self) -> Option<Self> {
        Some(Self { number: self.number })
    }
}

#[derive(Interface)]
#[graphql(field(name = "name", ty = "&String"))]
enum Animal {
    Dog(Dog),
    Cat(Cat),
}

#[derive(SimpleObject)]
struct Dog {
    name: String,
    barks: bool,
}

#[derive(Default, SimpleObject)]
#[graphql(complex)]
struct Cat {
    name: String,
    lives: i32,
}

#[async_graphql::ComplexObject]
impl Cat {
    async fn mood(&self) -> Result<Option<i32>> {
        failure()
    }
}

struct Mutation;

#[Object]
impl Mutation {
    /// An item whose number tells how many were made before.
    async fn make(&self, context: &Context<'_>) -> Item {
        let Resolved(made) = context.data_unchecked();
        let number = i32::try_from(*made.borrow()).unwrap();
        made.send_modify(|made| *made += 1);
        Item { number }
    }
}

struct Subscriptions;

#[Subscription]
impl Subscriptions {
    async fn items(&self, count: i32) -> impl Stream<Item = Item> {
        stream::iter(0..count).map(|number| Item { number })
    }

    async fn maybe_items(&self, count: i32) -> impl Stream<Item = Option<Item>> {
        stream::iter(0..count).map(|number| Some(Item { number }))
    }

    async fn failures(&self) -> impl Stream<Item = Result<Option<i32>>> {
        stream::iter([Ok(Some(1)), failure(), Ok(None)])
    }
}

type ToySchema = Schema<Query, Mutation, Subscriptions>;

/// The responses to `query`, as text, because the order of fields is what matters.
async fn all(schema: &ToySchema, types: Arc<Types>, query: &str, variables: serde_json::Value) -> Vec<Response> {
    let mut request =
        Request::new(query).variables(Variables::from_json(variables)).data(Resolved(watch::Sender::new(0)));
    let inspected = documents(types).inspect(&mut request, &Caller::anybody(None)).unwrap();
    let completed = |mut executed| {
        inspected.completion.complete(&mut executed);
        executed
    };
    schema.execute_stream(request).map(completed).collect().await
}

fn toy() -> (ToySchema, Arc<Types>) {
    let schema = Schema::new(Query, Mutation, Subscriptions);
    let types = Types::from_sdl(&schema.sdl()).unwrap();
    (schema, Arc::new(types))
}

async fn run(query: &str, variables: serde_json::Value) -> Response {
    let (schema, types) = toy();
    all(&schema, types, query, variables).await.remove(0)
}

fn text(data: &Value) -> String {
    serde_json::to_string(data).unwrap()
}

/// The data that answers `query`, to which there must be no error.
async fn data(query: &str) -> String {
    data_with(query, json!({})).await
}

async fn data_with(query: &str, variables: serde_json::Value) -> String {
    let response = run(query, variables).await;
    assert_eq!(response.errors, [], "{query}");
    text(&response.data)
}

/// The data that answers `query`, and the paths of its errors.
async fn with_errors(query: &str) -> (String, serde_json::Value) {
    let response = run(query, json!({})).await;
    let paths: Vec<_> = response.errors.iter().map(|error| json!(error.path)).collect();
    (text(&response.data), json!(paths))
}

/// Numbers from 0 on, each once, in an order that looks arbitrary and is the same for the same seed.
fn shuffled(count: usize, seed: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    let mut state = seed;
    for last in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.swap(last, (state >> 33) % (last + 1));
    }
    numbers
}

#[tokio::test]
async fn fields_are_in_the_order_of_the_query_in_whichever_order_they_are_resolved() {
    let reversed: Vec<usize> = (0..20).rev().collect();
    let orders = (0..20).map(|seed| shuffled(20, seed)).chain([reversed]);
    for order in orders {
        let fields = |order: &[usize]| -> String { order.iter().map(|n| format!("f{n}: turn(turn: {n}) ")).collect() };
        let (inner, outer) = order.split_at(10);
        let query = format!("{{ {} item {{ {} }} one }}", fields(outer), fields(inner));
        let written = |order: &[usize]| -> String { order.iter().map(|n| format!("\"f{n}\":{n},")).collect() };
        let inner = written(inner);
        let expected = format!("{{{}\"item\":{{{}}},\"one\":1}}", written(outer), inner.trim_end_matches(','));
        assert_eq!(data(&query).await, expected);
    }
}

#[tokio::test]
async fn a_key_stands_where_it_is_selected_first_and_its_selections_are_merged() {
    // What one selection set repeats is resolved once, and so takes one turn.
    let query = "{
        item { a: turn(turn: 2) }
        one
        item { number a: turn(turn: 2) b: turn(turn: 1) }
        ...More
        again: one
        ... { item { number item { number } } }
    }
    fragment More on Query { item { c: turn(turn: 0) item { __typename } } last: one }";
    assert_eq!(
        data(query).await,
        r#"{"item":{"a":2,"number":0,"b":1,"c":0,"item":{"__typename":"Item","number":0}},"one":1,"last":1,"again":1}"#
    );
}

#[tokio::test]
async fn a_mutation_that_is_repeated_is_done_once() {
    let query = "mutation { make { number } second: make { number } make { t: __typename item { number } } }";
    assert_eq!(data(query).await, r#"{"make":{"number":0,"t":"Item","item":{"number":0}},"second":{"number":1}}"#);
}

#[tokio::test]
async fn lists_and_lists_of_lists_are_put_in_order_item_by_item() {
    let query = "{ items(count: 2) { t: __typename number } table { n: number item { t: __typename number } } }";
    assert_eq!(
        data(query).await,
        r#"{"items":[{"t":"Item","number":0},{"t":"Item","number":1}],"table":[[{"n":0,"item":{"t":"Item","number":0}},null],[{"n":1,"item":{"t":"Item","number":1}}]]}"#
    );
    let query = "{ table { number } table { t: __typename } }";
    assert_eq!(
        data(query).await,
        r#"{"table":[[{"number":0,"t":"Item"},null],[{"number":1,"t":"Item"}]]}"#,
        "async-graphql would lose the second of these"
    );
}

#[tokio::test]
async fn behind_an_interface_the_fragments_count_that_apply_to_the_object() {
    let query = "{ animals { ... on Cat { lives n: name } ...D ... on Animal { name } } }
        fragment D on Dog { barks n: name ... on Animal { name } ... on Dog { again: barks } }";
    assert_eq!(
        data(query).await,
        r#"{"animals":[{"barks":true,"n":"Rex","name":"Rex","again":true},{"lives":0,"n":"","name":""},{"barks":true,"n":"Bello","name":"Bello","again":true}]}"#
    );
    // Neither a type that is asked for, nor one under our key's name.
    let query = "{ animals { __typename: name type: __typename } }";
    assert!(
        data(query)
            .await
            .starts_with(r#"{"animals":[{"__typename":"Rex","type":"Dog"},{"__typename":"","type":"Cat"}"#)
    );
}

#[tokio::test]
async fn an_object_of_which_nothing_is_asked_is_there_all_the_same() {
    assert_eq!(data("{ animal(dog: false) { ... on Dog { barks } } }").await, r#"{"animal":{}}"#);
    assert_eq!(data("{ maybe(number: 1) { number @skip(if: true) } }").await, r#"{"maybe":{}}"#);
    assert_eq!(data("{ maybe { number @skip(if: true) } }").await, r#"{"maybe":null}"#);
    assert_eq!(data("{ one @include(if: false) }").await, "{}");
    let merged =
        "{ animal(dog: true) { ... on Cat { lives } } ...A } fragment A on Query { animal(dog: true) { name } }";
    assert_eq!(data(merged).await, r#"{"animal":{"name":"Rex"}}"#, "async-graphql would lose the second of these");
}

#[tokio::test]
async fn skip_and_include_take_fields_and_fragments_out() {
    let query = "query($yes: Boolean!, $no: Boolean = false, $default: Boolean! = true) {
        a: one @skip(if: $yes)
        b: one @include(if: $yes)
        c: one @include(if: $default) @skip(if: $no)
        ... @include(if: $no) { d: one }
        ...E @skip(if: $no)
        item @include(if: $no) { number }
        item { number @include(if: $no) n: number }
    } fragment E on Query { e: one @skip(if: false) }";
    let expected = r#"{"b":1,"c":1,"e":1,"item":{"n":0}}"#;
    assert_eq!(data_with(query, json!({"yes": true})).await, expected);
    let expected = r#"{"a":1,"d":1,"item":{"number":0,"n":0}}"#;
    assert_eq!(data_with(query, json!({"yes": false, "no": true, "default": false})).await, expected);
}

#[tokio::test]
async fn a_field_that_fails_is_null_if_it_may_be() {
    assert_eq!(
        with_errors("{ item { a: number fails b: number } }").await,
        (r#"{"item":{"a":0,"fails":null,"b":0}}"#.to_owned(), json!([["item", "fails"]]))
    );
    assert_eq!(
        with_errors("{ maybe(number: 1) { fails } }").await,
        (r#"{"maybe":{"fails":null}}"#.to_owned(), json!([["maybe", "fails"]])),
        "the object exists, though all that is asked of it failed"
    );
    assert_eq!(
        with_errors("{ animals { ... on Cat { mood } name } }").await,
        (
            r#"{"animals":[{"name":"Rex"},{"mood":null,"name":""},{"name":"Bello"}]}"#.to_owned(),
            json!([["animals", 1, "mood"]])
        )
    );
}

#[tokio::test]
async fn a_field_that_fails_and_must_not_be_null_takes_what_is_above_with_it() {
    assert_eq!(
        with_errors("{ one maybe(number: 1) { number failsHard } }").await,
        (r#"{"one":1,"maybe":null}"#.to_owned(), json!([["maybe", "failsHard"]]))
    );
    assert_eq!(
        with_errors("{ one maybe(number: 1) { maybe { item { failsHard } } number } }").await,
        (r#"{"one":1,"maybe":{"maybe":null,"number":1}}"#.to_owned(), json!([["maybe", "maybe", "item", "failsHard"]]))
    );
}

#[tokio::test]
async fn an_item_that_must_not_be_null_takes_the_list_with_it_and_one_that_may_be_does_not() {
    let odd =
        |above: &str, count: usize| -> Vec<_> { (0..count).step_by(2).map(|n| json!([above, n, "odd"])).collect() };
    assert_eq!(
        with_errors("{ maybeItems(count: 4) { odd } }").await,
        (r#"{"maybeItems":[null,null,null,{"odd":3}]}"#.to_owned(), json!(odd("maybeItems", 4)))
    );
    assert_eq!(with_errors("{ items(count: 3) { odd } }").await, ("null".to_owned(), json!(odd("items", 3))));
    assert_eq!(
        with_errors("{ one table { odd } }").await,
        (r#"{"one":1,"table":[[null,null],[{"odd":1}]]}"#.to_owned(), json!([["table", 0, 0, "odd"]]))
    );
}

#[tokio::test]
async fn what_nothing_above_absorbs_leaves_no_data() {
    assert_eq!(
        with_errors("{ one item { item { failsHard } } }").await,
        ("null".to_owned(), json!([["item", "item", "failsHard"]]))
    );
}

#[tokio::test]
async fn a_null_that_has_no_error_gets_one() {
    let response = run("{ one notANumber }", json!({})).await;
    assert_eq!(text(&response.data), "null");
    assert_eq!(
        json!(response.errors),
        json!([{
            "message": "the field notANumber has no value although its type is Float!",
            "locations": [{"line": 1, "column": 7}],
            "path": ["notANumber"],
            "extensions": {"code": "INTERNAL"},
        }])
    );
    assert_eq!(
        with_errors("{ numbers maybeNumbers item { fails } }").await,
        (
            r#"{"numbers":null,"maybeNumbers":[0.5,null,null],"item":{"fails":null}}"#.to_owned(),
            json!([["item", "fails"], ["numbers", 1]])
        )
    );
}

#[tokio::test]
async fn events_of_a_subscription_are_completed_each() {
    let (schema, types) = toy();
    let run = async |query: &str| {
        let responses = all(&schema, types.clone(), query, json!({})).await;
        responses.iter().map(|response| (text(&response.data), response.errors.len())).collect::<Vec<_>>()
    };
    let answered = |events: &[(&str, usize)]| -> Vec<(String, usize)> {
        events.iter().map(|(data, errors)| ((*data).to_owned(), *errors)).collect()
    };
    assert_eq!(
        run("subscription { it: items(count: 2) { ...T number } } fragment T on Item { fails t: __typename }").await,
        answered(&[
            (r#"{"it":{"fails":null,"t":"Item","number":0}}"#, 1),
            (r#"{"it":{"fails":null,"t":"Item","number":1}}"#, 1)
        ])
    );
    assert_eq!(
        run("subscription { items(count: 2) { odd } }").await,
        answered(&[("null", 1), (r#"{"items":{"odd":1}}"#, 0)])
    );
    assert_eq!(
        run("subscription { maybeItems(count: 2) { odd } }").await,
        answered(&[(r#"{"maybeItems":null}"#, 1), (r#"{"maybeItems":{"odd":1}}"#, 0)])
    );
    assert_eq!(
        run("subscription { failures }").await,
        answered(&[(r#"{"failures":1}"#, 0), (r#"{"failures":null}"#, 1), (r#"{"failures":null}"#, 0)])
    );
}

#[tokio::test]
async fn introspection_is_in_the_order_of_its_query() {
    let query = r#"{
        __type(name: "Animal") { ...T possibleTypes { name kind } }
        __schema { subscriptionType { kind name } queryType { name } mutationType { name } }
        __typename
    } fragment T on __Type { fields { type { kind ofType { name kind } } name } kind }"#;
    assert_eq!(
        data(query).await,
        r#"{"__type":{"fields":[{"type":{"kind":"NON_NULL","ofType":{"name":"String","kind":"SCALAR"}},"name":"name"}],"kind":"INTERFACE","possibleTypes":[{"name":"Dog","kind":"OBJECT"},{"name":"Cat","kind":"OBJECT"}]},"__schema":{"subscriptionType":{"kind":"OBJECT","name":"Subscriptions"},"queryType":{"name":"Query"},"mutationType":{"name":"Mutation"}},"__typename":"Query"}"#
    );
}

#[tokio::test]
async fn without_types_answers_are_put_in_order_and_left_alone_otherwise() {
    let (schema, _) = toy();
    let query = "{ b: turn(turn: 1) a: turn(turn: 0) animals { ... on Dog { barks } name } item { failsHard number } }";
    let responses = all(&schema, Arc::default(), query, json!({})).await;
    assert_eq!(
        text(&responses[0].data),
        r#"{"b":1,"a":0,"animals":[{"barks":true,"name":"Rex"},{"name":""},{"barks":true,"name":"Bello"}],"item":{"number":0}}"#
    );
}

#[tokio::test]
async fn a_document_that_is_not_valid_is_refused_with_the_same_errors_as_before() {
    let (schema, types) = toy();
    for query in [
        "{ nothing }",
        "{ one { nothing } }",
        "{ item }",
        "{ item item { number } }",
        "{ items(count: 1) { number } items(count: 2) { number } }",
        "{ item { nothing } item { number } }",
        "{ animals { barks } }",
        "{ ...Gone }",
        "{ one } fragment Unused on Query { one }",
        "{ one ...F } fragment F on Nothing { one }",
        "subscription { items(count: 1) { nothing } }",
        "query($unused: Int) { one }",
    ] {
        let expected = schema.execute_stream(query).next().await.unwrap();
        assert!(!expected.errors.is_empty(), "{query}");
        let completed = all(&schema, types.clone(), query, json!({})).await;
        assert_eq!(completed, [expected], "{query}");
    }
}

/// Whether a query selects only fields of items, `one`, `item` and `items`; with `variables` in which conditions may be named.
fn is_within(query: &str, variables: serde_json::Value) -> bool {
    const TABLE: FieldTable = &[("Query", &["one", "item", "items", "gone"]), ("Item", &["*"]), ("Cat", &["name"])];
    let schema = Schema::build(Query, Mutation, Subscriptions).finish();
    let types = Arc::new(Types::from_sdl(&schema.sdl()).unwrap());
    let mut request = Request::new(query).variables(Variables::from_json(variables));
    documents(types).inspect(&mut request, &Caller::anybody(None)).unwrap().completion.selects_only(TABLE)
}

fn documents(types: Arc<Types>) -> Documents {
    Documents::new(&GraphqlOptions { types, ..Default::default() })
}

#[test]
fn what_stays_within_a_table_of_fields_is_told_from_what_does_not() {
    for within in [
        "{ one }",
        "{ __typename one first: item { number __typename item { odd } } }",
        "query Q { ...f ... on Query { ... { one } } } fragment f on Query { items(count: 2) { ...g } } fragment g on Item { number }",
        "{ item { number } ...unused @skip(if: true) } fragment unused on Query { maybe { number } }",
        "{ one maybe @include(if: false) { number } }",
    ] {
        assert!(is_within(within, json!({})), "{within}");
    }
    for beyond in [
        "{ one maybe { number } }",
        "{ maybe { number } }",
        "{ item { number } ...f } fragment f on Query { table { number } }",
        "{ item { number } ... { maybeItems(count: 1) { number } } }",
        "{ item { number gone } }",
        "{ gone }",
        "{ animal(dog: true) { name } }",
        "{ __schema { types { name } } }",
        "{ one __type(name: \"Item\") { name } }",
        "mutation { make { number } }",
    ] {
        assert!(!is_within(beyond, json!({})), "{beyond}");
    }
    let query = "query($all: Boolean!) { one maybe @include(if: $all) { number } }";
    assert!(is_within(query, json!({ "all": false })) && !is_within(query, json!({ "all": true })));
}
