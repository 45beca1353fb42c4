//! Indexes are built beside the app: in steps between which edits and sessions have their turn.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use super::{Core, Replica};
use crate::limits::INDEX_STEP_ROWS_MAX;
use crate::store::IndexProgress;
use crate::sync::StoreError;

/// Between two steps, so that who waits for the replica gets it.
const PAUSE: Duration = Duration::from_millis(1);

/// Who builds the indexes of a replica.
#[derive(Debug, Default)]
pub(super) struct Indexing {
    work: Arc<Work>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Work {
    stage: Mutex<Stage>,
    /// Wakes the thread out of a pause.
    ended: Condvar,
}

#[derive(Debug, Clone, PartialEq, Default)]
enum Stage {
    /// All that there was to build is built.
    #[default]
    Done,
    /// A thread is at it. Whether more may have been declared since it looked.
    AtIt { again: bool },
    /// It could not go on; the next start tries again.
    Failed(StoreError),
    /// The replica is closed.
    Ended,
}

impl Work {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step, and what comes of it: whether to go on.
    fn step(&self, core: &Mutex<Core>) -> bool {
        let built = {
            let mut core = core.lock().unwrap_or_else(PoisonError::into_inner);
            core.store.build_indexes(INDEX_STEP_ROWS_MAX)
        };
        let mut stage = self.stage();
        match (built, &mut *stage) {
            (_, Stage::Ended) => false,
            (Ok(true), _) => {
                let wait = self.ended.wait_timeout(stage, PAUSE);
                let (stage, _) = wait.unwrap_or_else(PoisonError::into_inner);
                *stage != Stage::Ended
            }
            (Ok(false), Stage::AtIt { again: again @ true }) => {
                *again = false;
                true
            }
            (Ok(false), _) => {
                *stage = Stage::Done;
                false
            }
            (Err(error), _) => {
                tracing::warn!(%error, "an index cannot be built");
                *stage = Stage::Failed(error);
                false
            }
        }
    }
}

impl Indexing {
    /// Builds what is declared and not built.
    pub(super) fn start(&self, core: &Arc<Mutex<Core>>, changed: &watch::Sender<u64>) {
        {
            let mut stage = self.work.stage();
            match &mut *stage {
                Stage::AtIt { again } => return *again = true,
                Stage::Ended => return,
                Stage::Done | Stage::Failed(_) => *stage = Stage::AtIt { again: false },
            }
        }
        let (work, core, changed) = (Arc::clone(&self.work), Arc::downgrade(core), changed.clone());
        let thread = thread::Builder::new().name("tidegate-indexes".into());
        let started = thread.spawn(move || run(&work, &core, &changed));
        match started {
            Ok(thread) => *self.thread() = Some(thread),
            Err(error) => {
                *self.work.stage() = Stage::Failed(StoreError::Io(error.to_string()));
            }
        }
    }

    /// Builds all of it before it comes back.
    pub(super) fn build_in_place(core: &mut Core) {
        while let Ok(true) = core.store.build_indexes(INDEX_STEP_ROWS_MAX) {}
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended, if it has.
    fn outcome(&self) -> Option<Result<(), StoreError>> {
        match &*self.work.stage() {
            Stage::AtIt { .. } => None,
            Stage::Done | Stage::Ended => Some(Ok(())),
            Stage::Failed(error) => Some(Err(error.clone())),
        }
    }

    /// Waits for the step that is under way: the file is free then.
    pub(super) fn end(&self) {
        *self.work.stage() = Stage::Ended;
        self.work.ended.notify_all();
        if let Some(thread) = self.thread().take() {
            // What panicked there changed nothing here.
            let _ = thread.join();
        }
    }
}

fn run(work: &Work, core: &Weak<Mutex<Core>>, changed: &watch::Sender<u64>) {
    while let Some(core) = core.upgrade() {
        let goes_on = work.step(&core);
        drop(core);
        changed.send_modify(|count| *count = count.wrapping_add(1));
        if !goes_on {
            break;
        }
    }
}

impl Replica {
    /// The indexes that are not built yet: queries do without them until they are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn indexing(&self) -> Result<Vec<IndexProgress>, StoreError> {
        self.shared.reader.snapshot()?.index_progress()
    }

    /// Waits until all indexes are built that the schema declares.
    ///
    /// # Errors
    /// One cannot be built; it is tried again when the replica is opened next.
    pub async fn indexed(&self) -> Result<(), StoreError> {
        self.shared.until(|shared| shared.indexing.outcome().is_some()).await;
        self.shared.indexing.outcome().unwrap_or(Ok(()))
    }
}
