//! Bytes become a plan, and the plan a program: the body of the fuzz target `lower`.

use super::lower;
use crate::plan;

/// Whatever the planner plans can be lowered.
///
/// # Panics
/// That is its purpose.
pub fn fuzz_lower(data: &[u8]) {
    if let Some(plan) = plan::fuzz_plan(data) {
        let lowered = lower(&plan);
        assert!(lowered.is_ok(), "{lowered:?}: {plan}");
    }
}
