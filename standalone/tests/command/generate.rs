//! Files that the command makes.

use std::{fs, path::Path};

use tempfile::tempdir;

use crate::paystats;

#[test]
fn generated_files_are_the_same_for_a_seed_and_are_not_replaced_unasked() {
    let folder = tempdir().unwrap();
    let generate = |name: &str, arguments: &[&str]| {
        let out = folder.path().join(name);
        let output =
            paystats().args(["generate", "--months", "3", "--out"]).arg(&out).args(arguments).output().unwrap();
        (output, out)
    };
    let files =
        |out: &Path| ["postal_codes.csv", "paystats.csv"].map(|name| fs::read_to_string(out.join(name)).unwrap());

    let (output, first) = generate("first", &["--postal-codes", "2", "--seed", "7"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let made = files(&first);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("postal_codes.csv: 2 rows, ") && lines[1].contains("paystats.csv: 72 rows, "), "{said}");
    assert_eq!(made.each_ref().map(|text| text.lines().count()), [3, 73]);
    // 37 rows do not fit into one postal code's 36.
    let (_, same) = generate("same", &["--rows", "37", "--seed", "7"]);
    assert_eq!(files(&same), made);
    let (_, other) = generate("other", &["--rows", "37", "--seed", "8"]);
    assert_ne!(files(&other), made);

    fs::remove_file(first.join("postal_codes.csv")).unwrap();
    let (refused, _) = generate("first", &["--postal-codes", "2", "--seed", "8"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("paystats.csv exists: --force replaces it"));
    assert_eq!(fs::read_dir(&first).unwrap().count(), 1, "a refused command left something behind");
    generate("first", &["--postal-codes", "2", "--seed", "8", "--force"]);
    assert_eq!(files(&first), files(&other));
}
