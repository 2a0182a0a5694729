//! Where rows may come from: object stores, web servers and compressed files, through the API. A real S3 server, and a web server that
//! misbehaves on purpose; both run in this process.

mod s3_server;
mod uploads;
mod web_server;

use std::{fs, net::IpAddr};

use async_compression::tokio::bufread::{GzipEncoder, ZstdEncoder};
use paystats_core::{
    datalake::{AllowList, DatalakeRoot, StoreOptions},
    load::{Counts, Load, LoadId, LoadState},
};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    Answer, EngineUrls, RunningServer, TestBed, eventually, fresh_config,
    sources::{paystat, paystat_row, paystats, postal_code, postal_code_row, postal_codes},
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use s3_server::S3Server;
use web_server::{Page, WebServer};

const START: &str = "mutation($input: StartLoadInput!) { startLoad(input: $input) { load { id source } } }";
const LOADERS: LoaderConfig = LoaderConfig { concurrency: 2, chunk_bytes: 10_000, chunks_in_flight: 16 };

/// A bed that may read `sources` beside its folder.
async fn bed_with(sources: &str, stores: StoreOptions) -> TestBed {
    let (mut config, folder) = fresh_config(EngineUrls::shared());
    config.datalake.sources = AllowList::parse(sources).unwrap();
    config.datalake.stores = stores;
    TestBed::with_config(config, folder).await
}

async fn start(server: &RunningServer, entity: &str, source: &str) -> Answer {
    server.graphql(START, json!({ "input": { "entity": entity, "source": source } })).await
}

/// Starts a load through the API and waits for its end.
async fn load(bed: &TestBed, server: &RunningServer, entity: &str, source: &str) -> Load {
    let started = start(server, entity, source).await;
    let load = &started.data()["startLoad"]["load"];
    assert_eq!(load["source"], source);
    bed.finished(id(&load["id"])).await
}

fn id(global: &Value) -> LoadId {
    global.as_str().unwrap().strip_prefix("Load:").unwrap().parse().unwrap()
}

#[track_caller]
fn assert_inserted(load: &Load, inserted: u64) {
    assert_eq!((load.state, load.error.as_deref()), (LoadState::Succeeded, None));
    let progress = load.progress.as_ref().unwrap();
    assert_eq!(progress.counts, Counts { inserted, ..Counts::default() });
    assert_eq!(progress.bytes_read, progress.bytes_total);
}

#[track_caller]
fn assert_failed(load: &Load, reason: &str) {
    assert_eq!((load.state, load.error.as_deref()), (LoadState::Failed, Some(reason)));
}

fn rows(count: i64) -> String {
    paystats((1..=count).map(|id| paystat_row(&paystat(id))))
}

fn codes() -> String {
    postal_codes((1..=3).map(|id| postal_code_row(&postal_code(id))))
}

async fn gzip(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzipEncoder::new(text.as_bytes()).read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn zstd(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    ZstdEncoder::new(text.as_bytes()).read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn number_of_loads(server: &RunningServer) -> Value {
    server.graphql("{ loads { totalCount } }", json!({})).await.data()["loads"]["totalCount"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_in_s3_are_loaded_by_many_workers() {
    let s3 = S3Server::start("lake").await;
    s3.put("lake/2015/codes.csv", codes());
    s3.put("lake/2015/rows of 2015.csv", rows(2_000));
    s3.put("lake/2016/rows.csv", rows(1));
    let bed = bed_with("s3://lake/2015/", s3.options()).await;
    let server = bed.start_server().await;
    let _loaders = [bed.start_loader(LOADERS), bed.start_loader(LOADERS)];

    assert_inserted(&load(&bed, &server, "POSTAL_CODES", "s3://lake/2015/codes.csv").await, 3);
    let loaded = load(&bed, &server, "PAYSTATS", "s3://lake/2015/rows of 2015.csv").await;
    assert_inserted(&loaded, 2_000);
    assert!(loaded.progress.unwrap().chunks_total > Some(3));

    for (source, reason) in [
        ("s3://lake/2015/none.csv", "source 's3://lake/2015/none.csv' does not exist"),
        (
            "s3://lake/2016/rows.csv",
            "source 's3://lake/2016/rows.csv' is not among the sources that may be read: it is not in the data lake, and \
             PAYSTATS_SOURCES does not list it",
        ),
        ("s3://lake/2015/../2016/rows.csv", "source 's3://lake/2015/../2016/rows.csv' leaves what may be read"),
        ("s3://lake/2015/%2e%2e/2016/rows.csv", "source 's3://lake/2015/%2e%2e/2016/rows.csv' leaves what may be read"),
        ("s3://lake/2015/", "source 's3://lake/2015/' is not a file"),
    ] {
        assert_eq!(start(&server, "PAYSTATS", source).await.refusal(), format!("BAD_USER_INPUT: {reason}"));
    }
    assert_eq!(number_of_loads(&server).await, 2);
}

#[tokio::test]
async fn a_data_lake_in_s3_is_listed_and_loaded_by_paths() {
    let s3 = S3Server::start("lake").await;
    s3.put("lake/in/codes.csv", codes());
    s3.put("lake/in/2015/rows.csv.gz", gzip(&rows(500)).await);
    s3.put("lake/in/2015/.hidden/rows.csv", rows(1));
    s3.put("lake/inside.csv", rows(1));
    let (mut config, folder) = fresh_config(EngineUrls::shared());
    config.datalake.root = DatalakeRoot::parse("s3://lake/in").unwrap();
    config.datalake.stores = s3.options();
    let bed = TestBed::with_config(config, folder).await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(LOADERS);

    let query = "query($prefix: String) { datalake(prefix: $prefix) { path sizeBytes } }";
    for (prefix, expected) in [
        ("", vec!["2015/rows.csv.gz", "codes.csv"]),
        ("2015/", vec!["2015/rows.csv.gz"]),
        ("20", vec!["2015/rows.csv.gz"]),
        ("co", vec!["codes.csv"]),
        ("../", vec![]),
        ("none/", vec![]),
    ] {
        let answer = server.graphql(query, json!({ "prefix": prefix })).await;
        let found = answer.data()["datalake"].as_array().unwrap();
        let paths: Vec<_> = found.iter().map(|object| object["path"].as_str().unwrap()).collect();
        assert_eq!(paths, expected, "{prefix}");
    }
    assert_inserted(&load(&bed, &server, "POSTAL_CODES", "codes.csv").await, 3);
    assert_inserted(&load(&bed, &server, "PAYSTATS", "2015/rows.csv.gz").await, 500);
    for source in ["../inside.csv", "/inside.csv", "2015/%2e%2e/%2e%2e/inside.csv", "..%2finside.csv"] {
        let refused = start(&server, "PAYSTATS", source).await;
        assert_eq!(refused.refusal(), format!("BAD_USER_INPUT: source '{source}' leaves the data lake"));
    }
    let refused = start(&server, "PAYSTATS", "2016/rows.csv").await;
    assert_eq!(refused.refusal(), "BAD_USER_INPUT: source '2016/rows.csv' does not exist in the data lake");
}

#[tokio::test]
async fn wrong_credentials_are_told_without_any_of_them() {
    let s3 = S3Server::start("lake").await;
    s3.put("lake/rows.csv", rows(1));
    let bed = bed_with("s3://lake", s3.options_with_secret("hunter2")).await;
    let server = bed.start_server().await;
    let refused = start(&server, "PAYSTATS", "s3://lake/rows.csv").await;
    assert_eq!(refused.refusal(), "BAD_USER_INPUT: source 's3://lake/rows.csv' cannot be read: permission denied");
}

#[tokio::test]
async fn a_store_that_is_away_is_told_apart_from_a_source_that_is_not_there() {
    let s3 = S3Server::start("lake").await;
    let bed = bed_with("s3://lake", s3.options()).await;
    let server = bed.start_server().await;
    drop(s3);
    let refused = start(&server, "PAYSTATS", "s3://lake/rows.csv").await;
    let reason = "source 's3://lake/rows.csv' cannot be read now: its store does not answer";
    assert_eq!(refused.refusal(), format!("UNAVAILABLE: {reason}"));
    assert_eq!(number_of_loads(&server).await, 0);
}

#[tokio::test]
async fn web_sources_that_cannot_be_loaded_are_refused_by_name() {
    let (web, elsewhere) = (WebServer::start().await, WebServer::start().await);
    let bed = bed_with(&format!("{},https://localhost/", web.url("/in")), StoreOptions::default()).await;
    let server = bed.start_server().await;
    elsewhere.put("/in/rows.csv", Page::of(rows(1)));
    web.put("/private.csv", Page::of(rows(1)));
    for (path, page) in [
        ("/in/forbidden.csv", Page::failing("403 Forbidden")),
        ("/in/login.csv", Page::failing("401 Unauthorized")),
        ("/in/teapot.csv", Page::failing("418 I'm a teapot")),
        ("/in/broken.csv", Page::failing("500 Internal Server Error")),
        ("/in/inside.csv", Page { location: Some("http://169.254.169.254/latest/".to_owned()), ..Page::default() }),
        ("/in/elsewhere.csv", Page { location: Some(elsewhere.url("/in/rows.csv")), ..Page::default() }),
        ("/in/up.csv", Page { location: Some("/private.csv".to_owned()), ..Page::default() }),
        ("/in/timeless.csv", Page { etag: None, ..Page::of(rows(1)) }),
    ] {
        web.put(path, page);
    }
    let redirect = "cannot be loaded: its server sends the reader to another address, and redirects are not followed";
    let timeless = "cannot be loaded: its server gives it neither an ETag nor a time of last change, so a change while it is loaded \
                    could not be seen";
    let not_listed =
        "is not among the sources that may be read: it is not in the data lake, and PAYSTATS_SOURCES does not list it";
    for (path, code, reason) in [
        ("/in/none.csv", "BAD_USER_INPUT", "does not exist"),
        ("/in/forbidden.csv", "BAD_USER_INPUT", "cannot be read: permission denied"),
        ("/in/login.csv", "BAD_USER_INPUT", "cannot be read: permission denied"),
        ("/in/teapot.csv", "BAD_USER_INPUT", "cannot be read: invalid data"),
        ("/in/broken.csv", "UNAVAILABLE", "cannot be read now: its store does not answer"),
        ("/in/inside.csv", "BAD_USER_INPUT", redirect),
        ("/in/elsewhere.csv", "BAD_USER_INPUT", redirect),
        ("/in/up.csv", "BAD_USER_INPUT", redirect),
        ("/in/timeless.csv", "BAD_USER_INPUT", timeless),
        ("/private.csv", "BAD_USER_INPUT", not_listed),
        ("/inner/rows.csv", "BAD_USER_INPUT", not_listed),
        ("/in/../private.csv", "BAD_USER_INPUT", "leaves what may be read"),
        ("/in/%2E%2E/private.csv", "BAD_USER_INPUT", "leaves what may be read"),
        ("/in/..%2fprivate.csv", "BAD_USER_INPUT", "leaves what may be read"),
        ("/in/%252e%252e/private.csv", "BAD_USER_INPUT", "leaves what may be read"),
    ] {
        let source = web.url(path);
        let refused = start(&server, "PAYSTATS", &source).await;
        assert_eq!(refused.refusal(), format!("{code}: source '{source}' {reason}"));
    }
    let host = web.address;
    for (source, reason) in [
        (
            format!("http://user:hunter2@{host}/in/rows.csv"),
            format!(
                "source 'http://…@{host}/in/rows.csv' names a user: credentials come from the environment of the programs"
            ),
        ),
        (
            format!("http://{host}/in/rows.csv?key=hunter2"),
            format!("source 'http://{host}/in/rows.csv?…' has a query or a fragment, which a source cannot have"),
        ),
        (elsewhere.url("/in/rows.csv"), format!("source '{}' {not_listed}", elsewhere.url("/in/rows.csv"))),
        ("http://localhost/in".to_owned(), format!("source 'http://localhost/in' {not_listed}")),
        (
            "file:///etc/passwd".to_owned(),
            "source 'file:///etc/passwd' is of an unknown kind: s3://, gs://, az:// and https:// can be read"
                .to_owned(),
        ),
    ] {
        assert_eq!(start(&server, "PAYSTATS", &source).await.refusal(), format!("BAD_USER_INPUT: {reason}"));
    }
    assert_eq!(number_of_loads(&server).await, 0);
    assert_eq!(elsewhere.asked(), [], "nobody followed a redirect");
}

/// A name of this machine that is not `localhost`: it stands for one whose owner points it inside.
fn name_of_this_machine() -> String {
    let is_inside = |address: &str| match address.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => false,
    };
    let hosts = fs::read_to_string("/etc/hosts").unwrap();
    let lines = hosts.lines().filter_map(|line| line.split('#').next()?.trim().split_once(char::is_whitespace));
    let mut names = lines.filter(|(address, _)| is_inside(address)).flat_map(|(_, names)| names.split_whitespace());
    names.find(|name| *name != "localhost").expect("/etc/hosts has a name beside localhost").to_owned()
}

#[tokio::test]
async fn a_listed_name_that_leads_inside_is_refused_and_localhost_is_not() {
    let web = WebServer::start().await;
    web.put("/rows.csv", Page::of(rows(1)));
    let port = web.address.port();
    let name = name_of_this_machine();
    let (inside, local) = (format!("http://{name}:{port}"), format!("http://localhost:{port}"));
    let bed = bed_with(&format!("{inside}/,{local}/"), StoreOptions::default()).await;
    let server = bed.start_server().await;

    let source = format!("{inside}/rows.csv");
    let refused = start(&server, "PAYSTATS", &source).await;
    let reason = "cannot be loaded: its host has an address that is not a public one";
    assert_eq!(refused.refusal(), format!("BAD_USER_INPUT: source '{source}' {reason}"));
    assert_eq!(web.asked(), [], "nobody connected");
    assert!(start(&server, "PAYSTATS", &format!("{local}/rows.csv")).await.data().is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_is_taken_up_where_it_was() {
    let web = WebServer::start().await;
    let bed = bed_with(&web.url("/"), StoreOptions::default()).await;
    let server = bed.start_server().await;
    // One reader at a time, so that the break is its own.
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    // The store's client takes answers with an ETag up twice by itself, and others never.
    let time = Some("Tue, 24 Nov 2015 10:00:00 GMT");
    for (path, etag, last_modified, breaks) in [("/a b.csv", Some("\"1\""), None, 4), ("/b.csv", None, time, 2)] {
        web.put(&path.replace(' ', "%20"), Page { etag, last_modified, breaks, ..Page::of(rows(1_000)) });
        let loaded = load(&bed, &server, "PAYSTATS", &web.url(path)).await;
        assert_eq!((loaded.state, loaded.error), (LoadState::Succeeded, None));
        assert_eq!(loaded.progress.unwrap().counts.read(), 1_000);
    }
    let resumed: Vec<_> = web.asked().into_iter().filter(|asked| asked.if_match.is_some()).collect();
    assert!(!resumed.is_empty() && resumed.iter().all(|asked| asked.range.is_some()), "{resumed:?}");
    assert_eq!(bed.total().await.count, 1_000);
}

#[tokio::test]
async fn a_source_that_changes_while_it_is_read_is_not_mixed() {
    let web = WebServer::start().await;
    let bed = bed_with(&web.url("/"), StoreOptions::default()).await;
    let server = bed.start_server().await;
    // One reader at a time, so that the break is its own.
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    let newer = rows(1_000).replace("25-34", "35-44");
    for (path, old, new) in [
        ("/by_etag.csv", Page::of(rows(1_000)), Page { etag: Some("\"2\""), ..Page::of(newer.clone()) }),
        (
            "/by_time.csv",
            Page { etag: None, last_modified: Some("Tue, 24 Nov 2015 10:00:00 GMT"), ..Page::of(rows(1_000)) },
            Page { etag: None, last_modified: Some("Tue, 24 Nov 2015 10:00:01 GMT"), ..Page::of(newer) },
        ),
    ] {
        web.put(path, Page { breaks: 1, then: Some(Box::new(new)), ..old });
        let source = web.url(path);
        let failed = load(&bed, &server, "PAYSTATS", &source).await;
        assert_failed(&failed, &format!("source '{source}' was changed while it was read"));
    }
    assert_eq!(bed.total().await.count, 0);
}

#[tokio::test]
async fn a_server_without_ranges_is_read_from_the_beginning() {
    let web = WebServer::start().await;
    web.put("/rows.csv", Page { ignores_ranges: true, breaks: 1, ..Page::of(rows(1_000)) });
    let bed = bed_with(&web.url("/"), StoreOptions::default()).await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(LOADERS);
    bed.insert_postal_codes(1).await;
    let loaded = load(&bed, &server, "PAYSTATS", &web.url("/rows.csv")).await;
    assert_inserted(&loaded, 1_000);
    assert!(loaded.progress.unwrap().chunks_total > Some(1));
}

#[tokio::test]
async fn a_load_waits_for_a_store_that_goes_away() {
    let web = WebServer::start().await;
    web.put("/rows.csv", Page::of(rows(100)));
    let bed = bed_with(&web.url("/"), StoreOptions::default()).await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(1).await;
    let started = start(&server, "PAYSTATS", &web.url("/rows.csv")).await;
    web.put("/rows.csv", Page::failing("503 Service Unavailable"));
    let before = web.asked().len();
    let _loader = bed.start_loader(LOADERS);
    // It was asked, and asked again after the first piece of work had gone back to the queue.
    eventually("another try", async || {
        let tries = web.asked().len() - before;
        if tries > 4 { Ok(()) } else { Err(tries) }
    })
    .await;
    web.put("/rows.csv", Page::of(rows(100)));
    assert_inserted(&bed.finished(id(&started.data()["startLoad"]["load"]["id"])).await, 100);
}

#[tokio::test]
async fn compressed_sources_are_loaded_like_what_is_in_them() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(LOADERS);
    bed.put("codes.CSV.GZ", gzip(&codes()).await);
    assert_inserted(&load(&bed, &server, "POSTAL_CODES", "codes.CSV.GZ").await, 3);

    let text = rows(1_000);
    let (first, second) = text.split_at(text.len() / 2);
    let members = [gzip(first).await, gzip(second).await].concat();
    let frames = [zstd(first).await, zstd(second).await].concat();
    bed.put("rows.csv.gz", members);
    bed.put("rows.csv.zst", frames);
    for (source, outcome) in [("rows.csv.gz", "inserted"), ("rows.csv.zst", "unchanged")] {
        let mut watch = bed.watch().await;
        let loaded = load(&bed, &server, "PAYSTATS", source).await;
        assert_eq!((loaded.state, loaded.error.as_deref()), (LoadState::Succeeded, None));
        let progress = loaded.progress.unwrap();
        let counts = progress.counts;
        let expected = if outcome == "inserted" { (1_000, 0) } else { (0, 1_000) };
        assert_eq!((counts.inserted, counts.unchanged), expected);
        // There is no way into its middle, and bytes are those of the text.
        assert_eq!((progress.chunks_total, progress.bytes_total), (Some(1), text.len() as u64));
        assert_eq!(progress.bytes_read, progress.bytes_total);
        assert!(!watch.events_of(loaded.id).await.is_empty());
    }
    assert_eq!(bed.total().await.count, 1_000);
}

#[tokio::test]
async fn a_compressed_source_that_is_spoiled_fails_with_its_reason_and_writes_nothing() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(LOADERS);
    bed.insert_postal_codes(1).await;
    let text = rows(1_000);
    let (whole_gzip, whole_zstd) = (gzip(&text).await, zstd(&text).await);
    let cut = |whole: &[u8]| whole[..whole.len() - 5].to_vec();
    for (source, bytes, reason) in [
        ("cut.csv.gz", cut(&whole_gzip), "the source is cut short: its gzip does not end"),
        ("cut.csv.zst", cut(&whole_zstd), "the source is cut short: its zstd does not end"),
        ("plain.csv.gz", text.clone().into_bytes(), "the source is not valid gzip"),
        ("plain.csv.zst", text.clone().into_bytes(), "the source is not valid zstd"),
        ("other.csv.zst", whole_gzip, "the source is not valid zstd"),
        ("bytes.csv", whole_zstd, "line 1 is not UTF-8 text"),
        ("empty.csv.gz", gzip("").await, "the source is empty"),
        (
            "quote.csv.gz",
            gzip(&format!("{text}\"{}", "x".repeat(9 << 20))).await,
            "the record on line 1002 is longer than 8 MiB: is a quote not closed?",
        ),
    ] {
        bed.put(source, bytes);
        assert_failed(&load(&bed, &server, "PAYSTATS", source).await, reason);
    }
    assert_eq!(bed.total().await.count, 0);
}
