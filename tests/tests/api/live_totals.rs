//! Totals in memory: a server's own change is in its next answer, everybody else's soon; a load changes them once, when it ends.

use paystats_core::load::{LoadEntity, LoadState};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    RunningServer, TestBed, eventually,
    sources::{paystat, paystat_row, paystats},
};
use serde_json::{Value, json};

const TOTAL: &str = "{ dataVersion total { amount count } }";
const CREATE: &str = r#"mutation($id: Long!, $amount: Decimal!, $code: Int!) {
    createPaystat(input: { id: $id, amount: $amount, month: "2015-01", age: FROM_65, gender: F, postalCodeId: $code }) {
        paystat { postalCode { total { amount count } } }
    }
}"#;

async fn create(server: &RunningServer, id: i64, amount: &str, code: i32) -> Value {
    let answer = server.graphql(CREATE, json!({ "id": id, "amount": amount, "code": code })).await;
    answer.data()["createPaystat"]["paystat"]["postalCode"]["total"].clone()
}

async fn total(server: &RunningServer) -> Value {
    server.graphql(TOTAL, json!({})).await.data()["total"].clone()
}

async fn becomes(server: &RunningServer, amount: &str, count: i64) {
    let wanted = json!({ "amount": amount, "count": count });
    eventually("the total", async || match total(server).await {
        total if total == wanted => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test]
async fn an_edit_is_in_the_next_answer_and_soon_in_those_of_every_other_server() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    let (one, other) = (bed.start_server().await, bed.start_server().await);
    for (id, sum) in [(1, "0.1"), (2, "0.2"), (3, "0.3")] {
        assert_eq!(create(&one, id, "0.1", 1).await, json!({ "amount": sum, "count": id }));
        assert_eq!(total(&one).await, json!({ "amount": sum, "count": id }));
    }
    becomes(&other, "0.3", 3).await;
    let versions =
        [&one, &other].map(async |server| server.graphql(TOTAL, json!({})).await.data()["dataVersion"].clone());
    let [here, there] = versions;
    assert_eq!(here.await, there.await);

    let change = r#"mutation { updatePaystat(input: { id: 2, amount: "-1", postalCodeId: 2 }) { paystat { id } } }"#;
    other.graphql(change, json!({})).await.data();
    assert_eq!(total(&other).await, json!({ "amount": "-0.8", "count": 3 }));
    becomes(&one, "-0.8", 3).await;
    one.graphql("mutation { deletePaystat(input: { id: 2 }) { deletedId } }", json!({})).await.data();
    assert_eq!(total(&one).await, json!({ "amount": "0.2", "count": 2 }));

    // Several changes in one request: each is in what follows it.
    let both = r#"mutation {
        a: updatePaystat(input: { id: 1, amount: "5" }) { paystat { postalCode { total { amount } } } }
        b: updatePaystat(input: { id: 3, amount: "6" }) { paystat { postalCode { total { amount } } } }
    }"#;
    let answer = one.graphql(both, json!({})).await;
    let sum = |name: &str| answer.data()[name]["paystat"]["postalCode"]["total"]["amount"].clone();
    assert_eq!([sum("a"), sum("b")], ["5.1", "11"]);
}

#[tokio::test]
async fn a_load_changes_the_totals_once_and_an_edit_in_its_middle_shows_nothing_of_it() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    let server = bed.start_server().await;
    create(&server, 1_000_000, "7", 1).await;
    let query = "subscription { totalChanged { amount count } }";
    let mut changes = server.subscribe(query, json!({})).await;

    let rows = 20_000;
    let source = paystats((1..=rows).map(|id| paystat_row(&paystat(id))));
    let expected = (1..=rows).map(|id| i128::from(id) * 10 + 5).sum::<i128>() + 70;
    let expected = format!("{}.{}", expected / 10, expected % 10);
    bed.put("rows.csv", source);
    let load = bed.accept(LoadEntity::Paystats, "rows.csv").await;
    let loader = bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 100_000, chunks_in_flight: 16 });
    let id = load.id.to_string();
    let is_under_way = server.load_reaches(&id, 4_000).await;
    create(&server, 1_000_001, "1", 1).await;
    let state = server.load(&id).await["state"].clone();
    if is_under_way && state == "LOADING" {
        assert_eq!(changes.next().await.unwrap()["totalChanged"], json!({ "amount": "8", "count": 2 }));
    }
    assert_eq!(bed.finished(load.id).await.state, LoadState::Succeeded);
    let whole = json!({ "amount": plus_one(&expected), "count": rows + 2 });
    // Whether the edit came before the load's end or after it: no other total was ever there.
    let seen = async {
        let mut seen = Vec::new();
        while seen.last() != Some(&whole) {
            seen.push(changes.next().await.unwrap()["totalChanged"].clone());
        }
        seen
    }
    .await;
    assert!(seen.len() <= 2, "{seen:?}");
    assert_eq!(total(&server).await, whole);

    // What changes nothing is told to nobody: the next thing heard is the edit after it.
    let again = bed.accept(LoadEntity::Paystats, "rows.csv").await;
    assert_eq!(bed.finished(again.id).await.state, LoadState::Succeeded);
    create(&server, 1_000_002, "1", 2).await;
    let next = changes.next().await.unwrap()["totalChanged"]["count"].clone();
    assert_eq!(next, rows + 3);
    loader.stop().await;
}

fn plus_one(amount: &str) -> String {
    let (whole, fraction) = amount.split_once('.').unwrap();
    let whole = whole.parse::<u64>().unwrap() + 1;
    if fraction == "0" { whole.to_string() } else { format!("{whole}.{fraction}") }
}

#[tokio::test]
async fn who_asks_for_the_total_now_is_told_it_first_and_once() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let server = bed.start_server().await;
    create(&server, 1, "7", 1).await;
    let query = "subscription { totalChanged(now: true) { amount count } }";
    // The second watcher shares what follows with the first one, and is told by itself what it is now.
    let mut watchers = [server.subscribe(query, json!({})).await, server.subscribe(query, json!({})).await];
    for changes in &mut watchers {
        assert_eq!(changes.next().await.unwrap()["totalChanged"], json!({ "amount": "7", "count": 1 }));
    }
    create(&server, 2, "1", 1).await;
    for changes in &mut watchers {
        assert_eq!(changes.next().await.unwrap()["totalChanged"], json!({ "amount": "8", "count": 2 }));
    }
    let mut late = server.subscribe(query, json!({})).await;
    assert_eq!(late.next().await.unwrap()["totalChanged"], json!({ "amount": "8", "count": 2 }));
}

#[tokio::test]
async fn an_undo_brings_the_totals_back_and_a_cancelled_load_never_shows() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    let server = bed.start_server().await;
    let loader = bed.start_plain_loader();
    let before = bed.load(LoadEntity::Paystats, paystats([paystat_row(&paystat(1)), paystat_row(&paystat(2))])).await;
    becomes(&server, "4", 2).await;
    let load = bed
        .load(LoadEntity::Paystats, paystats([1, 2, 3].map(|id| paystat_row(&paystat(id)).replace(".5", ".75"))))
        .await;
    becomes(&server, "8.25", 3).await;
    let accepted = paystats_tests::Accepted { id: load.id.to_string(), number: load.number };
    server.undo_load(&accepted).await.data();
    becomes(&server, "4", 2).await;
    server.load_becomes(&accepted.id, |load| load["state"] == "UNDONE").await;
    assert_eq!(bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);
    assert_eq!(before.state, LoadState::Succeeded);
    loader.stop().await;
}

#[tokio::test]
async fn a_server_that_was_not_there_answers_as_the_others_do() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    let one = bed.start_server().await;
    for id in 1..=5 {
        create(&one, id, "1.25", 1 + id as i32 % 2).await;
    }
    let late = bed.start_server().await;
    let question = "{ dataVersion byPostalCode { postalCode { code } total { amount count } } timeSeries { points { total { amount } } } }";
    let answers = [one.graphql(question, json!({})).await, late.graphql(question, json!({})).await];
    assert_eq!(answers[0].data(), answers[1].data());
    assert_eq!(answers[0].data()["byPostalCode"].as_array().unwrap().len(), 2);
}
