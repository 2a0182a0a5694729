//! Maps through the API: areas that still fit together, against the same question asked as totals, on made-up and on real data.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use fastrand::Rng;
use futures_util::future::join_all;
use paystats_core::{
    config::optional,
    domain::{Amount, Geometry},
    load::{LoadEntity, LoadState},
};
use paystats_standalone::demo::Dataset;
use paystats_tests::{
    RandomFilter, RunningServer, TestBed, eventually,
    sources::{paystat, paystats, postal_code, postal_code_row, postal_codes, random_paystats, square},
};
use serde_json::{Value, json};

const POSTAL_CODES: i32 = 30;

const QUESTION: &str =
    "query($filter: StatsFilter, $simplify: Float, $classes: Int! = 5, $breaks: ClassBreaks! = QUANTILE) {
    choropleth(filter: $filter, simplify: $simplify, classes: $classes, breaks: $breaks)
}";

async fn map(server: &RunningServer, variables: Value) -> Value {
    server.graphql(QUESTION, variables).await.data()["choropleth"].clone()
}

fn features(map: &Value) -> &[Value] {
    map["features"].as_array().unwrap()
}

/// A position in millionths of a degree.
type Position = (i64, i64);

/// The directed edges of a map, with the postal codes that have them. Checks each geometry by RFC 7946 and by our own rules.
fn edges(map: &Value) -> BTreeMap<(Position, Position), Vec<i64>> {
    let mut edges: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for feature in features(map) {
        let geometry = &feature["geometry"];
        assert!(Geometry::from_geojson(geometry.clone()).is_ok(), "{feature}");
        let coordinates = &geometry["coordinates"];
        let polygons = match geometry["type"].as_str() {
            Some("Polygon") => std::slice::from_ref(coordinates),
            _ => coordinates.as_array().unwrap(),
        };
        for polygon in polygons {
            for (place, ring) in polygon.as_array().unwrap().iter().enumerate() {
                let ring: Vec<[f64; 2]> = serde_json::from_value(ring.clone()).unwrap();
                assert!(ring.len() >= 4 && ring.first() == ring.last());
                let ring: Vec<Position> = ring.iter().map(|&[x, y]| (millionths(x), millionths(y))).collect();
                assert_eq!(doubled_area(&ring) > 0, place == 0, "a ring of {feature} is wound the wrong way");
                for edge in ring.windows(2) {
                    edges.entry((edge[0], edge[1])).or_default().push(feature["id"].as_i64().unwrap());
                }
            }
        }
    }
    edges
}

/// Panics where a coordinate has more than six decimals.
fn millionths(degrees: f64) -> i64 {
    let millionths = (degrees * 1e6).round();
    assert!((millionths / 1e6).to_bits() == degrees.to_bits(), "{degrees} has more than six decimals");
    millionths as i64
}

fn doubled_area(ring: &[Position]) -> i64 {
    let (x, y) = ring[0];
    ring.windows(2).map(|edge| (edge[0].0 - x) * (edge[1].1 - y) - (edge[1].0 - x) * (edge[0].1 - y)).sum()
}

/// Which postal codes share an edge.
fn neighbours(edges: &BTreeMap<(Position, Position), Vec<i64>>) -> BTreeSet<(i64, i64)> {
    let mut neighbours = BTreeSet::new();
    for (&(from, to), one) in edges {
        for &other in edges.get(&(to, from)).into_iter().flatten() {
            neighbours.extend(one.iter().map(|&one| (one, other)));
        }
    }
    neighbours
}

/// Twice the area of all, since the edges between them cancel each other out.
fn size(edges: &BTreeMap<(Position, Position), Vec<i64>>) -> f64 {
    let area = |&(from, to): &(Position, Position)| from.0 as f64 * to.1 as f64 - to.0 as f64 * from.1 as f64;
    edges.keys().map(area).sum()
}

/// At every tolerance: neighbours are the same and share their borders exactly, and nobody lies on another's side of a border.
async fn assert_fits(server: &RunningServer, count: usize, most_change: f64) {
    let exact = edges(&map(server, json!({ "simplify": 0.001 })).await);
    let mut last = usize::MAX;
    for meters in [0.5, 5.0, 20.0, 100.0, 500.0, 2_000.0, 10_000.0] {
        let map = map(server, json!({ "simplify": meters })).await;
        assert_eq!((features(&map).len(), map["simplify"].as_f64()), (count, Some(meters)));
        let edges = edges(&map);
        assert!(edges.values().all(|of| of.len() == 1), "two areas lie on the same side of a border at {meters} m");
        assert_eq!(neighbours(&edges), neighbours(&exact), "at {meters} m");
        assert!(edges.len() <= last, "{meters} m leave more positions than less");
        last = edges.len();
        let change = (size(&edges) / size(&exact) - 1.0).abs();
        assert!(meters > 500.0 || change < most_change, "the areas change by {change} at {meters} m");
        println!("{meters} m: {} edges, {} bytes, area {change:.4}", edges.len(), map.to_string().len());
    }
    let by_default = map(server, json!({})).await;
    assert_eq!(by_default["simplify"], json!(20.0));
    assert_eq!(by_default, map(server, json!({ "simplify": 0 })).await);
    assert_eq!(by_default, map(server, json!({ "simplify": 20 })).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_city_fits_together_at_every_tolerance() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    let mut source = Vec::new();
    Dataset::demo().write_postal_codes(&mut source).unwrap();
    assert_eq!(bed.load(LoadEntity::PostalCodes, source).await.state, LoadState::Succeeded);
    let server = bed.start_server().await;
    assert_fits(&server, 120, 0.03).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_map_fits_together_at_every_tolerance() {
    let Some(folder) = optional("PAYSTATS_REAL_DATA").map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        assert!(optional("CI").is_none(), "PAYSTATS_REAL_DATA names no folder");
        return eprintln!("the story of the real map was NOT run: PAYSTATS_REAL_DATA names no folder");
    };
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    for (entity, file) in [(LoadEntity::PostalCodes, "postal_codes.csv"), (LoadEntity::Paystats, "paystats.csv")] {
        let load = bed.load(entity, fs::read(folder.join(file)).unwrap()).await;
        assert_eq!(load.state, LoadState::Succeeded);
    }
    let server = bed.start_server().await;
    assert_fits(&server, 101, 0.01).await;

    for breaks in ["QUANTILE", "JENKS"] {
        let map = map(&server, json!({ "breaks": breaks })).await;
        assert_eq!(map["total"], json!({ "amount": "1276112517.0410399995", "count": 10_652 }));
        assert_eq!(features(&map).iter().filter(|feature| feature["properties"]["count"] == 0).count(), 101 - 76);
        assert_eq!(map["breaks"].as_array().unwrap().len(), 6);
        assert_classes(&map);
        let shares: f64 = features(&map).iter().map(|feature| feature["properties"]["share"].as_f64().unwrap()).sum();
        assert!((shares - 1.0).abs() < 1e-4, "{shares}");
    }
}

/// Every class is what its breaks say, and none is empty.
fn assert_classes(map: &Value) {
    let amount = |value: &Value| -> Amount { value.as_str().unwrap().parse().unwrap() };
    let breaks: Vec<Amount> = map["breaks"].as_array().unwrap().iter().map(amount).collect();
    let mut used = BTreeSet::new();
    for feature in features(map) {
        let properties = &feature["properties"];
        if properties["count"] == 0 {
            assert_eq!((&properties["amount"], &properties["class"]), (&json!("0"), &json!(null)));
            continue;
        }
        let class = properties["class"].as_u64().unwrap() as usize;
        let (amount, is_last) = (amount(&properties["amount"]), class + 2 == breaks.len());
        assert!(breaks[class] <= amount && (amount < breaks[class + 1] || is_last && amount == breaks[class + 1]));
        used.insert(class);
    }
    assert_eq!(used, (0..breaks.len().saturating_sub(1)).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_gives_the_postal_codes_of_its_places_with_their_totals() {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(POSTAL_CODES).await;
    let mut random = Rng::with_seed(28);
    // The last postal codes have no paystats.
    let rows = random_paystats(&mut random, 600, &ids[..25]);
    bed.insert_paystats(&rows).await;
    let server = bed.start_server().await;
    let places = "query($filter: PostalCodeFilter) { postalCodes(filter: $filter) { nodes { databaseId code } } }";
    let totals = "query($filter: StatsFilter) {
        total(filter: $filter) { amount count }
        byPostalCode(filter: $filter) { postalCode { databaseId } total { amount count } }
    }";
    for round in 0..60 {
        let filter = RandomFilter::new(&mut random, POSTAL_CODES).input;
        let breaks = if round % 2 == 0 { "QUANTILE" } else { "JENKS" };
        let classes = random.i32(1..=12);
        let map = map(&server, json!({ "filter": filter, "classes": classes, "breaks": breaks })).await;

        let mut by_place = json!({});
        for (name, of_place) in [("postalCodes", "codes"), ("bbox", "bbox"), ("within", "within")] {
            by_place[of_place] = filter.get(name).cloned().unwrap_or_default();
        }
        let found = server.graphql(places, json!({ "filter": by_place })).await;
        let totals = server.graphql(totals, json!({ "filter": filter })).await;
        let of = |id: &Value| {
            let entries = totals.data()["byPostalCode"].as_array().unwrap();
            let entry = entries.iter().find(|entry| entry["postalCode"]["databaseId"] == *id);
            entry.map_or_else(|| json!({ "amount": "0", "count": 0 }), |entry| entry["total"].clone())
        };
        let expected: Vec<Value> = found.data()["postalCodes"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|place| json!({ "id": place["databaseId"], "code": place["code"], "total": of(&place["databaseId"]) }))
            .collect();
        let told = |feature: &Value| {
            let properties = &feature["properties"];
            assert_eq!(feature["id"], properties["id"]);
            let total = json!({ "amount": properties["amount"], "count": properties["count"] });
            json!({ "id": properties["id"], "code": properties["code"], "total": total })
        };
        assert_eq!(features(&map).iter().map(told).collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(map["total"], totals.data()["total"]);
        assert!(map["breaks"].as_array().unwrap().len() <= classes as usize + 1);
        assert_eq!(map["bbox"].is_null(), expected.is_empty());
        assert_classes(&map);
    }
}

#[tokio::test]
async fn an_answer_is_a_feature_collection_as_it_is_described() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    bed.insert_paystats(&[paystat(1), paystat(2)]).await;
    let server = bed.start_server().await;
    let square = |west: f64| {
        let (east, south, north) = (west + 0.05, 40.0, 40.05);
        json!({ "type": "Polygon", "coordinates": [[
            [west, south], [east, south], [east, north], [west, north], [west, south]
        ]] })
    };
    let answer = map(&server, json!({ "classes": 3 })).await;
    let ring = |feature: &Value| -> BTreeSet<String> {
        feature["geometry"]["coordinates"][0].as_array().unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(ring(&features(&answer)[0]), ring(&json!({ "geometry": square(-4.0) })));
    let geometry = |place: usize| features(&answer)[place]["geometry"].clone();
    let expected = json!({
        "type": "FeatureCollection",
        "bbox": [-4.0, 40.0, -3.85, 40.05],
        "total": { "amount": "4", "count": 2 },
        "breaks": ["4", "4"],
        "simplify": 20.0,
        "features": [
            {
                "type": "Feature", "id": 1, "geometry": geometry(0),
                "properties": { "code": "28001", "id": 1, "amount": "4", "count": 2, "share": 1.0, "class": 0 },
            },
            {
                "type": "Feature", "id": 2, "geometry": geometry(1),
                "properties": { "code": "28002", "id": 2, "amount": "0", "count": 0, "share": 0.0, "class": null },
            },
        ],
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn without_postal_codes_the_map_is_empty() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let expected = json!({
        "type": "FeatureCollection", "total": { "amount": "0", "count": 0 }, "breaks": [], "simplify": 20.0, "features": [],
    });
    assert_eq!(map(&server, json!({})).await, expected);
    bed.insert_postal_codes(1).await;
    eventually("the postal code on the map", async || match features(&map(&server, json!({})).await).len() {
        1 => Ok(()),
        other => Err(other),
    })
    .await;
    assert_eq!(map(&server, json!({ "filter": { "postalCodes": ["99999"] } })).await, expected);
}

#[tokio::test]
async fn a_changed_postal_code_is_in_the_next_answer() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(3).await;
    let _loader = bed.start_plain_loader();
    let server = bed.start_server().await;
    let bbox = async || map(&server, json!({})).await["bbox"].clone();
    assert_eq!(bbox().await, json!([-4.0, 40.0, -3.75, 40.05]));

    let update =
        "mutation($area: GeoJSON!) { updatePostalCode(input: { id: 1, geojson: $area }) { postalCode { id } } }";
    for (west, expected) in [(-5.0, json!([-5.0, 40.0, -3.75, 41.0])), (-6.0, json!([-6.0, 40.0, -3.75, 41.0]))] {
        let area = serde_json::to_value(square(west, 40.0, 1.0).geojson()).unwrap();
        server.graphql(update, json!({ "area": area })).await.data();
        assert_eq!(bbox().await, expected);
    }
    server.graphql("mutation { deletePostalCode(input: { id: 1 }) { deletedId } }", json!({})).await.data();
    assert_eq!(bbox().await, json!([-3.9, 40.0, -3.75, 40.05]));

    let load = bed.load(LoadEntity::PostalCodes, postal_codes([postal_code_row(&postal_code(11))])).await;
    assert_eq!(load.state, LoadState::Succeeded);
    // The server hears of the end of a load a moment after it.
    eventually("the loaded postal code on the map", async || match bbox().await {
        bbox if bbox == json!([-4.0, 40.0, -3.75, 40.15]) => Ok(()),
        other => Err(other),
    })
    .await;
    let load = bed.load(LoadEntity::Paystats, paystats(["2.5,2015-01-01,<=24,F,11,1"])).await;
    assert_eq!(load.state, LoadState::Succeeded);
    eventually("the loaded paystat on the map", async || {
        let answer = map(&server, json!({ "filter": { "postalCodes": ["28011"] } })).await;
        if answer["total"] == json!({ "amount": "2.5", "count": 1 }) { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_is_drawn_once_for_all_who_ask() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(POSTAL_CODES).await;
    let (server, commands) = bed.start_overheard_server().await;
    commands.take();
    let answers = join_all((0..20).map(|_| map(&server, json!({ "simplify": 50 })))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // Another tolerance and other places do not read the areas again.
    map(&server, json!({ "simplify": 60 })).await;
    map(&server, json!({ "simplify": 60, "filter": { "from": "2015-01" } })).await;
    let reads = commands.take().into_iter().filter(|command| command == "find postal_codes").count();
    assert_eq!(reads, 1);
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_with_their_reason() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for (question, reason) in [
        ("{ choropleth(simplify: -1) }", "simplify must be from 0 to 10000 metres"),
        ("{ choropleth(simplify: 10000.5) }", "simplify must be from 0 to 10000 metres"),
        ("{ choropleth(classes: 0) }", "classes must be from 1 to 12"),
        ("{ choropleth(classes: 13) }", "classes must be from 1 to 12"),
        ("{ choropleth(classes: -2147483648) }", "classes must be from 1 to 12"),
        (
            r#"{ choropleth(filter: { from: "2015-02", to: "2015-01" }) }"#,
            "from (2015-02) must not be after to (2015-01)",
        ),
    ] {
        let answer = server.graphql(question, json!({})).await;
        assert_eq!(answer.refusal(), format!("BAD_USER_INPUT: {reason}"), "{question}");
    }
}
