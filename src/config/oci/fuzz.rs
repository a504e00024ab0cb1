//! Turns any bytes into a claim about the door: it never panics, and reads the same bytes the same way twice.

use super::{from_oci, resources_from_oci};
use crate::config::Resources;
use crate::types::HostPath;

/// Reads `data` twice, and as limits alone.
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
    // Limits alone, over others: the same twice is the same once.
    if let Ok((limits, _)) = resources_from_oci(data) {
        let once = Resources::default().overlaid(&limits);
        assert_eq!(once.overlaid(&limits), once);
    }
}
