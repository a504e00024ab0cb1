//! bytes → the reader of a bus's messages; and what is written is read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nsplan::plan::dbus::fuzz_message(data));
