//! From a damaged file of a replica to a whole one that the next sync fills.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::tables::{self, KEPT, KeptEdit, META, PENDING, Part, QUARANTINE, ROW};
use super::{commit, verify};
use crate::model::{RecordId, TableName};
use crate::store::OpenError;
use crate::store::fence::{self, fenced};
use crate::store::file::{self, FileKind};
use crate::store::lately::Lately;
use crate::store::survey::{Survey, Verification};
use crate::sync::replica::replay;
use crate::sync::{Kept, Pending, Quarantined, ReplicaBatch, ReplicaMeta, Turn};

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// What was damaged.
    pub verification: Verification,
    /// Edits that were pending and still are.
    pub pending: u64,
    /// Refused edits that are still in quarantine.
    pub quarantined: u64,
    /// The damaged file as it was found, beside the new one.
    pub damaged: PathBuf,
}

/// Why a file was not repaired. It is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// It cannot be opened, or the new one not be written.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nothing is wrong with it.
    #[error("nothing is wrong with {}", .0.display())]
    Sound(PathBuf),
    /// A server has nobody to heal from.
    #[error(
        "{} is the file of a server: nothing can be left out of it, so it is restored from a backup \
         with `tidegate restore`; devices then send again what the backup lacks", .0.display()
    )]
    Server(PathBuf),
    /// It is not known any more to whom the device belongs.
    #[error(
        "{} does not tell any more where this device is enrolled: enrol into a new file; {} pending \
         edits could be read and can be made there again", path.display(), pending.len()
    )]
    Identity {
        /// The file.
        path: PathBuf,
        /// The pending edits that could be read.
        pending: Vec<Pending>,
    },
}

/// What could be read of what only this file knows.
struct Saved {
    meta: ReplicaMeta,
    has_identity: bool,
    pending: BTreeMap<Turn, Pending>,
    quarantine: Vec<Quarantined>,
    kept: Vec<Kept>,
}

/// Makes a damaged file whole: who the device is, its pending and its refused edits are kept, as far
/// as they can be read. What is confirmed is forgotten: the next sync fetches it anew. The damaged
/// file stays beside it under another name. `progress` is told how far the search for damage is.
///
/// # Errors
/// Nothing is wrong with it, or too much is; the error says what to do. It is then as it was.
pub fn repair(
    path: impl AsRef<Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Repair, RepairError> {
    let path = path.as_ref();
    let (mut database, kind) = file::open_damaged(path)?;
    if let Ok(FileKind::Server) = kind {
        return Err(RepairError::Server(path.to_owned()));
    }
    let mut survey = Survey::new(progress);
    let saved = {
        let tx = fenced(|| database.begin_read().map_err(fence::transaction));
        let tx = tx.map_err(|error| OpenError::store(path, "read it", error))?;
        verify::verify(&tx, &mut survey);
        save(&tx)
    };
    match kind {
        Ok(_) => {}
        Err(OpenError::Damaged { detail, .. }) => survey.found("tidegate", None, detail),
        Err(other) => return Err(other.into()),
    }
    file::look_at_pages(&mut database, &mut survey);
    let verification = survey.finish(FileKind::Replica);
    if verification.is_sound() {
        return Err(RepairError::Sound(path.to_owned()));
    }
    if !saved.has_identity {
        let (path, pending) = (path.to_owned(), saved.pending.into_values().collect());
        return Err(RepairError::Identity { path, pending });
    }
    replace(path, database, saved, verification)
}

fn save(tx: &ReadTransaction) -> Saved {
    let mut ignore = |_, _| {};
    // What is damaged was told by the check before.
    let mut survey = Survey::new(&mut ignore);
    let mut meta = ReplicaMeta::default();
    let (mut has_identity, mut has_place) = (false, false);
    survey.each(&META, tx, |_, _, part| {
        has_identity |= matches!(part, Part::Enrolment(_));
        has_place |= matches!(part, Part::Place { .. });
        part.fill(&mut meta);
    });
    // A file in which nothing was ever written has no parts, and no identity to lose.
    has_identity |= survey.finish(FileKind::Replica).is_sound() && !has_place;
    let mut survey = Survey::new(&mut ignore);
    let mut pending = BTreeMap::new();
    survey.each(&PENDING, tx, |_, turn, kept| {
        if let Ok(edit) = fenced(|| kept.edit(turn, &ROW.read(tx)?)) {
            pending.insert(turn, Pending { turn, edit });
        }
    });
    // Where all is fetched anew, the server is asked again about what it admitted last.
    let sent: BTreeSet<_> = pending.values().map(|it: &Pending| it.edit.id).collect();
    let mut kept = Vec::new();
    survey.each(&KEPT, tx, |_, (sequence, turn), KeptEdit(edit)| {
        if !sent.contains(&edit.id) {
            kept.push(Kept { sequence, pending: Pending { turn, edit } });
        }
    });
    let mut quarantine = BTreeMap::new();
    survey.each(&QUARANTINE, tx, |_, number, entry| {
        quarantine.insert(number, entry);
    });
    let quarantine: Vec<_> = quarantine.into_values().collect();

    let used = pending.values().map(|it: &Pending| it.turn.counter.max(it.edit.id.counter));
    let used = used.chain(kept.iter().map(|it: &Kept| it.pending.edit.id.counter));
    let used = used.chain(quarantine.iter().map(|entry| entry.edit.counter)).max();
    meta.counter = meta.counter.max(used.unwrap_or(0));
    // How many edits it made is not known: as if it were a copy.
    meta.copied |= !has_place;
    Saved { meta, has_identity, pending, quarantine, kept }
}

impl Saved {
    fn into_batch(mut self) -> ReplicaBatch {
        self.meta.forget_confirmed();
        // The bytes are a rough figure, and right again when these are gone.
        self.meta.kept.edits = self.kept.len() as u64;
        let mut by_record: BTreeMap<(TableName, RecordId), Vec<Pending>> = BTreeMap::new();
        for pending in self.pending.values() {
            let place = (pending.edit.table.clone(), pending.edit.record);
            by_record.entry(place).or_default().push(pending.clone());
        }
        let row = |((table, record), pending): ((TableName, RecordId), Vec<Pending>)| {
            let row = replay(&table, record, None, &pending);
            row.is_some().then_some((table, record, row))
        };
        ReplicaBatch {
            meta: Some(self.meta),
            rows: by_record.into_iter().filter_map(row).collect(),
            pending: self.pending.into_values().collect(),
            quarantine: self.quarantine,
            kept: self.kept,
            ..ReplicaBatch::default()
        }
    }
}

fn replace(
    path: &Path,
    database: Database,
    saved: Saved,
    verification: Verification,
) -> Result<Repair, RepairError> {
    let (pending, quarantined) = (saved.pending.len() as u64, saved.quarantine.len() as u64);
    let batch = saved.into_batch();
    // Held until the new file is in its place, so that no process writes to the old one meanwhile;
    // but Windows does not replace what is open.
    let held = (!cfg!(windows)).then_some(database);
    let damaged = file::free_name(path, "damaged");
    file::create_over(path, FileKind::Replica, &damaged, |tx| {
        tables::make(tx)?;
        commit::write(tx, batch, &Lately::default())
    })?;
    drop(held);
    Ok(Repair { verification, pending, quarantined, damaged })
}
