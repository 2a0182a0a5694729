//! Postal codes through the API: made, found, changed and removed.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use futures_util::future::join_all;
use paystats_core::{
    domain::{Geometry, PostalCode},
    load::LoadEntity,
};
use paystats_tests::{
    Answer, RunningServer, TestBed,
    sources::{
        circle_ring, ewkb, paystat, paystat_row, paystats, polygon, postal_code, postal_code_square, square_ring,
    },
};
use serde_json::{Value, json};

use super::postal_code_lists::{bbox, matching};

const CREATE: &str = "mutation($input: CreatePostalCodeInput!) {
    createPostalCode(input: $input) { postalCode { id databaseId code wkb } }
}";
const UPDATE: &str = "mutation($input: UpdatePostalCodeInput!) {
    updatePostalCode(input: $input) { postalCode { id code wkb load { id } } }
}";
const DELETE: &str = "mutation($id: ID!) { deletePostalCode(input: { id: $id }) { deletedId } }";

pub(super) async fn create(server: &RunningServer, input: Value) -> Answer {
    server.graphql(CREATE, json!({ "input": input })).await
}

async fn update(server: &RunningServer, input: Value) -> Answer {
    server.graphql(UPDATE, json!({ "input": input })).await
}

pub(super) async fn delete(server: &RunningServer, id: &str) -> Answer {
    server.graphql(DELETE, json!({ "id": id })).await
}

/// An input that makes [`postal_code`] `id`.
fn input(id: i32) -> Value {
    let PostalCode { id, code, geometry } = postal_code(id);
    json!({ "id": id.get(), "code": code.as_str(), "wkb": geometry.ewkb_hex() })
}

#[tokio::test]
async fn a_postal_code_is_made_found_changed_and_removed() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let area = postal_code(7).geometry;

    let made = create(&server, json!({ "id": 7, "code": "28007", "wkb": area.ewkb_hex() })).await;
    let expected = json!({ "id": "PostalCode:7", "databaseId": 7, "code": "28007", "wkb": area.ewkb_hex() });
    assert_eq!(made.data()["createPostalCode"]["postalCode"], expected);

    let find = r#"{
        byId: postalCode(id: 7) { ...all }
        byCode: postalCode(code: "28007") { ...all }
        node(id: "PostalCode:7") { ...all }
    }
    fragment all on PostalCode { id databaseId code wkb }"#;
    let found = server.graphql(find, json!({})).await;
    assert_eq!(*found.data(), json!({ "byId": expected, "byCode": expected, "node": expected }));

    let changed = update(&server, json!({ "id": "PostalCode:7", "code": "AD-500 X" })).await;
    let expected = json!({ "id": "PostalCode:7", "code": "AD-500 X", "wkb": area.ewkb_hex(), "load": null });
    assert_eq!(changed.data()["updatePostalCode"]["postalCode"], expected);

    let area = postal_code(8).geometry;
    let changed = update(&server, json!({ "id": 7, "geojson": area.geojson() })).await;
    let expected = json!({ "id": "PostalCode:7", "code": "AD-500 X", "wkb": area.ewkb_hex(), "load": null });
    assert_eq!(changed.data()["updatePostalCode"]["postalCode"], expected);

    assert_eq!(*delete(&server, "7").await.data(), json!({ "deletePostalCode": { "deletedId": "PostalCode:7" } }));
    let gone = server.graphql(find, json!({})).await;
    assert_eq!(*gone.data(), json!({ "byId": null, "byCode": null, "node": null }));
    let refusal = "NOT_FOUND: there is no postal code with id 7";
    assert_eq!(update(&server, json!({ "id": 7, "code": "1" })).await.refusal(), refusal);
    assert_eq!(delete(&server, "PostalCode:7").await.refusal(), refusal);
}

#[tokio::test]
async fn an_area_is_the_same_in_hex_base64_plain_wkb_and_geojson() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let area = postal_code_square(1);
    let hex = area.ewkb_hex();
    // Without the flag in the type and the four bytes of the SRID.
    let plain = [&area.ewkb()[..4], &[0], &area.ewkb()[9..]].concat();
    let notations = [
        json!({ "wkb": hex }),
        json!({ "wkb": hex.to_lowercase() }),
        json!({ "wkb": BASE64.encode(area.ewkb()) }),
        json!({ "wkb": hex::encode(&plain) }),
        json!({ "wkb": BASE64.encode(&plain) }),
        json!({ "geojson": area.geojson() }),
    ];
    for (notation, id) in notations.into_iter().zip(1..) {
        let mut input = notation.clone();
        input["id"] = id.into();
        input["code"] = format!("{id}").into();
        assert_eq!(create(&server, input).await.data()["createPostalCode"]["postalCode"]["wkb"], *hex, "{notation}");
    }
    let answer = server.graphql("{ postalCodes { nodes { wkb geojson } } }", json!({})).await;
    for node in answer.data()["postalCodes"]["nodes"].as_array().unwrap() {
        assert_eq!(*node, json!({ "wkb": hex, "geojson": area.geojson() }));
    }
}

#[tokio::test]
async fn geojson_is_wound_counterclockwise_and_wkb_stays_as_it_came() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let mut clockwise = square_ring(0.0, 0.0, 2.0);
    clockwise.reverse();
    let hex = hex::encode_upper(ewkb(4326, &clockwise));
    create(&server, json!({ "id": 1, "code": "1", "wkb": hex })).await.data();
    let answer = server.graphql("{ postalCode(id: 1) { wkb geojson } }", json!({})).await;
    let expected =
        json!({ "type": "Polygon", "coordinates": [[[2.0, 0.0], [2.0, 2.0], [0.0, 2.0], [0.0, 0.0], [2.0, 0.0]]] });
    assert_eq!(answer.data()["postalCode"]["wkb"], *hex);
    let ring = |geojson: &Value| Geometry::from_geojson(geojson.clone()).unwrap();
    assert_eq!(ring(&answer.data()["postalCode"]["geojson"]).bbox(), ring(&expected).bbox());
    let area: f64 = answer.data()["postalCode"]["geojson"]["coordinates"][0]
        .as_array()
        .unwrap()
        .windows(2)
        .map(|pair| {
            let at = |point: &Value, axis: usize| point[axis].as_f64().unwrap();
            at(&pair[0], 0) * at(&pair[1], 1) - at(&pair[1], 0) * at(&pair[0], 1)
        })
        .sum();
    assert!(area > 0.0, "{answer:?}");
}

#[tokio::test]
async fn parts_and_holes_are_kept_and_box_and_centroid_follow() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let mut hole = square_ring(1.0, 1.0, 2.0);
    hole.reverse();
    let area = json!({ "type": "MultiPolygon", "coordinates": [
        [square_ring(0.0, 0.0, 4.0), hole],
        [square_ring(8.0, 0.0, 2.0)],
    ] });
    create(&server, json!({ "id": 1, "code": "1", "geojson": area })).await.data();
    let query = "{ postalCode(id: 1) { geojson bbox { west south east north } centroid { longitude latitude } } }";
    let answer = server.graphql(query, json!({})).await;
    // Areas 12 and 4, centres (2, 2) and (9, 1).
    let expected = json!({
        "geojson": area,
        "bbox": { "west": 0.0, "south": 0.0, "east": 10.0, "north": 4.0 },
        "centroid": { "longitude": 3.75, "latitude": 1.75 },
    });
    assert_eq!(answer.data()["postalCode"], expected);
    // The hole is no part of it.
    assert_eq!(matching(&server, bbox(1.5, 1.5, 2.5, 2.5)).await, [0; 0]);
    assert_eq!(matching(&server, bbox(0.2, 0.2, 0.5, 0.5)).await, [1]);
}

#[tokio::test]
async fn numbers_and_codes_are_unique() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    create(&server, input(1)).await.data();
    create(&server, input(2)).await.data();

    let mut taken_id = input(3);
    taken_id["id"] = 1.into();
    assert_eq!(create(&server, taken_id).await.refusal(), "CONFLICT: a postal code with id 1 exists");
    let mut taken_code = input(3);
    taken_code["code"] = "28001".into();
    assert_eq!(create(&server, taken_code).await.refusal(), "CONFLICT: a postal code with code 28001 exists");
    let update = update(&server, json!({ "id": 2, "code": "28001" })).await;
    assert_eq!(update.refusal(), "CONFLICT: a postal code with code 28001 exists");
    assert_eq!(matching(&server, json!({})).await, [1, 2]);
}

#[tokio::test]
async fn of_many_that_make_the_same_postal_code_one_succeeds() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let answers = join_all((0..20).map(|_| create(&server, input(1)))).await;
    let refusals: Vec<_> =
        answers.iter().filter(|answer| !answer.body["errors"].is_null()).map(Answer::refusal).collect();
    assert_eq!(refusals, vec!["CONFLICT: a postal code with id 1 exists"; 19]);
}

#[tokio::test]
async fn a_postal_code_with_paystats_stays() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(2).await;
    bed.insert_paystats(&[paystat(5)]).await;

    let refusal = "CONFLICT: postal code 1 has paystats: delete them first";
    assert_eq!(delete(&server, "1").await.refusal(), refusal);
    let moved = r#"mutation { updatePaystat(input: { id: 5, postalCodeId: "PostalCode:2" }) { paystat { id } } }"#;
    server.graphql(moved, json!({})).await.data();
    delete(&server, "1").await.data();
    assert_eq!(matching(&server, json!({})).await, [2]);
}

#[tokio::test]
async fn no_postal_code_is_removed_while_paystats_are_loaded() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(2).await;
    bed.put("rows.csv", paystats([paystat_row(&paystat(1))]));
    let load = bed.accept(LoadEntity::Paystats, "rows.csv").await;

    let refusal = "CONFLICT: paystats are being loaded: delete the postal code after the load";
    assert_eq!(delete(&server, "2").await.refusal(), refusal);
    let _loader = bed.start_plain_loader();
    bed.finished(load.id).await;
    delete(&server, "2").await.data();
}

/// A postal code that is removed while paystats of it are made is either gone, and so are they, or it stays.
#[tokio::test]
async fn removing_a_postal_code_never_leaves_paystats_behind() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for round in 1..=10 {
        create(&server, input(round)).await.data();
        let query = "mutation($code: ID!) { createPaystat(input: {
            amount: \"1\", month: \"2015-01\", age: FROM_65, gender: F, postalCodeId: $code
        }) { paystat { id } } }";
        let made = server.graphql(query, json!({ "code": round }));
        let (made, removed) = tokio::join!(made, async { delete(&server, &round.to_string()).await });
        let (made, removed) = (made.body["errors"].is_null(), removed.body["errors"].is_null());
        assert!(made != removed, "round {round}: made {made}, removed {removed}");
    }
    let orphans = server.graphql("{ paystats { nodes { postalCode { id } } } }", json!({})).await;
    orphans.data();
}

#[tokio::test]
async fn areas_that_cannot_be_are_refused_with_their_reason() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let hex = postal_code_square(1).ewkb_hex();
    let bow_tie = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];
    let mut open = circle_ring(8);
    open.pop();
    for (mut input, reason) in [
        (json!({}), "the area is missing: give wkb or geojson"),
        (
            json!({ "wkb": hex, "geojson": postal_code_square(1).geojson() }),
            "give the area as wkb or as geojson, not as both",
        ),
        (json!({ "wkb": "" }), "wkb is empty"),
        (json!({ "wkb": "POLYGON((0 0, 1 0, 1 1, 0 0))" }), "wkb is neither hex nor base64"),
        (
            json!({ "wkb": &hex[..hex.len() - 2] }),
            "wkb is not WKB: General error: Invalid buffer length for LinearRing: data would end at byte 84, but buffer length is 83.",
        ),
        (json!({ "wkb": format!("{hex}00") }), "wkb is not WKB: 1 bytes follow its end"),
        (
            json!({ "wkb": hex::encode(ewkb(25830, &square_ring(0.0, 0.0, 1.0))) }),
            "wkb has SRID 25830, not 4326 (WGS84)",
        ),
        (
            json!({ "wkb": "0101000020E610000000000000000000000000000000000000" }),
            "wkb is a Point, not a Polygon or MultiPolygon",
        ),
        (
            json!({ "wkb": hex::encode(ewkb(4326, &bow_tie)) }),
            "wkb is not a valid polygon: a ring crosses itself at 0.5 0.5",
        ),
        (json!({ "wkb": hex::encode(ewkb(4326, &open)) }), "wkb is not a valid polygon: a ring is not closed"),
        (
            json!({ "wkb": hex::encode(ewkb(4326, &square_ring(179.5, 0.0, 1.0))) }),
            "wkb has a coordinate outside WGS84: 180.5 0",
        ),
        (
            json!({ "wkb": hex::encode(ewkb(4326, &square_ring(f64::NAN, 0.0, 1.0))) }),
            "wkb has a coordinate outside WGS84: NaN 0",
        ),
        (
            json!({ "geojson": { "type": "Point", "coordinates": [0, 0] } }),
            "geojson is a Point, not a Polygon or MultiPolygon",
        ),
        (
            json!({ "geojson": { "type": "Feature", "geometry": null, "properties": {} } }),
            "geojson is not a GeoJSON geometry: unknown variant `Feature`, expected one of `Point`, `LineString`, `Polygon`, `MultiPoint`, `MultiLineString`, `MultiPolygon`, `GeometryCollection`",
        ),
        (
            json!({ "geojson": { "type": "Polygon" } }),
            "geojson is not a GeoJSON geometry: Encountered geometry type: `Polygon` with no `coordinates` key",
        ),
        (
            json!({ "geojson": { "type": "Polygon", "coordinates": [] } }),
            "geojson is not a valid polygon: a polygon has no rings",
        ),
        (
            json!({ "geojson": { "type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]] } }),
            "geojson is not a valid polygon: a ring has fewer than four points",
        ),
        (
            json!({ "geojson": { "type": "Polygon", "coordinates": [[[0, 0, 5], [1, 0, 5], [1, 1, 5], [0, 0, 5]]] } }),
            "geojson has Z or M coordinates: only longitude and latitude are read",
        ),
        (
            json!({ "geojson": { "type": "Polygon", "coordinates": "here" } }),
            "geojson is not a GeoJSON geometry: invalid type: string \"here\", expected a coordinate element (number or array)",
        ),
        (json!({ "geojson": {} }), "geojson is not a GeoJSON geometry: missing field `type`"),
        (
            json!({ "geojson": "{}" }),
            "Failed to parse \"GeoJSON\": \"{}\" is not an object such as {type: \"Polygon\", coordinates: …} (occurred while parsing \"CreatePostalCodeInput\")",
        ),
        (
            json!({ "geojson": [] }),
            "Failed to parse \"GeoJSON\": [] is not an object such as {type: \"Polygon\", coordinates: …} (occurred while parsing \"CreatePostalCodeInput\")",
        ),
        (
            json!({ "geojson": polygon(&[[0.0, -95.0], [1.0, -95.0], [1.0, 0.0], [0.0, -95.0]]) }),
            "geojson has a coordinate outside WGS84: 0 -95",
        ),
        // Fine in the plane. On the sphere the edge along 60° N bends over the point at 60.2° N.
        (
            json!({ "geojson": polygon(&[[0.0, 60.0], [90.0, 60.0], [90.0, 60.5], [45.0, 60.2], [0.0, 60.5], [0.0, 60.0]]) }),
            "the area cannot be used: on the sphere, where an edge is the shortest way between its ends, it touches or crosses itself",
        ),
    ] {
        let sent = input.clone();
        input["id"] = 1.into();
        input["code"] = "1".into();
        assert_eq!(create(&server, input).await.refusal(), format!("BAD_USER_INPUT: {reason}"), "{sent}");
    }
    assert_eq!(matching(&server, json!({})).await, [0; 0]);
}

#[tokio::test]
async fn arguments_that_name_nothing_are_refused_with_their_reason() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(3).await;
    for (question, reason) in [
        (r#"{ postalCode { id } }"#, "name the postal code either by id or by code"),
        (r#"{ postalCode(id: 1, code: "28001") { id } }"#, "name the postal code either by id or by code"),
        (
            r#"{ postalCode(id: 3000000000) { id } }"#,
            "Failed to parse \"Int\": Only integers from -2147483648 to 2147483647 are accepted.",
        ),
        (r#"{ postalCode(id: "1") { id } }"#, "Invalid value for argument \"id\", expected type \"Int\""),
        (r#"{ node(id: "1") { id } }"#, "\"1\" is not a global id"),
        (r#"{ node(id: "PostalCode:x") { id } }"#, "\"PostalCode:x\" is not the id of a PostalCode"),
        (r#"{ node(id: "Street:1") { id } }"#, "\"Street:1\" is not a global id"),
        (r#"{ postalCodes(first: -1) { totalCount } }"#, "first must be from 0 to 1000"),
        (r#"{ postalCodes(first: 1001) { totalCount } }"#, "first must be from 0 to 1000"),
        (r#"{ postalCodes(last: 1001) { totalCount } }"#, "last must be from 0 to 1000"),
        (r#"{ postalCodes(first: 1, last: 1) { totalCount } }"#, "first and last cannot be asked for at once"),
        (
            r#"{ postalCodes(first: 1.5) { totalCount } }"#,
            "Invalid value for argument \"first\", expected type \"Int\"",
        ),
        (r#"{ postalCodes(after: "") { totalCount } }"#, "after is not a cursor"),
        (r#"{ postalCodes(after: "28001") { totalCount } }"#, "after is not a cursor"),
        (r#"{ postalCodes(before: "eyJpIjp7IiRndCI6MX19") { totalCount } }"#, "before is not a cursor"),
        (
            r#"{ postalCodes(filter: { codes: ["28001", "28_001"] }) { totalCount } }"#,
            "codes: \"28_001\" is not 1 to 16 letters, digits, spaces or hyphens, without a space at either end",
        ),
        (
            r#"{ postalCodes(filter: { bbox: { west: 0, south: 1, east: 1, north: 0 } }) { totalCount } }"#,
            "bbox: south must not be greater than north",
        ),
        (
            r#"{ postalCodes(filter: { bbox: { west: -181, south: 0, east: 1, north: 1 } }) { totalCount } }"#,
            "bbox: a longitude must lie between -180 and 180",
        ),
        (
            r#"{ postalCodes(filter: { bbox: { west: 0, south: 0, east: 1, north: 91 } }) { totalCount } }"#,
            "bbox: a latitude must lie between -90 and 90",
        ),
        (
            r#"{ postalCodes(filter: { bbox: { west: 0, south: 0, east: 1 } }) { totalCount } }"#,
            "Invalid value for argument \"filter.bbox\", field \"north\" of type \"Float!\" is required but not provided",
        ),
        (
            r#"{ postalCodes(filter: { within: { type: "Point", coordinates: [0, 0] } }) { totalCount } }"#,
            "within is a Point, not a Polygon or MultiPolygon",
        ),
        (
            r#"{ postalCodes(filter: { near: { longitude: 0, latitude: 0, maxDistanceMeters: -1 } }) { totalCount } }"#,
            "near: maxDistanceMeters must be a number of at least 0",
        ),
        (
            r#"{ postalCodes(filter: { near: { longitude: 200, latitude: 0, maxDistanceMeters: 1 } }) { totalCount } }"#,
            "near: a longitude must lie between -180 and 180",
        ),
        (
            r#"mutation { createPostalCode(input: { id: -1, code: "1", wkb: "00" }) { postalCode { id } } }"#,
            "wkb is not WKB: it ends within its header",
        ),
        (
            r#"mutation { createPostalCode(input: { id: 3000000000, code: "1", wkb: "00" }) { postalCode { id } } }"#,
            "Failed to parse \"Int\": Only integers from -2147483648 to 2147483647 are accepted. (occurred while parsing \"CreatePostalCodeInput\")",
        ),
        (
            r#"mutation { updatePostalCode(input: { id: 1, code: "" }) { postalCode { id } } }"#,
            "code: \"\" is not 1 to 16 letters, digits, spaces or hyphens, without a space at either end",
        ),
        (
            r#"mutation { updatePostalCode(input: { id: 1, code: " 28001" }) { postalCode { id } } }"#,
            "code: \" 28001\" is not 1 to 16 letters, digits, spaces or hyphens, without a space at either end",
        ),
        (
            r#"mutation { updatePostalCode(input: { id: 1, code: "12345678901234567" }) { postalCode { id } } }"#,
            "code: \"12345678901234567\" is not 1 to 16 letters, digits, spaces or hyphens, without a space at either end",
        ),
        (
            r#"mutation { updatePostalCode(input: { id: 1, code: "ñ" }) { postalCode { id } } }"#,
            "code: \"ñ\" is not 1 to 16 letters, digits, spaces or hyphens, without a space at either end",
        ),
        (
            r#"mutation { updatePostalCode(input: { id: "Paystat:1", code: "1" }) { postalCode { id } } }"#,
            "\"Paystat:1\" is not the id of a PostalCode",
        ),
        (
            r#"mutation { deletePostalCode(input: { id: "28001x" }) { deletedId } }"#,
            "\"28001x\" is not the id of a PostalCode",
        ),
    ] {
        let answer = server.graphql(question, json!({})).await;
        assert_eq!(answer.refusal(), format!("BAD_USER_INPUT: {reason}"), "{question}");
    }
}
