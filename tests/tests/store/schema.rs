//! The shape of what is stored, from release to release.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use mongodb::{
    bson::{Binary, DateTime, Document, doc, spec::BinarySubtype},
    event::{EventHandler, command::CommandEvent},
};
use paystats_core::{
    config::Config,
    domain::PostalCodeId,
    load::{Counts, LoadState, RejectionCode, RejectionCount},
    store::{KeptRejections, PageRequest, SCHEMA_VERSION, SchemaError, Store, StoreError},
};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    EngineUrls, PATIENCE, RunningLoader, RunningServer, TestBed, eventually, fresh_config, raw_database,
    sources::{amount, paystat, postal_code},
};
use tokio::sync::Notify;

const FIRST: &str = "0193a5e0-0000-7000-8000-000000000001";
const RETRY: &str = "0193a5e0-0000-7000-8000-000000000002";
const UNDER_WAY: &str = "0193a5e0-0000-7000-8000-000000000003";

fn counts(inserted: i64, rejected: i64) -> Document {
    doc! { "inserted": inserted, "updated": 0_i64, "unchanged": 0_i64, "rejected": rejected }
}

/// An empty set of lines or numbers.
fn none() -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: vec![0; 8] }
}

/// A load as the first build wrote it.
fn load(id: &str, number: i64, state: &str) -> Document {
    let at = DateTime::from_millis(1_700_000_000_000);
    doc! {
        "_id": id, "number": number, "entity": "PAYSTATS", "source": "old.csv", "source_size_bytes": 100_i64,
        "source_fingerprint": "1", "state": state, "error": null, "published": true, "created_at": at,
        "started_at": at, "finished_at": if state == "SUCCEEDED" { Some(at) } else { None },
        "progress": if state == "SUCCEEDED" { Some(doc! {
            "seq": 7_i64, "state": "SUCCEEDED", "error": null, "counts": counts(2, 2), "rows_total": 4_i64, "bytes_read": 100_i64,
            "bytes_total": 100_i64, "chunks_done": 2_i64, "chunks_total": 2_i64, "rows_per_second": 4.0, "eta_seconds": null,
        }) } else { None },
    }
}

/// A chunk as the first build wrote it: `done` is what it counted in the end.
fn chunk(load: &str, index: i64, done: Option<Document>) -> Document {
    doc! {
        "_id": format!("{load}/{index}"), "load": load, "index": index, "start": 50 * index, "end": 50 * (index + 1),
        "first_line": 2 + 2 * index, "columns": ["amount", "id"], "duplicate_lines": none(), "counts": done,
    }
}

/// What a database of the first builds holds: a load that has succeeded, one that repeats its refused lines, one that is under way.
async fn write_first_shapes(config: &Config) {
    let database = raw_database(config).await;
    let insert = async |name: &str, documents: Vec<Document>| {
        database.collection(name).insert_many(documents).await.unwrap();
    };
    let mut retry = load(RETRY, 2, "SUCCEEDED");
    retry
        .extend(doc! { "policy": { "on_reject": "SKIP" }, "dry_run": false, "retry_of": FIRST, "only_rejected": true });
    let mut under_way = load(UNDER_WAY, 3, "LOADING");
    under_way.insert("chunk_bytes", 50_i64);
    insert("loads", vec![load(FIRST, 1, "SUCCEEDED"), retry, under_way]).await;
    // The second build's said how far they are, and not yet whose totals they change.
    let second = doc! {
        "_id": format!("{RETRY}/0"), "load": RETRY, "entity": "PAYSTATS", "index": 0_i64, "start": 0_i64, "end": 100_i64, "start_line": 2_i64,
        "columns": ["amount", "id"], "duplicate_lines": none(), "only_lines": null, "postal_codes_removed": 0_i64,
        "revoked": false, "claim": null, "session": null, "next_byte": 100_i64, "next_line": 4_i64, "done": true,
        "counts": counts(0, 2), "rejections": [{ "code": "INVALID_MONTH", "column": "p_month", "count": 2_i64 }],
        "rejected_lines": none(), "rejections_kept": 0_i64, "changes": [],
    };
    let first = |index| chunk(FIRST, index, Some(counts(1, 1)));
    insert("load_chunks", vec![first(0), first(1), second, chunk(UNDER_WAY, 0, None)]).await;
    let refused = |line: i64, code: &str, column: &str| {
        doc! {
            "_id": format!("{FIRST}/{line}"), "load": FIRST, "line": line, "column": column, "code": code, "value": "x",
            "reason": "is wrong",
        }
    };
    insert("rejections", vec![refused(3, "INVALID_MONTH", "p_month"), refused(5, "INVALID_AMOUNT", "amount")]).await;
    let written = |line: i64| doc! { "load": 1_i64, "line": line, "write": "INSERTED" };
    let row = |id: i64, line: i64| {
        doc! {
            "_id": id, "amount": format!("{id}.5").parse::<mongodb::bson::Decimal128>().unwrap(),
            "month": DateTime::parse_rfc3339_str("2015-01-01T00:00:00Z").unwrap(), "age": "FROM_25_TO_34", "gender": "F",
            "postal_code_id": 1, "written": written(line),
        }
    };
    insert("paystats", vec![row(1, 2), row(2, 4)]).await;
    let code = postal_code(1);
    let ewkb = Binary { subtype: BinarySubtype::Generic, bytes: code.geometry.ewkb().to_vec() };
    let geometry = mongodb::bson::serialize_to_document(&code.geometry.geojson()).unwrap();
    let code = doc! {
        "_id": 1, "code": code.code.to_string(), "ewkb": ewkb, "geometry": geometry, "written": { "load": 0_i64, "line": null, "write": "EDITED" },
    };
    insert("postal_codes", vec![code]).await;
    insert("counters", vec![doc! { "_id": "loads", "value": 3_i64 }]).await;
}

async fn version(config: &Config) -> Option<i64> {
    let schema = raw_database(config).await.collection::<Document>("schema");
    schema.find_one(doc! { "_id": "store" }).await.unwrap().map(|known| known.get_i64("version").unwrap())
}

async fn set_version(config: &Config, version: i64) {
    let schema = raw_database(config).await.collection::<Document>("schema");
    let set = doc! { "$set": { "version": version } };
    schema.update_one(doc! { "_id": "store" }, set).upsert(true).await.unwrap();
}

/// A store that tells how often it wrote to chunks, and rings when it does.
async fn overheard(config: &Config) -> (Store, Arc<AtomicUsize>, Arc<Notify>) {
    let (writes, bell) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (seen, ring) = (writes.clone(), bell.clone());
    let handler = EventHandler::callback(move |event| {
        if let CommandEvent::Started(started) = event
            && started.command.get_str("update").ok() == Some("load_chunks")
        {
            seen.fetch_add(1, Ordering::SeqCst);
            ring.notify_one();
        }
    });
    (Store::with_command_events(&config.store, Some(handler)).await.unwrap(), writes, bell)
}

/// Everything of the first builds is there, in words of this one.
async fn assert_is_read(store: &Store) {
    let first = store.loads.by_number(1).await.unwrap().unwrap();
    assert_eq!((first.state, first.id.to_string().as_str()), (LoadState::Succeeded, FIRST));
    assert!(first.policy.bears_all() && !first.dry_run && first.progress.is_some());
    let sum = store.load_chunks.sum(first.id).await.unwrap();
    assert_eq!(sum.progress.counts, Counts { inserted: 2, rejected: 2, ..Counts::default() });
    assert_eq!((sum.chunks_done, sum.progress.bytes_read), (2, 100));
    let count = |code, column: &str| RejectionCount { code, column: Some(column.to_owned()), count: 1 };
    let wrong = [count(RejectionCode::InvalidAmount, "amount"), count(RejectionCode::InvalidMonth, "p_month")];
    assert_eq!(store.load_chunks.rejection_counts(first.id).await.unwrap(), wrong);
    let lines = store.load_chunks.rejected_lines(first.id).await.unwrap();
    assert_eq!(lines.iter().collect::<Vec<_>>(), [3, 5]);
    let kept = store.load_chunks.rejections_kept(first.id).await.unwrap();
    assert_eq!(kept, [KeptRejections { chunk: 0, start_line: 2, rows: 2 }]);
    assert_eq!(store.rejections.page(first.id, PageRequest::first(10)).await.unwrap().items.len(), 2);
    assert_eq!(store.load_chunks.columns(first.id).await.unwrap().unwrap(), ["amount", "id"]);

    let retry = store.loads.by_number(2).await.unwrap().unwrap();
    assert_eq!((retry.retry_of, retry.only_rejected_of), (Some(first.id), Some(first.id)));
    assert_eq!(store.load_chunks.sum(retry.id).await.unwrap().progress.counts.rejected, 2);

    let row = store.paystats.by_id(2.try_into().unwrap()).await.unwrap().unwrap();
    assert_eq!((row.paystat, row.written.load, row.written.line), (paystat(2), 1, Some(4)));
    let place: PostalCodeId = 1.try_into().unwrap();
    assert_eq!(store.postal_codes.by_ids(&[place]).await.unwrap()[0].code, postal_code(1).code);
    assert_eq!(store.postal_codes.geometries(&[place]).await.unwrap()[&place], postal_code(1).geometry);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_first_builds_wrote_is_read_by_this_one() {
    let (config, folder) = fresh_config(EngineUrls::shared());
    write_first_shapes(&config).await;
    let bed = TestBed::with_config(config, folder).await;
    assert_eq!(version(bed.config()).await, Some(SCHEMA_VERSION));
    assert_is_read(bed.store()).await;

    // What was under way cannot go on, and says so.
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    let stopped = bed.finished(UNDER_WAY.parse().unwrap()).await;
    assert_eq!(stopped.state, LoadState::Failed);
    assert!(stopped.error.unwrap().contains("load its source again"));
    let answer =
        server.graphql("{ total { amount count } load(id: 1) { totalChanges { month } } }", Default::default()).await;
    assert_eq!(answer.data()["total"]["amount"], "4");
    assert_eq!(bed.total().await.amount, amount("4"));
    assert_eq!(bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);
}

#[tokio::test]
async fn a_backup_of_before_the_upgrade_changes_nothing_and_can_be_restored_after_it() {
    let (config, _folder) = fresh_config(EngineUrls::shared());
    write_first_shapes(&config).await;
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().unwrap());
    let old = Store::new(&config.store).await.unwrap();
    let header = old.backup(&mut file, |_| ()).await.unwrap();
    assert_eq!((header.schema_version, version(&config).await), (0, None));
    let bed = TestBed::new().await;
    bed.store().restore(&mut file, |_| ()).await.unwrap();
    assert_eq!(version(bed.config()).await, Some(SCHEMA_VERSION));
    bed.store().prepare().await.unwrap();
    assert_is_read(bed.store()).await;
    assert_eq!(bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);
    raw_database(&config).await.drop().await.unwrap();
}

#[tokio::test]
async fn an_empty_database_has_the_version_of_the_release_that_comes_first() {
    let (config, folder) = fresh_config(EngineUrls::shared());
    let stores: Vec<_> = join_all((0..4).map(|_| overheard(&config))).await;
    // None has to wait for another one.
    for prepared in join_all(stores.iter().map(|(store, ..)| store.prepare())).await {
        prepared.unwrap();
    }
    assert_eq!(version(&config).await, Some(SCHEMA_VERSION));
    assert!(stores.iter().all(|(_, writes, _)| writes.load(Ordering::SeqCst) == 0));
    TestBed::with_config(config, folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_replicas_that_start_at_once_one_migrates() {
    let (config, folder) = fresh_config(EngineUrls::shared());
    write_first_shapes(&config).await;
    let stores: Vec<_> = join_all((0..6).map(|_| overheard(&config))).await;
    join_all(stores.iter().map(|(store, ..)| async {
        eventually("its turn", async || match store.prepare().await {
            Err(StoreError::Schema(SchemaError::BeingMigrated { from: 0 | 1 })) => Err("another one migrates"),
            prepared => {
                prepared.unwrap();
                Ok(())
            }
        })
        .await;
    }))
    .await;
    let at_it = stores.iter().filter(|(_, writes, _)| writes.load(Ordering::SeqCst) > 0).count();
    assert_eq!((at_it, version(&config).await), (1, Some(SCHEMA_VERSION)));
    assert_is_read(&stores[0].0).await;
    TestBed::with_config(config, folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_whose_replica_died_in_the_middle_is_done_by_the_next() {
    let (config, folder) = fresh_config(EngineUrls::shared());
    write_first_shapes(&config).await;
    let (store, _, bell) = overheard(&config).await;
    tokio::select! {
        biased;
        () = bell.notified() => {}
        _ = store.prepare() => panic!("it was not cut off"),
    }
    assert_eq!(version(&config).await, Some(0));
    let next = Store::new(&config.store).await.unwrap();
    // The first may still be alive, as far as anybody knows.
    let waits = next.prepare().await.unwrap_err();
    assert_eq!(waits.to_string(), "another process brings the database from schema version 0 to 1");
    eventually("the end of the lease", async || next.prepare().await).await;
    assert_eq!(version(&config).await, Some(SCHEMA_VERSION));
    assert_is_read(&next).await;
    TestBed::with_config(config, folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_a_newer_release_is_waited_for_and_left_alone() {
    let (config, folder) = fresh_config(EngineUrls::shared());
    set_version(&config, 99).await;
    let refused = Store::new(&config.store).await.unwrap().prepare().await.unwrap_err();
    let both = format!("has schema version 99, and this release knows none beyond {SCHEMA_VERSION}");
    assert!(refused.to_string().contains(&both), "{refused}");
    let server = RunningServer::start(config.clone(), PATIENCE).await;
    let loader = LoaderConfig { concurrency: 1, chunk_bytes: 1, chunks_in_flight: 1 };
    let (_loader, operators) = RunningLoader::start_observed(config.clone(), loader).await;
    server.waits_for(&["schema"]).await;
    operators.waits_for(&["schema"]).await;
    assert_eq!(raw_database(&config).await.list_collection_names().await.unwrap(), ["schema"]);

    // As after a restore.
    set_version(&config, SCHEMA_VERSION).await;
    server.ready().await;
    // And one that runs says so when its database has become a newer one's.
    set_version(&config, 99).await;
    server.waits_for(&["schema"]).await;
    set_version(&config, SCHEMA_VERSION).await;
    server.ready().await;
    // And one that is being brought to a newer version is nobody's to use.
    set_version(&config, SCHEMA_VERSION - 1).await;
    server.waits_for(&["schema"]).await;
    set_version(&config, SCHEMA_VERSION).await;
    TestBed::with_config(config, folder).await;
}
