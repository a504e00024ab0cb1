//! bytes → OCI config, twice.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nsplan::config::fuzz_oci(data));
