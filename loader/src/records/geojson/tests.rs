use std::io;

use tokio::io::AsyncReadExt;

use super::*;

type Found = (u64, u64, [String; 3]);

async fn read_from<R: AsyncRead + Unpin + Send>(source: R, start: Start) -> Result<Vec<Found>, String> {
    let mut records = GeoJsonRecords::new(source, start);
    let mut found = Vec::new();
    while let Some(record) = records.next().await.map_err(|error| error.to_string())? {
        let fields: Vec<_> = record.fields.iter().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
        found.push((record.start.byte, record.start.line, fields.try_into().unwrap()));
    }
    Ok(found)
}

async fn read(text: &str) -> Result<Vec<Found>, String> {
    read_from(text.as_bytes(), Start::OF_SOURCE).await
}

fn texts(fields: [&str; 3]) -> [String; 3] {
    fields.map(str::to_owned)
}

const COLLECTION: &str = "{\n\"type\": \"FeatureCollection\", \"name\": \"x\", \"bbox\": [1, [{}]],\n\"features\": [\n";

#[tokio::test]
async fn a_feature_is_a_record_where_it_starts() {
    let first = r#"{ "type": "Feature", "geometry": {"type":"Polygon"}, "properties": {"code": "28001", "id": 7} }"#;
    let second = "{\"id\": 8, \"properties\":\n{\"code\": 28002, \"name\": \"]}\\\"{\"},\"geometry\":null}";
    let text = format!("\u{feff}{COLLECTION}  {first},\r\n{second}\n, 5, {{}} ],\n\"x\": {{\"y\": null}} }}\n");
    let found = read(&text).await.unwrap();
    let place = |part: &str| text.find(part).unwrap() as u64;
    assert_eq!(
        found,
        [
            (0, 1, texts(["the_geom", "code", "id"])),
            (place(first), 4, texts([r#"{"type":"Polygon"}"#, "28001", "7"])),
            (place(second), 5, texts(["", "28002", "8"])),
            (place("5, {}"), 7, texts(["", "", ""])),
            (place("{} ]"), 8, texts(["", "", ""])),
        ]
    );
}

#[tokio::test]
async fn reading_restarts_at_any_feature_with_the_same_lines() {
    let mut text = COLLECTION.to_owned();
    for id in 0..200 {
        let gap = ["", "\n", " ", "\n\n\n", "\t\r\n"][id % 5];
        text +=
            &format!("{}{gap}{{\"id\":\n{id},\"properties\":{{\"code\":\"{id}\"}}}}", if id == 0 { "" } else { "," });
    }
    text += "], \"type\": \"FeatureCollection\"}";
    let all = read(&text).await.unwrap();
    assert_eq!(all.len(), 201);
    assert!(all[1..].windows(2).all(|pair| pair[0].1 < pair[1].1));
    for (place, (byte, line, _)) in all.iter().enumerate().skip(1) {
        let start = Start { byte: *byte, line: *line };
        let rest = read_from(&text.as_bytes()[*byte as usize..], start).await.unwrap();
        assert_eq!(rest, all[place..], "from feature {place}");
    }
}

#[tokio::test]
async fn features_on_one_line_count_as_lines_of_their_own() {
    let found = read(r#"{"features":[{"id":1},{"id":2},{"id":3}],"type":"FeatureCollection"}"#).await.unwrap();
    let lines: Vec<_> = found[1..].iter().map(|(_, line, fields)| (*line, fields[2].as_str())).collect();
    assert_eq!(lines, [(1, "1"), (2, "2"), (3, "3")]);
}

#[tokio::test]
async fn what_is_read_in_small_pieces_is_the_same() {
    let text = format!("{COLLECTION}{{\"id\": \"\\\"\\\\\", \"geometry\": [1, \"]\"]}} ] }}");
    let pieces = tokio_util::io::StreamReader::new(futures_util::stream::iter(
        text.as_bytes().chunks(1).map(Ok::<_, io::Error>),
    ));
    assert_eq!(read_from(pieces, Start::OF_SOURCE).await, read(&text).await);
}

#[tokio::test]
async fn what_is_no_feature_collection_is_refused_with_its_line_and_reason() {
    for (text, reason) in [
        ("[]", "line 1 is not a GeoJSON FeatureCollection"),
        ("\n\nid,code", "line 3 is not a GeoJSON FeatureCollection"),
        ("{}", "line 1 ends a document that is not a GeoJSON FeatureCollection: it has no 'features'"),
        ("{\"features\": []\n}", "line 2 ends a document that is not a GeoJSON FeatureCollection: it has no 'type'"),
        ("{\n\"type\": \"Feature\"}", "line 2 is not a GeoJSON FeatureCollection: its type is \"Feature\""),
        ("{\n\"features\": {}}", "line 2 is not a GeoJSON FeatureCollection: 'features' is not one array"),
        (
            "{\"features\": [],\n\"features\": []}",
            "line 2 is not a GeoJSON FeatureCollection: 'features' is not one array",
        ),
        ("{\"features\": [] \"a\": 1}", "line 1 is not JSON: expected ',' or '}' behind a member"),
        ("{\"a\": 1,}", "line 1 is not JSON: expected the name of a member"),
        ("{\"a\" 1}", "line 1 is not JSON: expected ':' behind the name of a member"),
        ("{\"a\": }", "line 1 is not JSON: EOF while parsing a value"),
        ("{\"a\": tru}", "line 1 is not JSON: EOF while parsing a value"),
        ("{\"a\": [1, \n2,, 3]}", "line 2 is not JSON: expected value"),
        ("{\"a\": [}]}", "line 1 is not JSON: expected value"),
        ("{\"features\": [{\"id\": 1}\n{}]}", "line 2 is not JSON: expected ',' or ']' behind a feature"),
        ("{\"features\": [{\"id\": 1},]}", "line 2 is not JSON: EOF while parsing a value"),
        ("{\"features\": [\n{\"id\":\n01}]}", "line 3 is not JSON: invalid number"),
        ("{\"features\": [\n[1,,]]}", "line 2 is not JSON: expected value"),
        (
            "{\"type\": \"FeatureCollection\", \"features\": []}\n{}",
            "line 2 is not JSON: something follows the end of the FeatureCollection",
        ),
        (
            "{\"crs\": {\"type\": \"name\", \"properties\": {\"name\": \"urn:ogc:def:crs:EPSG::25830\"}}}",
            "line 1 names a reference system that is not WGS84: urn:ogc:def:crs:EPSG::25830",
        ),
        ("{\"crs\": {\"type\": \"link\"}}", "line 1 names a reference system that is not WGS84: {\"type\": \"link\"}"),
    ] {
        assert_eq!(read(text).await, Err(reason.to_owned()), "{text}");
    }
    let latin1 = b"{\"features\": [\n{\"id\":\n\"\xF1\"}]}";
    assert_eq!(read_from(latin1.as_slice(), Start::OF_SOURCE).await, Err("line 3 is not UTF-8 text".to_owned()));
}

#[tokio::test]
async fn a_text_that_is_cut_short_anywhere_is_refused() {
    let text =
        format!("{COLLECTION}{{\"id\": 1, \"properties\": {{\"code\": \"a\"}}}},\n{{\"id\": 2}}\n],\n\"a\": \"b\"}}");
    assert!(read(&text).await.is_ok());
    for end in 1..text.len() {
        let error = read(&text[..end]).await.unwrap_err();
        assert!(error.ends_with("cut short") || error.contains("is not JSON"), "{end}: {error}");
    }
    assert_eq!(read("").await, Ok(vec![]));
    assert_eq!(read(" \n").await, Ok(vec![]));
}

#[tokio::test]
async fn no_more_than_one_record_is_held() {
    let endless = |start: &'static str| start.as_bytes().chain(tokio::io::repeat(b'x'));
    let error = read_from(endless("{\"features\": [{}, \n{\"a\": \""), Start::OF_SOURCE).await.unwrap_err();
    assert!(error.starts_with("the record on line 2 is longer than 8 MiB"), "{error}");
    let error = read_from(endless("{\n\"name\": \""), Start::OF_SOURCE).await.unwrap_err();
    assert_eq!(error, "line 2 starts a member of more than 8 MiB");
}

#[tokio::test]
async fn wgs84_may_be_named() {
    for crs in ["null", r#"{"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}"#] {
        let text = format!("{{\"type\": \"FeatureCollection\", \"crs\": {crs}, \"features\": [{{}}]}}");
        assert_eq!(read(&text).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn names_and_numbers_are_taken_as_text() {
    for (feature, code, id) in [
        (r#"{"id": 1, "properties": {"id": 2, "code": 28001}}"#, "28001", "2"),
        (r#"{"id": "1", "properties": {"id": null, "code": "\u0032\u0038"}}"#, "28", "1"),
        (r#"{"id": 1.5, "properties": {"code": null}}"#, "", "1.5"),
        (r#"{"id": 1, "properties": {"code": "\u0000"}}"#, "\u{fffd}", "1"),
        (r#"{"id": 1, "properties": [1]}"#, "", "1"),
        (r#"{"id": 1, "properties": {"code": {"a": 1}}}"#, r#"{"a": 1}"#, "1"),
    ] {
        let found = read(&format!("{{\"type\": \"FeatureCollection\", \"features\": [{feature}]}}")).await.unwrap();
        assert_eq!((found[1].2[1].as_str(), found[1].2[2].as_str()), (code, id), "{feature}");
    }
}
