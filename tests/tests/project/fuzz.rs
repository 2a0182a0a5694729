//! The inputs that were kept of fuzzing, and changes of them, keep every promise; and there are targets and inputs for each other.

use std::{collections::BTreeSet, fs, path::Path};

use fastrand::Rng;
use paystats_tests::fuzz::{TARGETS, Target};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");
/// Changed inputs of a target, and their seed: the same ones each time.
const CHANGED: usize = 2_000;
const SEED: u64 = 7;

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.map(|name| name.trim_end_matches(".rs").to_owned()).collect()
}

fn kept(name: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(Path::new(FOLDER).join("corpus").join(name)).unwrap();
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

/// Cuts, doubles, overwrites or joins, as a fuzzer does.
fn changed(inputs: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut bytes = random.choice(inputs).expect("there are inputs").clone();
    for _ in 0..random.usize(1..4) {
        let (one, other) = (random.usize(0..=bytes.len()), random.usize(0..=bytes.len()));
        let range = one.min(other)..one.max(other);
        match random.u8(0..5) {
            0 => drop(bytes.drain(range)),
            1 => {
                let part = bytes[range].to_vec();
                bytes.splice(one..one, part);
            }
            2 => bytes.insert(one, random.u8(..)),
            3 => bytes[range].iter_mut().take(2).for_each(|byte| *byte ^= 1 << random.u8(0..8)),
            _ => bytes.extend_from_slice(&random.choice(inputs).expect("there are inputs")[..]),
        }
    }
    bytes
}

fn play((name, target): Target) {
    let inputs = kept(name);
    inputs.iter().for_each(|input| target(input));
    let mut random = Rng::with_seed(SEED);
    for _ in 0..CHANGED {
        let input = changed(&inputs, &mut random);
        let outcome = std::panic::catch_unwind(|| target(&input));
        assert!(outcome.is_ok(), "{name} breaks its promise for {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn every_target_has_inputs_and_a_program_for_the_fuzzer() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&Path::new(FOLDER).join("corpus")), targets);
    assert_eq!(names(&Path::new(FOLDER).join("fuzz_targets")), targets);
    let manifest = fs::read_to_string(Path::new(FOLDER).join("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is not in fuzz/Cargo.toml");
        assert!(!kept(name).is_empty(), "{name} has no inputs");
    }
}

#[test]
fn kept_inputs_and_changes_of_them_keep_every_promise() {
    TARGETS.into_iter().for_each(play);
}
