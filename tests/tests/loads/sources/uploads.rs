//! Files that are uploaded into a data lake in a store.

use paystats_core::datalake::{Datalake, DatalakeRoot, StoreOptions};
use paystats_tests::{EngineUrls, TestBed, fresh_config};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{LOADERS, S3Server, assert_inserted, load, rows};

async fn bed_in(stores: StoreOptions) -> TestBed {
    let (mut config, folder) = fresh_config(EngineUrls::shared());
    config.datalake.root = DatalakeRoot::parse("s3://lake/in").unwrap();
    config.datalake.stores = stores;
    TestBed::with_config(config, folder).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_and_large_files_become_objects_and_are_loaded() {
    let s3 = S3Server::start("lake").await;
    let bed = bed_in(s3.options()).await;
    let server = bed.start_server().await;
    let _loader = bed.start_loader(LOADERS);
    bed.insert_postal_codes(1).await;
    let small = rows(100);
    let answer = server.send("PUT", "/datalake/2015/small.csv", &[("if-none-match", "*")], small.as_str()).await;
    assert_eq!((answer.status, &answer.body["sizeBytes"]), (201, &small.len().into()), "{answer:?}");
    assert_inserted(&load(&bed, &server, "PAYSTATS", "2015/small.csv").await, 100);
    let again = server.send("PUT", "/datalake/2015/small.csv", &[("if-none-match", "*")], "x").await;
    assert_eq!((again.status, again.refusal().as_str()), (412, "CONFLICT: '2015/small.csv' exists already"));
    assert_eq!(server.send("PUT", "/datalake/2015/small.csv", &[], rows(10)).await.status, 200);

    // Several parts, the last of which is no whole one.
    let large: Vec<u8> =
        (0..20_000_001_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let answer = server.send("PUT", "/datalake/large.csv", &[("if-none-match", "*")], large.clone()).await;
    assert_eq!((answer.status, &answer.body["sizeBytes"]), (201, &large.len().into()), "{answer:?}");
    let lake = Datalake::new(&bed.config().datalake);
    let mut found = Vec::new();
    lake.open("large.csv", 0, u64::MAX).await.unwrap().read_to_end(&mut found).await.unwrap();
    assert!(found == large);
    let listed = server.graphql("{ datalake { path sizeBytes } }", json!({})).await;
    assert_eq!(listed.data()["datalake"][1], json!({ "path": "large.csv", "sizeBytes": large.len() }));
}

#[tokio::test]
async fn a_store_takes_no_pieces_and_nothing_that_breaks_off() {
    let s3 = S3Server::start("lake").await;
    let bed = bed_in(s3.options()).await;
    let server = bed.start_server().await;
    assert_eq!(server.get("/dashboard.json").await.body["upload"]["inPieces"], false);
    let piece = [("upload-id", "1"), ("content-range", "bytes 0-0/2")];
    let refused = server.send("PUT", "/datalake/a.csv", &piece, "x").await;
    let reason = "the data lake is an object store, which takes no pieces: send the file as a whole";
    assert_eq!((refused.status, refused.refusal()), (400, format!("BAD_USER_INPUT: {reason}")));
    for path in ["a.txt", ".a.csv", "%252e%252e/a.csv"] {
        assert_eq!(server.send("PUT", &format!("/datalake/{path}"), &[], "x").await.status, 400, "{path}");
    }

    let address = server.url("").trim_start_matches("http://").to_owned();
    for sent in [1_000, 9 << 20] {
        let mut client = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!("PUT /datalake/a.csv HTTP/1.1\r\nhost: {address}\r\ncontent-length: 20000000\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b'x'; sent]).await.unwrap();
        client.shutdown().await.unwrap();
        let _ = client.read_to_end(&mut Vec::new()).await;
    }
    paystats_tests::eventually("a store without parts", async || {
        let left = s3.files();
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test]
async fn a_store_that_refuses_or_is_away_is_told_without_its_words() {
    let s3 = S3Server::start("lake").await;
    let bed = bed_in(s3.options_with_secret("wrong")).await;
    let server = bed.start_server().await;
    let refused = server.send("PUT", "/datalake/a.csv", &[], "x").await;
    let reason = "the data lake cannot be written by the server: it is read-only, or lacks permission";
    assert_eq!((refused.status, refused.refusal()), (403, format!("FORBIDDEN: {reason}")));
    let options = s3.options();
    drop(s3);
    let bed = bed_in(options).await;
    let server = bed.start_server().await;
    let away = server.send("PUT", "/datalake/a.csv", &[], "x").await;
    let reason = "the data lake is away; try again in a moment";
    assert_eq!((away.status, away.refusal()), (503, format!("UNAVAILABLE: {reason}")));
}
