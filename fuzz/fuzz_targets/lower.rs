//! bytes → config × host → plan → program.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nsplan::apply::fuzz_lower(data));
