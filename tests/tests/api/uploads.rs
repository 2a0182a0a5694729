//! Files that clients upload into the data lake, as a whole and in pieces, and their loads.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use paystats_core::load::{Load, LoadId, LoadState};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    Answer, Api, RunningServer, TestBed, eventually,
    sources::{paystat, paystat_row, paystats},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::spawn_blocking,
};

const PATH: &str = "/datalake/2015/rows.csv";
const SOURCE: &str = "2015/rows.csv";

fn rows(count: i64) -> String {
    paystats((1..=count).map(|id| paystat_row(&paystat(id))))
}

fn offset(answer: &Answer) -> Option<u64> {
    answer.headers.get("upload-offset").map(|offset| offset.to_str().unwrap().parse().unwrap())
}

/// Sends the bytes from `start` up to `end` as a piece.
async fn send_piece(server: &Api, id: &str, bytes: &[u8], start: usize, end: usize) -> Answer {
    let range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
    server.send("PUT", PATH, &[("upload-id", id), ("content-range", &range)], &bytes[start..end]).await
}

async fn head(server: &Api, id: &str) -> Option<u64> {
    let answer = server.send("HEAD", PATH, &[("upload-id", id)], "").await;
    assert_eq!((answer.status, answer.headers.get("content-length")), (204, None), "{answer:?}");
    offset(&answer)
}

/// Sends a request of which no more than this comes, and is gone.
async fn break_off(server: &Api, headers: &str, body: &[u8]) {
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut client = TcpStream::connect(&address).await.unwrap();
    let head = format!("PUT {PATH} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(body).await.unwrap();
    client.shutdown().await.unwrap();
    // What comes is an error, or the end.
    let _ = client.read_to_end(&mut Vec::new()).await;
}

async fn listed(server: &RunningServer) -> Vec<Value> {
    let answer = server.graphql("{ datalake { path sizeBytes modifiedAt } }", json!({})).await;
    answer.data()["datalake"].as_array().unwrap().clone()
}

async fn loaded(bed: &TestBed, server: &RunningServer) -> Load {
    let accepted = server.start_load(SOURCE, json!({})).await;
    bed.finished(load_id(&accepted.id)).await
}

fn load_id(global: &str) -> LoadId {
    global.strip_prefix("Load:").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_whole_file_is_listed_as_it_was_answered_and_can_be_loaded() {
    let bed = TestBed::new().await;
    // It is made with the first file.
    fs::remove_dir(bed.datalake()).unwrap();
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    let answer = server.send("PUT", PATH, &[("if-none-match", "*")], rows(1_000)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(listed(&server).await, [answer.body]);
    assert_eq!(loaded(&bed, &server).await.state, LoadState::Succeeded);
    assert_eq!(bed.total().await.count, 1_000);

    let refused = server.send("PUT", PATH, &[("if-none-match", "*")], "x").await;
    assert_eq!(refused.status, 412);
    assert_eq!(refused.refusal(), "CONFLICT: '2015/rows.csv' exists already");
    let replaced = server.send("PUT", PATH, &[], rows(10)).await;
    assert_eq!((replaced.status, &replaced.body["sizeBytes"]), (200, &rows(10).len().into()));
}

#[tokio::test]
async fn pieces_are_loaded_once_they_are_whole_whichever_server_takes_them() {
    let bed = TestBed::new().await;
    let (first, second) = (bed.start_server().await, bed.start_server().await);
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    let bytes = rows(1_000).into_bytes();
    let middle = bytes.len() / 2;
    assert_eq!(head(&first, "an-id").await, Some(0));
    let answer = send_piece(&first, "an-id", &bytes, 0, middle).await;
    assert_eq!((answer.status, offset(&answer)), (202, Some(middle as u64)));

    assert!(listed(&first).await.is_empty());
    let names = fs::read_dir(bed.datalake().join(".uploads")).unwrap();
    for name in names.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        let answer = first.try_start_load(&format!(".uploads/{name}"), json!({})).await.unwrap();
        let source = format!("source '.uploads/{name}' does not exist in the data lake");
        assert_eq!(answer.refusal(), format!("BAD_USER_INPUT: {source}"));
    }

    assert_eq!(head(&second, "an-id").await, Some(middle as u64));
    assert_eq!(offset(&send_piece(&second, "an-id", &bytes, 0, middle).await), Some(middle as u64));
    let answer = send_piece(&second, "an-id", &bytes, middle, bytes.len()).await;
    assert_eq!((answer.status, listed(&first).await), (201, vec![answer.body]));
    assert_eq!(loaded(&bed, &first).await.state, LoadState::Succeeded);
    assert_eq!(bed.total().await.count, 1_000);
}

#[tokio::test]
async fn what_breaks_off_goes_on_where_it_was_and_is_never_a_file() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let bytes = rows(1_000).into_bytes();
    let total = bytes.len();
    for (headers, part) in [
        (format!("content-length: {total}"), bytes[..total / 2].to_vec()),
        // In chunks, of which the last one is missing.
        ("transfer-encoding: chunked".to_owned(), b"4\r\nabcd\r\n".to_vec()),
    ] {
        break_off(&server, &headers, &part).await;
    }
    let piece = format!(
        "upload-id: an-id\r\ncontent-range: bytes 0-{}/{total}\r\ncontent-length: {}",
        total - 101,
        total - 100
    );
    break_off(&server, &piece, &bytes[..1_000]).await;
    eventually("what has arrived", async || match head(&server, "an-id").await {
        Some(1_000) => Ok(()),
        other => Err(other),
    })
    .await;
    assert!(listed(&server).await.is_empty());
    // The request that broke off may hold the upload for a moment more.
    let answer = eventually("an upload that nobody holds", async || {
        let answer = send_piece(&server, "an-id", &bytes, 1_000, total).await;
        if answer.status == 409 { Err(answer) } else { Ok(answer) }
    })
    .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(fs::read(bed.datalake().join(SOURCE)).unwrap(), bytes);
    eventually("nothing of the whole files", async || {
        let left: Vec<_> = fs::read_dir(bed.datalake().join(".uploads")).unwrap().collect();
        if left.len() == 1 { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test]
async fn of_two_requests_for_an_upload_the_later_one_is_refused() {
    let bed = TestBed::new().await;
    let (first, second) = (bed.start_server().await, bed.start_server().await);
    let bytes = rows(100).into_bytes();
    let address = first.url("").trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let (length, total) = (bytes.len(), bytes.len());
    let request = format!(
        "PUT {PATH} HTTP/1.1\r\nhost: {address}\r\nupload-id: an-id\r\ncontent-range: bytes 0-{}/{total}\r\ncontent-length: {length}\r\n\r\n",
        total - 1
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    slow.write_all(&bytes[..100]).await.unwrap();
    eventually("the first bytes", async || match head(&second, "an-id").await {
        Some(100) => Ok(()),
        other => Err(other),
    })
    .await;
    let refused = send_piece(&second, "an-id", &bytes, 100, total).await;
    assert_eq!((refused.status, offset(&refused)), (409, None));
    assert_eq!(refused.refusal(), "CONFLICT: another request sends this upload now");
    slow.write_all(&bytes[100..]).await.unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
    assert_eq!(fs::read(bed.datalake().join(SOURCE)).unwrap(), bytes);
}

#[tokio::test]
async fn sizes_and_names_have_limits_and_what_a_client_gives_up_is_gone() {
    let bed = TestBed::new().await;
    let server = bed.start_server_with(|server| server.upload_bytes = 1_000).await;
    let settings = server.get("/dashboard.json").await;
    assert_eq!(settings.body["upload"], json!({ "maxBytes": 1_000, "inPieces": true }));
    let large = server.send("PUT", PATH, &[], vec![b'x'; 1_001]).await;
    assert_eq!(large.status, 413);
    let reason = "the file is larger than 1000 bytes, the most that may be uploaded";
    assert_eq!(large.refusal(), format!("BAD_USER_INPUT: {reason}"));
    assert_eq!(send_piece(&server, "an-id", &[b'x'; 1_001], 0, 10).await.status, 413);
    for path in
        ["a.txt", ".hidden.csv", ".uploads/a.csv", "%2e%2e/a.csv", "in%2F..%2f..%2fa.csv", "a//b.csv", "%00.csv"]
    {
        let answer = server.send("PUT", &format!("/datalake/{path}"), &[], "x").await;
        assert_eq!((answer.status, answer.code()), (400, "BAD_USER_INPUT"), "{path}");
    }
    fs::create_dir_all(bed.datalake().join(SOURCE)).unwrap();
    let taken = server.send("PUT", PATH, &[], "x").await;
    assert_eq!(taken.status, 409);
    assert_eq!(taken.refusal(), "CONFLICT: '2015/rows.csv' cannot be written: a folder has this name");
    fs::remove_dir(bed.datalake().join(SOURCE)).unwrap();

    assert_eq!(send_piece(&server, "an-id", &[b'x'; 1_000], 0, 10).await.status, 202);
    assert_eq!(server.send("DELETE", PATH, &[("upload-id", "an-id")], "").await.status, 204);
    assert_eq!(head(&server, "an-id").await, Some(0));
    assert!(listed(&server).await.is_empty());

    let off = bed.start_server_with(|server| server.upload_bytes = 0).await;
    let refused = off.send("PUT", PATH, &[], "x").await;
    assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"));
    assert_eq!(off.get("/dashboard.json").await.body["upload"], json!({ "maxBytes": 0, "inPieces": false }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_never_mixes_the_file_that_it_reads_with_the_one_that_replaces_it() {
    const ROWS: i64 = 20_000;
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(1).await;
    let (old, new) = (rows(ROWS), rows(ROWS).replace("25-34", "35-44"));
    assert!(old != new && old.len() == new.len());

    // Replaced after the load was accepted.
    assert_eq!(server.send("PUT", PATH, &[], old.as_str()).await.status, 201);
    let accepted = server.start_load(SOURCE, json!({})).await;
    assert_eq!(server.send("PUT", PATH, &[], new.as_str()).await.status, 200);
    let _loader = bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 50_000, chunks_in_flight: 4 });
    let failed = bed.finished(load_id(&accepted.id)).await;
    let reason = "the source was changed after the load was accepted";
    assert_eq!((failed.state, failed.error.as_deref()), (LoadState::Failed, Some(reason)));

    // Replaced while it is read.
    assert_eq!(server.send("PUT", PATH, &[], old).await.status, 200);
    let accepted = server.start_load(SOURCE, json!({})).await;
    assert!(server.load_reaches(&accepted.id, 1).await, "the load is under way");
    assert_eq!(server.send("PUT", PATH, &[], new).await.status, 200);
    let load = bed.finished(load_id(&accepted.id)).await;
    match load.state {
        LoadState::Failed => {
            assert_eq!((load.error.as_deref(), bed.total().await.count), (Some(reason), 0));
        }
        _ => {
            assert_eq!((load.state, bed.total().await.count), (LoadState::Succeeded, ROWS));
            let answer = server.graphql("{ byAgeAndGender { age } }", json!({})).await;
            assert_eq!(answer.data()["byAgeAndGender"], json!([{ "age": "FROM_25_TO_34" }]));
        }
    }
}

#[tokio::test]
async fn uploads_need_neither_the_store_nor_the_bus() {
    let nowhere = paystats_tests::EngineUrls {
        mongodb_uri: "mongodb://127.0.0.1:1/?replicaSet=rs0".to_owned(),
        nats_url: "nats://127.0.0.1:1".to_owned(),
    };
    let (config, folder) = paystats_tests::fresh_config(&nowhere);
    let server = RunningServer::start(config, std::time::Duration::from_secs(30)).await;
    assert_eq!(server.send("PUT", PATH, &[], "x").await.status, 201);
    assert!(folder.path().join("lake").join(SOURCE).is_file());
}

/// The README's section, as it stands there.
#[tokio::test]
async fn what_the_readme_says_about_uploads_works() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let section = readme.split("\n### Upload\n").nth(1).unwrap().split("\n### ").next().unwrap();
    let examples: Vec<_> = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2, "one for a whole file, one for pieces");
    let folder = bed.folder().join("client");
    fs::create_dir(&folder).unwrap();
    // Three pieces, and more than curl sends before it is asked to.
    let bytes: Vec<u8> =
        (0..20_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    fs::write(folder.join("paystats.csv"), &bytes).unwrap();
    for example in examples {
        let _ = fs::remove_dir_all(bed.datalake());
        let script = example.replace("http://127.0.0.1:8080", &server.url(""));
        let folder = folder.clone();
        let run = move || {
            Command::new("sh").arg("-euc").arg(script).current_dir(folder).stdin(Stdio::null()).output().unwrap()
        };
        let output = spawn_blocking(run).await.unwrap();
        let (told, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{example}: {error}");
        let told: Value = serde_json::from_str(told.trim()).unwrap_or_else(|_| panic!("{example}: {told} {error}"));
        assert_eq!(listed(&server).await, [told]);
        assert!(fs::read(bed.datalake().join("2015/paystats.csv")).unwrap() == bytes, "{example}");
    }
}
