//! Postal codes, listed: found by their place and by the beginning of their code, and paged through.

use paystats_tests::{
    RunningServer, TestBed,
    sources::{paystat, polygon, postal_code, square, square_ring},
};
use serde_json::{Value, json};

use super::postal_codes::{create, delete};

/// The numbers of the postal codes that match, in the list's order.
pub(super) async fn matching(server: &RunningServer, filter: Value) -> Vec<i64> {
    let query = "query($filter: PostalCodeFilter) {
        postalCodes(filter: $filter, first: 1000) { nodes { databaseId } totalCount }
    }";
    let answer = server.graphql(query, json!({ "filter": filter })).await;
    let list = &answer.data()["postalCodes"];
    let ids: Vec<i64> =
        list["nodes"].as_array().unwrap().iter().map(|node| node["databaseId"].as_i64().unwrap()).collect();
    assert_eq!(list["totalCount"], ids.len());
    ids
}

pub(super) fn bbox(west: f64, south: f64, east: f64, north: f64) -> Value {
    json!({ "bbox": { "west": west, "south": south, "east": east, "north": north } })
}

#[tokio::test]
async fn a_box_finds_the_areas_that_meet_it_everywhere_on_earth() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(30).await;
    let elsewhere = [
        (101, square(179.5, -0.25, 0.5)),
        (102, square(-180.0, -0.25, 0.5)),
        (103, square(10.0, 89.0, 0.5)),
        (104, square(10.0, -89.9, 0.5)),
        (105, square(100.0, -40.0, 1.0)),
    ];
    for (id, area) in elsewhere {
        create(&server, json!({ "id": id, "code": id.to_string(), "wkb": area.ewkb_hex() })).await.data();
    }
    let all: Vec<i64> = (1..=30).chain(101..=105).collect();

    // Squares of 0.05° in columns 0.1° apart from 4° W 40° N, ten to a row.
    assert_eq!(matching(&server, bbox(-4.0, 40.0, -3.79, 40.11)).await, [1, 2, 3, 11, 12, 13]);
    assert_eq!(matching(&server, bbox(-3.94, 40.06, -3.92, 40.09)).await, [0; 0]);
    assert_eq!(matching(&server, bbox(-4.5, 39.5, -3.0, 40.04)).await, (1..=10).collect::<Vec<_>>());
    // A box without an inside: a point and two lines.
    assert_eq!(matching(&server, bbox(-3.975, 40.025, -3.975, 40.025)).await, [1]);
    assert_eq!(matching(&server, bbox(-3.92, 40.025, -3.92, 40.025)).await, [0; 0]);
    assert_eq!(matching(&server, bbox(-3.975, 40.0, -3.975, 40.25)).await, [1, 11, 21]);
    assert_eq!(matching(&server, bbox(-4.0, 40.025, -3.75, 40.025)).await, [1, 2, 3]);
    // Across the antimeridian, short of it, on it, and the long way round.
    assert_eq!(matching(&server, bbox(179.0, -1.0, -179.0, 1.0)).await, [101, 102]);
    assert_eq!(matching(&server, bbox(179.0, -1.0, 179.9, 0.0)).await, [101]);
    assert_eq!(matching(&server, bbox(179.9999, 0.0, -179.9999, 0.0)).await, [101, 102]);
    assert_eq!(matching(&server, bbox(180.0, 0.0, 180.0, 0.0)).await, [101]);
    assert_eq!(matching(&server, bbox(1.0, -1.0, -1.0, 1.0)).await, [101, 102]);
    // To the poles, halves of the earth, and all of it.
    assert_eq!(matching(&server, bbox(-180.0, 88.0, 180.0, 90.0)).await, [103]);
    assert_eq!(matching(&server, bbox(10.2, 89.2, 10.2, 90.0)).await, [103]);
    assert_eq!(matching(&server, bbox(0.0, 90.0, 0.0, 90.0)).await, [0; 0]);
    assert_eq!(matching(&server, bbox(-180.0, -90.0, 180.0, 0.0)).await, [101, 102, 104, 105]);
    assert_eq!(matching(&server, bbox(0.0, -90.0, 179.9, 90.0)).await, [101, 103, 104, 105]);
    assert_eq!(matching(&server, bbox(-180.0, -90.0, 180.0, 90.0)).await, all);
    assert_eq!(matching(&server, json!(null)).await, all);
}

#[tokio::test]
async fn a_polygon_finds_the_areas_that_meet_it() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(20).await;
    let within = async |area: Value| matching(&server, json!({ "within": area })).await;

    assert_eq!(within(polygon(&square_ring(-3.98, 40.02, 0.1))).await, [1, 2, 11, 12]);
    let triangle = [[-4.01, 39.99], [-3.84, 39.99], [-4.01, 40.16], [-4.01, 39.99]];
    assert_eq!(within(polygon(&triangle)).await, [1, 2, 11]);
    // Clockwise it is still the inside that is meant.
    let mut clockwise = triangle;
    clockwise.reverse();
    assert_eq!(within(polygon(&clockwise)).await, [1, 2, 11]);
    let parts = json!({ "type": "MultiPolygon", "coordinates": [
        [square_ring(-3.98, 40.02, 0.01)],
        [square_ring(-3.78, 40.12, 0.01)],
    ] });
    assert_eq!(within(parts).await, [1, 13]);
    let hole_around_1 = json!({ "type": "Polygon", "coordinates": [
        square_ring(-4.5, 39.5, 0.65),
        square_ring(-4.01, 39.99, 0.07),
    ] });
    assert_eq!(within(hole_around_1).await, [2, 11, 12]);
    // All conditions hold at once.
    let mut both = bbox(-4.0, 40.0, -3.88, 40.04);
    both["within"] = polygon(&triangle);
    both["codes"] = json!(["28002", "28011", "28999"]);
    assert_eq!(matching(&server, both).await, [2]);
}

/// On the sphere the shortest way from 10° W to 10° E along 45° N runs up to 45.4° N, and along 35° N up to 35.4° N.
#[tokio::test]
async fn edges_of_a_polygon_are_straight_on_the_map() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for (id, south) in [(1, 34.9), (2, 35.1), (3, 44.85), (4, 45.1)] {
        let area = square(0.0, south, 0.05).ewkb_hex();
        create(&server, json!({ "id": id, "code": id.to_string(), "wkb": area })).await.data();
    }
    let ring = [[-10.0, 35.0], [10.0, 35.0], [10.0, 45.0], [-10.0, 45.0], [-10.0, 35.0]];
    assert_eq!(matching(&server, bbox(-10.0, 35.0, 10.0, 45.0)).await, [2, 3]);
    assert_eq!(matching(&server, json!({ "within": polygon(&ring) })).await, [2, 3]);
    // Wider than half the earth, and to a pole.
    let ring = [[-170.0, 35.0], [170.0, 35.0], [170.0, 90.0], [-170.0, 90.0], [-170.0, 35.0]];
    assert_eq!(matching(&server, json!({ "within": polygon(&ring) })).await, [2, 3, 4]);
}

#[tokio::test]
async fn the_nearest_come_first_with_their_distance_and_can_be_paged_through() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(30).await;
    let query = "query($filter: PostalCodeFilter, $first: Int, $after: String, $last: Int, $before: String) {
        postalCodes(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
            totalCount
            edges { distanceMeters node { databaseId } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }";
    let near = |meters: f64| json!({ "near": { "longitude": -3.96, "latitude": 40.01, "maxDistanceMeters": meters } });
    let ask = async |mut variables: Value, meters: f64| {
        variables["filter"] = near(meters);
        server.graphql(query, variables).await.data()["postalCodes"].clone()
    };
    let edges = |list: &Value| -> Vec<(i64, f64)> {
        let edge =
            |edge: &Value| (edge["node"]["databaseId"].as_i64().unwrap(), edge["distanceMeters"].as_f64().unwrap());
        list["edges"].as_array().unwrap().iter().map(edge).collect()
    };

    let all = edges(&ask(json!({}), 30_000.0).await);
    assert_eq!((all[0].0, all[0].1, all[1].0), (1, 0.0, 2));
    // 0.06° of longitude at 40.01° N, on MongoDB's sphere of 6378.1 km.
    let expected = 0.06_f64.to_radians() * 40.01_f64.to_radians().cos() * 6_378_100.0;
    assert!((all[1].1 - expected).abs() < 1.0, "{all:?}, expected {expected}");
    assert!(all.is_sorted_by(|a, b| (a.1, a.0) < (b.1, b.0)) && all.len() > 10);
    assert!(all.iter().all(|(_, meters)| *meters <= 30_000.0));
    assert_eq!(edges(&ask(json!({}), 6_000.0).await), all[..2]);
    assert_eq!(edges(&ask(json!({}), 0.0).await), all[..1]);

    let mut forward = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = ask(json!({ "first": 4, "after": after }), 30_000.0).await;
        assert_eq!(page["totalCount"], all.len());
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !forward.is_empty());
        forward.extend(edges(&page));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(forward, all);
    let mut backward = Vec::new();
    let mut before = Value::Null;
    loop {
        let page = ask(json!({ "last": 4, "before": before }), 30_000.0).await;
        backward.splice(0..0, edges(&page));
        before = page["pageInfo"]["startCursor"].clone();
        if page["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
    }
    assert_eq!(backward, all);

    let mut filter = near(30_000.0);
    filter["codes"] = json!(["28012", "28002"]);
    assert_eq!(matching(&server, filter).await, [2, 12]);
    let answer = server.graphql("{ postalCodes(first: 1) { edges { distanceMeters } } }", json!({})).await;
    assert_eq!(answer.data()["postalCodes"]["edges"], json!([{ "distanceMeters": null }]));
}

#[tokio::test]
async fn paging_near_a_point_goes_on_behind_a_postal_code_that_was_removed() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(5).await;
    let query = "query($after: String) {
        postalCodes(first: 2, after: $after, filter: {
            near: { longitude: -3.96, latitude: 40.01, maxDistanceMeters: 100000 }
        }) { nodes { databaseId } pageInfo { endCursor } }
    }";
    let first = server.graphql(query, json!({})).await.data()["postalCodes"].clone();
    assert_eq!(first["nodes"], json!([{ "databaseId": 1 }, { "databaseId": 2 }]));
    delete(&server, "2").await.data();
    let second = server.graphql(query, json!({ "after": first["pageInfo"]["endCursor"] })).await;
    assert_eq!(second.data()["postalCodes"]["nodes"], json!([{ "databaseId": 3 }, { "databaseId": 4 }]));
}

#[tokio::test]
async fn codes_are_found_by_their_beginning() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for (id, code) in [(1, "28001"), (2, "28002"), (3, "2801"), (4, "08001"), (5, "28-A"), (6, "28 A")] {
        create(&server, json!({ "id": id, "code": code, "wkb": postal_code(id).geometry.ewkb_hex() })).await.data();
    }
    let prefix = async |prefix: &str| matching(&server, json!({ "codePrefix": prefix })).await;
    assert_eq!(prefix("2800").await, [1, 2]);
    assert_eq!(prefix("28001").await, [1]);
    assert_eq!(prefix("28").await, [1, 2, 3, 5, 6]);
    assert_eq!(prefix("280010").await, [0; 0]);
    assert_eq!(prefix("28-").await, [5]);
    assert_eq!(prefix("28.").await, [0; 0]);
    assert_eq!(prefix(".*").await, [0; 0]);
    assert_eq!(prefix("").await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(matching(&server, json!({ "codes": ["28001", "28-A", "99999"] })).await, [1, 5]);
    assert_eq!(matching(&server, json!({ "codes": [] })).await, [0; 0]);
    assert_eq!(matching(&server, json!({ "codes": ["28001", "2801"], "codePrefix": "2800" })).await, [1]);
}

#[tokio::test]
async fn a_list_is_paged_through_forward_and_back_to_its_ends() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(25).await;
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        postalCodes(first: $first, after: $after, last: $last, before: $before) {
            totalCount
            edges { cursor node { databaseId } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }";
    let ask = async |variables: Value| server.graphql(query, variables).await.data()["postalCodes"].clone();
    let ids = |page: &Value| -> Vec<i64> {
        let id = |edge: &Value| edge["node"]["databaseId"].as_i64().unwrap();
        page["edges"].as_array().unwrap().iter().map(id).collect()
    };
    let more = |page: &Value| {
        let info = &page["pageInfo"];
        (info["hasPreviousPage"].as_bool().unwrap(), info["hasNextPage"].as_bool().unwrap())
    };

    let all = ask(json!({})).await;
    assert_eq!((ids(&all), more(&all)), ((1..=25).collect(), (false, false)));
    let cursor = |id: usize| all["edges"][id - 1]["cursor"].clone();
    assert_eq!(all["pageInfo"]["startCursor"], cursor(1));
    assert_eq!(all["pageInfo"]["endCursor"], cursor(25));

    for (arguments, expected, expected_more) in [
        (json!({ "first": 10 }), 1..=10, (false, true)),
        (json!({ "first": 10, "after": cursor(10) }), 11..=20, (true, true)),
        (json!({ "first": 10, "after": cursor(20) }), 21..=25, (true, false)),
        (json!({ "first": 5, "after": cursor(20) }), 21..=25, (true, false)),
        (json!({ "last": 10 }), 16..=25, (true, false)),
        (json!({ "last": 10, "before": cursor(16) }), 6..=15, (true, true)),
        (json!({ "last": 10, "before": cursor(6) }), 1..=5, (false, true)),
        (json!({ "first": 3, "after": cursor(5), "before": cursor(20) }), 6..=8, (true, true)),
        (json!({ "first": 30, "after": cursor(5), "before": cursor(20) }), 6..=19, (true, true)),
        (json!({ "last": 3, "after": cursor(5), "before": cursor(20) }), 17..=19, (true, true)),
        (json!({ "last": 30, "after": cursor(5), "before": cursor(20) }), 6..=19, (true, true)),
        (json!({ "before": cursor(3) }), 1..=2, (false, true)),
        (json!({ "first": 1000 }), 1..=25, (false, false)),
    ] {
        let page = ask(arguments.clone()).await;
        assert_eq!((ids(&page), more(&page)), (expected.collect(), expected_more), "{arguments}");
        assert_eq!(page["totalCount"], 25);
    }
    let nothing = ask(json!({ "first": 10, "after": cursor(25) })).await;
    assert_eq!((ids(&nothing), more(&nothing)), (vec![], (true, false)));
    assert_eq!((&nothing["pageInfo"]["startCursor"], &nothing["totalCount"]), (&Value::Null, &json!(25)));
    let count_only = ask(json!({ "first": 0 })).await;
    assert_eq!((ids(&count_only), more(&count_only)), (vec![], (false, true)));
}

/// A cursor is a place in one order; in another order it would be a wrong place.
#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(2).await;
    bed.insert_paystats(&[paystat(5)]).await;
    let query = "{
        byAmount: paystats(orderBy: { field: AMOUNT }) { ...end }
        near: postalCodes(filter: { near: { longitude: 0, latitude: 0, maxDistanceMeters: 10000000 } }) {
            pageInfo { endCursor }
        }
        byId: postalCodes { pageInfo { endCursor } }
    }
    fragment end on PaystatConnection { pageInfo { endCursor } }";
    let cursors = server.graphql(query, json!({})).await.data().clone();
    let cursor = |list: &str| cursors[list]["pageInfo"]["endCursor"].clone();
    let refusal = "BAD_USER_INPUT: after is a cursor of another list, or of another order";
    let by_id = "query($after: String) { postalCodes(after: $after) { totalCount } }";
    let near = "query($after: String) { postalCodes(after: $after, filter: {
        near: { longitude: 0, latitude: 0, maxDistanceMeters: 10000000 }
    }) { totalCount } }";
    for (query, list) in [(by_id, "byAmount"), (by_id, "near"), (near, "byId"), (near, "byAmount")] {
        let answer = server.graphql(query, json!({ "after": cursor(list) })).await;
        assert_eq!(answer.refusal(), refusal, "{list} in {query}");
    }
}
