//! A disk in memory whose power can be cut, and which can refuse.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use crate::data::Rng;

/// A disk forgets what was not synced: some of these, torn, in any order.
#[derive(Debug, Clone)]
enum Unsynced {
    Length(u64),
    Write(u64, Vec<u8>),
}

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    seen: Vec<u8>,
    /// What a power cut leaves for sure.
    synced: Vec<u8>,
    unsynced: Vec<Unsynced>,
    /// How many operations were asked for.
    operations: usize,
    /// From this operation on, everything fails.
    cut: Option<(usize, io::ErrorKind)>,
    /// Whether it fails once only.
    once: bool,
}

/// A disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        let state = State { seen: bytes.clone(), synced: bytes, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// How many writes, syncs and changes of length there were.
    pub(crate) fn operations(&self) -> usize {
        self.state().operations
    }

    /// Lets the operation of this number fail, and all after it.
    pub(crate) fn cut_at(&self, operation: usize) {
        self.state().cut = Some((operation, io::ErrorKind::Other));
    }

    /// Whether the power went.
    pub(crate) fn is_dark(&self) -> bool {
        let state = self.state();
        state.cut.is_some_and(|(cut, _)| state.operations > cut)
    }

    /// Lets the operation after `wait` more fail, and none after it.
    pub(crate) fn fail_once(&self, wait: usize, kind: io::ErrorKind) {
        let mut state = self.state();
        state.cut = Some((state.operations + wait, kind));
        state.once = true;
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.state().cut = None;
    }

    /// What is there when the power comes back: all that was synced, and of the rest some.
    pub(crate) fn after_cut(&self, rng: &mut Rng) -> Vec<u8> {
        let state = self.state();
        let mut bytes = state.synced.clone();
        let mut rest = state.unsynced.clone();
        // All, none, or any.
        let keep = rng.below(4);
        while !rest.is_empty() {
            let next = rest.remove(if keep == 0 { 0 } else { rng.below(rest.len()) });
            match next {
                _ if keep == 1 => {}
                Unsynced::Length(length) => {
                    bytes.resize(usize::try_from(length).unwrap(), 0);
                }
                Unsynced::Write(..) if keep > 1 && rng.one_in(2) => {}
                Unsynced::Write(at, data) => {
                    // Sectors are whole, a write of many is not.
                    let sectors = data.len().div_ceil(512);
                    let torn = keep > 1 && rng.one_in(3);
                    let end = if torn { 512 * rng.below(sectors + 1) } else { data.len() };
                    write(&mut bytes, at, &data[..end.min(data.len())]);
                }
            }
        }
        bytes
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state().seen.clone()
    }

    fn operation(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        let number = state.operations;
        state.operations += 1;
        if let Some((cut, kind)) = state.cut
            && number >= cut
        {
            if state.once {
                state.cut = None;
            }
            return Err(kind.into());
        }
        Ok(state)
    }
}

fn write(bytes: &mut Vec<u8>, at: u64, data: &[u8]) {
    let at = usize::try_from(at).unwrap();
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.state().seen.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let at = usize::try_from(offset).unwrap();
        let end = at.checked_add(out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let found = state.seen.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.operation()?;
        state.seen.resize(usize::try_from(len).unwrap(), 0);
        state.unsynced.push(Unsynced::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.operation()?;
        let State { seen, synced, unsynced, .. } = &mut *state;
        synced.clone_from(seen);
        unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        // The write at which the power goes may be half done.
        let result = self.operation().map(drop);
        let mut state = self.state();
        state.unsynced.push(Unsynced::Write(offset, data.to_vec()));
        if result.is_ok() {
            write(&mut state.seen, offset, data);
        }
        result
    }
}
