//! `paystats_tests::fuzz::geojson`, under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| paystats_tests::fuzz::geojson(bytes));
