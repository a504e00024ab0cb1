//! bytes → libcontainer config → bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nsplan::config::fuzz_libcontainer(data));
