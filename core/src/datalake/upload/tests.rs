use std::{fs, os::unix::fs::symlink, sync::Arc};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::*;
use crate::config::DatalakeConfig;

fn lake() -> (TempDir, Datalake) {
    let folder = tempfile::tempdir().unwrap();
    let lake = Datalake::new(&DatalakeConfig::folder(folder.path().join("lake")));
    (folder, lake)
}

fn whole(path: &str) -> NewUpload {
    NewUpload { path: path.to_owned(), only_new: false, size_bytes: None, limit_bytes: 100, piece: None }
}

fn piece(path: &str, range: Option<(u64, u64)>, total_bytes: u64) -> NewUpload {
    let piece = Piece { id: "an-id".parse().unwrap(), range, total_bytes };
    NewUpload { piece: Some(piece), ..whole(path) }
}

async fn send(lake: &Datalake, new: NewUpload, bytes: &str) -> Result<Uploaded, UploadError> {
    let mut upload = lake.start_upload(new).await?;
    for part in bytes.as_bytes().chunks(3) {
        upload.write(Bytes::copy_from_slice(part)).await?;
    }
    upload.finish().await
}

fn is_new(uploaded: Result<Uploaded, UploadError>) -> bool {
    match uploaded.unwrap() {
        Uploaded::File { is_new, .. } => is_new,
        Uploaded::Piece { offset } => panic!("{offset} bytes only"),
    }
}

fn refusal<T: fmt::Debug>(result: Result<T, UploadError>) -> String {
    result.unwrap_err().to_string()
}

async fn offset(lake: &Datalake, path: &str) -> u64 {
    lake.upload_offset(path, &"an-id".parse().unwrap()).await.unwrap()
}

/// The names in the hidden folder.
fn hidden(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("lake/.uploads")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_whole_file_is_new_and_then_replaced() {
    let (folder, lake) = lake();
    let first = send(&lake, whole("2015/in/a.csv"), "0123456789").await.unwrap();
    let object = lake.head("2015/in/a.csv").await.unwrap();
    assert_eq!(first, Uploaded::File { object, is_new: true });
    let mut old = lake.open("2015/in/a.csv", 0, 100).await.unwrap();
    assert!(!is_new(send(&lake, whole("2015/in/a.csv"), "new").await));
    let mut text = String::new();
    old.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "0123456789", "who reads the old file reads it to its end");
    assert_eq!(fs::read_to_string(folder.path().join("lake/2015/in/a.csv")).unwrap(), "new");
    assert_eq!(hidden(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_no_file_and_nothing_of_a_whole_one() {
    let (folder, lake) = lake();
    let mut upload = lake.start_upload(whole("a.csv")).await.unwrap();
    upload.write(Bytes::from_static(b"half")).await.unwrap();
    assert_eq!(hidden(&folder).len(), 1);
    drop(upload);
    assert_eq!(hidden(&folder), Vec::<String>::new());
    let short = NewUpload { size_bytes: Some(5), ..whole("a.csv") };
    assert_eq!(refusal(send(&lake, short, "half").await), "the body ended early: the upload goes on at byte 4");
    assert!(lake.list("").await.unwrap().is_empty());
    assert_eq!(hidden(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn of_many_who_make_a_file_one_does() {
    let (folder, lake) = lake();
    let new = NewUpload { only_new: true, ..whole("in/a.csv") };
    let mut uploads = Vec::new();
    for number in 0..8 {
        let mut upload = lake.start_upload(new.clone()).await.unwrap();
        upload.write(format!("of {number}").into()).await.unwrap();
        uploads.push(upload);
    }
    let finishing: Vec<_> = uploads.into_iter().map(|upload| tokio::spawn(upload.finish())).collect();
    let mut made = 0;
    for upload in finishing {
        match upload.await.unwrap() {
            Ok(Uploaded::File { is_new: true, .. }) => made += 1,
            other => assert_eq!(refusal(other), "'in/a.csv' exists already"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(refusal(lake.start_upload(new).await), "'in/a.csv' exists already");
    assert_eq!(hidden(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn pieces_become_a_file_when_the_last_one_is_there() {
    let (folder, lake) = lake();
    let path = "in/a.csv";
    assert_eq!(offset(&lake, path).await, 0);
    assert_eq!(send(&lake, piece(path, Some((0, 4)), 10), "0123").await.unwrap(), Uploaded::Piece { offset: 4 });
    assert_eq!(offset(&lake, path).await, 4);
    assert_eq!(offset(&lake, "in/b.csv").await, 0, "the same id for another file is another upload");
    for start in [0, 3, 5] {
        let elsewhere = send(&lake, piece(path, Some((start, 4)), 10), "").await;
        assert_eq!(refusal(elsewhere), "the upload goes on at byte 4", "from {start}");
    }
    assert_eq!(refusal(send(&lake, piece(path, None, 10), "").await), "the upload goes on at byte 4");
    let other = send(&lake, piece(path, Some((4, 6)), 11), "").await;
    assert_eq!(refusal(other), "this upload was begun for a file of 10 bytes");
    assert!(lake.list("").await.unwrap().is_empty());

    assert!(is_new(send(&lake, piece(path, Some((4, 6)), 10), "456789").await));
    assert_eq!(fs::read_to_string(folder.path().join("lake/in/a.csv")).unwrap(), "0123456789");
    // The answer may have got lost.
    assert_eq!(offset(&lake, path).await, 10);
    let again = send(&lake, piece(path, Some((4, 6)), 10), "456789").await;
    assert_eq!(refusal(again), "the upload goes on at byte 10");
    assert!(!is_new(send(&lake, piece(path, None, 10), "").await));
}

#[tokio::test]
async fn what_has_arrived_of_a_piece_stays() {
    let (folder, lake) = lake();
    let mut upload = lake.start_upload(piece("a.csv", Some((0, 8)), 10)).await.unwrap();
    upload.write(Bytes::from_static(b"0123")).await.unwrap();
    drop(upload);
    let short = send(&lake, piece("a.csv", Some((4, 6)), 10), "45").await;
    assert_eq!(refusal(short), "the body ended early: the upload goes on at byte 6");
    let long = send(&lake, piece("a.csv", Some((6, 2)), 10), "678").await;
    assert_eq!(refusal(long), "the body is longer than its range");
    assert_eq!(offset(&lake, "a.csv").await, 6, "nothing of what is too long");
    assert!(is_new(send(&lake, piece("a.csv", Some((6, 4)), 10), "6789").await));
    assert_eq!(fs::read_to_string(folder.path().join("lake/a.csv")).unwrap(), "0123456789");
    assert!(is_new(send(&lake, piece("empty.csv", None, 0), "").await));
}

#[tokio::test]
async fn one_request_at_a_time_works_on_an_upload() {
    let (folder, lake) = lake();
    // Of another server that shares the folder.
    let other = Datalake::new(&DatalakeConfig::folder(folder.path().join("lake")));
    let new = piece("a.csv", Some((0, 4)), 10);
    let upload = lake.start_upload(new.clone()).await.unwrap();
    let busy = "another request sends this upload now";
    assert_eq!(refusal(other.start_upload(new.clone()).await), busy);
    assert_eq!(refusal(other.give_up_upload("a.csv", &"an-id".parse().unwrap()).await), busy);
    drop(upload);
    drop(other.start_upload(new).await.unwrap());
    other.give_up_upload("a.csv", &"an-id".parse().unwrap()).await.unwrap();
    lake.give_up_upload("a.csv", &"an-id".parse().unwrap()).await.unwrap();
    assert_eq!(hidden(&folder), Vec::<String>::new());
}

/// Nobody sees a note that is being removed as his own, and no byte is written twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_race_for_an_upload_make_it_whole() {
    let (folder, lake) = lake();
    let lake = Arc::new(lake);
    let mut racing = Vec::new();
    for _ in 0..4 {
        let lake = lake.clone();
        racing.push(tokio::spawn(async move {
            for _ in 0..200 {
                let at = offset(&lake, "a.csv").await;
                let range = (at < 100).then_some((at, 1));
                match send(&lake, piece("a.csv", range, 100), if at < 100 { "x" } else { "" }).await {
                    Ok(_) | Err(UploadError::Busy | UploadError::Elsewhere { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }));
    }
    for racer in racing {
        racer.await.unwrap();
    }
    assert_eq!(offset(&lake, "a.csv").await, 100);
    assert_eq!(fs::read_to_string(folder.path().join("lake/a.csv")).unwrap(), "x".repeat(100));
}

#[tokio::test]
async fn names_have_rules() {
    let (folder, lake) = lake();
    let ending = "its name has to end in .csv, .json or .geojson, which .gz or .zst may follow";
    let hidden = "its path has a hidden part, which starts with a dot";
    let control = "its name holds a backslash or a control character";
    let empty = "its path has an empty part";
    for (path, reason) in [
        ("a", ending),
        ("a.txt", ending),
        ("a.csv.bz2", ending),
        ("a.csv/b", ending),
        (".a.csv", hidden),
        (".uploads/a.csv", hidden),
        ("in/.x/a.csv", hidden),
        ("a\\b.csv", control),
        ("a\0.csv", control),
        ("", empty),
        ("/a.csv", empty),
        ("in//a.csv", empty),
        ("in/a.csv/", empty),
        ("s3://lake/a.csv", empty),
    ] {
        let error = refusal(lake.start_upload(whole(path)).await);
        assert!(error.ends_with(&format!("cannot be uploaded: {reason}")), "{path}: {error}");
    }
    for path in ["../a.csv", "in/../a.csv", "./a.csv", "in/./a.csv", ".."] {
        assert_eq!(refusal(lake.start_upload(whole(path)).await), format!("'{path}' leaves the data lake"));
    }
    let long = format!("{}.csv", "x/".repeat(511));
    let error = refusal(lake.start_upload(whole(&long)).await);
    assert!(error.ends_with("…' cannot be uploaded: its name is longer than 1024 bytes"), "{error}");
    let error = refusal(lake.start_upload(whole(&format!("{}.csv", "x".repeat(252)))).await);
    assert!(error.ends_with("cannot be uploaded: a part of its path is too long"), "{error}");
    assert!(is_new(send(&lake, whole("2015/ñ %41.CSV.GZ"), "x").await));
    assert!(folder.path().join("lake/2015/ñ %41.CSV.GZ").is_file());
}

#[tokio::test]
async fn nothing_that_is_no_file_is_replaced_and_nothing_outside_is_reached() {
    let (folder, lake) = lake();
    let root = folder.path().join("lake");
    fs::create_dir_all(root.join("2015/in.csv")).unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    fs::write(root.join("file.csv"), "old").unwrap();
    fs::write(folder.path().join("outside/a.csv"), "old").unwrap();
    symlink(folder.path().join("outside"), root.join("out")).unwrap();
    symlink(folder.path().join("outside/a.csv"), root.join("link.csv")).unwrap();
    symlink(folder.path().join("outside/new"), root.join("dangling")).unwrap();
    symlink("2015", root.join("inside")).unwrap();
    symlink(".uploads", root.join("half")).unwrap();
    assert!(is_new(send(&lake, whole("inside/a.csv"), "x").await), "a link that stays inside is followed");
    assert!(root.join("2015/a.csv").is_file());
    let written = |reason: &str| format!("cannot be written: {reason}");
    for (path, reason) in [
        ("2015/in.csv", written("a folder has this name")),
        ("file.csv/a.csv", written("a part of its path is a file")),
        ("file.csv/in/a.csv", written("a part of its path is a file")),
        ("link.csv", written("a link or a device has this name")),
        ("dangling/a.csv", written("a part of its path is a link to nothing")),
        ("out/a.csv", "leaves the data lake".to_owned()),
        ("out/in/a.csv", "leaves the data lake".to_owned()),
        ("half/a.csv", "leaves the data lake".to_owned()),
    ] {
        assert_eq!(refusal(send(&lake, whole(path), "new").await), format!("'{path}' {reason}"));
        // What is seen at the end, too.
        assert!(place::publish(&root.canonicalize().unwrap(), path, Path::new("/none"), false).is_err(), "{path}");
    }
    assert_eq!(fs::read_dir(folder.path().join("outside")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(folder.path().join("outside/a.csv")).unwrap(), "old");
    assert_eq!(hidden(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn a_hidden_folder_that_leads_elsewhere_is_not_used() {
    let (folder, lake) = lake();
    fs::create_dir_all(folder.path().join("lake")).unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    symlink(folder.path().join("outside"), folder.path().join("lake/.uploads")).unwrap();
    assert!(matches!(lake.start_upload(whole("a.csv")).await, Err(UploadError::Failed(_))));
    assert_eq!(fs::read_dir(folder.path().join("outside")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_has_a_largest_size() {
    let (folder, lake) = lake();
    let too_large = "the file is larger than 100 bytes, the most that may be uploaded";
    let told = NewUpload { size_bytes: Some(101), ..whole("a.csv") };
    assert_eq!(refusal(lake.start_upload(told).await), too_large);
    assert_eq!(refusal(lake.start_upload(piece("a.csv", Some((0, 1)), 101)).await), too_large);
    assert_eq!(refusal(send(&lake, whole("a.csv"), &"x".repeat(101)).await), too_large);
    assert!(is_new(send(&lake, whole("a.csv"), &"x".repeat(100)).await));
    assert_eq!(hidden(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_goes_on_with_is_removed_after_a_week() {
    let (folder, lake) = lake();
    send(&lake, piece("old.csv", Some((0, 1)), 10), "0").await.unwrap();
    send(&lake, piece("done.csv", Some((0, 1)), 1), "0").await.unwrap();
    let uploads = folder.path().join("lake/.uploads");
    fs::write(uploads.join("left-by-a-crash.part"), "x").unwrap();
    let age = |path: &Path, days: u64| {
        let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        fs::File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
    };
    let all = hidden(&folder);
    assert_eq!(all.len(), 4, "{all:?}");
    for name in &all {
        age(&uploads.join(name), 6);
    }
    send(&lake, whole("a.csv"), "x").await.unwrap();
    assert_eq!(hidden(&folder).len(), 4);
    for name in &all {
        age(&uploads.join(name), 8);
    }
    // One that is being worked on stays, and so does one whose last piece is new.
    let working = lake.start_upload(piece("old.csv", Some((1, 1)), 10)).await.unwrap();
    send(&lake, whole("a.csv"), "x").await.unwrap();
    let left = hidden(&folder);
    assert_eq!(left.len(), 2, "{left:?}");
    drop(working);
    send(&lake, piece("old.csv", Some((1, 1)), 10), "1").await.unwrap();
    send(&lake, whole("a.csv"), "x").await.unwrap();
    assert_eq!(offset(&lake, "old.csv").await, 2);
    for name in &left {
        age(&uploads.join(name), 8);
    }
    send(&lake, piece("new.csv", Some((0, 1)), 10), "0").await.unwrap();
    assert_eq!(offset(&lake, "old.csv").await, 0);
}

#[test]
fn an_id_is_letters_digits_and_dashes() {
    for id in ["a", "0194e3a0-0000-7000-8000-000000000000", &"x".repeat(64)] {
        assert!(id.parse::<UploadId>().is_ok(), "{id}");
    }
    for id in ["", "a b", "a/b", "..", "ñ", &"x".repeat(65)] {
        assert!(id.parse::<UploadId>().is_err(), "{id}");
    }
}

#[test]
fn a_full_disk_and_a_lake_that_is_read_only_are_told() {
    use std::io::{Error, ErrorKind};
    let of = |kind| UploadError::from(Error::from(kind));
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        assert!(matches!(of(kind), UploadError::NoSpace));
    }
    for kind in [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied] {
        assert!(matches!(of(kind), UploadError::ReadOnly));
    }
    assert!(matches!(of(ErrorKind::TimedOut), UploadError::Failed(_)));
}
