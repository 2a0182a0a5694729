//! Commands that work on the database itself.

use std::{fs, io::Write as _, process::Stdio};

use paystats_standalone::engines::Mongod;
use tempfile::tempdir;

use crate::{house::House, paystats};

#[tokio::test]
async fn totals_are_verified_where_the_database_is_named() {
    let refused = paystats().arg("verify").output().unwrap();
    assert!(!refused.status.success());
    assert_eq!(String::from_utf8(refused.stderr).unwrap(), "paystats: PAYSTATS_MONGODB_URI is not set\n");

    let folder = tempdir().unwrap();
    let mongod = Mongod::start(folder.path(), None).await.unwrap();
    let mut verify = paystats();
    verify.arg("verify").env("PAYSTATS_MONGODB_URI", mongod.uri());
    let verified = verify.output().unwrap();
    assert!(verified.status.success());
    let told = String::from_utf8(verified.stdout).unwrap();
    assert_eq!(told, "the totals of all 0 postal codes are what their paystats add up to\n");
    mongod.stop().await.unwrap();
}

#[test]
fn a_backup_is_taken_beside_a_running_house_and_restored_once_into_an_empty_database() {
    let house = House::open();
    house.put_changing_rows();
    house.answer(&["load", "rows.csv", "--entity", "paystats", "--watch"]);
    let port = fs::read_to_string(house.folder.path().join("mongod/port")).unwrap();
    let uri = format!("mongodb://127.0.0.1:{port}/?replicaSet=rs0");
    let on = |database: &str, arguments: &[&str]| {
        let mut command = house.ask(arguments);
        command.env("PAYSTATS_MONGODB_URI", &uri).env("PAYSTATS_DATABASE", database);
        command
    };
    let said = |database: &str, arguments: &[&str]| {
        let output = on(database, arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let refused = |database: &str, arguments: &[&str]| {
        let output = on(database, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let folder = tempdir().unwrap();
    let path = folder.path().join("today.backup");
    let file = path.to_str().unwrap();

    let nothing = refused("nowhere", &["backup", file]);
    assert_eq!(nothing, "paystats: backing up nowhere: the database nowhere holds nothing\n");
    let taken = said("paystats", &["backup", file]);
    assert!(taken.starts_with(&format!("{file}: ")) && taken.contains(" documents of paystats as of 20"), "{taken}");
    let again = refused("paystats", &["backup", file]);
    assert!(again.ends_with(" exists: --force replaces it\n"), "{again}");
    said("paystats", &["backup", file, "--force"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a part of a backup was left");
    let piped = on("paystats", &["backup", "-"]).output().unwrap();
    assert!(piped.status.success() && piped.stderr.is_empty(), "{piped:?}");
    assert!(piped.stdout.starts_with(b"paystats backup 1\n"));

    let restored = said("second", &["restore", file]);
    assert!(restored.starts_with("second: ") && restored.contains(" documents of paystats as of 20"), "{restored}");
    assert_eq!(said("second", &["verify"]), "the totals of all 1 postal codes are what their paystats add up to\n");
    let full = refused("second", &["restore", file]);
    assert!(full.contains("the database second is not empty, and a restore needs one that is: it holds "), "{full}");

    let cut = folder.path().join("cut.backup");
    fs::write(&cut, &piped.stdout[..piped.stdout.len() - 1]).unwrap();
    let damaged = refused("third", &["restore", cut.to_str().unwrap()]);
    assert!(damaged.contains("the backup is damaged: it was cut short or changed"), "{damaged}");
    let mut from_pipe = on("third", &["restore", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    from_pipe.stdin.take().unwrap().write_all(&piped.stdout).unwrap();
    let output = from_pipe.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"third: "), "{output:?}");
    house.close();
}
