//! The handle that an app embeds: reads are local and synchronous, edits are durable when their
//! future is ready, and sync goes on beside both.

mod admin;
mod can;
mod conflict;
mod edit;
mod error;
mod export;
mod file;
mod greeted;
mod import;
#[cfg(feature = "kit")]
mod in_memory;
mod indexing;
mod ledger;
mod line;
mod listen;
mod live;
mod looked_up;
mod on_demand;
mod outside;
mod progress;
mod query;
mod read;
mod receipt;
mod recheck;
mod run_query;
mod seen;
mod session;
mod shape;
mod sight;
mod table;
mod transaction;
mod view;
mod watching;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Notify, broadcast, watch};

use crate::codec::{EnrollCode, SecretKey};
use crate::limits::EVENTS_KEPT_MAX;
use crate::model::{
    AppName, ColumnName, ColumnPermissions, Columns, EditId, Ledger, Owner, Principal, RecordId,
    Rights, Schema, TableName, Value,
};
use crate::store::RedbReplica;
use crate::sync::ReplicaStore as _;
use crate::sync::replica::{Output, Purpose, ReplicaMachine, SessionError};

pub use crate::net::{FileKeyStore, KeyStore, KeyStoreError, Traffic};
pub use crate::store::{IndexProgress, is_fenced};
pub use crate::sync::replica::{
    Amendment, Arrival, Draft, EditError, Event, Intent, PinError, RecheckReport, SignOutError,
};
pub use admin::{AdminError, RulesInForce};
pub use can::{Ability, Lack, Wish};
pub use conflict::Conflict;
pub use edit::{EditBuilder, Part};
pub use error::{ReplicaOpenError, SyncError};
pub use export::{ExportError, ExportFormat};
pub use file::{
    BackupError, FileKind, Finding, OpenError, Repair, RepairError, Verification, backup, repair,
    verify,
};
pub use import::{BadLine, Import, ImportError, ImportReport, ImportSource};
pub use listen::Subscription;
pub use live::{SyncGuard, SyncOptions};
pub use on_demand::FetchError;
pub use progress::Progress;
pub use query::{Found, QueryError, RowQuery, TypedQuery};
pub use read::{Row, RowState, Status};
pub use receipt::{Receipt, Settled};
pub use session::{SyncReport, Totals};
pub use table::{TableError, TypedTable};
pub use transaction::{PreparedTransaction, Transaction};
pub use view::{ViewError, ViewQuery, ViewRow};
pub use watching::{Differences, RowWatch, TypedWatch, ViewWatch};

use admin::Answers;
use greeted::Acquaintance;
use indexing::Indexing;
use listen::Listeners;
pub(crate) use outside::Outside;
use outside::System;
use progress::Pace;
use seen::SeenAfter;
use session::Until;
use sight::Sight;

/// An app's records on this device. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Core {
    machine: ReplicaMachine,
    store: RedbReplica,
}

#[derive(Debug)]
struct Shared {
    outside: Box<dyn Outside>,
    core: Arc<Mutex<Core>>,
    /// Reads while an edit or a page is being written.
    reader: crate::store::ReplicaReader,
    key: SecretKey,
    acquaintance: Acquaintance,
    events: broadcast::Sender<Event>,
    listeners: Listeners,
    answers: Answers,
    sight: RwLock<Arc<Sight>>,
    /// What happened since the replica was opened.
    totals: Mutex<Totals>,
    /// What sessions took since then.
    ledger: Mutex<Ledger>,
    /// How fast rows arrive.
    pace: Mutex<Option<Pace>>,
    /// Counts steps of the machine: whoever waits for something looks again.
    changed: watch::Sender<u64>,
    /// Wakes a session after a local edit.
    edited: Notify,
    /// Held by whoever runs a session: there is one at a time.
    session: tokio::sync::Mutex<()>,
    indexing: Indexing,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.indexing.end();
        self.keep_ledger_of_cut_session();
    }
}

/// Chooses how a replica is opened.
pub struct ReplicaBuilder {
    path: PathBuf,
    schema: Option<Schema>,
    keys: Option<Box<dyn KeyStore>>,
    app: Option<AppName>,
    #[cfg(feature = "cli")]
    is_scratch: bool,
}

impl std::fmt::Debug for ReplicaBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplicaBuilder").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ReplicaBuilder {
    /// Where the device's key is kept; by default in a file beside the replica's, named like it
    /// with `.key` at the end.
    #[must_use]
    pub fn key_store(mut self, keys: impl KeyStore + 'static) -> Self {
        self.keys = Some(Box::new(keys));
        self
    }

    /// The tables that a replica has before it is enrolled: the app works at once, and what was
    /// made becomes the user's at enrolment. An enrolled replica has its server's.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Which app it is: offline profiles can be for one. It is said to the server in each session, and kept;
    /// where it is not said, it is the one that was said last.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("field.redb");
    /// use tidegate::Replica;
    ///
    /// let app = Replica::builder(path).app("field".parse()?).open()?;
    /// # drop(app);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn app(mut self, app: AppName) -> Self {
        self.app = Some(app);
        self
    }

    /// The file is thrown away in the end: edits do not wait until they are on the disk, and may be lost when
    /// the machine stops.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn scratch(mut self) -> Self {
        self.is_scratch = true;
        self
    }

    fn open_store(&self) -> Result<RedbReplica, crate::store::OpenError> {
        #[cfg(feature = "cli")]
        if self.is_scratch {
            return RedbReplica::scratch(&self.path);
        }
        RedbReplica::open_or_create(&self.path)
    }

    /// Opens the replica, or makes it. Needs no network and no server.
    ///
    /// # Errors
    /// The file or the key cannot be used; the error says which, and what to do.
    pub fn open(self) -> Result<Replica, ReplicaOpenError> {
        let mut store = self.open_store()?;
        let keys = self.keys.unwrap_or_else(|| {
            let mut path = self.path.clone().into_os_string();
            path.push(".key");
            Box::new(FileKeyStore::new(path))
        });
        let outside = System;
        let key = if let Some(key) = keys.load()? {
            key
        } else if store.meta()?.enrolment.is_some() {
            // A new key would be a stranger to the server.
            return Err(ReplicaOpenError::KeyLost(self.path));
        } else {
            let key = SecretKey::from_seed(outside.seed()?);
            keys.save(&key)?;
            key
        };
        let mut machine = ReplicaMachine::open(&store, key.clone(), outside.seed()?)?;
        if let Some(app) = self.app {
            machine.set_app(app);
        }
        if let Some(schema) = self.schema {
            machine.set_local_schema(&mut store, schema)?;
        }
        Ok(Replica::new(Box::new(outside), Core { machine, store }, key))
    }
}

impl Replica {
    fn new(outside: Box<dyn Outside>, core: Core, key: SecretKey) -> Self {
        let shared = Shared {
            outside,
            reader: core.store.reader(),
            sight: RwLock::new(Arc::new(Sight::of(&core.machine))),
            core: Arc::new(Mutex::new(core)),
            key,
            acquaintance: Acquaintance::default(),
            events: broadcast::Sender::new(EVENTS_KEPT_MAX),
            listeners: Listeners::default(),
            answers: Answers::default(),
            totals: Mutex::default(),
            ledger: Mutex::default(),
            pace: Mutex::default(),
            changed: watch::Sender::new(0),
            edited: Notify::new(),
            session: tokio::sync::Mutex::new(()),
            indexing: Indexing::default(),
        };
        shared.build_indexes();
        Self { shared: Arc::new(shared) }
    }

    /// A replica in this file.
    #[must_use]
    pub fn builder(path: impl AsRef<Path>) -> ReplicaBuilder {
        ReplicaBuilder {
            path: path.as_ref().to_owned(),
            schema: None,
            keys: None,
            app: None,
            #[cfg(feature = "cli")]
            is_scratch: false,
        }
    }

    /// Enrols this device by a code and fetches what its user takes along.
    ///
    /// Cancel-safe: a device that was enrolled when the future is dropped stays so, and another
    /// call with the same code ends the same.
    ///
    /// # Errors
    /// The server cannot be reached, is not the code's, or refuses the code; or the device is
    /// enrolled already.
    pub async fn enroll(&self, code: &EnrollCode, name: &str) -> Result<SyncReport, SyncError> {
        let _one = self.shared.session.lock().await;
        let purpose = Purpose::Enroll { code: Box::new(code.clone()), name: name.to_owned() };
        self.shared.session(purpose, code.addresses(), Until::UpToDate).await
    }

    /// Sends what is pending, waits for its verdicts, and fetches what changed.
    ///
    /// Where a live session is running, waits until that one is up to date. Cancel-safe: what was
    /// settled stays settled, the rest comes with the next session.
    ///
    /// # Errors
    /// The device is not enrolled, the server cannot be reached or refuses.
    pub async fn sync(&self) -> Result<SyncReport, SyncError> {
        self.reached(Until::UpToDate).await
    }

    /// Waits until that is so in the session that is running, or runs one.
    async fn reached(&self, until: Until) -> Result<SyncReport, SyncError> {
        let _one = tokio::select! {
            // Where no session is running, one is run, whatever the last one came to.
            biased;
            one = self.shared.session.lock() => one,
            () = self.shared.until(|shared| shared.is_over(&until)) => return Ok(SyncReport::default()),
        };
        let addresses = self.shared.addresses()?;
        self.shared.session(Purpose::Sync, &addresses, until).await
    }

    /// Makes edits, in one durable step: when the future is ready they are on disk, pending, and
    /// visible to reads.
    ///
    /// Not cancelled by dropping the future: the step is then made or not made as a whole.
    ///
    /// # Errors
    /// One of them is refused or makes no sense; then none is made.
    pub async fn commit(&self, drafts: Vec<Draft>) -> Result<Receipt, EditError> {
        self.make(drafts, false).await
    }

    /// As [`Self::commit`]; and the server admits all of the edits, or none.
    ///
    /// # Errors
    /// As [`Self::commit`]; or there are more than [`crate::limits::ATOMIC_PARTS_MAX`].
    pub async fn commit_atomic(&self, drafts: Vec<Draft>) -> Result<Receipt, EditError> {
        self.make(drafts, true).await
    }

    async fn make(&self, drafts: Vec<Draft>, atomic: bool) -> Result<Receipt, EditError> {
        let records = drafts.iter().map(|draft| draft.record).collect();
        let seen = SeenAfter::of(&drafts);
        let now = self.shared.outside.now();
        let made = self.shared.with_core(move |core| {
            let edits = core.machine.commit(&mut core.store, now, drafts, atomic)?;
            // The edits are made, whether or not it can be told what they are.
            let seen = seen.follow(core, &edits).unwrap_or_default();
            Ok::<_, EditError>((edits, seen))
        });
        let (edits, seen) = made.await?;
        self.shared.edited.notify_one();
        Ok(Receipt::new(self.clone(), records, edits).with_seen(seen))
    }

    /// Makes a new record. Its id is derived from the key columns where the table has some.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn insert(
        &self,
        table: &TableName,
        columns: Columns,
    ) -> Result<(RecordId, Receipt), EditError> {
        let record = self.new_id(table, &columns)?;
        let intent = Intent::Create { owner: None, columns };
        let receipt = self.commit(vec![Draft { table: table.clone(), record, intent }]).await?;
        Ok((record, receipt))
    }

    /// Changes columns of a record.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn update(
        &self,
        table: &TableName,
        record: RecordId,
        columns: impl IntoIterator<Item = (ColumnName, Value)>,
    ) -> Result<Receipt, EditError> {
        let intent = Intent::Set(columns.into_iter().collect());
        self.commit(vec![Draft { table: table.clone(), record, intent }]).await
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn delete(&self, table: &TableName, record: RecordId) -> Result<Receipt, EditError> {
        self.commit(vec![Draft { table: table.clone(), record, intent: Intent::Delete }]).await
    }

    /// Brings a deleted record back, with the values that it had.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn undelete(
        &self,
        table: &TableName,
        record: RecordId,
    ) -> Result<Receipt, EditError> {
        let intent = Intent::Undelete;
        self.commit(vec![Draft { table: table.clone(), record, intent }]).await
    }

    /// Gives a record another owner.
    ///
    /// # Errors
    /// As [`Self::commit`]; or the device does not know where the owner belongs.
    pub async fn assign(
        &self,
        table: &TableName,
        record: RecordId,
        to: Owner,
    ) -> Result<Receipt, EditError> {
        let intent = Intent::Assign(to);
        self.commit(vec![Draft { table: table.clone(), record, intent }]).await
    }

    /// Shares a record: says what a principal may do with it, in place of what it could.
    ///
    /// ```no_run
    /// # async fn share(app: tidegate::Replica, id: tidegate::RecordId) -> Result<(), tidegate::EditError> {
    /// use tidegate::model::{Right, Rights};
    /// let ben = "user:ben".parse().unwrap();
    /// let rights = Rights::from_iter([Right::Read, Right::Write]);
    /// app.share(&"order".parse().unwrap(), id, ben, rights).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::commit`]; only rights that are added must be the user's own on the record.
    pub async fn share(
        &self,
        table: &TableName,
        record: RecordId,
        to: Principal,
        rights: Rights,
    ) -> Result<Receipt, EditError> {
        let intent = Intent::Share { to, rights };
        self.commit(vec![Draft { table: table.clone(), record, intent }]).await
    }

    /// Ends the share of a record with a principal.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn unshare(
        &self,
        table: &TableName,
        record: RecordId,
        to: Principal,
    ) -> Result<Receipt, EditError> {
        self.share(table, record, to, Rights::NONE).await
    }

    /// Shares a secured column of a record: says what a principal may do with it, in place of what
    /// it could; none ends it.
    ///
    /// # Errors
    /// As [`Self::commit`]; only permissions that are added must be the user's own.
    pub async fn share_column(
        &self,
        table: &TableName,
        record: RecordId,
        column: ColumnName,
        to: Principal,
        permissions: ColumnPermissions,
    ) -> Result<Receipt, EditError> {
        let intent = Intent::ShareColumn { column, to, permissions };
        self.commit(vec![Draft { table: table.clone(), record, intent }]).await
    }

    /// The id for a new record of `table` with these values: derived from its key columns, or
    /// random where the table declares none.
    ///
    /// # Errors
    /// There is no such table, or a key column has no value.
    pub fn new_id(&self, table: &TableName, columns: &Columns) -> Result<RecordId, EditError> {
        let schema = self.known_schema();
        let Some(declared) = schema.table(table.as_str()) else {
            return Err(EditError::NoSuchTable(table.clone()));
        };
        if !declared.key.is_empty() {
            let value = |column| columns.get(column).cloned().unwrap_or_default();
            let key: Vec<_> = declared.key.iter().map(value).collect();
            if let Some((column, _)) =
                declared.key.iter().zip(&key).find(|(_, value)| value.is_null())
            {
                let detail = format!("key column `{column}` of table `{table}` has no value");
                return Err(EditError::Denied(crate::model::Denial::malformed(detail)));
            }
            return Ok(RecordId::from_key(table, &key));
        }
        let outside = &self.shared.outside;
        let random = outside.seed().map_err(|e| crate::sync::StoreError::Io(e.to_string()))?;
        let mut ten = [0; 10];
        ten.copy_from_slice(random.split_at(10).0);
        Ok(RecordId::new(outside.now(), ten))
    }

    /// Tries a refused edit again: judged here and then on the server. What a server has refused is an edit
    /// of its own now; what this device alone gave up keeps its id.
    ///
    /// # Errors
    /// It is refused again, or is not in quarantine.
    pub async fn retry(&self, edit: EditId) -> Result<Receipt, EditError> {
        self.resubmit(edit, Amendment::default()).await
    }

    /// Sends a refused edit with other values: as [`Self::retry`], of what it is after the
    /// amendment. It leaves quarantine when the amended edit is pending.
    ///
    /// ```no_run
    /// # use tidegate::{Replica, Value, model::{ColumnName, EditId}};
    /// # async fn mend(app: Replica, refused: EditId) -> Result<(), tidegate::EditError> {
    /// use tidegate::replica::Amendment;
    ///
    /// // The cost is for others to say; the rest of the edit is as it was.
    /// let without = [ColumnName::new("cost").unwrap()].into();
    /// app.resubmit(refused, Amendment { without, ..Amendment::default() }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// It is refused as it is then (or is not in quarantine), or changes nothing: nothing is stored,
    /// and it stays in quarantine as it was.
    pub async fn resubmit(&self, edit: EditId, amendment: Amendment) -> Result<Receipt, EditError> {
        let held = self.quarantine()?.into_iter().filter(|entry| entry.edit == edit);
        let records = held.map(|entry| entry.record).take(1).collect();
        let now = self.shared.outside.now();
        let resubmitted = self
            .shared
            .with_core(move |core| core.machine.resubmit(&mut core.store, now, edit, &amendment));
        let again = resubmitted.await?;
        self.shared.edited.notify_one();
        Ok(Receipt::new(self.clone(), records, again))
    }

    /// Signs the user out: rows, grant and quarantine go from this replica, and it can be enrolled
    /// anew. With `wipe`, pending edits are discarded too. No byte of what goes is left in the file.
    ///
    /// # Errors
    /// Edits are pending and `wipe` was not asked for, or the file cannot be written.
    pub async fn sign_out(&self, wipe: bool) -> Result<(), SignOutError> {
        self.shared.with_core(move |core| core.machine.sign_out(&mut core.store, wipe)).await
    }

    /// Takes a refused edit out of quarantine for good.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn discard(&self, edit: EditId) -> Result<(), EditError> {
        let discarded =
            self.shared.with_core(move |core| core.machine.discard(&mut core.store, edit));
        Ok(discarded.await?)
    }

    /// Whether both are handles to one replica.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// What happens from now on. A receiver that does not keep up misses the oldest, and is told.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }
}

/// The blocking pool is gone: the runtime shuts down.
trait Gone {
    fn gone() -> Self;
}

impl Gone for EditError {
    fn gone() -> Self {
        Self::Store(crate::sync::StoreError::Io("the runtime is shutting down".into()))
    }
}

impl Gone for PinError {
    fn gone() -> Self {
        Self::Store(crate::sync::StoreError::gone())
    }
}

impl Gone for crate::sync::StoreError {
    fn gone() -> Self {
        Self::Io("the runtime is shutting down".into())
    }
}

impl Gone for SignOutError {
    fn gone() -> Self {
        Self::Store(crate::sync::StoreError::gone())
    }
}

impl Gone for SessionError {
    fn gone() -> Self {
        Self::Store(crate::sync::StoreError::gone())
    }
}

impl Shared {
    fn core(&self) -> MutexGuard<'_, Core> {
        // A panic elsewhere left the machine between two steps at worst; the store is whole.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a step of the machine where it may block, and lets those who wait look again.
    async fn with_core<T: Send + 'static, E: Send + Gone + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Core) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        if self.outside.blocks() {
            let shared = Arc::clone(self);
            let run = tokio::task::spawn_blocking(move || shared.step(step));
            return run.await.unwrap_or_else(|_| Err(E::gone()));
        }
        let result = self.step(step);
        outside::let_others_go_on().await;
        result
    }

    fn step<T, E>(&self, step: impl FnOnce(&mut Core) -> Result<T, E>) -> Result<T, E> {
        let mut core = self.core();
        let result = step(&mut core);
        let knows_more = self.see(&core.machine);
        let events: Vec<_> = std::iter::from_fn(|| core.machine.poll_event()).collect();
        drop(core);
        if knows_more {
            self.build_indexes();
        }
        self.publish(events);
        result
    }

    /// Sees to it that the indexes that the schema declares are built.
    fn build_indexes(&self) {
        let is_done = self.reader.snapshot().and_then(|snapshot| snapshot.has_all_indexes());
        if is_done == Ok(true) {
            return;
        }
        if self.outside.blocks() {
            self.indexing.start(&self.core, &self.changed);
        } else {
            Indexing::build_in_place(&mut self.core());
        }
    }

    fn sight(&self) -> Arc<Sight> {
        Arc::clone(&self.sight.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows what the machine knows of the schema and the user's privileges; tells whether there is
    /// something new.
    fn see(&self, machine: &ReplicaMachine) -> bool {
        if self.sight().is_of(machine) {
            return false;
        }
        let sight = Arc::new(Sight::of(machine));
        *self.sight.write().unwrap_or_else(PoisonError::into_inner) = sight;
        true
    }

    fn outputs(&self) -> Vec<Output> {
        let mut core = self.core();
        std::iter::from_fn(|| core.machine.poll_output()).collect()
    }

    fn is_up_to_date(&self) -> bool {
        self.core().machine.is_up_to_date()
    }

    fn addresses(&self) -> Result<Vec<String>, SessionError> {
        let core = self.core();
        let enrolment = core.machine.meta().enrolment.as_ref();
        enrolment.map(|it| it.addresses.clone()).ok_or(SessionError::NotEnrolled)
    }

    fn publish(&self, events: Vec<Event>) {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).count(&events);
        let now = self.outside.now();
        for event in events {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            *pace = Pace::note(*pace, &event, now);
            drop(pace);
            self.listeners.tell(&event);
            // Nobody needs to listen.
            let _ = self.events.send(event);
        }
        self.note_change();
    }

    fn totals(&self) -> Totals {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_change(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits until something is so.
    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        while !is_so(self) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}
