//! Arguments in, exit code out: libcontainer's program of 2015.

use std::process::ExitCode;

fn main() -> ExitCode {
    nsplan::cli::nsinit::main(std::env::args_os().skip(1).collect())
}
