//! bytes → the checked door for foreign plans.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nsplan::plan::fuzz_plan_json(data));
