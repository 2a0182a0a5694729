//! Backups: of one moment while everything runs, whole or refused; and what becomes of them on other engines.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek, SeekFrom, Write},
    os::fd::OwnedFd,
};

use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use paystats_core::{
    domain::{Amount, PaystatId, PostalCodeId},
    load::{Counts, LoadEntity, LoadState},
    store::{BackupError, BackupHeader, KEPT, MADE_ANEW, PaystatChange, Provenance, SCHEMA_VERSION, Store},
};
use paystats_loader::LoaderConfig;
use paystats_standalone::engines::Mongod;
use paystats_tests::{
    EngineUrls, RunningServer, TestBed, eventually, fresh_config, raw_database,
    sources::{paystat, paystat_row, paystats, postal_code, postal_code_row, postal_codes, random_source},
};
use roaring::RoaringTreemap;
use serde_json::{Value, json};
use tokio::fs::File;

const SMALL_CHUNKS: LoaderConfig = LoaderConfig { concurrency: 2, chunk_bytes: 10_000, chunks_in_flight: 16 };

/// A backup of a bed as a file.
async fn backup(bed: &TestBed) -> (File, BackupHeader) {
    let mut file = File::from_std(tempfile::tempfile().unwrap());
    let header = bed.store().backup(&mut file, |_| ()).await.unwrap();
    (file, header)
}

/// A bed with another database and other streams, and the same data lake.
async fn bed_beside(bed: &TestBed) -> TestBed {
    let (mut config, folder) = fresh_config(EngineUrls::shared());
    config.datalake = bed.config().datalake.clone();
    TestBed::with_config(config, folder).await
}

/// What was backed up in another database, on whose bus there is nothing but streams of before the restore.
async fn restored(bed: &TestBed, file: &mut File) -> TestBed {
    let other = bed_beside(bed).await;
    other.store().restore(file, |_| ()).await.unwrap();
    other
}

async fn documents(store: &TestBed, name: &str) -> BTreeMap<String, RawDocumentBuf> {
    let all = store.database().await.collection::<RawDocumentBuf>(name).find(doc! {}).await.unwrap();
    let by_id = |document: RawDocumentBuf| (format!("{:?}", document.get("_id").unwrap().unwrap()), document);
    all.map_ok(by_id).try_collect().await.unwrap()
}

/// The ids of rows whose batch has not ended.
async fn announced(bed: &TestBed) -> RoaringTreemap {
    let mut announced = RoaringTreemap::new();
    for chunk in documents(bed, "load_chunks").await.into_values() {
        if let Some(announcement) = chunk.get("announced").unwrap() {
            let ids = announcement.as_document().unwrap().get_binary("ids").unwrap().bytes;
            announced |= RoaringTreemap::deserialize_from(ids).unwrap();
        }
    }
    announced
}

/// The rows of each load that are its own, and their sum.
async fn rows_of_loads(bed: &TestBed) -> BTreeMap<i64, (u64, Amount)> {
    let announced = announced(bed).await;
    let mut rows: BTreeMap<i64, (u64, Amount)> = BTreeMap::new();
    for row in bed.paystats().await {
        if announced.contains(row.paystat.id.get() as u64) {
            continue;
        }
        let (count, sum) = rows.entry(row.written.load).or_default();
        *count += 1;
        *sum = sum.checked_add(row.paystat.amount).unwrap();
    }
    rows
}

/// What the chunks of each load say that it inserted. No two loads have a row in common.
async fn rows_by_chunks(bed: &TestBed) -> BTreeMap<i64, (u64, Amount)> {
    let mut rows = BTreeMap::new();
    for number in 1..=bed.store().loads.last_number().await.unwrap() {
        let load = bed.store().loads.by_number(number).await.unwrap().expect("loads have all numbers");
        let sum = bed.store().load_chunks.sum(load.id).await.unwrap();
        let amounts = sum.changes.iter().map(|(_, change)| change.amount);
        let amount = amounts.fold(Amount::default(), |sum, amount| sum.checked_add(amount).unwrap());
        rows.insert(number, (sum.progress.counts.inserted, amount));
    }
    rows.retain(|_, (count, _)| *count > 0);
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_taken_while_loads_run_is_of_one_moment_and_they_go_on_after_a_restore() {
    const LOADS: i64 = 3;
    const ROWS: i64 = 6_000;
    let bed = TestBed::new().await;
    let codes = bed.insert_postal_codes(4).await;
    let mut random = fastrand::Rng::with_seed(1);
    let mut loads = Vec::new();
    for load in 0..LOADS {
        let path = format!("{load}.csv");
        let rows = random_source(&mut random, 1 + load * ROWS..1 + (load + 1) * ROWS, &codes);
        bed.put(&path, rows);
        loads.push(bed.accept(LoadEntity::Paystats, &path).await);
    }
    let _loader = bed.start_loader(SMALL_CHUNKS);
    let mut backups = Vec::new();
    while !bed.store().loads.by_id(loads[0].id).await.unwrap().unwrap().state.is_final() || backups.len() < 3 {
        backups.push(backup(&bed).await.0);
    }
    for load in &loads {
        bed.finished(load.id).await;
    }
    // The first, the last, and some in between; most caught loads in the middle.
    let step = backups.len().div_ceil(4);
    let mut halves = 0;
    for mut file in backups.into_iter().step_by(step) {
        let other = restored(&bed, &mut file).await;
        let rows = rows_of_loads(&other).await;
        assert_eq!(rows, rows_by_chunks(&other).await, "every load has exactly the rows that its chunks say");
        assert_eq!(other.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);
        let all: u64 = rows.values().map(|(count, _)| count).sum();
        halves += u64::from(all > 0 && all < bed.paystats().await.len() as u64);

        // Nobody but the store knows of the loads: the bus is new.
        let server = other.start_server().await;
        let _loader = other.start_loader(SMALL_CHUNKS);
        for load in &loads {
            let (here, there) = (bed.finished(load.id).await, other.finished(load.id).await);
            assert_eq!(there.state, LoadState::Succeeded, "{:?}", there.error);
            assert_eq!(here.progress.unwrap().counts, there.progress.unwrap().counts);
        }
        assert_eq!(other.paystats().await, bed.paystats().await);
        eventually("the totals", async || {
            let told = server.graphql("{ total { amount count } }", json!({})).await.data()["total"].clone();
            let total = bed.total().await;
            let right = json!({ "amount": total.amount.to_string(), "count": total.count });
            if told == right { Ok(()) } else { Err((told, right)) }
        })
        .await;
    }
    assert!(halves > 0, "no backup was taken in the middle");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_holds_what_there_was_and_loads_can_still_be_undone() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let loader = bed.start_loader(SMALL_CHUNKS);
    let codes = (1..=3).map(|id| postal_code_row(&postal_code(id)));
    bed.load(LoadEntity::PostalCodes, postal_codes(codes.clone())).await;
    let older = bed.load(LoadEntity::Paystats, paystats((1..=500).map(|id| paystat_row(&paystat(id))))).await;
    let changed =
        (1..=600).map(|id| paystat_row(&paystat(id)).replace(".5,", ".0000000000000001,")).chain(["x".to_owned()]);
    let newer = bed.load(LoadEntity::Paystats, paystats(changed)).await;
    assert_eq!(
        newer.progress.as_ref().unwrap().counts,
        Counts { inserted: 100, updated: 500, rejected: 1, ..Counts::default() }
    );
    // Changed too, so that what it was before is kept.
    let moved = (1..=3).map(|id| postal_code_row(&postal_code(id)).replace(",2800", ",2900"));
    bed.load(LoadEntity::PostalCodes, postal_codes(moved)).await;
    // Noted in `audit`.
    server
        .graphql(r#"mutation { updatePaystat(input: { id: 7, amount: "-3.25" }) { paystat { id } } }"#, json!({}))
        .await
        .data();
    loader.stop().await;
    server.stop().await;
    // As a load has it that is under way.
    let under_way = doc! { "load": 99_i64, "first_postal_code_id": 1, "last_postal_code_id": 1, "since": 0_i64 };
    bed.database().await.collection("load_sums").insert_one(under_way).await.unwrap();

    let names: BTreeSet<String> = bed.database().await.list_collection_names().await.unwrap().into_iter().collect();
    let listed: BTreeSet<String> = KEPT.iter().chain(&MADE_ANEW).map(|name| (*name).to_owned()).collect();
    assert_eq!(names, listed, "every collection is kept in a backup, or made anew by a restore");

    let (mut file, header) = backup(&bed).await;
    assert_eq!((header.schema_version, header.database.as_str()), (SCHEMA_VERSION, bed.store().database_name()));
    let other = restored(&bed, &mut file).await;
    for kept in &header.collections {
        let (mut here, mut there) = (documents(&bed, &kept.name).await, documents(&other, &kept.name).await);
        assert_eq!((here.len() as u64, here.is_empty()), (kept.documents, false), "{}", kept.name);
        if kept.name == "counters" {
            // The database has an epoch of its own, and goes on far behind the numbers that were given.
            let value = |of: &BTreeMap<String, RawDocumentBuf>, name: &str| {
                of.values().find(|counter| counter.get_str("_id").ok() == Some(name)).unwrap().get_i64("value").unwrap()
            };
            assert_ne!(value(&here, "epoch"), value(&there, "epoch"));
            assert!(value(&here, "data_version") < value(&there, "data_version"));
            for counters in [&mut here, &mut there] {
                counters.retain(|_, counter| counter.get_str("_id").ok() == Some("loads"));
            }
        }
        assert_eq!(here, there, "{}", kept.name);
    }
    let indexes = async |bed: &TestBed, name: &str| {
        let names = bed.database().await.collection::<Document>(name).list_index_names().await.unwrap();
        names.into_iter().collect::<BTreeSet<_>>()
    };
    for name in KEPT {
        assert_eq!(indexes(&bed, name).await, indexes(&other, name).await, "{name}");
    }

    // Both go on alike.
    for bed in [&bed, &other] {
        let server = bed.start_server().await;
        let _loader = bed.start_loader(SMALL_CHUNKS);
        server.graphql("mutation { undoLoad(input: { id: 3 }) { load { state } } }", json!({})).await.data();
        // And that it was told, which the loader does next.
        let undone = eventually("the end of the undo", async || {
            let load = bed.store().loads.by_id(newer.id).await.unwrap().unwrap();
            match load.progress {
                Some(progress) if load.state == LoadState::Undone && progress.seq > 0 => Ok(progress),
                _ => Err(load.state),
            }
        })
        .await;
        let reverted = undone.reverted;
        assert_eq!((reverted.rows, reverted.kept), (599, 1));
        assert_eq!(bed.store().rollups.verify(false, |_| ()).await.unwrap().wrong, []);
    }
    let rows = other.paystats().await;
    assert_eq!(rows, bed.paystats().await);
    assert_eq!((rows.len(), rows[0].written.load), (500, older.number));
    // An event after the restore has a number that none had before.
    let seq = async |bed: &TestBed| bed.store().loads.by_id(newer.id).await.unwrap().unwrap().progress.unwrap().seq;
    let (here, there) = (seq(&bed).await, seq(&other).await);
    assert!(there > here + 500_000, "{here} {there}");
}

/// The names of the collections of a bed's database, and what `schema` says.
async fn everything(bed: &TestBed) -> BTreeMap<String, BTreeMap<String, RawDocumentBuf>> {
    let mut everything = BTreeMap::new();
    for name in bed.database().await.list_collection_names().await.unwrap() {
        let documents = documents(bed, &name).await;
        everything.insert(name, documents);
    }
    everything
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    File::from_std(file)
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused_and_changes_nothing() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    bed.insert_paystats(&(1..=200).map(paystat).collect::<Vec<_>>()).await;
    let mut file = backup(&bed).await.0.into_std().await;
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut whole = Vec::new();
    file.read_to_end(&mut whole).unwrap();
    let text = whole.iter().position(|byte| *byte == b'\n').unwrap();
    assert_eq!(&whole[..text], b"paystats backup 1");

    let other = bed_beside(&bed).await;
    let before = everything(&other).await;
    let refusal = async |bytes: &[u8]| {
        let refused = other.store().restore(&mut file_of(bytes), |_| ()).await.unwrap_err();
        assert_eq!(everything(&other).await, before);
        refused
    };
    let mut random = fastrand::Rng::with_seed(1);
    for cut in [text + 1, text + 20, whole.len() / 2, whole.len() - 33, whole.len() - 1] {
        let refused = refusal(&whole[..cut]).await;
        assert!(matches!(refused, BackupError::Damaged), "cut to {cut} of {}: {refused}", whole.len());
    }
    for _ in 0..20 {
        let (at, bit) = (random.usize(text + 1..whole.len()), random.u8(0..8));
        let mut changed = whole.clone();
        changed[at] ^= 1 << bit;
        assert!(matches!(refusal(&changed).await, BackupError::Damaged), "bit {bit} of byte {at}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert!(matches!(refusal(&longer).await, BackupError::Damaged));
    let newer = [&b"paystats backup 2"[..], &whole[text..]].concat();
    assert!(matches!(refusal(&newer).await, BackupError::NewerFormat(2)));
    for other in [&b""[..], b"paystats backup", b"id,amount\n1,2\n"] {
        assert!(matches!(refusal(other).await, BackupError::NoBackup));
    }

    // A database of a newer release.
    let schema = bed.database().await.collection::<Document>("schema");
    schema.update_one(doc! {}, doc! { "$set": { "version": 99_i64 } }).await.unwrap();
    let refused = bed.store().backup(&mut file_of(b""), |_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("schema version 99"), "{refused}");
    schema.update_one(doc! {}, doc! { "$set": { "version": SCHEMA_VERSION } }).await.unwrap();

    // The whole one is taken, and no second one on top of it.
    other.store().restore(&mut file_of(&whole), |_| ()).await.unwrap();
    assert_eq!(other.paystats().await, bed.paystats().await);
    let before = everything(&other).await;
    let refused = other.store().restore(&mut file_of(&whole), |_| ()).await.unwrap_err();
    let holds = "it holds load_chunks, load_sums, paystats, postal_codes, rollup_heads, rollups, undo_paystats, \
                 undo_postal_codes";
    assert!(refused.to_string().contains(holds), "{refused}");
    assert_eq!(everything(&other).await, before);
}

#[tokio::test]
async fn a_database_that_holds_nothing_is_no_backup() {
    let (config, _folder) = fresh_config(EngineUrls::shared());
    let store = Store::new(&config.store).await.unwrap();
    let refused = store.backup(&mut file_of(b""), |_| ()).await.unwrap_err();
    assert!(matches!(&refused, BackupError::Nothing(name) if *name == config.store.database), "{refused}");
    assert!(raw_database(&config).await.list_collection_names().await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_starts_with_a_database_whose_restore_did_not_end() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    bed.insert_paystats(&(1..=200).map(paystat).collect::<Vec<_>>()).await;
    let mut file = backup(&bed).await.0;
    let other = bed_beside(&bed).await;
    // Somebody writes meanwhile what the backup holds too.
    let mut once = Some(());
    let failed = other.store().restore(&mut file, |_| {
        if once.take().is_some() {
            let (config, code) = (other.config().clone(), postal_code(2));
            let insert = async move {
                let store = Store::new(&config.store).await.unwrap();
                store.postal_codes.insert(&code, Provenance::edit(0)).await.unwrap();
            };
            std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(insert)).join().unwrap();
        }
    });
    let failed = failed.await.unwrap_err();
    assert!(failed.to_string().contains("holds a part of the backup now"), "{failed}");
    for refused in [
        other.store().prepare().await.unwrap_err().to_string(),
        other.store().restore(&mut file, |_| ()).await.unwrap_err().to_string(),
        other.store().backup(&mut file_of(b""), |_| ()).await.unwrap_err().to_string(),
    ] {
        assert!(refused.contains("a restore into this database is under way, or has died"), "{refused}");
    }
    other.database().await.drop().await.unwrap();
    other.store().restore(&mut file, |_| ()).await.unwrap();
    other.store().prepare().await.unwrap();
    assert_eq!(other.paystats().await, bed.paystats().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_takes_longer_than_mongodb_keeps_its_past_fails_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mongod = Mongod::start_with_cache(folder.path(), None, 0.25).await.unwrap();
    let urls = EngineUrls { mongodb_uri: mongod.uri(), ..EngineUrls::shared().clone() };
    let (config, bed_folder) = fresh_config(&urls);
    let bed = TestBed::with_config(config, bed_folder).await;
    // More than MongoDB hands out at once, and than a pipe and the buffers before it hold.
    let mut random = fastrand::Rng::with_seed(1);
    let mut refused = |line: i64| {
        let field: String = (0..10_000).map(|_| random.alphanumeric()).collect();
        doc! { "_id": format!("x/{line}"), "load": "x", "line": line, "fields": [field] }
    };
    let rejections = bed.database().await.collection::<Document>("rejections");
    for _ in 0..6 {
        let first = rejections.count_documents(doc! {}).await.unwrap() as i64;
        rejections.insert_many((first..first + 1_000).map(&mut refused)).await.unwrap();
    }
    let (from, to) = nix::unistd::pipe().unwrap();
    let (mut from, to): (std::fs::File, OwnedFd) = (from.into(), to);
    let store = bed.store().clone();
    let taken = tokio::spawn(async move { store.backup(&mut File::from_std(to.into()), |_| ()).await });
    // It has begun, and now waits until somebody takes what it writes.
    let begun = tokio::task::spawn_blocking(move || {
        let mut first = [0; 64];
        from.read_exact(&mut first).unwrap();
        assert!(first.starts_with(b"paystats backup 1\n"));
        from
    });
    let mut from = begun.await.unwrap();
    let admin = mongodb::Client::with_uri_str(mongod.uri()).await.unwrap().database("admin");
    admin.run_command(doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0 }).await.unwrap();
    // The past goes as time is written.
    let database = bed.database().await;
    let mut look = database.client().start_session().snapshot(true).await.unwrap();
    let heads = database.collection::<Document>("rollup_heads");
    let mut seen = async || heads.find_one(doc! {}).session(&mut look).await;
    seen().await.unwrap();
    eventually("the end of the past", async || {
        let changes = doc! { "$inc": { "changes": 1_i64 } };
        heads.update_one(doc! { "_id": 1 }, changes).upsert(true).await.unwrap();
        match seen().await {
            Err(gone) if gone.to_string().contains("SnapshotTooOld") => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let drained = tokio::task::spawn_blocking(move || std::io::copy(&mut from, &mut std::io::sink()).unwrap());
    let failed = taken.await.unwrap().unwrap_err();
    assert!(matches!(failed, BackupError::MomentGone), "{failed}");
    assert!(failed.to_string().contains("minSnapshotHistoryWindowInSeconds: 3600"), "{failed}");
    drained.await.unwrap();
    drop(bed);
    mongod.stop().await.unwrap();
}

const ASKED: &str = "/graphql?query=%7B%20total%20%7B%20amount%20count%20%7D%20choropleth%20%7D";

/// The total and the number of areas, and the tag under which a client holds them.
async fn held(server: &RunningServer) -> (Value, usize, String) {
    let answer = server.get(ASKED).await;
    let data = answer.data();
    let areas = data["choropleth"]["features"].as_array().unwrap().len();
    (data["total"].clone(), areas, answer.headers["etag"].to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_runs_sees_that_its_database_was_restored() {
    let bed = TestBed::new().await;
    let codes: Vec<PostalCodeId> = bed.insert_postal_codes(2).await;
    bed.insert_paystats(&(1..=20).map(paystat).collect::<Vec<_>>()).await;
    let (mut file, _) = backup(&bed).await;
    let server = bed.start_server().await;
    let first = held(&server).await;
    assert_eq!((first.0["count"].as_i64(), first.1), (Some(20), 2));

    // After the backup.
    let id: PaystatId = 1.try_into().unwrap();
    let change = PaystatChange { postal_code_id: Some(codes[1]), ..PaystatChange::default() };
    bed.store().paystats.update(id, &change, Provenance::edit(0)).await.unwrap();
    bed.store().paystats.delete(2.try_into().unwrap()).await.unwrap();
    bed.insert_postal_codes(3).await;
    let becomes = async |count: i64, areas: usize| {
        eventually("the server's answer", async || match held(&server).await {
            (total, seen, tag) if total["count"] == count && seen == areas => Ok(tag),
            other => Err(other),
        })
        .await
    };
    let second = becomes(19, 3).await;

    let mut tags = BTreeSet::from([first.2, second]);
    // The same backup twice: what is behind its tags is alike, and the databases are others.
    for _ in 0..2 {
        bed.database().await.drop().await.unwrap();
        bed.store().restore(&mut file, |_| ()).await.unwrap();
        let tag = becomes(20, 2).await;
        assert!(tags.insert(tag), "a client would hold another database's answer for this one's");
    }
}
