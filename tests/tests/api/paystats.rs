//! Paystats through the API: made, found, filtered, ordered, paged through, changed and removed; exact to the last digit.

use std::collections::BTreeSet;

use fastrand::Rng;
use futures_util::future::join_all;
use paystats_core::{
    domain::Paystat,
    load::{Counts, LoadEntity},
};
use paystats_tests::{
    Answer, RandomFilter, RunningServer, TestBed,
    sources::{amount, paystat, paystat_row, paystats, random_paystats},
};
use serde_json::{Value, json};

const CREATE: &str = "mutation($input: CreatePaystatInput!) {
    createPaystat(input: $input) { paystat { ...all } }
}
fragment all on Paystat {
    id databaseId amount month age gender postalCode { code } load { number } loadLine
}";
const UPDATE: &str = "mutation($input: UpdatePaystatInput!) {
    updatePaystat(input: $input) { paystat { ...all } }
}
fragment all on Paystat {
    id databaseId amount month age gender postalCode { code } load { number } loadLine
}";
const FIND: &str = "query($id: ID!) { paystat(id: $id) { ...all } }
fragment all on Paystat {
    id databaseId amount month age gender postalCode { code } load { number } loadLine
}";
const DELETE: &str = "mutation($id: ID!) { deletePaystat(input: { id: $id }) { deletedId } }";

async fn create(server: &RunningServer, input: Value) -> Answer {
    server.graphql(CREATE, json!({ "input": input })).await
}

async fn update(server: &RunningServer, input: Value) -> Answer {
    server.graphql(UPDATE, json!({ "input": input })).await
}

async fn delete(server: &RunningServer, id: &str) -> Answer {
    server.graphql(DELETE, json!({ "id": id })).await
}

async fn find(server: &RunningServer, id: &str) -> Value {
    server.graphql(FIND, json!({ "id": id })).await.data()["paystat"].clone()
}

/// An input that makes a paystat of postal code 1; without an id.
fn input(amount: Value) -> Value {
    json!({ "amount": amount, "month": "2015-01", "age": "FROM_25_TO_34", "gender": "F", "postalCodeId": 1 })
}

/// A bed with these rows, of the postal codes 1 to 30.
async fn bed_with(rows: &[Paystat]) -> (TestBed, RunningServer) {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(30).await;
    bed.insert_paystats(rows).await;
    let server = bed.start_server().await;
    (bed, server)
}

fn random_rows(seed: u64, count: i64) -> Vec<Paystat> {
    let ids: Vec<_> = (1..=30).map(|id| id.try_into().unwrap()).collect();
    random_paystats(&mut Rng::with_seed(seed), count, &ids)
}

fn ids(list: &Value) -> Vec<i64> {
    list["nodes"].as_array().unwrap().iter().map(|node| node["databaseId"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_paystat_is_made_found_changed_and_removed() {
    let (_bed, server) = bed_with(&[]).await;
    let made = create(
        &server,
        json!({
            "id": 1117, "amount": "69731.3602", "month": "2015-01", "age": "UNDER_25", "gender": "M",
            "postalCodeId": "PostalCode:2",
        }),
    )
    .await;
    let mut expected = json!({
        "id": "Paystat:1117", "databaseId": 1117, "amount": "69731.3602", "month": "2015-01", "age": "UNDER_25",
        "gender": "M", "postalCode": { "code": "28002" }, "load": null, "loadLine": null,
    });
    assert_eq!(made.data()["createPaystat"]["paystat"], expected);
    assert_eq!(find(&server, "1117").await, expected);
    assert_eq!(find(&server, "Paystat:1117").await, expected);
    let node = server.graphql(r#"{ node(id: "Paystat:1117") { id ... on Paystat { amount } } }"#, json!({})).await;
    assert_eq!(node.data()["node"], json!({ "id": "Paystat:1117", "amount": "69731.3602" }));

    // One field at a time; the others stay.
    for (field, value) in [
        ("amount", json!("-0.5")),
        ("month", json!("2016-12")),
        ("age", json!("FROM_65")),
        ("gender", json!("F")),
        ("postalCodeId", json!("3")),
    ] {
        let mut change = json!({ "id": "Paystat:1117" });
        change[field] = value.clone();
        match field {
            "postalCodeId" => expected["postalCode"]["code"] = "28003".into(),
            _ => expected[field] = value,
        }
        assert_eq!(update(&server, change).await.data()["updatePaystat"]["paystat"], expected);
    }
    let nothing = json!({ "id": "Paystat:1117", "amount": null });
    assert_eq!(update(&server, nothing).await.refusal(), "BAD_USER_INPUT: nothing to change was given");

    assert_eq!(*delete(&server, "1117").await.data(), json!({ "deletePaystat": { "deletedId": "Paystat:1117" } }));
    assert_eq!(find(&server, "1117").await, Value::Null);
    let refusal = "NOT_FOUND: there is no paystat with id 1117";
    assert_eq!(update(&server, json!({ "id": 1117, "amount": "1" })).await.refusal(), refusal);
    assert_eq!(update(&server, json!({ "id": 1117, "postalCodeId": 1 })).await.refusal(), refusal);
    assert_eq!(delete(&server, "1117").await.refusal(), refusal);
}

#[tokio::test]
async fn a_number_is_taken_once_and_a_postal_code_has_to_be_there() {
    let (_bed, server) = bed_with(&[paystat(1)]).await;
    let mut taken = input(json!("1"));
    taken["id"] = 1.into();
    assert_eq!(create(&server, taken.clone()).await.refusal(), "CONFLICT: a paystat with id 1 exists");
    let unknown = "BAD_USER_INPUT: there is no postal code with id 99";
    taken["postalCodeId"] = 99.into();
    taken["id"] = 2.into();
    assert_eq!(create(&server, taken).await.refusal(), unknown);
    assert_eq!(update(&server, json!({ "id": 1, "postalCodeId": 99 })).await.refusal(), unknown);
    assert_eq!(find(&server, "1").await["postalCode"]["code"], "28001");
    assert_eq!(find(&server, "2").await, Value::Null);
}

#[tokio::test]
async fn without_a_number_the_next_one_is_given() {
    let (_bed, server) = bed_with(&[]).await;
    let given = async || {
        let made = create(&server, input(json!("1"))).await;
        made.data()["createPaystat"]["paystat"]["databaseId"].as_i64().unwrap()
    };
    assert_eq!(given().await, 1);
    assert_eq!(given().await, 2);
    let mut far = input(json!("1"));
    far["id"] = 1_000_000_000_000_i64.into();
    create(&server, far.clone()).await.data();
    assert_eq!(given().await, 1_000_000_000_001);
    far["id"] = i64::MAX.into();
    create(&server, far.clone()).await.data();
    assert_eq!(find(&server, "9223372036854775807").await["databaseId"], i64::MAX);
    let refusal = "CONFLICT: the greatest id is taken: name a free one";
    assert_eq!(create(&server, input(json!("1"))).await.refusal(), refusal);
    far["id"] = 0.into();
    create(&server, far).await.data();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_made_at_once_get_numbers_of_their_own() {
    const MANY: usize = 60;
    let (bed, server) = bed_with(&[]).await;
    let made = join_all((0..MANY).map(|_| create(&server, input(json!("0.1"))))).await;
    let numbers: BTreeSet<i64> =
        made.iter().map(|made| made.data()["createPaystat"]["paystat"]["databaseId"].as_i64().unwrap()).collect();
    assert_eq!(numbers.len(), MANY);
    assert_eq!(bed.total().await.amount, amount("6"));
}

#[tokio::test]
async fn amounts_come_back_exactly_in_canonical_notation() {
    let (_bed, server) = bed_with(&[]).await;
    let mut sum = amount("0");
    for (sent, expected) in [
        (json!("69731.3602"), "69731.3602"),
        (json!("10.50"), "10.5"),
        (json!("1e3"), "1000"),
        (json!("-0.0000000000000001"), "-0.0000000000000001"),
        (json!("0.1"), "0.1"),
        (json!("0"), "0"),
        (json!("-0.0"), "0"),
        (json!(12), "12"),
        (json!(-7), "-7"),
        (json!(i64::MAX / 10), "922337203685477580"),
        (json!("999999999999999999.9999999999999999"), "999999999999999999.9999999999999999"),
        (json!("-123456789012345678.1234567890123456"), "-123456789012345678.1234567890123456"),
    ] {
        let made = create(&server, input(sent.clone())).await;
        let made = &made.data()["createPaystat"]["paystat"];
        assert_eq!(made["amount"], expected, "{sent}");
        assert_eq!(find(&server, made["id"].as_str().unwrap()).await["amount"], expected, "{sent}");
        sum = sum.checked_add(amount(expected)).unwrap();
    }
    let total = server.graphql("{ total { amount count } }", json!({})).await;
    assert_eq!(total.data()["total"], json!({ "amount": sum.to_string(), "count": 12 }));
}

/// A sum of amounts of the largest size needs more digits than a Decimal128 has.
#[tokio::test]
async fn sums_of_the_largest_amounts_are_exact() {
    let (_bed, server) = bed_with(&[]).await;
    for _ in 0..3 {
        create(&server, input(json!("999999999999999999.9999999999999999"))).await.data();
    }
    let total = server.graphql("{ total { amount } byPostalCode { total { amount } } }", json!({})).await;
    let sum = json!({ "amount": "2999999999999999999.9999999999999997" });
    assert_eq!(*total.data(), json!({ "total": sum, "byPostalCode": [{ "total": sum }] }));
}

/// Each value is written into a document and sent as a variable.
#[tokio::test]
async fn values_that_are_not_of_their_type_are_refused_in_literals_and_in_variables() {
    let (bed, server) = bed_with(&[paystat(1)]).await;
    for (field, literal, reason) in [
        ("amount", "1.5", "Decimal: 1.5 is not exact as a number: write it as a string"),
        ("amount", "1e+20", "Decimal: 1e+20 is not exact as a number: write it as a string"),
        ("amount", "true", "Decimal: true is not an amount such as \"10.5\""),
        ("amount", "{}", "Decimal: {} is not an amount such as \"10.5\""),
        ("amount", r#""""#, "Decimal: \"\" is empty"),
        ("amount", r#""1,5""#, "Decimal: \"1,5\" is not a decimal number"),
        ("amount", r#""NaN""#, "Decimal: \"NaN\" is not a finite number"),
        (
            "amount",
            r#""1000000000000000000""#,
            "Decimal: \"1000000000000000000\" has more than 18 digits before the decimal point",
        ),
        ("amount", r#""0.12345678901234567""#, "Decimal: \"0.12345678901234567\" has more than 16 decimals"),
        ("month", r#""2015-13""#, "Month: \"2015-13\" is not a month such as 2015-01"),
        ("month", r#""2015-01-01""#, "Month: \"2015-01-01\" is not a month such as 2015-01"),
        ("month", r#""1815-01""#, "Month: \"1815-01\" is outside 1900-01 to 2199-12"),
        ("month", "201501", "Month: 201501 is not a month such as \"2015-01\""),
        ("age", "25", "input.age: expected type AgeGroup"),
        ("gender", "[]", "input.gender: expected type Gender"),
        ("id", "{}", "input.id: expected type ID"),
        ("id", "1.5", "input.id: expected type ID"),
        ("id", r#""one""#, "\"one\" is not the id of a Paystat"),
        ("postalCodeId", "true", "input.postalCodeId: expected type ID"),
        ("postalCodeId", r#""28001-x""#, "\"28001-x\" is not the id of a PostalCode"),
        ("note", r#""hello""#, "input: unknown field note of type UpdatePaystatInput"),
    ] {
        let fields = if field == "id" { String::new() } else { "id: 1, ".to_owned() } + field;
        let document = format!("mutation {{ updatePaystat(input: {{ {fields}: {literal} }}) {{ paystat {{ id }} }} }}");
        let mut input = json!({ "id": 1 });
        input[field] = serde_json::from_str(literal).unwrap();
        for answer in [server.graphql(&document, json!({})).await, update(&server, input).await] {
            assert_eq!(in_short(&answer), reason, "{answer:?}");
        }
    }
    // In a document these are names, in JSON texts.
    for (field, name, of) in [("age", "FROM_25", "AgeGroup"), ("gender", "X", "Gender")] {
        let document =
            format!("mutation {{ updatePaystat(input: {{ id: 1, {field}: {name} }}) {{ paystat {{ id }} }} }}");
        let mut input = json!({ "id": 1 });
        input[field] = name.into();
        for answer in [server.graphql(&document, json!({})).await, update(&server, input).await] {
            let reason = format!("input.{field}: enumeration type {of} does not contain the value {name}");
            assert_eq!(in_short(&answer), reason, "{answer:?}");
        }
    }
    let rows = bed.paystats().await;
    assert_eq!((rows.len(), &rows[0].paystat), (1, &paystat(1)));
}

/// The message of a `BAD_USER_INPUT` without what async-graphql puts around a reason.
fn in_short(answer: &Answer) -> String {
    assert_eq!(answer.code(), "BAD_USER_INPUT", "{answer:?}");
    let message = answer.body["errors"][0]["message"].as_str().unwrap();
    if let Some((kind, reason)) = message.strip_prefix("Failed to parse \"").and_then(|rest| rest.split_once("\": ")) {
        return format!("{kind}: {}", reason.strip_suffix(" (occurred while parsing \"UpdatePaystatInput\")").unwrap());
    }
    if let Some(rest) = message.strip_prefix("Invalid value for argument ") {
        return rest.replacen(',', ":", 1).replace('"', "");
    }
    message.to_owned()
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused_with_their_reason() {
    let (_bed, server) = bed_with(&[paystat(1)]).await;
    for (question, reason) in [
        (r#"{ paystat(id: "x") { id } }"#, "\"x\" is not the id of a Paystat"),
        (r#"{ paystat(id: -1) { id } }"#, "\"-1\" is not the id of a Paystat"),
        (r#"{ paystat(id: "Load:1") { id } }"#, "\"Load:1\" is not the id of a Paystat"),
        (r#"{ paystats(first: -1) { totalCount } }"#, "first must be from 0 to 1000"),
        (
            r#"{ paystats(filter: { from: "2015-02", to: "2015-01" }) { totalCount } }"#,
            "from (2015-02) must not be after to (2015-01)",
        ),
        (
            r#"{ paystats(filter: { minAmount: "2", maxAmount: "1" }) { totalCount } }"#,
            "minAmount (2) must not be greater than maxAmount (1)",
        ),
        (
            r#"{ paystats(filter: { postalCodes: ["28_001"] }) { totalCount } }"#,
            "postalCodes: \"28_001\" is not 1 to 16 letters, digits, spaces or hyphens, without a space at either end",
        ),
    ] {
        let answer = server.graphql(question, json!({})).await;
        assert_eq!(answer.refusal(), format!("BAD_USER_INPUT: {reason}"), "{question}");
    }
}

#[tokio::test]
async fn filters_hold_what_their_conditions_say() {
    let rows = random_rows(11, 600);
    let (_bed, server) = bed_with(&rows).await;
    let mut random = Rng::with_seed(12);
    let mut sizes = BTreeSet::new();
    for _ in 0..60 {
        let filter = RandomFilter::new(&mut random, 30);
        let (mut input, mut least, mut greatest) = (filter.input.clone(), None, None);
        if random.u8(..3) == 0 {
            // The amount of a row, which is included.
            let mut amounts = [(); 2].map(|()| random.choice(&rows).unwrap().amount);
            amounts.sort();
            (least, greatest) = (Some(amounts[0]), random.bool().then_some(amounts[1]));
            input.insert("minAmount".to_owned(), amounts[0].to_string().into());
            input.extend(greatest.map(|amount| ("maxAmount".to_owned(), amount.to_string().into())));
        }
        let mut expected: Vec<i64> = rows
            .iter()
            .filter(|row| filter.matches(row))
            .filter(|row| least.is_none_or(|least| row.amount >= least))
            .filter(|row| greatest.is_none_or(|greatest| row.amount <= greatest))
            .map(|row| row.id.get())
            .collect();
        expected.sort_unstable();
        let query = "query($filter: PaystatFilter) {
            paystats(filter: $filter, first: 1000) { totalCount nodes { databaseId } }
        }";
        let answer = server.graphql(query, json!({ "filter": input })).await;
        let list = &answer.data()["paystats"];
        assert_eq!(ids(list), expected, "{input:?}");
        assert_eq!(list["totalCount"], expected.len(), "{input:?}");
        sizes.insert(expected.len());
    }
    assert!(sizes.len() > 20, "the filters hardly differ: {sizes:?}");
}

#[tokio::test]
async fn every_order_is_paged_through_both_ways_with_ties() {
    let mut rows = random_rows(21, 100);
    let mut random = Rng::with_seed(22);
    for row in &mut rows {
        // Few different amounts, some of them equal in value only: 1.50 is 1.5.
        row.amount = amount(random.choice(["-3", "1.5", "1.50", "0.0000000000000001", "200", "3e1"]).unwrap());
    }
    let (_bed, server) = bed_with(&rows).await;
    let query = "query($order: PaystatOrder, $first: Int, $after: String, $last: Int, $before: String) {
        paystats(orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
            nodes { databaseId }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }";
    for field in ["ID", "AMOUNT", "MONTH"] {
        for direction in ["ASC", "DESC"] {
            match field {
                "ID" => rows.sort_by_key(|row| row.id),
                "AMOUNT" => rows.sort_by_key(|row| (row.amount, row.id)),
                _ => rows.sort_by_key(|row| (row.month, row.id)),
            }
            if direction == "DESC" {
                rows.reverse();
            }
            let expected: Vec<i64> = rows.iter().map(|row| row.id.get()).collect();
            let order = json!({ "field": field, "direction": direction });
            let mut forward = Vec::new();
            let mut after = Value::Null;
            loop {
                let arguments = json!({ "order": order, "first": 7, "after": after });
                let answer = server.graphql(query, arguments).await;
                let page = &answer.data()["paystats"];
                assert_eq!(page["pageInfo"]["hasPreviousPage"], !forward.is_empty());
                forward.extend(ids(page));
                after = page["pageInfo"]["endCursor"].clone();
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
            }
            assert_eq!(forward, expected, "{order}");
            let mut backward = Vec::new();
            let mut before = Value::Null;
            loop {
                let arguments = json!({ "order": order, "last": 7, "before": before });
                let answer = server.graphql(query, arguments).await;
                let page = &answer.data()["paystats"];
                assert_eq!(page["pageInfo"]["hasNextPage"], !backward.is_empty());
                backward.splice(0..0, ids(page));
                before = page["pageInfo"]["startCursor"].clone();
                if page["pageInfo"]["hasPreviousPage"] == false {
                    break;
                }
            }
            assert_eq!(backward, expected, "{order}");
        }
    }
}

#[tokio::test]
async fn rows_that_come_and_go_do_not_shift_a_page() {
    let rows: Vec<_> = (1..=20).map(paystat).collect();
    let (_bed, server) = bed_with(&rows).await;
    let query = "query($after: String) {
        paystats(orderBy: { field: AMOUNT }, first: 5, after: $after) { nodes { databaseId } pageInfo { endCursor } }
    }";
    let first = server.graphql(query, json!({})).await.data()["paystats"].clone();
    assert_eq!(ids(&first), [1, 2, 3, 4, 5]);
    delete(&server, "2").await.data();
    delete(&server, "5").await.data();
    create(&server, input(json!("0.25"))).await.data();
    let second = server.graphql(query, json!({ "after": first["pageInfo"]["endCursor"] })).await;
    assert_eq!(ids(&second.data()["paystats"]), [6, 7, 8, 9, 10]);
}

#[tokio::test]
async fn a_postal_code_lists_its_own_paystats() {
    let rows = random_rows(31, 300);
    let (_bed, server) = bed_with(&rows).await;
    let query = r#"{
        postalCode(id: 7) {
            all: paystats(first: 1000) { totalCount nodes { databaseId } }
            some: paystats(
                filter: { from: "2015-01", postalCodes: ["28007", "28008"] }, orderBy: { field: AMOUNT, direction: DESC }
            ) { totalCount nodes { databaseId } }
            none: paystats(filter: { postalCodes: ["28008"] }) { totalCount nodes { databaseId } }
        }
    }"#;
    let answer = server.graphql(query, json!({})).await;
    let mut own: Vec<_> = rows.iter().filter(|row| row.postal_code_id.get() == 7).collect();
    let expect = |list: &str, rows: &[&Paystat]| {
        let list = &answer.data()["postalCode"][list];
        assert_eq!(ids(list), rows.iter().map(|row| row.id.get()).collect::<Vec<_>>());
        assert_eq!(list["totalCount"], rows.len());
    };
    own.sort_by_key(|row| row.id);
    expect("all", &own);
    own.retain(|row| row.month.year() >= 2015);
    own.sort_by_key(|row| std::cmp::Reverse((row.amount, row.id)));
    expect("some", &own);
    expect("none", &[]);
}

#[tokio::test]
async fn an_edit_survives_an_older_load_and_is_replaced_by_a_newer_one() {
    let (bed, server) = bed_with(&[]).await;
    let source = paystats((1..=3).map(|id| paystat_row(&paystat(id))));
    bed.put("older.csv", &source);
    bed.put("newer.csv", &source);
    let older = bed.accept(LoadEntity::Paystats, "older.csv").await;
    for id in [1, 2] {
        let mut made = input(json!("0.001"));
        made["id"] = id.into();
        create(&server, made).await.data();
    }

    let _loader = bed.start_plain_loader();
    let older = bed.finished(older.id).await;
    assert_eq!(older.progress.unwrap().counts, Counts { inserted: 1, unchanged: 2, ..Counts::default() });
    let edited = find(&server, "1").await;
    assert_eq!(
        (&edited["amount"], &edited["load"], &edited["loadLine"]),
        (&json!("0.001"), &Value::Null, &Value::Null)
    );
    let loaded = find(&server, "3").await;
    assert_eq!((&loaded["amount"], &loaded["loadLine"]), (&json!("3.5"), &json!(4)));
    assert_eq!(loaded["load"]["number"], older.number);

    // An edit of a loaded row takes it out of its load.
    let edited = update(&server, json!({ "id": 3, "gender": "M" })).await;
    assert_eq!(edited.data()["updatePaystat"]["paystat"]["load"], Value::Null);

    let newer = bed.accept(LoadEntity::Paystats, "newer.csv").await;
    let newer = bed.finished(newer.id).await;
    assert_eq!(newer.progress.unwrap().counts, Counts { updated: 3, ..Counts::default() });
    for id in 1..=3 {
        let loaded = find(&server, &id.to_string()).await;
        assert_eq!((&loaded["amount"], &loaded["gender"]), (&json!(format!("{id}.5")), &json!("F")));
        assert_eq!((&loaded["load"]["number"], &loaded["loadLine"]), (&json!(newer.number), &json!(id + 1)));
    }
}
