//! A replica in memory, with no network: the kit carries its messages, and ends its process.

use super::{Core, Outside, Replica, ReplicaOpenError};
use crate::codec::{PublicKey, SecretKey, ToDevice};
use crate::store::RedbReplica;
use crate::sync::replica::{Output, Purpose, ReplicaMachine, SessionError};
use crate::sync::{Pending, ReplicaStore as _, StoreError, Turn};

impl Replica {
    /// An empty replica in memory.
    pub(crate) fn in_memory(
        outside: Box<dyn Outside>,
        key: SecretKey,
    ) -> Result<Self, ReplicaOpenError> {
        let store = RedbReplica::in_memory()?;
        let machine = ReplicaMachine::open(&store, key.clone(), outside.seed()?)?;
        Ok(Self::new(outside, Core { machine, store }, key))
    }

    /// The process ends, and another one takes up the file.
    pub(crate) fn restart(&self) -> Result<(), ReplicaOpenError> {
        let seed = self.shared.outside.seed()?;
        let mut core = self.shared.core();
        core.machine = ReplicaMachine::open(&core.store, self.shared.key.clone(), seed)?;
        Ok(())
    }

    /// There is a connection to who shows this key.
    pub(crate) fn connect(&self, purpose: Purpose, peer: PublicKey) -> Result<(), SessionError> {
        self.shared.step(|core| core.machine.connected(purpose, peer))
    }

    /// It is gone.
    pub(crate) fn disconnect(&self) {
        self.shared.core().machine.disconnected();
    }

    /// A message arrived.
    pub(crate) fn receive(&self, message: ToDevice) -> Result<(), SessionError> {
        let now = self.shared.outside.now();
        self.shared.step(|core| core.machine.received(&mut core.store, now, message))
    }

    /// Time has passed.
    pub(crate) fn wake(&self) {
        let now = self.shared.outside.now();
        let Core { machine, store } = &mut *self.shared.core();
        machine.wake(store, now);
    }

    /// What the session wants done.
    pub(crate) fn outputs(&self) -> Vec<Output> {
        self.shared.outputs()
    }

    /// What is pending, from some turn on.
    pub(crate) fn pending_after(
        &self,
        after: Turn,
        limit: usize,
    ) -> Result<Vec<Pending>, StoreError> {
        self.shared.core().store.pending_after(after, limit)
    }
}
