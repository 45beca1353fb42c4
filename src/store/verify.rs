//! Going over a file that nobody has open.

use std::path::Path;

use redb::{Database, ReadableDatabase as _};

use super::OpenError;
use super::fence::{self, fenced};
use super::file::{self, FileKind};
use super::survey::{Survey, Verification};
use super::{replica, server};
use crate::sync::StoreError;

/// Goes over a whole file of either kind, and changes nothing in it: the pages, the checksum of
/// each value, and whether what the tables say fits together. `progress` is told how many entries
/// are done, and of how many.
///
/// # Errors
/// It is not there, in use, not ours, or so damaged that it cannot be opened.
pub fn verify(
    path: impl AsRef<Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verification, OpenError> {
    let path = path.as_ref();
    let (mut database, kind) = file::open_to_look(path)?;
    let mut survey = Survey::new(progress);
    over(&database, kind, &mut survey).map_err(|it| OpenError::store(path, "read it", it))?;
    file::look_at_pages(&mut database, &mut survey);
    Ok(survey.finish(kind))
}

/// Goes over all tables.
pub(super) fn over(
    database: &Database,
    kind: FileKind,
    survey: &mut Survey<'_>,
) -> Result<(), StoreError> {
    let tx = fenced(|| database.begin_read().map_err(fence::transaction))?;
    match kind {
        FileKind::Replica => replica::verify(&tx, survey),
        FileKind::Server => server::verify(&tx, survey),
    }
    Ok(())
}
