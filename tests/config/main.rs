//! The front doors of `config`, from outside: documents in, configs or refusals out. No privilege, no machine.

mod hostile;
mod lowering;
mod properties;
mod refusals;
mod samples;
mod support;
