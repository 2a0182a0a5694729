//! Lists of totals are written at once where nothing has to be looked up or merged, and resolved row by row where something has. What
//! clients get is the same, byte for byte.

use fastrand::Rng;
use paystats_core::domain::Paystat;
use paystats_tests::{
    RunningServer, TestBed, eventually,
    sources::{paystat, postal_code, random_paystats},
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

/// Lists, each with all that can be asked of its rows.
const LISTS: [(&str, &str); 6] = [
    (
        "timeSeries(interval: QUARTER, by: [AGE, GENDER], filter: { to: \"2015-12\" })",
        "{ gender age points { period total { amount count } } }",
    ),
    ("byAgeAndGender", "{ age gender total { amount count } }"),
    ("byPostalCode", "{ postalCode { id databaseId code loadLine } total { amount count } }"),
    (
        "stats(groupBy: [POSTAL_CODE, YEAR, GENDER])",
        "{ postalCode { code } period age gender total { amount count } share change { previous { amount count } amount ratio } }",
    ),
    ("stats(groupBy: [AGE])", "{ postalCode { code } period age gender share change { amount } }"),
    (
        r#"compare(months: { from: "2015-01", to: "2015-12" }, against: { from: "2014-01", to: "2014-06" }, groupBy: [POSTAL_CODE, AGE])"#,
        "{ rows { postalCode { id } age gender total { amount } against { count } difference ratio shareOfDifference } }",
    ),
];

async fn start() -> (TestBed, RunningServer) {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(20).await;
    bed.insert_paystats(&random_paystats(&mut Rng::with_seed(7), 1_000, &ids)).await;
    let server = bed.start_server().await;
    (bed, server)
}

/// What a query without errors is answered, to the byte.
async fn ask(server: &RunningServer, query: String) -> String {
    let url = server.url("/graphql");
    let text = spawn_blocking(move || {
        let body = json!({ "query": &query, "variables": { "yes": true, "no": false } });
        ureq::post(url).send_json(body).unwrap().body_mut().read_to_string().unwrap()
    });
    let text = text.await.unwrap();
    assert!(text.starts_with("{\"data\":"), "{text}");
    text
}

#[tokio::test]
async fn a_list_that_is_selected_twice_is_the_same_as_one_that_is_selected_once() {
    let (_bed, server) = start().await;
    for (list, rows) in LISTS {
        let at_once = ask(&server, format!("{{ {list} {rows} }}")).await;
        let merged =
            ask(&server, format!("{{ {list} {rows} ...Again }} fragment Again on Query {{ {list} {rows} }}")).await;
        assert_eq!(at_once, merged);
        assert!(at_once.len() > 500, "{at_once}");
    }
}

#[tokio::test]
async fn keys_come_once_each_in_the_order_in_which_they_were_asked_for() {
    let (_bed, server) = start().await;
    let selections = [
        "{ rows: total { count } __typename total { amount } sex: gender gender age }",
        "{ ...A total { amount } ...B } fragment A on AgeGenderTotal { total { count __typename } }
         fragment B on AgeGenderTotal { age ... { total { amount n: count } } ... on AgeGenderTotal { gender } }",
        "{ age gender @skip(if: $yes) total @include(if: $yes) { amount @include(if: $no) count } ... @skip(if: $yes) { sex: gender } }",
        "{ ... @include(if: $yes) { age } age total { count } total @skip(if: $yes) { amount } }",
    ];
    for selection in selections {
        let (rows, fragments) = selection
            .split_once("fragment")
            .map_or((selection, String::new()), |(rows, fragments)| (rows, format!("fragment{fragments}")));
        let variables = if rows.contains('$') { "query ($yes: Boolean!, $no: Boolean = false)" } else { "query" };
        let variables = if rows.contains("$no") { variables } else { &variables.replace(", $no: Boolean = false", "") };
        let at_once = ask(&server, format!("{variables} {{ byAgeAndGender {rows} }} {fragments}")).await;
        let again = format!("fragment Again on Query {{ byAgeAndGender {rows} }}");
        let merged =
            ask(&server, format!("{variables} {{ byAgeAndGender {rows} ...Again }} {fragments} {again}")).await;
        assert_eq!(at_once, merged);
    }
    let first = "{\"data\":{\"byAgeAndGender\":[{\"rows\":{\"count\":";
    assert!(ask(&server, format!("{{ byAgeAndGender {} }}", selections[0])).await.starts_with(first));
}

#[tokio::test]
async fn what_two_fragments_ask_of_the_same_list_is_in_its_rows() {
    let (_bed, server) = start().await;
    let query = "{ ...Chart ...Table } fragment Chart on Query { timeSeries { points { period } } }
        fragment Table on Query { timeSeries { points { total { count } } } }";
    let answer: Value = serde_json::from_str(&ask(&server, query.to_owned()).await).unwrap();
    let points = answer["data"]["timeSeries"][0]["points"].as_array().unwrap();
    assert!(!points.is_empty());
    assert!(points.iter().all(|point| point["period"].is_string() && point["total"]["count"].is_i64()), "{points:?}");
}

#[tokio::test]
async fn rows_with_something_to_look_up_are_resolved() {
    let (bed, server) = start().await;
    let query = "{ byPostalCode { postalCode { code bbox { west } load { number } } total { count } } }";
    let answer: Value = serde_json::from_str(&ask(&server, query.to_owned()).await).unwrap();
    let rows = answer["data"]["byPostalCode"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["postalCode"]["bbox"]["west"].is_f64()), "{rows:?}");

    // A postal code of a load that has not ended, which the server does not know yet, and paystats that name it.
    bed.write_rows(1, &[(1, postal_code(21))], false).await;
    bed.insert_paystats(&[Paystat { postal_code_id: postal_code(21).id, ..paystat(5_000) }]).await;
    let query = "{ byPostalCode(orderBy: { field: ID }, first: 1) { postalCode { code } total { count } } }";
    let answer = eventually("the total of a new postal code", async || match ask(&server, query.to_owned()).await {
        answer if answer.contains("28021") => Ok(answer),
        answer => Err(answer),
    });
    assert!(answer.await.ends_with(r#"[{"postalCode":{"code":"28021"},"total":{"count":1}}]}}"#));
}
