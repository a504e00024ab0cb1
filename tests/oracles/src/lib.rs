//! Nothing but its tests: readers of others, asked about the same documents as ours.
