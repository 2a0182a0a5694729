//! Loads through the API: accepted, listed, and looked into.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink};

use futures_util::future::join_all;
use paystats_core::load::LoadId;
use paystats_tests::{
    Answer, RunningServer, TestBed,
    sources::{paystat, paystat_row, paystats, postal_code, postal_code_row, postal_codes},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::load_progress::{SMALL_CHUNKS, assert_is_a_progress, progress_of};

const START: &str = "mutation($input: StartLoadInput!) {
    startLoad(input: $input) { load { id number entity source sourceSizeBytes state } }
}";

async fn start(server: &RunningServer, input: Value) -> Answer {
    server.graphql(START, json!({ "input": input })).await
}

/// Starts a load of paystats and returns its id.
pub(super) async fn start_paystats(server: &RunningServer, source: &str) -> String {
    let started = start(server, json!({ "entity": "PAYSTATS", "source": source })).await;
    started.data()["startLoad"]["load"]["id"].as_str().unwrap().to_owned()
}

/// The paystats with the numbers 1 to `count` as a source.
pub(super) fn source(count: i64) -> String {
    paystats((1..=count).map(|id| paystat_row(&paystat(id))))
}

async fn number_of_loads(server: &RunningServer) -> u64 {
    let answer = server.graphql("{ loads { totalCount } }", json!({})).await;
    answer.data()["loads"]["totalCount"].as_u64().unwrap()
}

#[tokio::test]
async fn both_entities_are_loaded_from_start_to_end() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.put("madrid/codes.csv", postal_codes((1..=3).map(|id| postal_code_row(&postal_code(id)))));
    bed.put("madrid/rows.csv", source(50));

    let input = json!({ "entity": "POSTAL_CODES", "source": "madrid/codes.csv" });
    let started = start(&server, input).await;
    let load = &started.data()["startLoad"]["load"];
    let id = load["id"].as_str().unwrap();
    let size = fs::metadata(bed.datalake().join("madrid/codes.csv")).unwrap().len();
    let expected = json!({
        "id": id, "number": 1, "entity": "POSTAL_CODES", "source": "madrid/codes.csv", "sourceSizeBytes": size,
        "state": load["state"],
    });
    assert_eq!(*load, expected);
    assert!(id.starts_with("Load:"));
    let told = progress_of(&server, id, None).await;
    assert_is_a_progress(&told);
    let end = told.last().unwrap();
    assert_eq!((&end["state"], &end["rowsInserted"], &end["fraction"]), (&json!("SUCCEEDED"), &json!(3), &json!(1.0)));

    let id = start_paystats(&server, "madrid/rows.csv").await;
    assert_is_a_progress(&progress_of(&server, &id, None).await);
    let query = "query($id: ID!) {
        load(id: $id) {
            number state error createdAt startedAt finishedAt
            progress { state rowsRead rowsInserted rowsTotal bytesRead bytesTotal fraction chunksDone chunksTotal }
            rejections { totalCount }
        }
        total { amount count }
        postalCodes { nodes { code load { number } loadLine } }
    }";
    let answer = server.graphql(query, json!({ "id": id })).await;
    let size = fs::metadata(bed.datalake().join("madrid/rows.csv")).unwrap().len();
    let load = &answer.data()["load"];
    let progress = json!({
        "state": "SUCCEEDED", "rowsRead": 50, "rowsInserted": 50, "rowsTotal": 50, "bytesRead": size, "bytesTotal": size,
        "fraction": 1.0, "chunksDone": 1, "chunksTotal": 1,
    });
    assert_eq!((&load["progress"], &load["rejections"]), (&progress, &json!({ "totalCount": 0 })));
    assert_eq!((&load["number"], &load["state"], &load["error"]), (&json!(2), &json!("SUCCEEDED"), &Value::Null));
    let time = |field: &str| OffsetDateTime::parse(load[field].as_str().unwrap(), &Rfc3339).unwrap();
    let times = ["createdAt", "startedAt", "finishedAt"].map(time);
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(answer.data()["total"], json!({ "amount": "1300", "count": 50 }));
    let codes = json!([
        { "code": "28001", "load": { "number": 1 }, "loadLine": 2 },
        { "code": "28002", "load": { "number": 1 }, "loadLine": 3 },
        { "code": "28003", "load": { "number": 1 }, "loadLine": 4 },
    ]);
    assert_eq!(answer.data()["postalCodes"]["nodes"], codes);
}

#[tokio::test]
async fn the_same_key_is_the_same_load() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.put("a.csv", source(1));
    bed.put("b.csv", source(1));
    let with_key =
        |entity: &str, source: &str, key: &str| json!({ "entity": entity, "source": source, "idempotencyKey": key });
    let first = start(&server, with_key("PAYSTATS", "a.csv", "monday")).await.data().clone();
    let again = start(&server, with_key("PAYSTATS", "a.csv", "monday")).await;
    assert_eq!(*again.data(), first);
    // Also when the source has gone since.
    fs::remove_file(bed.datalake().join("a.csv")).unwrap();
    assert_eq!(*start(&server, with_key("PAYSTATS", "a.csv", "monday")).await.data(), first);

    let conflict = "CONFLICT: this idempotencyKey was used for a load of another entity, source or settings";
    assert_eq!(start(&server, with_key("PAYSTATS", "b.csv", "monday")).await.refusal(), conflict);
    assert_eq!(start(&server, with_key("POSTAL_CODES", "a.csv", "monday")).await.refusal(), conflict);
    assert_eq!(number_of_loads(&server).await, 1);

    let bad = "BAD_USER_INPUT: idempotencyKey must have 1 to 200 bytes";
    assert_eq!(start(&server, with_key("PAYSTATS", "b.csv", "")).await.refusal(), bad);
    assert_eq!(start(&server, with_key("PAYSTATS", "b.csv", &"k".repeat(201))).await.refusal(), bad);
    start(&server, with_key("PAYSTATS", "b.csv", &"k".repeat(200))).await.data();
    // Without a key every request is a load of its own.
    let loads = [start_paystats(&server, "b.csv").await, start_paystats(&server, "b.csv").await];
    assert_ne!(loads[0], loads[1]);
    assert_eq!(number_of_loads(&server).await, 4);
}

#[tokio::test]
async fn many_requests_with_one_key_at_once_are_one_load() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.put("a.csv", source(1));
    let input = json!({ "entity": "PAYSTATS", "source": "a.csv", "idempotencyKey": "now" });
    let answers = join_all((0..30).map(|_| start(&server, input.clone()))).await;
    let ids: BTreeSet<&str> =
        answers.iter().map(|answer| answer.data()["startLoad"]["load"]["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), number_of_loads(&server).await), (1, 1));
}

#[tokio::test]
async fn a_source_that_is_no_file_of_the_data_lake_is_refused_by_name() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    fs::create_dir(bed.datalake().join("folder")).unwrap();
    fs::write(bed.folder().join("secret.csv"), source(1)).unwrap();
    symlink(bed.folder().join("secret.csv"), bed.datalake().join("link.csv")).unwrap();
    symlink(bed.folder(), bed.datalake().join("up")).unwrap();
    let absolute = bed.folder().join("secret.csv").display().to_string();
    for (source, reason) in [
        ("missing.csv", "source 'missing.csv' does not exist in the data lake".to_owned()),
        ("folder", "source 'folder' is not a file".to_owned()),
        ("folder/", "source 'folder/' is not a file".to_owned()),
        ("", "source '' is not a file".to_owned()),
        ("../secret.csv", "source '../secret.csv' leaves the data lake".to_owned()),
        ("folder/../../secret.csv", "source 'folder/../../secret.csv' leaves the data lake".to_owned()),
        ("link.csv", "source 'link.csv' leaves the data lake".to_owned()),
        ("up/secret.csv", "source 'up/secret.csv' leaves the data lake".to_owned()),
        (absolute.as_str(), format!("source '{absolute}' leaves the data lake")),
    ] {
        let refused = start(&server, json!({ "entity": "PAYSTATS", "source": source })).await;
        assert_eq!(refused.refusal(), format!("BAD_USER_INPUT: {reason}"));
    }
    assert_eq!(number_of_loads(&server).await, 0);
}

#[tokio::test]
async fn the_files_of_the_data_lake_are_listed() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for path in ["b.csv", "2015/a.csv", "2015/nested/c.csv", "2016/a.csv", ".hidden", "2015/.hidden"] {
        bed.put(path, path);
    }
    let query = "query($prefix: String) { datalake(prefix: $prefix) { path sizeBytes modifiedAt } }";
    let ask = async |prefix: Value| server.graphql(query, json!({ "prefix": prefix })).await.data()["datalake"].clone();
    let paths = |list: Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|object| object["path"].as_str().unwrap().to_owned()).collect()
    };
    let all = ask(Value::Null).await;
    assert_eq!(all[0]["sizeBytes"], "2015/a.csv".len());
    assert!(all[0]["modifiedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(paths(all), ["2015/a.csv", "2015/nested/c.csv", "2016/a.csv", "b.csv"]);
    assert_eq!(paths(ask(json!("2015/")).await), ["2015/a.csv", "2015/nested/c.csv"]);
    assert_eq!(paths(ask(json!("2015/n")).await), ["2015/nested/c.csv"]);
    assert_eq!(paths(ask(json!("201")).await).len(), 3);
    assert_eq!(paths(ask(json!("../")).await), [""; 0]);
    assert_eq!(paths(ask(json!("/")).await), [""; 0]);
}

#[tokio::test]
async fn loads_are_listed_the_newest_first_and_found_by_id_and_number() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.put("rows.csv", source(1));
    bed.put("codes.csv", postal_codes([postal_code_row(&postal_code(1))]));
    bed.put("nonsense.csv", "nonsense");
    for (entity, source) in [
        ("POSTAL_CODES", "codes.csv"),
        ("PAYSTATS", "nonsense.csv"),
        ("PAYSTATS", "rows.csv"),
        ("PAYSTATS", "rows.csv"),
    ] {
        let loader = bed.start_plain_loader();
        let started = start(&server, json!({ "entity": entity, "source": source })).await;
        progress_of(&server, started.data()["startLoad"]["load"]["id"].as_str().unwrap(), None).await;
        loader.stop().await;
    }
    let waiting = start_paystats(&server, "rows.csv").await;

    let query = "query($filter: LoadFilter, $first: Int, $after: String, $last: Int, $before: String) {
        loads(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
            totalCount nodes { number } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }";
    let ask = async |variables: Value| server.graphql(query, variables).await.data()["loads"].clone();
    let numbers = |list: &Value| -> Vec<i64> {
        list["nodes"].as_array().unwrap().iter().map(|node| node["number"].as_i64().unwrap()).collect()
    };
    for (filter, expected) in [
        (json!({}), &[5, 4, 3, 2, 1][..]),
        (json!({ "entity": "PAYSTATS" }), &[5, 4, 3, 2]),
        (json!({ "entity": "POSTAL_CODES" }), &[1]),
        (json!({ "states": ["SUCCEEDED"] }), &[4, 3, 1]),
        (json!({ "states": ["FAILED", "QUEUED"] }), &[5, 2]),
        (json!({ "states": [] }), &[]),
        (json!({ "source": "rows.csv" }), &[5, 4, 3]),
        (json!({ "source": "rows" }), &[]),
        (json!({ "source": "rows.csv", "states": ["QUEUED"], "entity": "PAYSTATS" }), &[5]),
    ] {
        let list = ask(json!({ "filter": filter })).await;
        assert_eq!(numbers(&list), expected, "{filter}");
        assert_eq!(list["totalCount"], expected.len(), "{filter}");
    }
    let first = ask(json!({ "first": 2 })).await;
    let second = ask(json!({ "first": 2, "after": first["pageInfo"]["endCursor"] })).await;
    let third = ask(json!({ "first": 2, "after": second["pageInfo"]["endCursor"] })).await;
    assert_eq!([numbers(&first), numbers(&second), numbers(&third)], [vec![5, 4], vec![3, 2], vec![1]]);
    assert_eq!(third["pageInfo"]["hasNextPage"], false);
    let back = ask(json!({ "last": 2, "before": third["pageInfo"]["startCursor"] })).await;
    assert_eq!(numbers(&back), [3, 2]);

    let find = "query($id: ID!) { load(id: $id) { id number } }";
    for id in [json!(waiting), json!(waiting.strip_prefix("Load:").unwrap()), json!(5), json!("5")] {
        let answer = server.graphql(find, json!({ "id": id })).await;
        assert_eq!(answer.data()["load"], json!({ "id": waiting, "number": 5 }), "{id}");
    }
    let node = server.graphql("query($id: ID!) { node(id: $id) { id } }", json!({ "id": waiting })).await;
    assert_eq!(node.data()["node"]["id"], waiting);
    for id in [json!(6), json!(LoadId::new().to_string()), json!(format!("Load:{}", LoadId::new()))] {
        assert_eq!(server.graphql(find, json!({ "id": id })).await.data()["load"], Value::Null);
    }
    let refused = server.graphql(find, json!({ "id": "Paystat:1" })).await;
    assert_eq!(refused.refusal(), "BAD_USER_INPUT: \"Paystat:1\" is not the id of a Load");
}

#[tokio::test]
async fn refused_rows_are_paged_through_by_line() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(SMALL_CHUNKS);
    bed.insert_postal_codes(1).await;
    // Lines 2, 3, 4, …: every third row is good.
    let row = |id: i64| {
        let good = paystat_row(&paystat(id));
        match id % 3 {
            0 => good,
            1 => good.replace("2015-01-01", "2015-01-02"),
            _ => format!("{good},more"),
        }
    };
    bed.put("rows.csv", paystats((1..=60).map(row)));
    let id = start_paystats(&server, "rows.csv").await;
    let told = progress_of(&server, &id, None).await;
    assert_eq!(told.last().unwrap()["rowsRejected"], 40);

    let query = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
        load(id: $id) { rejections(first: $first, after: $after, last: $last, before: $before) {
            totalCount nodes { line column code value reason } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        } }
    }";
    let ask = async |mut variables: Value| {
        variables["id"] = id.clone().into();
        server.graphql(query, variables).await.data()["load"]["rejections"].clone()
    };
    let lines = |page: &Value| -> Vec<i64> {
        page["nodes"].as_array().unwrap().iter().map(|node| node["line"].as_i64().unwrap()).collect()
    };
    let all = ask(json!({ "first": 1000 })).await;
    let expected: Vec<i64> = (1..=60).filter(|id| id % 3 != 0).map(|id| id + 1).collect();
    assert_eq!((lines(&all), &all["totalCount"]), (expected.clone(), &json!(40)));
    assert_eq!(
        all["nodes"][0],
        json!({
            "line": 2, "column": "p_month", "code": "INVALID_MONTH", "value": "2015-01-02",
            "reason": "p_month is not the first day of a month",
        })
    );
    assert_eq!((&all["nodes"][1]["code"], &all["nodes"][1]["column"]), (&json!("WRONG_FIELD_COUNT"), &Value::Null));

    let counts = "query($id: ID!) { load(id: $id) { rejectionCounts { code column count } } }";
    let counts = server.graphql(counts, json!({ "id": id })).await;
    assert_eq!(
        counts.data()["load"]["rejectionCounts"],
        json!([
            { "code": "WRONG_FIELD_COUNT", "column": null, "count": 20 },
            { "code": "INVALID_MONTH", "column": "p_month", "count": 20 },
        ])
    );

    let mut forward = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = ask(json!({ "first": 9, "after": after })).await;
        forward.extend(lines(&page));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(forward, expected);
    let end = ask(json!({ "last": 9 })).await;
    assert_eq!(lines(&end), expected[31..]);
    assert_eq!(lines(&ask(json!({ "last": 9, "before": end["pageInfo"]["startCursor"] })).await), expected[22..31]);
}

#[tokio::test]
async fn a_load_that_failed_says_why() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.put("codes.csv", postal_codes([postal_code_row(&postal_code(1))]));
    let id = start_paystats(&server, "codes.csv").await;
    let told = progress_of(&server, &id, None).await;
    assert_is_a_progress(&told);
    let reason = "column 'amount' is missing from the header";
    let end = told.last().unwrap();
    assert_eq!((&end["state"], &end["error"]), (&json!("FAILED"), &json!(reason)));
    let query = "query($id: ID!) { load(id: $id) { state error progress { state error rowsRead } } }";
    let answer = server.graphql(query, json!({ "id": id })).await;
    let progress = json!({ "state": "FAILED", "error": reason, "rowsRead": 0 });
    assert_eq!(answer.data()["load"], json!({ "state": "FAILED", "error": reason, "progress": progress }));
}

#[tokio::test]
async fn a_source_that_changes_after_it_was_accepted_fails_its_load() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.put("rows.csv", source(10));
    let id = start_paystats(&server, "rows.csv").await;
    bed.put("rows.csv", source(11));
    let _loader = bed.start_plain_loader();
    let end = progress_of(&server, &id, None).await.pop().unwrap();
    let reason = "the source was changed after the load was accepted";
    assert_eq!((&end["state"], &end["error"]), (&json!("FAILED"), &json!(reason)));
}
