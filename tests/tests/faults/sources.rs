//! Sources that go wrong between acceptance and the last chunk: the load fails, and the store is as it was.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use paystats_tests::{Stage, oracle::History, rounds};
use serde_json::json;

/// What happens to a source.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Removed,
    BecomesAFolder,
    /// Root does not feel that; for root it becomes a folder.
    LosesPermission,
    CutShort,
    CutToNothing,
    Grows,
    ChangesInPlace,
    Replaced,
}

const MISHAPS: [(Mishap, &str); 8] = [
    (Mishap::Removed, "source removed"),
    (Mishap::BecomesAFolder, "source replaced by a folder"),
    (Mishap::LosesPermission, "source made unreadable"),
    (Mishap::CutShort, "source cut short"),
    (Mishap::CutToNothing, "source emptied"),
    (Mishap::Grows, "source grown"),
    (Mishap::ChangesInPlace, "source changed in place"),
    (Mishap::Replaced, "source replaced"),
];

impl Mishap {
    fn befall(self, path: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let open = || fs::File::options().write(true).open(path).unwrap();
        match self {
            Self::Removed => fs::remove_file(path).unwrap(),
            Self::BecomesAFolder => {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }
            Self::LosesPermission => {
                fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
                if fs::File::open(path).is_ok() {
                    Self::BecomesAFolder.befall(path);
                }
            }
            Self::CutShort => open().set_len(text.len() as u64 / 2).unwrap(),
            Self::CutToNothing => open().set_len(0).unwrap(),
            Self::Grows => fs::write(path, format!("{text}1,2015-01-01,25-34,F,1,7000000,\n")).unwrap(),
            // Not a byte longer or shorter, and every row is still a good one.
            Self::ChangesInPlace => fs::write(path, text.replace(",F,", ",M,")).unwrap(),
            Self::Replaced => {
                let other = path.with_extension("other");
                fs::write(&other, text.replace(",F,", ",M,")).unwrap();
                fs::rename(other, path).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_whose_source_goes_wrong_while_it_is_read_fails_and_leaves_the_store_as_it_was() {
    let checked =
        "the load fails; rows, provenance, sums and months are as before; rejections stay readable; one end a watcher";
    rounds("sources go wrong while they are read", checked, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;
        let _loaders = [stage.start_loader(2, 10_000).await, stage.start_loader(1, 10_000).await];
        for _ in 0..3 {
            let (mishap, fault) = MISHAPS[round.random.usize(..MISHAPS.len())];
            let text = stage.random_source(round, 501..6_001);
            let load = stage.start(&text, json!({})).await;
            // At times before a worker has begun.
            let moment = round.random.u64(0..3_000).saturating_sub(500);
            if stage.server.load_reaches(&load.accepted.id, moment).await {
                mishap.befall(&stage.bed.datalake().join(&load.path));
                round.did(fault);
                let error = stage.ends_unsuccessfully(load, "FAILED").await;
                assert!(error.as_str().is_some_and(|error| error.contains("source")), "{mishap:?}: {error}");
            } else {
                let outcome = rows.load(load.accepted.number, &load.source);
                stage.succeeds(load, Some(outcome)).await;
            }
            stage.assert_holds(&rows, fault).await;
        }
        stage.close(&rows).await;
    })
    .await;
}
