//! The command line: see `tidegate --help`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Who serves for weeks holds what is in use, and not what once was (ADR 0040).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tidegate::cli::run()
}
