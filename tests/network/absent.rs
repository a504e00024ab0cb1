//! Built without the feature `net`: what cannot be done is refused before anything is made.

use nsplan::apply::{LowerReason, lower};
use nsplan::facts::HostFacts;
use nsplan::plan::{Actor, plan};

use crate::planned::{veth, with};

#[test]
fn a_plan_with_links_is_refused_as_a_whole() {
    let plan = plan(&with([veth()]), &HostFacts::example()).unwrap();
    let error = lower(&plan).expect_err("no links");
    assert_eq!((error.step.actor, error.reason), (Actor::Parent, LowerReason::NoNetwork));
    assert!(error.to_string().contains("without the feature `net`"), "{error}");
}
