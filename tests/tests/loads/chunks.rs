//! One source, many workers: however it is cut and whoever loads the pieces, the store ends the same, and listeners see counts that grow.

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use paystats_core::{
    domain::Paystat,
    load::{Counts, Load, LoadEntity, LoadEvent, LoadState, Numbered, Progress, ProgressFold, Rejection},
    store::{StoredPaystat, Versions},
};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    TestBed, eventually,
    sources::{PAYSTAT_COLUMNS, paystat, paystat_row, paystats, random_paystats},
};

/// What a load leaves behind.
#[derive(Debug, PartialEq)]
struct Outcome {
    rows: Vec<StoredPaystat>,
    rejections: Vec<Rejection>,
    counts: Counts,
}

async fn outcome(bed: &TestBed, load: &Load) -> Outcome {
    assert_eq!(load.state, LoadState::Succeeded, "{:?}", load.error);
    let counts = load.progress.as_ref().unwrap().counts;
    Outcome { rows: bed.paystats().await, rejections: bed.rejections(load.id).await, counts }
}

/// A source with all that makes cutting hard: quoted line breaks, blank lines, bad rows, ids used twice. Of its ids, `known` are in the
/// store already, some of them with other amounts.
fn hard_source(rows: &[Paystat]) -> String {
    let mut text = format!("{PAYSTAT_COLUMNS},note\r\n");
    for (place, row) in rows.iter().enumerate() {
        let row = paystat_row(row);
        text += &match place % 20 {
            3 => format!("{row},\"a\nnote,\r\n\"\"of\"\"\n\nlines\"\n"),
            7 => format!("\n\r\n{row},\r\n"),
            11 => format!("{row}\n"),
            13 => format!("{},\n", row.replace("-01,", "-02,")),
            17 => format!("{row},first\n{row},\"again\n\"\n"),
            _ => format!("{row},\n"),
        };
    }
    text
}

async fn load_hard_source(loaders: &[LoaderConfig]) -> (Outcome, Load) {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(4).await;
    let rows = random_paystats(&mut fastrand::Rng::with_seed(3), 1_500, &ids);
    let known: Vec<_> = rows
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 3 == 0)
        .map(|(place, row)| {
            (1, if place % 2 == 0 { row.clone() } else { Paystat { amount: paystat(1).amount, ..row.clone() } })
        })
        .collect();
    bed.write_rows(0, &known, false).await;
    let running: Vec<_> = loaders.iter().map(|loader| bed.start_loader(loader.clone())).collect();
    let load = bed.load(LoadEntity::Paystats, hard_source(&rows)).await;
    let outcome = outcome(&bed, &load).await;
    for loader in running {
        loader.stop().await;
    }
    (outcome, load)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_chunks_and_two_loaders_leave_the_same_store_as_one_chunk_and_one_worker() {
    let (expected, load) =
        load_hard_source(&[LoaderConfig { concurrency: 1, chunk_bytes: 8 << 20, chunks_in_flight: 16 }]).await;
    assert_eq!(load.progress.unwrap().chunks_total, Some(1));
    assert!(expected.counts.updated > 100 && expected.counts.unchanged > 100 && expected.counts.rejected > 200);

    for chunk_bytes in [500, 10_000] {
        let loader = LoaderConfig { concurrency: 3, chunk_bytes, chunks_in_flight: 16 };
        let (found, load) = load_hard_source(&[loader.clone(), loader]).await;
        let progress = load.progress.unwrap();
        assert!(progress.chunks_total > Some(5));
        assert_eq!((progress.chunks_total, progress.bytes_read), (Some(progress.chunks_done), progress.bytes_total));
        assert!(found == expected, "chunks of {chunk_bytes} bytes give another store");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_only_grows_and_its_end_is_told_once_and_is_what_the_store_keeps() {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(4).await;
    let _loaders =
        [(); 2].map(|()| bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 5_000, chunks_in_flight: 16 }));
    let mut watch = bed.watch().await;
    let rows = random_paystats(&mut fastrand::Rng::with_seed(4), 5_000, &ids);
    let load = bed.load(LoadEntity::Paystats, hard_source(&rows)).await;
    let events = watch.events_of(load.id).await;

    let mut progress = ProgressFold::from(Progress::queued(load.source_size_bytes));
    for event in &events {
        let before = progress.now().clone();
        progress.apply(event);
        assert_grows(&before, progress.now());
    }
    let progress = progress.now().clone();
    assert_eq!(with_rounded_rate(progress.clone()), with_rounded_rate(load.progress.unwrap()));
    assert_eq!(progress.rows_total, Some(progress.counts.read()));
    let ends = events.iter().filter(|heard| matches!(heard.event, LoadEvent::Finished { .. })).count();
    assert_eq!(ends, 1);
    assert!(matches!(events[0].event, LoadEvent::Planning { .. }));
    assert!(events.iter().any(|heard| matches!(heard.event, LoadEvent::Planned(_))));

    // Who joins late hears the last event of each part, and knows the same.
    let mut late = bed.watch().await;
    let kept = late.events_of(load.id).await;
    assert!(kept.len() <= events.len());
    assert_eq!(fold(load.source_size_bytes, &kept), progress);
}

/// JSON and BSON may differ in the last bit of a float.
fn with_rounded_rate(mut progress: Progress) -> Progress {
    progress.rows_per_second = progress.rows_per_second.map(f64::round);
    progress
}

fn fold(bytes_total: u64, events: &[Numbered]) -> Progress {
    let mut progress = ProgressFold::from(Progress::queued(bytes_total));
    for event in events {
        progress.apply(event);
    }
    progress.now().clone()
}

fn assert_grows(before: &Progress, after: &Progress) {
    let all = |progress: &Progress| {
        let Counts { inserted, updated, unchanged, rejected } = progress.counts;
        let chunks = [progress.chunks_done.into(), progress.chunks_total.map_or(0, u64::from)];
        let bytes = [progress.bytes_read, progress.bytes_total, progress.rows_total.unwrap_or_default()];
        [&[inserted, updated, unchanged, rejected], &chunks[..], &bytes, &[progress.state as u64]].concat()
    };
    let grown = all(before).into_iter().zip(all(after)).all(|(before, after)| before <= after);
    assert!(grown, "{before:?} became {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_cut_into_single_rows_is_loaded_whole() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 4, chunk_bytes: 1, chunks_in_flight: 16 });
    let rows: Vec<_> = (1..=300).map(paystat).collect();
    let load = bed.load(LoadEntity::Paystats, paystats(rows.iter().map(paystat_row))).await;
    let progress = load.progress.unwrap();
    assert_eq!((progress.chunks_done, progress.counts.inserted), (300, 300));
    let stored: Vec<_> = bed.paystats().await.into_iter().map(|stored| stored.paystat).collect();
    assert_eq!(stored, rows);
}

/// A batch has 16,000 rows. When a worker has written one, it has read the next one too, and that is lost with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_of_many_batches_goes_on_where_a_killed_worker_has_left_it() {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(4).await;
    let mut rows = random_paystats(&mut fastrand::Rng::with_seed(6), 40_000, &ids);
    let one_chunk = LoaderConfig { concurrency: 1, chunk_bytes: 1 << 30, chunks_in_flight: 16 };
    bed.put("rows.csv", hard_source(&rows));
    let load = bed.accept(LoadEntity::Paystats, "rows.csv").await;
    let killed = bed.start_loader_process(&one_chunk).await;
    eventually("a batch", async || {
        let counts = bed.store().load_chunks.sum(load.id).await.unwrap().progress.counts;
        if counts.read() > 0 { Ok(()) } else { Err(counts) }
    })
    .await;
    killed.kill().await;

    let _loader = bed.start_loader(one_chunk);
    let Outcome { rows: stored, rejections, counts } = outcome(&bed, &bed.finished(load.id).await).await;
    // Of twenty rows one lacks a field, one has no such month, and one stands there twice.
    assert_eq!((counts.inserted, counts.rejected, rejections.len()), (36_000, 6_000, 6_000));
    let mut place = 0..;
    rows.retain(|_| place.next().is_some_and(|place| ![11, 13].contains(&(place % 20))));
    rows.sort_by_key(|row| row.id);
    assert!(stored.into_iter().map(|stored| stored.paystat).eq(rows), "rows are lost, or others than in the source");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_that_run_at_the_same_time_do_not_disturb_each_other() {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(4).await;
    // Four sources with the same ids; whatever the order, the newest load has the last word on each.
    let mut loads = Vec::new();
    let mut rows = Vec::new();
    for seed in 0..4 {
        rows = random_paystats(&mut fastrand::Rng::with_seed(seed), 500, &ids);
        bed.put(&format!("{seed}.csv"), paystats(rows.iter().map(paystat_row)));
        loads.push(bed.accept(LoadEntity::Paystats, &format!("{seed}.csv")).await);
    }
    let _loaders =
        [(); 2].map(|()| bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 2_000, chunks_in_flight: 16 }));
    for load in &loads {
        let load = bed.finished(load.id).await;
        assert_eq!((load.state, load.progress.unwrap().counts.read()), (LoadState::Succeeded, 500));
    }
    rows.sort_by_key(|row| row.id);
    let stored: Vec<_> = bed.paystats().await.into_iter().map(|stored| stored.paystat).collect();
    assert!(stored == rows, "an older load overwrote the newest");
    let written: Vec<_> = bed.paystats().await.into_iter().map(|stored| stored.written.load).collect();
    assert_eq!(written, vec![loads[3].number; 500]);
    // Nothing is left on the queue.
    eventually("an empty queue", async || match bed.work_left().await {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
}

/// How far the sums of each chunk reach, as a share of the chunk: `None` where its rows have to be read again.
async fn summed(bed: &TestBed, load: &Load) -> Vec<Option<bool>> {
    let chunks = bed.database().await.collection::<Document>("load_chunks");
    let chunks = chunks.find(doc! { "load": load.id.to_string() }).await.unwrap();
    let chunks: Vec<Document> = chunks.try_collect().await.unwrap();
    chunks.iter().map(|chunk| Some(chunk.get_i64("summed_to").ok()? == chunk.get_i64("end").unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_of_new_rows_are_added_up_as_they_are_written() {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(4).await;
    let mut rows = random_paystats(&mut fastrand::Rng::with_seed(5), 1_000, &ids);
    let source = |rows: &[Paystat]| paystats(rows.iter().map(paystat_row).chain(["refused".to_owned()]));
    let _loader = bed.start_loader(LoaderConfig { concurrency: 3, chunk_bytes: 5_000, chunks_in_flight: 16 });
    let is_right = async || {
        assert_eq!(bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);
        let cells = bed.store().changes.since(Versions::default()).await.unwrap().cells;
        let rows: i64 = cells.values().flat_map(|cells| cells.counts()).map(|&count| i64::from(count)).sum();
        assert_eq!(rows, bed.total().await.count);
    };

    let load = bed.load(LoadEntity::Paystats, source(&rows[..600])).await;
    let of_new = summed(&bed, &load).await;
    assert!(of_new.len() > 3 && of_new.iter().all(|reach| *reach == Some(true)), "{of_new:?}");
    is_right().await;

    rows[..10].iter_mut().for_each(|row| row.amount = paystat(1).amount);
    let load = bed.load(LoadEntity::Paystats, source(&rows)).await;
    let of_both = summed(&bed, &load).await;
    assert_eq!((of_both.first(), of_both.last()), (Some(&None), Some(&Some(true))), "{of_both:?}");
    is_right().await;
}
