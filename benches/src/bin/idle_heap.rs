//! Opens a replica's file, reads one row, and prints how many bytes it holds in memory then. A
//! process of its own, since the allocator that counts would slow down what a bench times.

use std::alloc::System;
use std::hint::black_box;
use std::path::Path;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate::Replica;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which file?")?;
    // The first to open pays for what a process holds once.
    drop(open_and_read(Path::new(&file))?);
    let region = Region::new(ALLOCATOR);
    let replica = open_and_read(Path::new(&file))?;
    let change = region.change();
    println!("{}", change.bytes_allocated.saturating_sub(change.bytes_deallocated));
    drop(replica);
    Ok(())
}

fn open_and_read(file: &Path) -> Result<Replica, Box<dyn std::error::Error>> {
    let replica = Replica::builder(file).open()?;
    let table = "work_order".parse()?;
    black_box(replica.list(&table, None, 1)?.pop().ok_or("there is no row")?);
    Ok(replica)
}
