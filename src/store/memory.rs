//! Storage in memory instead of a file: for tests.

use std::io;
use std::sync::{Mutex, PoisonError};

use redb::backends::InMemoryBackend;

/// Is opened once: what is opened again would have to hold what it held.
pub(super) fn once() -> impl Fn() -> io::Result<InMemoryBackend> + Send + Sync + 'static {
    let memory = Mutex::new(Some(InMemoryBackend::new()));
    move || {
        let taken = memory.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| io::Error::other("what was in memory is gone"))
    }
}
