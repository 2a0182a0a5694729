//! Answers about sums agree with the rows whatever happens to the rows.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use fastrand::Rng;
use futures_util::future::join3;
use paystats_core::{
    domain::{AgeGroup, Amount, Gender, Month, PostalCodeId},
    load::{LoadEntity, LoadState},
};
use paystats_tests::{
    Accepted, RandomFilter, RunningServer, TestBed, agreement, eventually,
    sources::{random_paystats, random_source},
};
use serde_json::{Value, json};

const POSTAL_CODES: i32 = 30;

const CREATE: &str =
    "mutation($input: CreatePaystatInput!) { createPaystat(input: $input) { paystat { databaseId } } }";
const UPDATE: &str =
    "mutation($input: UpdatePaystatInput!) { updatePaystat(input: $input) { paystat { databaseId } } }";
const DELETE: &str = "mutation($input: DeletePaystatInput!) { deletePaystat(input: $input) { deletedId } }";

/// Creates, changes or removes a paystat.
async fn edit(server: &RunningServer, random: &mut Rng, ids: &mut Vec<i64>) {
    let content = json!({
        "amount": format!("{}.{:016}", random.i64(-1_000_000..1_000_000), random.u64(..10_000_000_000_000_000)),
        "month": Month::new(random.u16(2013..=2017), random.u8(1..=12)).unwrap().to_string(),
        "age": random.choice(AgeGroup::ALL).unwrap().name(),
        "gender": random.choice(Gender::ALL).unwrap().name(),
        "postalCodeId": random.i32(1..=POSTAL_CODES),
    });
    let place = random.usize(..ids.len());
    match random.u8(..3) {
        0 => {
            let answer = server.graphql(CREATE, json!({ "input": content })).await;
            ids.push(answer.data()["createPaystat"]["paystat"]["databaseId"].as_i64().unwrap());
        }
        1 => {
            // Some of it, or all, and with that its month and its place.
            let Value::Object(mut input) = content else { unreachable!() };
            input.retain(|_, _| random.u8(..3) > 0);
            input.insert("id".to_owned(), ids[place].into());
            server.graphql(UPDATE, json!({ "input": input })).await.data();
        }
        _ => {
            server.graphql(DELETE, json!({ "input": { "id": ids.swap_remove(place) } })).await.data();
        }
    }
}

#[tokio::test]
async fn answers_agree_with_the_rows_after_every_edit() {
    let bed = TestBed::new().await;
    let places = bed.insert_postal_codes(POSTAL_CODES).await;
    let mut random = Rng::with_seed(61);
    // Few enough that edits empty months and postal codes, and fill them again.
    let rows = random_paystats(&mut random, 60, &places);
    bed.insert_paystats(&rows).await;
    let mut ids: Vec<i64> = rows.iter().map(|row| row.id.get()).collect();
    let server = bed.start_server().await;
    for _ in 0..60 {
        edit(&server, &mut random, &mut ids).await;
        for filter in [RandomFilter::default(), RandomFilter::new(&mut random, POSTAL_CODES)] {
            agreement(&server, bed.store(), &filter).await.unwrap();
        }
    }
}

#[tokio::test]
async fn answers_agree_with_the_rows_after_every_load() {
    let bed = TestBed::new().await;
    let places: Vec<PostalCodeId> = bed.insert_postal_codes(POSTAL_CODES).await;
    let _loader = bed.start_plain_loader();
    let server = bed.start_server().await;
    let mut random = Rng::with_seed(62);
    for start in [0, 700, 300] {
        // New rows, and others that were there already.
        let load = bed.load(LoadEntity::Paystats, random_source(&mut random, start..start + 1_000, &places)).await;
        assert_eq!(load.state, LoadState::Succeeded);
        for _ in 0..20 {
            let filter = RandomFilter::new(&mut random, POSTAL_CODES);
            eventually("answers that agree with the rows", async || agreement(&server, bed.store(), &filter).await)
                .await;
        }
    }
}

/// Everything, in four ways.
const EVERYTHING: &str = "{
    dataVersion
    total { amount count }
    byPostalCode { total { amount count } }
    byAgeAndGender { total { amount count } }
    timeSeries(by: [GENDER]) { points { total { amount count } } }
}";

/// Asks for everything again and again, and keeps what it is told of each state of the data. All of one answer is of one state, and states do not
/// go back.
async fn look(server: &RunningServer, done: &AtomicBool) -> BTreeMap<i64, Value> {
    let mut seen: BTreeMap<i64, Value> = BTreeMap::new();
    let mut last = 0;
    while !done.load(Ordering::Relaxed) {
        let mut answer = server.graphql(EVERYTHING, json!({})).await.data().clone();
        let version = answer["dataVersion"].take().as_i64().unwrap();
        assert!(version >= last, "{version} after {last}");
        last = version;
        let whole = sum(&answer["total"]);
        for list in ["byPostalCode", "byAgeAndGender", "timeSeries"] {
            assert_eq!(sum(&answer[list]), whole, "{list} in version {version}");
        }
        let known = seen.entry(version).or_insert_with(|| answer.clone());
        assert_eq!(*known, answer, "two answers of version {version}");
    }
    seen
}

/// The sum of all totals in a part of an answer.
fn sum(part: &Value) -> (Amount, i64) {
    let add =
        |(amount, count): (Amount, i64), (more, many): (Amount, i64)| (amount.checked_add(more).unwrap(), count + many);
    match part {
        Value::Array(items) => items.iter().map(sum).fold((Amount::ZERO, 0), add),
        Value::Object(fields) => match (fields.get("amount"), fields.get("count")) {
            (Some(amount), Some(count)) => (amount.as_str().unwrap().parse().unwrap(), count.as_i64().unwrap()),
            _ => fields.values().map(sum).fold((Amount::ZERO, 0), add),
        },
        _ => (Amount::ZERO, 0),
    }
}

#[tokio::test]
async fn answers_are_of_one_state_while_loads_edits_and_undos_go_on() {
    let bed = TestBed::new().await;
    let places = bed.insert_postal_codes(POSTAL_CODES).await;
    let mut random = Rng::with_seed(63);
    let _loader = bed.start_plain_loader();
    let (one, other) = (bed.start_server().await, bed.start_server().await);
    let first = bed.load(LoadEntity::Paystats, random_source(&mut random, 0..1_000, &places)).await;
    let done = AtomicBool::new(false);
    let changes = async {
        // Rows that no load brings.
        let mut rows = random_paystats(&mut random, 10, &places);
        rows.iter_mut().for_each(|row| row.id = (row.id.get() + 10_000).try_into().unwrap());
        bed.insert_paystats(&rows).await;
        let mut ids: Vec<i64> = rows.iter().map(|row| row.id.get()).collect();
        for round in 0..3 {
            let source = random_source(&mut random, 200 * round..200 * round + 1_000, &places);
            bed.put(&format!("{round}.csv"), source);
            let load = bed.accept(LoadEntity::Paystats, &format!("{round}.csv")).await;
            for _ in 0..5 {
                edit(&one, &mut random, &mut ids).await;
            }
            assert_eq!(bed.finished(load.id).await.state, LoadState::Succeeded);
        }
        let first = Accepted { id: first.id.to_string(), number: first.number };
        other.undo_load(&first).await.data();
        // A server that builds its totals in the middle of it.
        let late = bed.start_server().await;
        late.graphql(EVERYTHING, json!({})).await.data();
        other.load_becomes(&first.id, |load| load["state"] == "UNDONE").await;
        for server in [&one, &other, &late] {
            let filter = RandomFilter::new(&mut random, POSTAL_CODES);
            eventually("answers that agree with the rows", async || agreement(server, bed.store(), &filter).await)
                .await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let ((), here, there) = join3(changes, look(&one, &done), look(&other, &done)).await;
    assert!(here.len() > 5, "{:?}", here.keys());
    for (version, answer) in here {
        assert!(there.get(&version).is_none_or(|same| *same == answer), "two servers in version {version}");
    }
}
