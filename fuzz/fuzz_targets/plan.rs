//! bytes → config × host → plan → invariants → JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(nsplan::plan::fuzz_plan(data)));
