//! Postal codes from GeoJSON, through the API: good features are loaded, bad ones rejected with their line, and what is no
//! FeatureCollection is refused whole.

use async_compression::tokio::bufread::GzipEncoder;
use paystats_core::{
    domain::Geometry,
    load::{Counts, LoadId, LoadState, RejectionCode},
};
use paystats_tests::{
    RunningServer, TestBed,
    sources::{paystat, paystat_row, paystats, polygon, postal_code, postal_code_row, postal_codes, square_ring},
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

const START: &str = "mutation($input: StartLoadInput!) { startLoad(input: $input) { load { id } } }";

async fn load(bed: &TestBed, server: &RunningServer, source: &str) -> paystats_core::load::Load {
    let input = json!({ "entity": "POSTAL_CODES", "source": source });
    let answer = server.graphql(START, json!({ "input": input })).await;
    let id: LoadId = answer.data()["startLoad"]["load"]["id"].as_str().unwrap()["Load:".len()..].parse().unwrap();
    bed.finished(id).await
}

fn feature(id: i32, geometry: &Value) -> Value {
    json!({ "type": "Feature", "id": id, "properties": { "code": format!("{}", 28_000 + id), "name": "x" }, "geometry": geometry })
}

/// The feature of a postal code of [`postal_code`].
fn good(id: i32) -> Value {
    feature(id, &serde_json::to_value(postal_code(id).geometry.geojson()).unwrap())
}

fn collection(features: &[Value], between: &str) -> String {
    let features: Vec<_> = features.iter().map(Value::to_string).collect();
    format!(
        "{{\"type\": \"FeatureCollection\",{between}\"features\": [{between}{}{between}]}}",
        features.join(&format!(",{between}"))
    )
}

#[tokio::test]
async fn features_are_postal_codes_and_bad_ones_are_rejected_with_line_and_reason() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    let bow_tie = polygon(&[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]);
    let mut no_code = good(5);
    no_code["properties"] = Value::Null;
    let mut no_id = good(6);
    no_id["id"] = Value::Null;
    let features = [
        good(1),
        good(2),
        feature(3, &bow_tie),
        feature(4, &Value::Null),
        no_code,
        no_id,
        good(1),
        feature(7, &json!({ "type": "Point", "coordinates": [0.0, 0.0] })),
        json!(null),
        good(8),
    ];
    let expected = [
        (5, "the_geom", RejectionCode::InvalidGeometry),
        (6, "the_geom", RejectionCode::InvalidGeometry),
        (7, "code", RejectionCode::InvalidCode),
        (8, "id", RejectionCode::InvalidId),
        (9, "id", RejectionCode::DuplicateId),
        (10, "the_geom", RejectionCode::InvalidGeometry),
        (11, "id", RejectionCode::InvalidId),
    ];
    bed.put("codes.geojson", collection(&features, "\n"));
    let loaded = load(&bed, &server, "codes.geojson").await;
    assert_eq!((loaded.state, loaded.error.as_deref()), (LoadState::Succeeded, None));
    assert_eq!(loaded.progress.unwrap().counts, Counts { inserted: 3, rejected: 7, ..Counts::default() });
    let rejections = bed.rejections(loaded.id).await;
    let found: Vec<_> =
        rejections.iter().map(|bad| (bad.line, bad.column.as_deref().unwrap_or_default(), bad.code)).collect();
    assert_eq!(found, expected);
    assert!(rejections[0].value.as_deref().unwrap().starts_with('{'), "{:?}", rejections[0]);

    // The same from CSV changes nothing, and the same again on one line neither.
    let rows = [1, 2, 8].map(|id| postal_code_row(&postal_code(id)));
    bed.put("codes.csv", postal_codes(rows));
    bed.put("line.json", collection(&[good(1), good(2), good(8), good(2)], ""));
    for (source, rejected) in [("codes.csv", 0), ("line.json", 1)] {
        let loaded = load(&bed, &server, source).await;
        let counts = Counts { unchanged: 3, rejected, ..Counts::default() };
        assert_eq!((loaded.error, loaded.progress.unwrap().counts), (None, counts), "{source}");
    }
}

#[tokio::test]
async fn a_compressed_collection_is_loaded_and_its_areas_come_back() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    let parts =
        json!({ "type": "MultiPolygon", "coordinates": [[square_ring(0.0, 0.0, 1.0)], [square_ring(2.0, 2.0, 1.0)]] });
    let text = collection(&[good(1), feature(2, &parts)], "\n");
    let mut compressed = Vec::new();
    GzipEncoder::new(text.as_bytes()).read_to_end(&mut compressed).await.unwrap();
    bed.put("codes.geojson.gz", compressed);
    let loaded = load(&bed, &server, "codes.geojson.gz").await;
    assert_eq!((loaded.state, loaded.error), (LoadState::Succeeded, None));
    let progress = loaded.progress.unwrap();
    assert_eq!((progress.bytes_read, progress.bytes_total), (text.len() as u64, text.len() as u64));
    let ids = [1.try_into().unwrap(), 2.try_into().unwrap()];
    let geometries = bed.store().postal_codes.geometries(&ids).await.unwrap();
    assert_eq!(geometries[&ids[0]], postal_code(1).geometry);
    assert_eq!(geometries[&ids[1]], Geometry::from_geojson(parts).unwrap());
}

#[tokio::test]
async fn what_is_no_feature_collection_is_refused_whole() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    let whole = collection(&[good(1), good(2)], "\n");
    let cut = &whole[..whole.len() - 3];
    for (source, text, reason) in [
        ("a.geojson", "", "the source is empty"),
        ("b.geojson", "the_geom,code,id\n", "line 1 is not a GeoJSON FeatureCollection"),
        ("c.geojson", "{\"type\": \"Polygon\"}", "line 1 is not a GeoJSON FeatureCollection: its type is \"Polygon\""),
        (
            "d.geojson",
            cut,
            "line 4 is the last one, and the FeatureCollection does not end there: the source is cut short",
        ),
        ("e.geojson", &whole.replace("\"id\":2", "\"id\":02"), "line 4 is not JSON: invalid number"),
        (
            "f.json",
            &whole.replace("\"features\"", "\"crs\": {\"properties\": {\"name\": \"EPSG:25830\"}},\"features\""),
            "line 2 names a reference system that is not WGS84: EPSG:25830",
        ),
    ] {
        bed.put(source, text);
        let failed = load(&bed, &server, source).await;
        assert_eq!((failed.state, failed.error.as_deref()), (LoadState::Failed, Some(reason)), "{source}");
    }
    let answer = server.graphql("{ postalCodes { totalCount } }", json!({})).await;
    assert_eq!(answer.data()["postalCodes"]["totalCount"], 0);
}

#[tokio::test]
async fn paystats_are_not_loaded_from_geojson() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for source in ["rows.geojson", "rows.json.gz"] {
        bed.put(source, paystats([paystat_row(&paystat(1))]));
        let input = json!({ "entity": "PAYSTATS", "source": source });
        let refused = server.graphql(START, json!({ "input": input })).await;
        let reason = "is GeoJSON by its name, and paystats are loaded from CSV";
        assert_eq!(refused.refusal(), format!("BAD_USER_INPUT: source '{source}' {reason}"));
    }
}
