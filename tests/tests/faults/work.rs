//! Work that comes twice, late, or half done: an accepted load still ends, once, with exactly its rows.

use std::{fs, time::Duration};

use paystats_core::{
    bus::Work,
    domain::{PaystatScope, Total},
    load::{Counts, Cut, Load, LoadEntity, LoadEvent, LoadId, LoadState, Plan, Progress, Reverted},
    store::{ChunkState, LoadChunk, RowOutcome},
};
use paystats_loader::LoaderConfig;
use paystats_standalone::engines::{Mongod, NatsServer};
use paystats_tests::{
    EngineUrls, RunningLoader, TestBed, eventually, fresh_config,
    sources::{PAYSTAT_COLUMNS, amount, paystat, paystat_row, paystats},
};
use tokio::net::TcpListener;

const SMALL_CHUNKS: LoaderConfig = LoaderConfig { concurrency: 2, chunk_bytes: 10_000, chunks_in_flight: 16 };

/// The paystats with the numbers 1 to `count` ([`paystat`]) as a source.
fn source(count: i64) -> String {
    paystats((1..=count).map(|id| paystat_row(&paystat(id))))
}

/// Their total.
fn total(count: i64) -> Total {
    let halves = (1..=count).map(|id| 2 * id + 1).sum::<i64>();
    Total { amount: amount(&format!("{}.{}", halves / 2, halves % 2 * 5)), count }
}

#[track_caller]
fn assert_all_inserted(load: &Load, rows: u64) {
    assert_eq!(load.state, LoadState::Succeeded, "{:?}", load.error);
    assert_eq!(load.progress.as_ref().unwrap().counts, Counts { inserted: rows, ..Counts::default() });
}

async fn rows_in_store(bed: &TestBed, at_least: u64) {
    eventually("rows in the store", async || match bed.store().paystats.count(&PaystatScope::default()).await {
        Ok(rows) if rows >= at_least => Ok(()),
        rows => Err(rows),
    })
    .await;
}

async fn queue_is_empty(bed: &TestBed) {
    eventually("an empty queue", async || match bed.work_left().await {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_is_stopped_gives_its_work_back_at_once() {
    let (mut config, folder) = fresh_config(EngineUrls::shared());
    // Longer than the test waits for anything.
    config.bus.ack_wait = Duration::from_secs(300);
    let bed = TestBed::with_config(config, folder).await;
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", source(20_000));
    let load = bed.accept(LoadEntity::Paystats, "rows.csv").await;

    let one_chunk = LoaderConfig { concurrency: 1, chunk_bytes: 8 << 20, chunks_in_flight: 16 };
    let loader = bed.start_loader(one_chunk.clone());
    rows_in_store(&bed, 1).await;
    loader.stop().await;
    assert!(!bed.store().loads.by_id(load.id).await.unwrap().unwrap().state.is_final());
    let _loader = bed.start_loader(one_chunk);
    assert_all_inserted(&bed.finished(load.id).await, 20_000);
    assert_eq!(bed.total().await, total(20_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_started_before_its_engines_waits_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let (mongodb, nats) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (mongodb_port, nats_port) = (mongodb.local_addr().unwrap().port(), nats.local_addr().unwrap().port());
    let urls = EngineUrls {
        mongodb_uri: format!("mongodb://127.0.0.1:{mongodb_port}/?replicaSet=rs0"),
        nats_url: format!("nats://127.0.0.1:{nats_port}"),
    };
    let (config, bed_folder) = fresh_config(&urls);
    let _loader = RunningLoader::start(config.clone(), SMALL_CHUNKS);

    // It tries; whoever listens hangs up.
    drop(mongodb.accept().await.unwrap());
    drop(mongodb);
    let _mongod = Mongod::start_with_cache(&folder.path().join("mongod"), Some(mongodb_port), 0.25).await.unwrap();
    drop(nats.accept().await.unwrap());
    drop(nats);
    let _nats_server = NatsServer::start(&folder.path().join("nats"), Some(nats_port)).await.unwrap();

    let bed = TestBed::with_config(config, bed_folder).await;
    bed.insert_postal_codes(1).await;
    assert_all_inserted(&bed.load(LoadEntity::Paystats, source(10)).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_comes_more_than_once_is_done_as_if_it_came_once() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let mut watch = bed.watch().await;
    let bad = paystat_row(&paystat(1)).replace("25-34", "old");
    bed.put("rows.csv", format!("{}{bad}\n", source(1_000)));
    let load = bed.accept(LoadEntity::Paystats, "rows.csv").await;
    for _ in 0..2 {
        bed.publish_work_again(Work::Plan { load: load.id }).await;
    }
    let loader = LoaderConfig { concurrency: 3, chunk_bytes: 3_000, chunks_in_flight: 16 };
    let _loaders = [bed.start_loader(loader.clone()), bed.start_loader(loader)];
    watch.hears(load.id, |event| matches!(event, LoadEvent::Planned { .. })).await;
    for index in 0..10 {
        bed.publish_work_again(Work::Chunk { load: load.id, index }).await;
    }
    let ended = bed.finished(load.id).await;
    let expected = Counts { inserted: 1_000, rejected: 1, ..Counts::default() };
    assert_eq!(ended.progress.as_ref().unwrap().counts, expected);

    // And once more after the end.
    bed.publish_work_again(Work::Plan { load: load.id }).await;
    bed.publish_work_again(Work::Chunk { load: load.id, index: 0 }).await;
    queue_is_empty(&bed).await;
    assert_eq!(bed.store().loads.by_id(load.id).await.unwrap(), Some(ended));
    assert_eq!((bed.total().await, bed.rejections(load.id).await.len()), (total(1_000), 1));
    let events = watch.events_of(load.id).await;
    let ends = events.iter().filter(|heard| matches!(heard.event, LoadEvent::Finished { .. })).count();
    assert_eq!(ends, 1);
}

#[tokio::test]
async fn a_load_does_not_overwrite_what_a_newer_load_wrote() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let _loader = bed.start_plain_loader();
    bed.put("old.csv", source(50).replace(".5,", ".4,"));
    let old = bed.accept_unpublished(LoadEntity::Paystats, "old.csv").await;
    let new = bed.load(LoadEntity::Paystats, source(50)).await;
    assert!(new.number > old.number);
    let written = bed.paystats().await;

    // The older load comes late.
    bed.bus().publish_work(Work::Plan { load: old.id }).await.unwrap();
    let old = bed.finished(old.id).await;
    assert_eq!(old.progress.unwrap().counts, Counts { unchanged: 50, ..Counts::default() });
    assert_eq!(bed.paystats().await, written);

    // A worker of the older load wakes up with a batch that it read long ago.
    let rows: Vec<_> = (1..=50).map(|id| (1 + id as u64, paystat(id * 1_000))).collect();
    let outcomes = bed.write_rows(new.number, &rows[..1], false).await;
    assert_eq!(outcomes, [RowOutcome::Inserted]);
    let outcomes = bed.write_rows(old.number, &rows[..2], false).await;
    assert_eq!(outcomes, [RowOutcome::Unchanged, RowOutcome::Inserted]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changes_while_it_is_loaded_fails_its_load_and_can_be_loaded_anew() {
    let rows = 10_000;
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let _loader = bed.start_loader(SMALL_CHUNKS);
    bed.put("rows.csv", source(rows));
    let load = bed.accept(LoadEntity::Paystats, "rows.csv").await;
    rows_in_store(&bed, 500).await;
    // Another file takes its name; who reads the old one reads on.
    bed.put("new.csv", source(rows + 1));
    fs::rename(bed.datalake().join("new.csv"), bed.datalake().join("rows.csv")).unwrap();
    let failed = bed.finished(load.id).await;
    assert_eq!(failed.error.as_deref(), Some("the source was changed after the load was accepted"));
    // What it wrote is gone; nobody writes on.
    queue_is_empty(&bed).await;
    assert_eq!(bed.total().await.count, 0);

    let load = bed.accept(LoadEntity::Paystats, "rows.csv").await;
    let load = bed.finished(load.id).await;
    assert_eq!(load.progress.unwrap().counts, Counts { inserted: rows as u64 + 1, ..Counts::default() });
    assert_eq!(bed.total().await, total(rows + 1));
}

/// A load that a worker had begun: its state is `PLANNING`.
async fn begun(bed: &TestBed, source: &str, chunk_bytes: u64) -> Load {
    bed.put("begun.csv", source);
    let load = bed.accept_unpublished(LoadEntity::Paystats, "begun.csv").await;
    bed.store().loads.start_planning(load.id, Cut { chunk_bytes, chunks_in_flight: 16 }).await.unwrap().unwrap()
}

/// The first chunk of a source.
fn chunk(start: usize, end: usize) -> LoadChunk {
    let columns: Vec<String> = PAYSTAT_COLUMNS.split(',').map(str::to_owned).collect();
    LoadChunk { end: end as u64, ..LoadChunk::start(start as u64, 2, &columns) }
}

#[tokio::test]
async fn a_plan_that_a_loader_with_smaller_chunks_had_begun_is_finished_without_a_gap() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let text = source(30);
    let load = begun(&bed, &text, 1).await;
    // It wrote the first chunk, of one row, and died.
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    bed.store().load_chunks.insert(&load, &chunk(ends[0], ends[1])).await.unwrap();

    let _loader = bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 500, chunks_in_flight: 16 });
    bed.bus().publish_work(Work::Plan { load: load.id }).await.unwrap();
    assert_all_inserted(&bed.finished(load.id).await, 30);
    assert_eq!(bed.total().await, total(30));
}

#[tokio::test]
async fn a_load_whose_last_worker_died_before_it_ended_the_load_is_ended_by_the_next() {
    let bed = TestBed::new().await;
    let text = source(3);
    let load = begun(&bed, &text, 8 << 20).await;
    let counts = Counts { inserted: 3, ..Counts::default() };
    let mut chunk = chunk(PAYSTAT_COLUMNS.len() + 1, text.len());
    chunk.state = ChunkState { counts, done: true, next_byte: chunk.end, ..chunk.state };
    bed.store().load_chunks.insert(&load, &chunk).await.unwrap();
    let plan = Plan { rows_total: 3, chunks_total: 1, bytes_total: chunk.end - chunk.start };
    assert!(bed.store().loads.set_plan(load.id, plan).await.unwrap());

    let _loader = bed.start_plain_loader();
    bed.bus().publish_work(Work::Chunk { load: load.id, index: 0 }).await.unwrap();
    assert_all_inserted(&bed.finished(load.id).await, 3);
}

#[tokio::test]
async fn an_end_that_its_worker_could_not_tell_is_told_by_the_next() {
    let bed = TestBed::new().await;
    let mut watch = bed.watch().await;
    let load = begun(&bed, &source(3), 8 << 20).await;
    assert!(bed.store().loads.start_loading(load.id).await.unwrap());
    let progress = Progress::queued(load.source_size_bytes).in_state(LoadState::Succeeded, Reverted::default());
    bed.store().loads.succeed(load.id, &progress).await.unwrap().unwrap();

    let _loader = bed.start_plain_loader();
    bed.bus().publish_work(Work::Plan { load: load.id }).await.unwrap();
    let load = bed.finished(load.id).await;
    let events = watch.events_of(load.id).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event, LoadEvent::Finished { progress });
    assert_eq!(Some(events[0].seq), load.progress.map(|progress| progress.seq));
}

#[tokio::test]
async fn work_that_makes_no_sense_is_dropped_and_stops_nothing() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let _loader = bed.start_plain_loader();
    let unknown = LoadId::new();
    bed.publish_work_again(Work::Plan { load: unknown }).await;
    bed.publish_work_again(Work::Chunk { load: unknown, index: 7 }).await;
    bed.publish_raw_work(&format!("plan.{unknown}"), "{").await;
    bed.publish_raw_work(&format!("chunk.{unknown}.0"), "{\"work\":\"dance\"}").await;
    queue_is_empty(&bed).await;

    let load = bed.load(LoadEntity::Paystats, source(3)).await;
    assert_all_inserted(&load, 3);
    bed.publish_work_again(Work::Chunk { load: load.id, index: 1_000 }).await;
    queue_is_empty(&bed).await;
    assert_eq!(bed.total().await, total(3));
}
