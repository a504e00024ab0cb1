//! Says in notes what a document asks for in vain, so that nothing is passed over in silence.

use alloc::format;
use alloc::string::ToString as _;

use super::draft::{Draft, at};
use crate::config::IgnoredReason;

pub(super) fn plan(draft: &mut Draft<'_>) {
    for (index, ignored) in draft.config.ignored.iter().enumerate() {
        let place = ignored.place.to_string();
        let text = match ignored.reason {
            IgnoredReason::UnknownProperty => {
                format!("{place} is no property of the format: it has no effect")
            }
            IgnoredReason::UnknownCapability => {
                format!("{place} is no capability that nsplan knows: it is not granted")
            }
            IgnoredReason::UngrantableCapability => {
                format!(
                    "{place} cannot be granted: the capability is missing from the set that it presumes"
                )
            }
            IgnoredReason::DevicesOfUser => {
                format!(
                    "{place} is not enforced without a cgroup: the container has the access to devices that the caller has"
                )
            }
        };
        draft.note(&at("/ignored").index(index), text);
    }
    let process = draft.config.process.as_ref();
    if process.is_some_and(|process| process.exec_cpu_affinity.is_some()) {
        let text = "counts for processes that join the container, not for its first one";
        draft.note(&at("/process/execCPUAffinity"), text);
    }
}
