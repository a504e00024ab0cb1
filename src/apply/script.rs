//! A plan at work: its caller's, or one that is kept until its container is handed on.

use alloc::sync::Arc;
use core::ops::Deref;

use crate::plan::Plan;

/// The plan a launcher carries out.
#[derive(Clone, Debug)]
pub(super) enum Script<'a> {
    Lent(&'a Plan),
    Kept(Arc<Plan>),
}

impl Deref for Script<'_> {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        match self {
            Self::Lent(plan) => plan,
            Self::Kept(plan) => plan,
        }
    }
}
