//! bytes → every parser of kernel and /etc text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nsplan::facts::fuzz_text(data));
