//! bytes → a profile and calls → a program that the kernel takes and that answers what the profile means, or a refusal.
#![no_main]

#[path = "../../tests/seccomp/fuzz.rs"]
mod fuzz;
#[path = "../../tests/seccomp/meaning.rs"]
mod meaning;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::program(data));
