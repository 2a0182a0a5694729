//! The engines as the end-to-end tests and `paystats run` use them. Needs `make engines`.

use std::{net::TcpListener, thread};

use async_nats::jetstream;
use mongodb::{
    Client,
    bson::{Document, doc},
};
use paystats_standalone::engines::{Mongod, NatsServer};
use tempfile::tempdir;

const CACHE_GB: f64 = 0.25;

async fn write_in_a_transaction(mongod: &Mongod, id: i32) {
    let client = Client::with_uri_str(mongod.uri()).await.unwrap();
    let mut session = client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let rows = client.database("test").collection::<Document>("rows");
    rows.insert_one(doc! { "_id": id }).session(&mut session).await.unwrap();
    session.commit_transaction().await.unwrap();
}

async fn rows(mongod: &Mongod) -> u64 {
    let client = Client::with_uri_str(mongod.uri()).await.unwrap();
    client.database("test").collection::<Document>("rows").count_documents(doc! {}).await.unwrap()
}

#[tokio::test]
async fn mongod_keeps_what_it_acknowledged_over_a_stop_a_kill_and_a_change_of_port() {
    let dir = tempdir().unwrap();
    let mongod = Mongod::start_with_cache(dir.path(), None, CACHE_GB).await.unwrap();
    let first_port = mongod.port();
    write_in_a_transaction(&mongod, 1).await;
    mongod.stop().await.unwrap();

    let mongod = Mongod::start_with_cache(dir.path(), None, CACHE_GB).await.unwrap();
    assert_eq!(mongod.port(), first_port);
    write_in_a_transaction(&mongod, 2).await;
    mongod.kill().await.unwrap();

    // Somebody else has the port meanwhile, and hangs up on whoever calls.
    let taken = TcpListener::bind(("127.0.0.1", first_port)).unwrap();
    thread::spawn(move || taken.incoming().for_each(drop));
    let mongod = Mongod::start_with_cache(dir.path(), None, CACHE_GB).await.unwrap();
    assert_ne!(mongod.port(), first_port);
    write_in_a_transaction(&mongod, 3).await;
    assert_eq!(rows(&mongod).await, 3);
}

#[tokio::test]
async fn nats_server_keeps_its_streams_over_a_stop_and_a_kill() {
    let dir = tempdir().unwrap();
    let server = NatsServer::start(dir.path(), None).await.unwrap();
    let jetstream = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let config = jetstream::stream::Config { name: "rows".to_owned(), ..Default::default() };
    jetstream.create_stream(config).await.unwrap();
    jetstream.publish("rows", "1".into()).await.unwrap().await.unwrap();
    server.stop().await.unwrap();

    let server = NatsServer::start(dir.path(), None).await.unwrap();
    let jetstream = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    jetstream.publish("rows", "2".into()).await.unwrap().await.unwrap();
    server.kill().await.unwrap();

    let server = NatsServer::start(dir.path(), None).await.unwrap();
    let jetstream = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    assert_eq!(jetstream.get_stream("rows").await.unwrap().cached_info().state.messages, 2);
}

#[tokio::test]
async fn an_engine_that_cannot_start_says_why_in_its_own_words() {
    let dir = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();

    let error =
        Mongod::start_with_cache(&dir.path().join("mongod"), Some(port), CACHE_GB).await.unwrap_err().to_string();
    assert!(error.contains("mongod.log") && error.contains("Address already in use"), "{error}");
    let error = NatsServer::start(&dir.path().join("nats"), Some(port)).await.unwrap_err().to_string();
    assert!(error.contains("nats-server.log") && error.contains("address already in use"), "{error}");
}

#[tokio::test]
async fn a_dropped_engine_leaves_its_folder_free() {
    let dir = tempdir().unwrap();
    let server = NatsServer::start(dir.path(), None).await.unwrap();
    let port = server.port();
    drop(server);
    let server = NatsServer::start(dir.path(), Some(port)).await.unwrap();
    assert_eq!(server.url(), format!("nats://127.0.0.1:{port}"));
}

#[tokio::test]
async fn an_engine_that_dies_is_noticed() {
    let dir = tempdir().unwrap();
    let mut server = NatsServer::start(dir.path(), None).await.unwrap();
    let pid = nix::unistd::Pid::from_raw(server.pid().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let reason = server.ended().await.to_string();
    assert!(reason.contains("nats-server ended by itself"), "{reason}");
}
