//! Turns `ociVersion` into a yes or no: semantic versions from 1.0.0 on, below 2.0.0.

/// The first version of the spec whose documents are read.
pub const OCI_VERSION_MIN: &str = "1.0.0";
/// The version of the spec that states are written in, and the last whose properties are all known.
pub const OCI_VERSION: &str = "1.3.0";

/// Whether documents of this version are read: any minor version of major version 1, since within a major version the
/// spec is compatible both ways; no draft of 1.0.0 itself. `None` when the text is no semantic version.
pub(super) fn is_read(text: &str) -> Option<bool> {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, it)| (text, Some(it)));
    let (core, draft) = text.split_once('-').map_or((text, None), |(text, it)| (text, Some(it)));
    let mut numbers = core.split('.').map(number);
    let (Some(major), Some(minor), Some(patch), None) =
        (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next())
    else {
        return None;
    };
    let is_tail = |tail: Option<&str>| tail.is_none_or(|tail| tail.split('.').all(is_identifier));
    if !is_tail(build) || !is_tail(draft) {
        return None;
    }
    let is_early = (minor, patch) == (0, 0) && draft.is_some();
    Some(major == 1 && !is_early)
}

/// Digits without a leading zero; numbers beyond 64 bits are none.
fn number(text: &str) -> Option<u64> {
    let is_plain = text == "0" || !text.starts_with('0');
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && is_digits { text.parse().ok() } else { None }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_and_draft_after_1_0_0_is_read() {
        for version in ["1.0.0", "1.0.2-dev", "1.1.0+dev", "1.2.1", "1.3.0", "1.99.0-rc.1+x.2"] {
            assert_eq!(is_read(version), Some(true), "{version}");
        }
        for version in ["0.5.0-dev", "1.0.0-rc5", "2.0.0", "0.9.9", "10.0.0"] {
            assert_eq!(is_read(version), Some(false), "{version}");
        }
        for version in
            ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.00.0", "1.0.0-", "1.0.0+a..b", "1.0.x"]
        {
            assert_eq!(is_read(version), None, "{version}");
        }
    }
}
