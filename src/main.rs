//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    nsplan::cli::main(std::env::args_os().skip(1).collect())
}
