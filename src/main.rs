//! Arguments in, exit code out.

use std::process::ExitCode;

#[global_allocator]
static HEAP: nsplan::apply::Heap = nsplan::apply::Heap::new();

fn main() -> ExitCode {
    nsplan::cli::main(std::env::args_os().skip(1).collect())
}
