//! How often a test does what it does many times → so often here.

/// So many rounds, or a part of them where each instruction is emulated: `NSPLAN_TEST_FEWER` says one in how many.
pub(crate) fn rounds(usual: u32) -> u32 {
    usual / fewer()
}

/// Of how many rounds one is done.
pub(crate) fn fewer() -> u32 {
    let fewer = std::env::var("NSPLAN_TEST_FEWER").ok().and_then(|text| text.parse().ok());
    fewer.unwrap_or(1).max(1)
}
