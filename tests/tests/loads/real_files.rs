//! The real sample: card payments in the Madrid region, 2015. What the product says of it is compared with what a few lines of plain code
//! read from the same files; nothing of the product takes part in that.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
};

use paystats_core::{
    config::optional,
    domain::{AgeGroup, Dimension, Geometry, PaystatScope},
    load::{Counts, LoadEntity, LoadState},
    store::{GroupTotal, PageRequest, PostalCodeFilter},
};
use paystats_loader::LoaderConfig;
use paystats_tests::TestBed;
use serde_json::{Value, json};

/// The folder with the sample. Without it the test ends well, and says so; in CI it fails, so that it is not left out there unseen.
fn sample(test: &str) -> Option<PathBuf> {
    let folder = optional("PAYSTATS_REAL_DATA").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        let message = format!("{test} was NOT run: PAYSTATS_REAL_DATA names no folder");
        assert!(optional("CI").is_none(), "{message}");
        eprintln!("{message}");
    }
    folder
}

/// The records of a file without quotes, by the names of its columns.
fn records(text: &str) -> Vec<HashMap<&str, &str>> {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines.map(|line| columns.iter().copied().zip(line.split(',')).collect()).collect()
}

/// A positive decimal number in units of 10^-16.
fn units(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<16}").parse().unwrap()
}

/// Sums and counts by a key that is made of each record.
fn fold<K: Ord>(records: &[HashMap<&str, &str>], key: impl Fn(&HashMap<&str, &str>) -> K) -> BTreeMap<K, (i128, i64)> {
    let mut totals = BTreeMap::new();
    for record in records {
        let (sum, count) = totals.entry(key(record)).or_insert((0, 0));
        *sum += units(record["amount"]);
        *count += 1;
    }
    totals
}

/// What the store says, in the same form.
async fn stored<K: Ord>(bed: &TestBed, by: &[Dimension], key: impl Fn(&GroupTotal) -> K) -> BTreeMap<K, (i128, i64)> {
    let groups = bed.store().totals.by(&PaystatScope::default(), by).await.unwrap();
    groups.iter().map(|group| (key(group), (group.total.amount.units(), group.total.count))).collect()
}

fn label(age: AgeGroup) -> &'static str {
    match age {
        AgeGroup::Under25 => "<=24",
        AgeGroup::From25To34 => "25-34",
        AgeGroup::From35To44 => "35-44",
        AgeGroup::From45To54 => "45-54",
        AgeGroup::From55To64 => "55-64",
        AgeGroup::From65 => ">=65",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_files_are_loaded_whole_and_every_total_is_that_of_the_file() {
    let Some(folder) = sample("the story of the real files") else { return };
    let (codes, paystats) =
        ["postal_codes.csv", "paystats.csv"].map(|name| fs::read_to_string(folder.join(name)).unwrap()).into();
    let bed = TestBed::new().await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 100_000, chunks_in_flight: 16 });

    for round in ["inserted", "unchanged"] {
        for (entity, text, rows) in [(LoadEntity::PostalCodes, &codes, 101), (LoadEntity::Paystats, &paystats, 10_652)]
        {
            let load = bed.load(entity, text).await;
            assert_eq!((load.state, load.error), (LoadState::Succeeded, None));
            let Counts { inserted, updated, unchanged, rejected } = load.progress.unwrap().counts;
            let expected = if round == "inserted" { (rows, 0, 0, 0) } else { (0, 0, rows, 0) };
            assert_eq!((inserted, updated, unchanged, rejected), expected);
        }
    }

    let total = bed.total().await;
    assert_eq!((total.amount.to_string().as_str(), total.count), ("1276112517.0410399995", 10_652));

    let records = records(&paystats);
    let text = |value: &str| value.to_owned();
    let by_month_and_people = fold(&records, |row| (text(row["p_month"]), text(row["p_age"]), text(row["p_gender"])));
    assert_eq!(by_month_and_people.len(), 12 * 6 * 2);
    let people = [Dimension::Month, Dimension::Age, Dimension::Gender];
    let month = |group: &GroupTotal| format!("{}-01", group.month.unwrap());
    let key = |group: &GroupTotal| (month(group), text(label(group.age.unwrap())), text(group.gender.unwrap().name()));
    assert_eq!(stored(&bed, &people, key).await, by_month_and_people);

    let by_postal_code = fold(&records, |row| row["postal_code_id"].parse::<i32>().unwrap());
    assert_eq!(by_postal_code.len(), 76);
    let key = |group: &GroupTotal| group.postal_code_id.unwrap().get();
    assert_eq!(stored(&bed, &[Dimension::PostalCode], key).await, by_postal_code);

    let by_month = fold(&records, |row| text(row["p_month"]));
    assert_eq!(stored(&bed, &[Dimension::Month], month).await, by_month);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_geometries_come_back_byte_for_byte_and_as_valid_geojson() {
    let Some(folder) = sample("the story of the real geometries") else { return };
    let text = fs::read_to_string(folder.join("postal_codes.csv")).unwrap();
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    bed.load(LoadEntity::PostalCodes, &text).await;

    let page = bed.store().postal_codes.page(&PostalCodeFilter::default(), PageRequest::first(1_000)).await.unwrap();
    let ids: Vec<_> = page.items.iter().map(|code| code.id).collect();
    let geometries = bed.store().postal_codes.geometries(&ids).await.unwrap();
    let mut in_file: Vec<_> = records(&text);
    in_file.sort_by_key(|record| record["id"].parse::<i32>().unwrap());
    assert_eq!((page.items.len(), in_file.len()), (101, 101));
    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    for (stored, record) in page.items.iter().zip(&in_file) {
        assert_eq!((stored.id.to_string().as_str(), stored.code.as_str()), (record["id"], record["code"]));
        let geometry = &geometries[&stored.id];
        assert_eq!(geometry.ewkb_hex(), record["the_geom"]);
        let geojson = serde_json::to_value(geometry.geojson()).unwrap();
        for polygon in polygons(&geojson) {
            assert_valid(polygon.as_array().unwrap());
        }
        *types.entry(geojson["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(types, BTreeMap::from([("MultiPolygon".to_owned(), 95), ("Polygon".to_owned(), 6)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_geometries_are_the_same_from_geojson() {
    let Some(folder) = sample("the story of the real geometries as GeoJSON") else { return };
    let text = fs::read_to_string(folder.join("postal_codes.csv")).unwrap();
    let geojson = |record: &HashMap<&str, &str>| {
        serde_json::to_value(Geometry::from_wkb_text(record["the_geom"]).unwrap().geojson()).unwrap()
    };
    let features: Vec<_> = records(&text)
        .iter()
        .map(|record| {
            let properties = json!({ "code": record["code"], "id": record["id"].parse::<i32>().unwrap() });
            json!({ "type": "Feature", "properties": properties, "geometry": geojson(record) })
        })
        .collect();
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    bed.put("codes.geojson", json!({ "type": "FeatureCollection", "features": features }).to_string());
    let load = bed.accept(LoadEntity::PostalCodes, "codes.geojson").await;
    let load = bed.finished(load.id).await;
    assert_eq!((load.state, load.error), (LoadState::Succeeded, None));
    assert_eq!(load.progress.unwrap().counts, Counts { inserted: 101, ..Counts::default() });

    let page = bed.store().postal_codes.page(&PostalCodeFilter::default(), PageRequest::first(1_000)).await.unwrap();
    let ids: Vec<_> = page.items.iter().map(|code| code.id).collect();
    let stored = bed.store().postal_codes.geometries(&ids).await.unwrap();
    for record in records(&text) {
        let id = record["id"].parse::<i32>().unwrap().try_into().unwrap();
        assert_eq!(serde_json::to_value(stored[&id].geojson()).unwrap(), geojson(&record));
    }
}

fn polygons(geojson: &Value) -> Vec<&Value> {
    let coordinates = &geojson["coordinates"];
    match geojson["type"].as_str() {
        Some("Polygon") => vec![coordinates],
        Some("MultiPolygon") => coordinates.as_array().unwrap().iter().collect(),
        other => panic!("{other:?} is no polygon"),
    }
}

/// RFC 7946: rings of four positions or more, closed, the exterior counterclockwise and the holes clockwise. All lies around Madrid.
fn assert_valid(rings: &[Value]) {
    assert!(!rings.is_empty());
    for (place, ring) in rings.iter().enumerate() {
        let ring: Vec<[f64; 2]> = serde_json::from_value(ring.clone()).unwrap();
        assert!(ring.len() >= 4 && ring.first() == ring.last());
        assert!(ring.iter().all(|&[x, y]| (-5.0..-2.5).contains(&x) && (39.5..41.5).contains(&y)));
        let doubled_area: f64 = ring.windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum();
        assert_eq!(doubled_area > 0.0, place == 0);
    }
}
