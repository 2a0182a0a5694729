//! Loads under control, through the API: how many refused rows they bear, what they would do, and how they are stopped, repeated and
//! taken back.

use paystats_loader::LoaderConfig;
use paystats_tests::{
    Answer, RunningServer, TestBed,
    sources::{paystat, paystat_row, paystats, postal_code, postal_code_row, postal_codes},
};
use serde_json::{Value, json};

const SMALL_CHUNKS: LoaderConfig = LoaderConfig { concurrency: 2, chunk_bytes: 10_000, chunks_in_flight: 16 };
const LOAD: &str = "query($id: ID!) { load(id: $id) {
    number state error dryRun onReject maxRejected maxRejectedRatio onlyRejected retryOf { number }
    totalChanges { month amount count } keptRows { databaseId reason load { number } }
    rejections { totalCount nodes { line code fields } }
    progress { rowsRead rowsInserted rowsUpdated rowsUnchanged rowsRejected rowsReverted rowsKept rowsTotal }
} }";

async fn mutate(server: &RunningServer, name: &str, input: Value) -> Answer {
    let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    let mutation = format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ load {{ id number state }} }} }}");
    server.graphql(&mutation, json!({ "input": input })).await
}

/// Does something to a load, or starts one, and returns the load's id.
async fn done(server: &RunningServer, name: &str, input: Value) -> String {
    mutate(server, name, input).await.data()[name]["load"]["id"].as_str().unwrap().to_owned()
}

/// The load once it has ended.
async fn ended(server: &RunningServer, id: &str) -> Value {
    let watch = "subscription($id: ID!) { loadProgress(id: $id) { seq state } }";
    let told = server.subscribe(watch, json!({ "id": id })).await.rest().await;
    let last = told.last().unwrap()["loadProgress"]["state"].clone();
    let load = server.graphql(LOAD, json!({ "id": id })).await.data()["load"].clone();
    assert_eq!(load["state"], last);
    load
}

/// Starts a load of a fresh source and waits for its end.
async fn load(bed: &TestBed, server: &RunningServer, entity: &str, text: &str, more: Value) -> Value {
    let source = format!("{}.csv", fastrand::u64(..));
    bed.put(&source, text);
    let mut input = json!({ "entity": entity, "source": source });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = done(server, "startLoad", input).await;
    ended(server, &id).await
}

fn counts(load: &Value) -> [u64; 4] {
    ["rowsInserted", "rowsUpdated", "rowsUnchanged", "rowsRejected"]
        .map(|count| load["progress"][count].as_u64().unwrap())
}

/// The paystats with the numbers 1 to `count`; every tenth line is bad from the third one on.
fn with_bad_rows(count: i64) -> String {
    let row = |id| {
        let row = paystat_row(&paystat(id));
        if id % 10 == 3 { row.replace("2015-01-01", "2015-01-02") } else { row }
    };
    paystats((1..=count).map(row))
}

fn source(count: i64) -> String {
    paystats((1..=count).map(|id| paystat_row(&paystat(id))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_fails_when_more_rows_are_refused_than_it_bears_and_leaves_nothing() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(SMALL_CHUNKS);
    bed.insert_postal_codes(1).await;
    bed.insert_paystats(&[paystat(7)]).await;
    let before = bed.paystats().await;
    for (policy, reason) in [
        (json!({ "onReject": "ABORT" }), "to stop at the first one (onReject: ABORT): line "),
        (json!({ "maxRejected": 99 }), "more rows were refused than maxRejected allows (99)"),
        (json!({ "maxRejectedRatio": 0.0999 }), "more rows were refused than maxRejectedRatio allows (0.0999 of 1000)"),
    ] {
        let failed = load(&bed, &server, "PAYSTATS", &with_bad_rows(1_000), policy.clone()).await;
        assert_eq!(failed["state"], "FAILED", "{policy}");
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains(reason), "{policy}: {error}");
        assert_eq!(bed.paystats().await, before, "{policy}");
        assert_eq!(failed["progress"]["rowsReverted"].as_u64().unwrap(), counts(&failed)[0] + counts(&failed)[1]);
        for (name, value) in policy.as_object().unwrap() {
            assert_eq!(failed[name], *value);
        }
        // What was wrong can still be looked at.
        assert!(failed["rejections"]["totalCount"].as_u64().unwrap() > 0, "{policy}");
    }
    for policy in [json!({ "onReject": "SKIP" }), json!({ "maxRejected": 100, "maxRejectedRatio": 0.1 })] {
        let passed = load(&bed, &server, "PAYSTATS", &with_bad_rows(1_000), policy.clone()).await;
        assert_eq!((&passed["state"], counts(&passed)[3]), (&json!("SUCCEEDED"), 100), "{policy}");
    }
    for bad in [json!({ "maxRejected": -1 }), json!({ "maxRejectedRatio": 1.5 }), json!({ "maxRejectedRatio": -0.1 })] {
        let mut input = json!({ "entity": "PAYSTATS", "source": "x.csv" });
        input.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        assert!(mutate(&server, "startLoad", input).await.refusal().starts_with("BAD_USER_INPUT: max"), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_tells_what_the_load_then_does() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(SMALL_CHUNKS);
    bed.insert_postal_codes(1).await;
    let known: Vec<_> = (1..=200).map(paystat).collect();
    bed.insert_paystats(&known).await;
    // Rows 1 to 100 have another amount and month, 101 to 200 are the same, the others are new.
    let text = with_bad_rows(1_000);
    let changed = text.lines().enumerate().map(|(place, line)| match place {
        1..=100 => line.replace(".5,2015-01", ".75,2015-03"),
        _ => line.to_owned(),
    });
    let text = changed.collect::<Vec<_>>().join("\n");
    let before = bed.paystats().await;
    let tried = load(&bed, &server, "PAYSTATS", &text, json!({ "dryRun": true })).await;
    assert_eq!((&tried["state"], &tried["dryRun"]), (&json!("SUCCEEDED"), &json!(true)));
    assert_eq!(bed.paystats().await, before);
    let told = mutate(&server, "undoLoad", json!({ "id": tried["number"].to_string() })).await;
    assert_eq!(told.refusal(), format!("CONFLICT: load #{} is a dry run: it wrote nothing", tried["number"]));

    let total = bed.total().await;
    let loaded = load(&bed, &server, "PAYSTATS", &text, json!({})).await;
    assert_eq!(counts(&loaded), counts(&tried));
    assert_eq!(counts(&loaded), [720, 90, 90, 100]);
    for same in ["totalChanges", "rejections"] {
        assert_eq!(loaded[same], tried[same], "{same}");
    }
    let changes = loaded["totalChanges"].as_array().unwrap();
    let units = |amount: &Value| amount.as_str().unwrap().parse::<paystats_core::domain::Amount>().unwrap().units();
    let (grew, by) = changes.iter().fold((0, 0), |(amount, count), change| {
        (amount + units(&change["amount"]), count + change["count"].as_i64().unwrap())
    });
    let now = bed.total().await;
    assert_eq!((now.amount.units() - total.amount.units(), now.count - total.count), (grew, by));
    assert_eq!(changes.iter().map(|change| &change["month"]).collect::<Vec<_>>(), ["2015-01", "2015-03"]);
    assert_eq!(changes[1]["count"], 90);
}

#[tokio::test]
async fn a_dry_run_of_postal_codes_finds_what_the_index_would_refuse() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(3).await;
    let row = |id: i32, code: &str| {
        postal_code_row(&postal_code(id)).replace(&format!(",{},", 28_000 + id), &format!(",{code},"))
    };
    let bent = {
        // Its edges meet on the sphere, though not in the plane.
        let ring = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [5.0, 0.001], [0.0, 10.0], [0.0, 0.0]];
        hex(&paystats_tests::sources::ewkb(4326, &ring))
    };
    let text = postal_codes([
        row(1, "28001"),
        row(2, "renamed"),
        row(10, "28010"),
        row(11, "28010"),
        row(12, "28003"),
        format!("{bent},bent,13"),
    ]);
    let tried = load(&bed, &server, "POSTAL_CODES", &text, json!({ "dryRun": true })).await;
    let loaded = load(&bed, &server, "POSTAL_CODES", &text, json!({})).await;
    assert_eq!(counts(&loaded), counts(&tried));
    assert_eq!(loaded["rejections"], tried["rejections"]);
    assert_eq!((counts(&loaded)[0] + counts(&loaded)[3], counts(&loaded)[1], counts(&loaded)[2]), (4, 1, 1));
    assert_eq!(loaded["rejections"]["nodes"][0]["fields"], json!([row(11, "28010").split(',').next(), "28010", "11"]));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[tokio::test]
async fn what_has_ended_cannot_be_stopped_and_what_has_not_succeeded_cannot_be_undone() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", source(10));
    let id = done(&server, "startLoad", json!({ "entity": "PAYSTATS", "source": "rows.csv" })).await;
    for (what, refusal) in
        [("undoLoad", "CONFLICT: load #1 is QUEUED"), ("retryLoad", "CONFLICT: load #1 has not ended yet")]
    {
        assert_eq!(mutate(&server, what, json!({ "id": id })).await.refusal(), refusal);
    }
    // No loader runs: it waits, and is cancelled at once. Asked again, the answer is the same.
    for _ in 0..2 {
        let cancelled = mutate(&server, "cancelLoad", json!({ "id": id })).await;
        assert_eq!(cancelled.data()["cancelLoad"]["load"]["state"], "CANCELLED");
    }
    assert_eq!(ended(&server, &id).await["state"], "CANCELLED");
    let told = mutate(&server, "retryLoad", json!({ "id": id, "onlyRejected": true })).await;
    assert_eq!(told.refusal(), "CONFLICT: nothing of load #1 is left: repeat it as a whole");

    let _loader = bed.start_plain_loader();
    let key = json!({ "id": "1", "idempotencyKey": "again" });
    let again = done(&server, "retryLoad", key.clone()).await;
    assert_eq!(done(&server, "retryLoad", key).await, again);
    let again = ended(&server, &again).await;
    assert_eq!((&again["state"], &again["retryOf"]["number"]), (&json!("SUCCEEDED"), &json!(1)));
    assert_eq!(counts(&again), [10, 0, 0, 0]);
    for (what, input, refusal) in [
        ("cancelLoad", json!({ "id": "2" }), "CONFLICT: load #2 is SUCCEEDED"),
        ("retryLoad", json!({ "id": "2" }), "CONFLICT: load #2 has succeeded: there is nothing to repeat"),
        ("retryLoad", json!({ "id": "2", "onlyRejected": true }), "CONFLICT: load #2 has refused no row"),
        ("undoLoad", json!({ "id": "1" }), "CONFLICT: load #1 is CANCELLED"),
        ("undoLoad", json!({ "id": "77" }), "NOT_FOUND: there is no load with this id"),
        ("cancelLoad", json!({ "id": "Load:x" }), "BAD_USER_INPUT: \"Load:x\" is not the id of a Load"),
    ] {
        let answer = mutate(&server, what, input.clone()).await;
        assert!(
            answer.refusal().starts_with(refusal.split(" \"").next().unwrap()),
            "{what} {input}: {}",
            answer.refusal()
        );
    }
    let undone = done(&server, "undoLoad", json!({ "id": "2" })).await;
    let undone = ended(&server, &undone).await;
    assert_eq!((&undone["state"], &undone["progress"]["rowsReverted"]), (&json!("UNDONE"), &json!(10)));
    assert_eq!(bed.total().await.count, 0);
    // Asked again, the answer is the same; and it can be repeated.
    let again = mutate(&server, "undoLoad", json!({ "id": "2" })).await;
    assert_eq!(again.data()["undoLoad"]["load"]["state"], "UNDONE");
    let repeated = done(&server, "retryLoad", json!({ "id": "2" })).await;
    assert_eq!(counts(&ended(&server, &repeated).await), [10, 0, 0, 0]);
}

#[tokio::test]
async fn a_load_cannot_be_undone_when_its_undo_log_may_be_gone() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    load(&bed, &server, "PAYSTATS", &source(3), json!({})).await;
    bed.let_undo_expire(1).await;
    let told = mutate(&server, "undoLoad", json!({ "id": "1" })).await;
    assert_eq!(told.refusal(), "CONFLICT: load #1 can be undone no more: what it replaced is kept no longer");
    assert_eq!(bed.total().await.count, 3);
}

#[tokio::test]
async fn rows_that_were_refused_are_loaded_alone_once_the_file_was_mended() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(SMALL_CHUNKS);
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", with_bad_rows(1_000));
    let first = done(&server, "startLoad", json!({ "entity": "PAYSTATS", "source": "rows.csv" })).await;
    assert_eq!(counts(&ended(&server, &first).await), [900, 0, 0, 100]);
    // All but one of the lines are mended; lines that were good before are not looked at.
    let mended = with_bad_rows(1_000).replacen("2015-01-02", "2015-01-99", 1).replace("2015-01-02", "2015-01-01");
    let mended = mended.replacen("1.5,2015-01-01", "9.5,2015-01-01", 1);
    bed.put("rows.csv", mended);
    let retry = done(&server, "retryLoad", json!({ "id": first, "onlyRejected": true })).await;
    let retry = ended(&server, &retry).await;
    assert_eq!((counts(&retry), &retry["progress"]["rowsTotal"]), ([99, 0, 0, 1], &json!(100)));
    assert_eq!((&retry["onlyRejected"], &retry["rejections"]["nodes"][0]["line"]), (&json!(true), &json!(4)));
    let stored = bed.paystats().await;
    assert_eq!(stored.len(), 999);
    assert_eq!(stored[0].paystat, paystat(1));
}

#[tokio::test]
async fn a_retry_of_refused_rows_is_repeated_with_these_rows_alone_and_known_by_its_key() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", with_bad_rows(14));
    let first = done(&server, "startLoad", json!({ "entity": "PAYSTATS", "source": "rows.csv" })).await;
    assert_eq!(counts(&ended(&server, &first).await), [12, 0, 0, 2]);
    bed.put("rows.csv", source(14));
    let keyed = json!({ "id": "1", "onlyRejected": true, "idempotencyKey": "k" });
    let second = done(&server, "retryLoad", keyed.clone()).await;
    assert_eq!(counts(&ended(&server, &second).await), [2, 0, 0, 0]);
    let undone = done(&server, "undoLoad", json!({ "id": "2" })).await;
    assert_eq!(ended(&server, &undone).await["state"], "UNDONE");
    let third = done(&server, "retryLoad", json!({ "id": "2" })).await;
    let third = ended(&server, &third).await;
    assert_eq!(
        (counts(&third), &third["onlyRejected"], &third["retryOf"]["number"]),
        ([2, 0, 0, 0], &json!(true), &json!(2))
    );

    // The load that it repeats has another state by now.
    let undone = done(&server, "undoLoad", json!({ "id": "1" })).await;
    assert_eq!(ended(&server, &undone).await["progress"]["rowsReverted"], 12);
    assert_eq!(done(&server, "retryLoad", keyed).await, second);
    assert_eq!(bed.total().await.count, 2);
}

#[tokio::test]
async fn a_load_of_postal_codes_is_taken_back_but_for_those_in_use() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    let row = |id: i32, code: &str| {
        postal_code_row(&postal_code(id)).replace(&format!(",{},", 28_000 + id), &format!(",{code},"))
    };
    load(&bed, &server, "POSTAL_CODES", &postal_codes([row(1, "A"), row(2, "B"), row(3, "C")]), json!({})).await;
    // The code B passes from 2 to 1, C from 3 to 2; 4 and 5 are new, and 4 comes to be named.
    let renamed = postal_codes([row(3, "D"), row(2, "C"), row(1, "B"), row(4, "E"), row(5, "F")]);
    let loaded = load(&bed, &server, "POSTAL_CODES", &renamed, json!({})).await;
    assert_eq!(counts(&loaded), [2, 3, 0, 0]);
    let mut named = paystat(1);
    named.postal_code_id = 4.try_into().unwrap();
    bed.insert_paystats(&[named]).await;

    let undone = done(&server, "undoLoad", json!({ "id": "2" })).await;
    let undone = ended(&server, &undone).await;
    assert_eq!(undone["keptRows"], json!([{ "databaseId": 4, "reason": "IN_USE", "load": null }]));
    assert_eq!((&undone["progress"]["rowsReverted"], &undone["progress"]["rowsKept"]), (&json!(4), &json!(1)));
    let codes = server.graphql("{ postalCodes { nodes { databaseId code load { number } } } }", json!({})).await;
    let codes: Vec<_> = codes.data()["postalCodes"]["nodes"].as_array().unwrap().iter().map(Value::to_string).collect();
    let code = |id: i32, code: &str, load: i32| {
        json!({ "databaseId": id, "code": code, "load": { "number": load } }).to_string()
    };
    assert_eq!(codes, [code(1, "A", 1), code(2, "B", 1), code(3, "C", 1), code(4, "E", 2)]);
}

/// Together, what they replace is more than one document of the undo log can hold.
#[tokio::test]
async fn large_areas_are_replaced_and_return() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    let large = |id: i32| {
        let ring = paystats_tests::sources::circle_ring(60_000);
        format!("{},{},{id}", hex(&paystats_tests::sources::ewkb(4326, &ring)), 28_000 + id)
    };
    let loaded = load(&bed, &server, "POSTAL_CODES", &postal_codes((1..=4).map(large)), json!({})).await;
    assert_eq!(counts(&loaded), [4, 0, 0, 0]);
    let areas = "{ postalCodes { nodes { wkb } } }";
    let before = server.graphql(areas, json!({})).await.data().clone();
    let small = postal_codes((1..=4).map(|id| postal_code_row(&postal_code(id))));
    assert_eq!(counts(&load(&bed, &server, "POSTAL_CODES", &small, json!({})).await), [0, 4, 0, 0]);
    assert_ne!(*server.graphql(areas, json!({})).await.data(), before);
    let undone = done(&server, "undoLoad", json!({ "id": "2" })).await;
    assert_eq!(ended(&server, &undone).await["progress"]["rowsReverted"], 4);
    assert_eq!(*server.graphql(areas, json!({})).await.data(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_take_turns() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(1).await;
    bed.put("large.csv", source(6_000));
    bed.put("small.csv", paystats((10_001..=10_100).map(|id| paystat_row(&paystat(id)))));
    let mut ids = Vec::new();
    for name in ["large.csv", "small.csv"] {
        ids.push(done(&server, "startLoad", json!({ "entity": "PAYSTATS", "source": name })).await);
    }
    let mut all = server.subscribe("subscription { loads { state load { id } } }", json!({})).await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 1, chunk_bytes: 1_000, chunks_in_flight: 2 });
    let mut succeeded = Vec::new();
    while succeeded.len() < 2 {
        let heard = all.next().await.unwrap()["loads"].take();
        if heard["state"] == "SUCCEEDED" {
            succeeded.push(heard["load"]["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(succeeded, [ids[1].clone(), ids[0].clone()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_refused_rows_are_counted_although_not_all_are_kept() {
    const ROWS: i64 = 130_000;
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 1, chunk_bytes: 1 << 20, chunks_in_flight: 16 });
    // There is no postal code.
    let refused = load(&bed, &server, "PAYSTATS", &source(ROWS), json!({})).await;
    assert_eq!(counts(&refused), [0, 0, 0, ROWS as u64]);
    assert_eq!(refused["rejections"]["totalCount"], 100_000);
    let counted = server.graphql("{ load(id: 1) { rejectionCounts { code count } } }", json!({})).await;
    assert_eq!(counted.data()["load"]["rejectionCounts"], json!([{ "code": "UNKNOWN_POSTAL_CODE", "count": ROWS }]));
    // Also those that are not kept can be loaded once they are good.
    bed.insert_postal_codes(1).await;
    let retry = done(&server, "retryLoad", json!({ "id": "1", "onlyRejected": true })).await;
    assert_eq!(counts(&ended(&server, &retry).await), [ROWS as u64, 0, 0, 0]);
}
