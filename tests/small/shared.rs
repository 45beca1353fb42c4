//! Parts of a world that its copies share until one of them changes it.

use std::cell::Cell;
use std::fmt::{Debug, Write as _};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// What names a part: two of the same say the same.
pub(crate) type Digest = [u8; 32];

/// Room for what a part says.
const SAID: usize = 64 << 10;

#[derive(Debug, Clone)]
pub(crate) struct Shared<T> {
    it: Rc<T>,
    digest: Cell<Option<Digest>>,
}

impl<T> Shared<T> {
    pub(crate) fn new(it: T) -> Self {
        Self { it: Rc::new(it), digest: Cell::new(None) }
    }
}

impl<T: Debug> Shared<T> {
    /// Of all that its `Debug` shows, written anew only where it changed.
    pub(crate) fn digest(&self) -> Digest {
        if let Some(digest) = self.digest.get() {
            return digest;
        }
        // At once: it is made of thousands of words.
        let mut said = String::with_capacity(SAID);
        write!(said, "{:?}", self.it).unwrap();
        let digest = *blake3::hash(said.as_bytes()).as_bytes();
        self.digest.set(Some(digest));
        digest
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.it
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.digest.set(None);
        Rc::make_mut(&mut self.it)
    }
}
