//! Turns any bytes into a claim about the door: it never panics, and reads the same bytes the same way twice.

use super::from_oci;
use crate::types::HostPath;

/// Reads `data` twice.
///
/// # Panics
/// When the two readings differ, or a refusal says nothing: the fuzzer's signal.
pub fn config_parse(data: &[u8]) {
    let Ok(bundle) = HostPath::new("/bundle") else {
        return;
    };
    match (from_oci(data, &bundle), from_oci(data, &bundle)) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.config, second.config);
            assert_eq!(first.source, second.source);
            // Every member of the config has a JSON form.
            assert!(!first.config.to_json_pretty().is_empty());
        }
        (Err(first), Err(second)) => {
            assert!(!first.0.is_empty());
            assert_eq!(first, second);
        }
        _ => panic!("one reading is refused, the other not"),
    }
}
