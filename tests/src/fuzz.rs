//! What is fuzzed: each target takes any bytes, and panics if what the product makes of them breaks a promise. `fuzz/` runs them under
//! libFuzzer; `make test` replays the kept inputs, and changes of them.

use std::{io::Cursor, sync::LazyLock};

use async_graphql::{Executor, Response};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header::CONTENT_TYPE},
};
use csv_async::ByteRecord;
use futures_util::{
    FutureExt,
    stream::{self, BoxStream},
};
use paystats_core::{
    datalake::TextFormat,
    domain::{Amount, Geometry, Month, PostalCodeId},
    store::Key,
};
use paystats_loader::{
    records::{Records, Start},
    rows::{PaystatRows, PostalCodeRows, Rows},
};
use paystats_server::http::{GraphqlOptions, Types, graphql_routes};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// A target: its name, which is that of its folder of inputs, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("amount", amount),
    ("csv", csv),
    ("cursor", cursor),
    ("geojson", geojson),
    ("graphql", graphql),
    ("month", month),
    ("wkb", wkb),
];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What is read as an amount is written in a way that reads as the same amount.
pub fn amount(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(amount) = text.parse::<Amount>() else { return };
    assert_eq!(amount.to_string().parse(), Ok(amount), "{text}");
    assert_eq!(Amount::from_units(amount.units()), amount);
    let (coefficient, exponent) = amount.to_parts();
    assert_eq!(Amount::from_parts(coefficient, -(exponent as i32)), Some(amount), "{text}");
}

/// What is read as a month is written in a way that reads as the same month, and a date only where it is its first day.
pub fn month(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(month) = text.parse::<Month>() {
        assert_eq!(month.to_string(), text);
        assert_eq!(Month::from_index(month.index()), Some(month));
        assert_eq!(Month::new(month.year(), month.month()), Ok(month));
    }
    if let Ok(month) = Month::from_first_day(text) {
        assert_eq!(format!("{month}-01"), text);
    }
}

/// An area that is taken is written in a way that is taken as the same area, and its box holds all of it.
pub fn wkb(bytes: &[u8]) {
    let as_text = str::from_utf8(bytes).ok().and_then(|text| Geometry::from_wkb_text(text).ok());
    for geometry in as_text.into_iter().chain(Geometry::from_wkb(bytes)) {
        check_area(&geometry);
        assert_eq!(Geometry::from_wkb_text(&geometry.ewkb_hex()).unwrap().ewkb(), geometry.ewkb());
    }
}

fn check_area(geometry: &Geometry) {
    let bbox = geometry.bbox();
    let corners = geometry.polygons().iter().flat_map(|polygon| polygon.exterior().points());
    for corner in corners {
        assert!((bbox.west..=bbox.east).contains(&corner.x()) && (bbox.south..=bbox.north).contains(&corner.y()));
    }
    let (longitude, latitude) = geometry.centroid();
    assert!(longitude.is_finite() && latitude.is_finite());
    let again = Geometry::from_geojson(serde_json::to_value(geometry.geojson()).unwrap());
    assert!(again.is_ok(), "what we write as GeoJSON we do not read: {:?}", geometry.geojson());
}

/// A cursor that is taken names a place that has one cursor.
pub fn cursor(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Some(key) = Key::decode(text) else { return };
    assert_eq!(Key::decode(&key.encode()), Some(key));
}

/// Wherever a CSV file is cut between two records, the same records follow.
pub fn csv(bytes: &[u8]) {
    records_can_be_cut(TextFormat::Csv, bytes);
}

/// The same of features, but for the first, which is preceded by what is not a feature.
pub fn geojson(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(geometry) = Geometry::from_geojson_text(text)
    {
        check_area(&geometry);
    }
    records_can_be_cut(TextFormat::GeoJson, bytes);
}

/// Of a source that is read to its end, and is text: any other is refused when its load is planned, and nothing of it stays.
fn records_can_be_cut(format: TextFormat, bytes: &[u8]) {
    let (all, is_whole) = records(format, bytes, Start::OF_SOURCE);
    for pair in all.windows(2) {
        assert!(pair[0].0.byte < pair[1].0.byte && pair[0].0.line <= pair[1].0.line, "{:?} {:?}", pair[0].0, pair[1].0);
    }
    let place = all.iter().enumerate().skip(1).nth(bytes.len() % all.len().max(1));
    if let Some((place, (start, _))) = place.filter(|_| is_whole && str::from_utf8(bytes).is_ok()) {
        let (rest, _) = records(format, &bytes[start.byte as usize..], *start);
        assert_eq!(rest, all[place..], "cut at {start:?}");
    }
    let is_text = |record: &ByteRecord| record.iter().all(|field| str::from_utf8(field).is_ok());
    let Some(((_, header), rows)) = all.split_first().filter(|_| all.iter().all(|(_, record)| is_text(record))) else {
        return;
    };
    let header: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let known = [1, 28001].map(|id| PostalCodeId::try_from(id).unwrap());
    if let Ok(parser) = PaystatRows::new(&header, known.into_iter().collect()) {
        rows.iter().for_each(|(start, row)| drop(parser.parse(row, start.line)));
    }
    if let Ok(parser) = PostalCodeRows::new(&header) {
        rows.iter().for_each(|(start, row)| drop(parser.parse(row, start.line)));
    }
}

/// The records up to the end of the source, or to what is no record, and whether it was the end.
fn records(format: TextFormat, bytes: &[u8], start: Start) -> (Vec<(Start, ByteRecord)>, bool) {
    let mut records = Records::new(format, Cursor::new(bytes), start);
    let read = async {
        let mut all = Vec::new();
        loop {
            match records.next().await {
                Ok(Some(record)) => all.push((record.start, record.fields.clone())),
                Ok(None) => return (all, true),
                Err(_) => return (all, false),
            }
        }
    };
    read.now_or_never().expect("bytes in memory are there at once")
}

/// Whatever is sent to `/graphql`, the answer is JSON that says what is wrong, and it comes.
pub fn graphql(bytes: &[u8]) {
    static ROUTES: LazyLock<Router> = LazyLock::new(|| {
        let types = Types::from_sdl(&paystats_server::graphql::sdl()).unwrap().into();
        graphql_routes(Nothing, GraphqlOptions { types, ..Default::default() })
    });
    let request = Request::post("/graphql").header(CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(bytes.to_vec())).unwrap();
    RUNTIME.block_on(async {
        let answer = ROUTES.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{body}");
        if status != StatusCode::OK {
            assert!(body["errors"][0]["extensions"]["code"].is_string(), "{status} {body}");
        }
    });
}

/// Answers everything with nothing: what is fuzzed stands before the executor.
#[derive(Clone)]
struct Nothing;

impl Executor for Nothing {
    async fn execute(&self, _: async_graphql::Request) -> Response {
        Response::default()
    }

    fn execute_stream(
        &self,
        _: async_graphql::Request,
        _: Option<std::sync::Arc<async_graphql::Data>>,
    ) -> BoxStream<'static, Response> {
        Box::pin(stream::empty())
    }
}
