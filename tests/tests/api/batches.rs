//! A list asks MongoDB once for what all its items need, not once an item, however its items are resolved side by side.

use paystats_core::load::LoadEntity;
use paystats_tests::{
    Commands, RunningServer, TestBed,
    sources::{paystat_row, paystats, random_paystats},
};
use serde_json::{Value, json};

const POSTAL_CODES: i32 = 300;
const PAYSTATS: i64 = 1_000;

/// A server on a bed with postal codes and, from one load, paystats.
async fn start() -> (TestBed, RunningServer, Commands) {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(POSTAL_CODES).await;
    let rows = random_paystats(&mut fastrand::Rng::with_seed(1), PAYSTATS, &ids);
    let loader = bed.start_plain_loader();
    bed.load(LoadEntity::Paystats, paystats(rows.iter().map(paystat_row))).await;
    loader.stop().await;
    let (server, commands) = bed.start_overheard_server().await;
    (bed, server, commands)
}

/// What a query that lists everything answers, and the questions behind it.
async fn ask(server: &RunningServer, commands: &Commands, query: &str) -> (Vec<Value>, Vec<String>) {
    commands.take();
    let answer = server.graphql(query, json!({})).await;
    let asked = commands.take();
    let list = answer.data().as_object().unwrap().values().next().unwrap();
    (list["nodes"].as_array().unwrap().clone(), asked)
}

#[tokio::test]
async fn paystats_with_their_postal_codes_are_one_question() {
    let (_bed, server, commands) = start().await;
    let query = "{ paystats(first: 1000) { nodes { databaseId postalCode { id code } } } }";
    let (nodes, asked) = ask(&server, &commands, query).await;
    assert_eq!(asked, ["find paystats"]);
    assert_eq!(nodes.len() as i64, PAYSTATS);
    assert!(nodes.iter().all(|node| node["postalCode"]["code"].is_string()));
}

#[tokio::test]
async fn paystats_with_their_loads_are_two_questions() {
    let (_bed, server, commands) = start().await;
    let query = "{ paystats(first: 1000) { nodes { loadLine load { number } } } }";
    let (nodes, asked) = ask(&server, &commands, query).await;
    assert_eq!(asked, ["find paystats", "find loads"]);
    assert!(nodes.iter().all(|node| node["load"]["number"] == 1));
}

#[tokio::test]
async fn postal_codes_with_their_areas_are_two_questions() {
    let (_bed, server, commands) = start().await;
    let query = "{ postalCodes(first: 1000) { nodes { code geojson wkb bbox { west } centroid { latitude } } } }";
    let (nodes, asked) = ask(&server, &commands, query).await;
    assert_eq!(asked, ["find postal_codes", "find postal_codes"]);
    assert_eq!(nodes.len() as i32, POSTAL_CODES);
    assert!(nodes.iter().all(|node| node["geojson"]["type"] == "Polygon"));
}

#[tokio::test]
async fn totals_of_postal_codes_are_no_question() {
    let (_bed, server, commands) = start().await;
    let query =
        r#"{ postalCodes(first: 1000) { nodes { total(filter: { from: "2015-01", genders: [F] }) { count } } } }"#;
    let (nodes, asked) = ask(&server, &commands, query).await;
    assert_eq!(asked, ["find postal_codes"]);
    assert!(nodes.iter().any(|node| node["total"]["count"].as_i64() > Some(0)));
}

#[tokio::test]
async fn a_filter_that_names_places_is_looked_up_once_for_a_whole_list() {
    let (_bed, server, commands) = start().await;
    let query = "{ postalCodes(first: 1000) { nodes {
        total(filter: { bbox: { west: -5, south: 39, east: -3, north: 60 } }) { count }
    } } }";
    let (nodes, asked) = ask(&server, &commands, query).await;
    assert_eq!(asked, ["find postal_codes", "find postal_codes"]);
    assert!(nodes.iter().any(|node| node["total"]["count"].as_i64() > Some(0)));
}

#[tokio::test]
async fn time_series_and_tables_of_a_list_are_no_question() {
    let (_bed, server, commands) = start().await;
    let query = "{ postalCodes(first: 1000) { nodes {
        timeSeries(interval: YEAR, by: [AGE, GENDER]) { points { total { amount } } }
        byAgeAndGender { total { amount } }
    } } }";
    let (nodes, asked) = ask(&server, &commands, query).await;
    assert_eq!(asked, ["find postal_codes"]);
    assert!(nodes.iter().all(|node| node["timeSeries"].as_array().unwrap().len() == 12));
}

#[tokio::test]
async fn the_postal_codes_of_totals_are_no_question() {
    let (_bed, server, commands) = start().await;
    commands.take();
    let answer = server.graphql("{ byPostalCode { postalCode { code } total { amount } } }", json!({})).await;
    assert_eq!(commands.take(), [""; 0]);
    assert!(answer.data()["byPostalCode"].as_array().unwrap().len() > 200);
}

#[tokio::test]
async fn a_postal_code_by_number_or_code_is_no_question_unless_it_is_unknown() {
    let (_bed, server, commands) = start().await;
    commands.take();
    let ask = async |code: &str| {
        let query = "query ($code: String!) { postalCode(code: $code) { databaseId total { count } } }";
        server.graphql(query, json!({ "code": code })).await.data()["postalCode"].clone()
    };
    let known = ask("28007").await;
    let by_id = "{ postalCode(id: 7) { databaseId total { count } } node(id: \"PostalCode:7\") { id } }";
    assert_eq!(server.graphql(by_id, json!({})).await.data()["postalCode"], known);
    assert_eq!(known["databaseId"], 7);
    assert_eq!(commands.take(), [""; 0]);
    assert_eq!(ask("nowhere").await, Value::Null);
    assert_eq!(commands.take(), ["find postal_codes"]);
}

#[tokio::test]
async fn an_area_is_looked_up_once_until_postal_codes_change() {
    let (_bed, server, commands) = start().await;
    let total = async |bbox: &str| {
        let query = format!("{{ total(filter: {{ bbox: {bbox} }}) {{ count }} }}");
        server.graphql(&query, json!({})).await.data()["total"]["count"].as_i64().unwrap()
    };
    let west = "{ west: -5, south: 39, east: -3, north: 60 }";
    commands.take();
    let before = total(west).await;
    assert_eq!((before > 0, total(west).await), (true, before));
    assert_eq!(commands.take(), ["find postal_codes"]);
    assert_eq!(total("{ west: 170, south: 39, east: 171, north: 60 }").await, 0, "another area has another answer");
    assert_eq!(commands.take(), ["find postal_codes"]);

    let moved = r#"mutation { updatePostalCode(input: { id: 1, geojson: {
        type: "Polygon", coordinates: [[[170, 40], [171, 40], [171, 41], [170, 40]]]
    } }) { postalCode { total { count } } } }"#;
    let moved = server.graphql(moved, json!({})).await.data()["updatePostalCode"]["postalCode"].clone();
    let count = moved["total"]["count"].as_i64().unwrap();
    assert_eq!(total("{ west: 170, south: 39, east: 171, north: 60 }").await, count, "it is looked up anew");
    assert_eq!(total(west).await, before - count);
}
