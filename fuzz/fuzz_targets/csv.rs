//! `paystats_tests::fuzz::csv`, under libFuzzer.
#![no_main]

// Without the fuzzer's hook, which ends the process at a panic that the product catches.
libfuzzer_sys::fuzz_target!(init: drop(std::panic::take_hook()), |bytes: &[u8]| paystats_tests::fuzz::csv(bytes));
