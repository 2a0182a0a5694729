//! Refused rows as a file: whole, in the words of the source, and never silently short.

use std::{io::Read as _, path::Path};

use csv_async::{AsyncReader, AsyncReaderBuilder, AsyncWriterBuilder};
use fastrand::Rng;
use futures_util::TryStreamExt as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use paystats_core::{
    domain::Paystat,
    load::{LoadEntity, LoadState, Rejection, RejectionCode},
    store::{LoadChunk, Store},
};
use paystats_loader::LoaderConfig;
use paystats_standalone::engines::{Mongod, NatsServer};
use paystats_tests::{
    EngineUrls, RunningServer, TestBed, fresh_config,
    sources::{PAYSTAT_COLUMNS, paystat, paystat_row, paystats, postal_code, postal_code_row, postal_codes},
    write_batch,
};
use serde_json::json;
use tokio::task::spawn_blocking;

const OURS: [&str; 5] = ["line", "column", "code", "value", "reason"];

/// The text of a CSV file with these records.
async fn csv(records: &[Vec<String>]) -> String {
    let mut writer = AsyncWriterBuilder::new().flexible(true).create_writer(Vec::new());
    for record in records {
        writer.write_record(record).await.unwrap();
    }
    String::from_utf8(writer.into_inner().await.unwrap()).unwrap()
}

/// The header and the records of a CSV file, which all have as many fields as the header.
async fn read(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = AsyncReader::from_reader(text.as_bytes());
    let header = reader.headers().await.unwrap().iter().map(str::to_owned).collect();
    let records: Vec<_> = reader.records().try_collect().await.unwrap();
    (header, records.iter().map(|record| record.iter().map(str::to_owned).collect()).collect())
}

async fn download(server: &RunningServer, load: impl std::fmt::Display) -> String {
    let answer = server.get(&format!("/loads/{load}/rejections.csv")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.as_str().unwrap().to_owned()
}

/// Text with all that a CSV file has to quote, and more.
fn odd_text(random: &mut Rng) -> String {
    const PARTS: [&str; 12] = ["\"", ",", "\n", "\r\n", "ñandú", "€", "日本", "🙂", " ", "'", ";", "=1+1"];
    (0..random.usize(0..6)).map(|_| *random.choice(&PARTS).unwrap()).collect()
}

#[tokio::test]
async fn thousands_of_odd_rows_come_back_as_the_source_has_them() {
    const ROWS: i64 = 5_500;
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 4, chunk_bytes: 20_000, chunks_in_flight: 16 });
    bed.insert_postal_codes(1).await;

    // One row in eleven is good. The others have a wrong month, too few fields, or too many.
    let random = &mut Rng::with_seed(1);
    let mut records = vec![format!("{PAYSTAT_COLUMNS},note").split(',').map(str::to_owned).collect::<Vec<_>>()];
    for id in 1..=ROWS {
        let mut record: Vec<String> = paystat_row(&paystat(id)).split(',').map(str::to_owned).collect();
        record.push(odd_text(random));
        match id % 11 {
            0 => {}
            1..=5 => record[1] = format!("2015-01-02{}", odd_text(random)),
            6..=8 => record.truncate(random.usize(1..6)),
            _ => record.extend((0..random.usize(1..4)).map(|_| odd_text(random))),
        }
        records.push(record);
    }
    let load = bed.load(LoadEntity::Paystats, csv(&records).await).await;
    assert_eq!(load.state, LoadState::Succeeded, "{:?}", load.error);
    assert_eq!(load.progress.unwrap().counts.rejected, 5_000);

    let (header, rows) = read(&download(&server, load.number).await).await;
    assert_eq!(header.join(","), format!("line,column,code,value,reason,{PAYSTAT_COLUMNS},note,surplus"));
    let width = records[0].len();
    let mut line = 2;
    let mut refused = rows.iter();
    for (id, record) in (1..).zip(&records[1..]) {
        if id % 11 != 0 {
            let row = refused.next().expect("no refused row is missing");
            assert_eq!(row[0], line.to_string(), "{record:?}");
            let mut fields = row[OURS.len()..OURS.len() + width].to_vec();
            fields.truncate(record.len());
            let surplus = row.last().unwrap();
            if !surplus.is_empty() {
                let mut reader = AsyncReaderBuilder::new().has_headers(false).create_reader(surplus.as_bytes());
                let record = reader.records().try_next().await.unwrap().expect("the surplus is a record");
                fields.extend(record.iter().map(str::to_owned));
            }
            assert_eq!(fields, *record);
            assert_eq!(row[2], if record.len() == width { "INVALID_MONTH" } else { "WRONG_FIELD_COUNT" });
        }
        line += record.iter().map(|field| field.matches('\n').count()).sum::<usize>() + 1;
    }
    assert_eq!(refused.next(), None);
}

#[tokio::test]
async fn a_corrected_file_can_be_loaded_as_it_is() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    let source = paystats((1..=10).map(|id| paystat_row(&paystat(id)))).replace("2015-01", "2015/01");
    let load = bed.load(LoadEntity::Paystats, source).await;
    let file = download(&server, load.number).await;
    assert!(bed.paystats().await.is_empty());

    let corrected = bed.load(LoadEntity::Paystats, file.replace("2015/01", "2015-01")).await;
    assert_eq!(corrected.state, LoadState::Succeeded, "{:?}", corrected.error);
    let rows: Vec<Paystat> = bed.paystats().await.into_iter().map(|stored| stored.paystat).collect();
    assert_eq!(rows, (1..=10).map(paystat).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_column_that_is_called_as_one_of_ours_is_told_apart() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    let good = postal_code_row(&postal_code(1));
    let load = bed.load(LoadEntity::PostalCodes, postal_codes([good.replace(",28001,", ",28 001!,")])).await;
    let (header, rows) = read(&download(&server, load.number).await).await;
    assert_eq!(header[OURS.len()..], ["the_geom", "source.code", "id", "surplus"]);
    let of_source: Vec<_> = good.split(',').collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][..4], ["2", "code", "INVALID_CODE", "28 001!"]);
    assert_eq!(rows[0][OURS.len()..], [of_source[0], "28 001!", "1", ""]);
}

#[tokio::test]
async fn a_load_is_named_as_in_the_api() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let loader = bed.start_plain_loader();
    let load = bed.load(LoadEntity::Paystats, paystats(["x"])).await;
    let file = download(&server, load.number).await;
    assert_eq!(read(&file).await.1[0][..3], ["2", "", "WRONG_FIELD_COUNT"]);
    assert_eq!(download(&server, load.id).await, file);
    assert_eq!(download(&server, format_args!("Load:{}", load.id)).await, file);
    assert_eq!(download(&server, format_args!("Load%3A{}", load.id)).await, file);
    let asked = server.graphql("{ load(id: 1) { rejectionsCsv } }", json!({})).await;
    let path = asked.data()["load"]["rejectionsCsv"].as_str().unwrap();
    let answer = server.get(path).await;
    assert_eq!(answer.body, file);
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"load-1-rejections.csv\"");
    assert_eq!(answer.headers["cache-control"], "private, max-age=60");

    for (id, status, code) in [
        ("7", 404, "NOT_FOUND"),
        ("0194e3a0-0000-7000-8000-000000000000", 404, "NOT_FOUND"),
        ("nonsense", 400, "BAD_USER_INPUT"),
        ("Paystat:1", 400, "BAD_USER_INPUT"),
    ] {
        let answer = server.get(&format!("/loads/{id}/rejections.csv")).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{id}");
    }

    // One that nobody has planned: its columns are not known yet.
    loader.stop().await;
    bed.put("waiting.csv", paystats(["x"]));
    let waiting = bed.accept(LoadEntity::Paystats, "waiting.csv").await;
    let answer = server.get(&format!("/loads/{}/rejections.csv", waiting.number)).await;
    assert_eq!(answer.body, "line,column,code,value,reason,surplus\n");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_server_that_waits_for_its_engines_says_so() {
    let nowhere = EngineUrls {
        mongodb_uri: "mongodb://127.0.0.1:1/?replicaSet=rs0".to_owned(),
        nats_url: "nats://127.0.0.1:1".to_owned(),
    };
    let (config, _folder) = fresh_config(&nowhere);
    let server = RunningServer::start(config, std::time::Duration::from_secs(30)).await;
    let answer = server.get("/loads/1/rejections.csv").await;
    assert_eq!((answer.status, answer.code()), (503, "UNAVAILABLE"));
    assert_eq!(answer.headers["retry-after"], "2");
}

/// The file is far longer than what any buffer between MongoDB and the client holds.
#[tokio::test]
async fn a_file_is_cut_off_where_mongodb_dies_and_refused_afterwards() {
    let engines = tempfile::tempdir().unwrap();
    let (mongod, nats_server) = tokio::join!(start_mongod(engines.path()), start_nats(engines.path()));
    let urls = EngineUrls { mongodb_uri: mongod.uri(), nats_url: nats_server.url() };
    let (config, folder) = fresh_config(&urls);
    let server = RunningServer::start(config.clone(), std::time::Duration::from_secs(30)).await;
    server.ready().await;
    std::fs::write(folder.path().join("lake/rows.csv"), paystats(["x"])).unwrap();
    let start = r#"mutation { startLoad(input: { entity: PAYSTATS, source: "rows.csv" }) { load { number } } }"#;
    server.graphql(start, json!({})).await.data();

    let store = Store::new(&config.store).await.unwrap();
    let load = store.loads.by_number(1).await.unwrap().unwrap();
    store.load_chunks.insert(&load, &LoadChunk::start(0, 2, &["amount".to_owned()])).await.unwrap();
    let long = "x".repeat(10_000);
    let row = |line| {
        let row = Rejection::of_record(line, RejectionCode::WrongFieldCount, String::new());
        row.with_fields([long.as_str()].into_iter())
    };
    for lines in (2..5_002).collect::<Vec<u64>>().chunks(500) {
        let rows: Vec<_> = lines.iter().copied().map(row).collect();
        write_batch::<Paystat>(&store, &load, &[], false, &rows).await;
    }

    let url = server.url("/loads/1/rejections.csv");
    let mut file = spawn_blocking(move || ureq::get(url).call().unwrap().into_body().into_reader()).await.unwrap();
    let mut start = [0; 4];
    file.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"line");
    kill(Pid::from_raw(mongod.pid().cast_signed()), Signal::SIGKILL).unwrap();
    let rest = spawn_blocking(move || {
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).map_err(|error| (rest.len(), error))
    });
    let (length, error) = rest.await.unwrap().expect_err("the file is cut off");
    assert!(length < 50_000_000, "{length} bytes, then {error}");

    let answer = server.get("/loads/1/rejections.csv").await;
    assert_eq!((answer.status, answer.code()), (503, "UNAVAILABLE"));
}

async fn start_mongod(folder: &Path) -> Mongod {
    Mongod::start_with_cache(&folder.join("mongod"), None, 0.25).await.unwrap()
}

async fn start_nats(folder: &Path) -> NatsServer {
    NatsServer::start(&folder.join("nats"), None).await.unwrap()
}
