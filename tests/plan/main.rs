//! The planner: configs × hosts become plans, without a privilege.
mod smoke;
