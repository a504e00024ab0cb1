//! Arguments in, exit code out.

use std::path::Path;
use std::process::ExitCode;

#[global_allocator]
static HEAP: nsplan::apply::Heap = nsplan::apply::Heap::new();

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let words = words.collect();
    // One file can be both commands.
    match Path::new(&name).file_name() {
        Some(name) if name == "nsinit" => nsplan::cli::nsinit::main(words),
        _ => nsplan::cli::main(words),
    }
}
