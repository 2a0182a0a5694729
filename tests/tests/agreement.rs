//! Answers about sums agree with the rows whatever happens to the rows.

use fastrand::Rng;
use paystats_core::{
    domain::{AgeGroup, Gender, Month, PostalCodeId},
    load::{LoadEntity, LoadState},
};
use paystats_tests::{
    RandomFilter, RunningServer, TestBed, agreement, eventually,
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
