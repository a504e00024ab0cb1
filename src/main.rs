//! Arguments in, exit code out.

use std::path::Path;
use std::process::ExitCode;

#[global_allocator]
static HEAP: nsplan::apply::Heap = nsplan::apply::Heap::new();

// Unoptimised, it might be made of calls to what it is to be itself.
#[cfg(all(target_arch = "x86_64", target_env = "musl", not(debug_assertions)))]
nsplan::copies_of_its_own!(nsplan::apply::copy);

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
