//! Events for those who cannot await them: callbacks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Event, Replica};

type Callback = Arc<dyn Fn(&Event) + Send + Sync>;

/// Who wants to be called.
#[derive(Default)]
pub(super) struct Listeners {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    next: u64,
    callbacks: BTreeMap<u64, Callback>,
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}

impl Listeners {
    pub(super) fn tell(&self, event: &Event) {
        // Called without the lock: a callback may subscribe, or end a subscription.
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let callbacks: Vec<_> = held.callbacks.values().cloned().collect();
        drop(held);
        for callback in callbacks {
            callback(event);
        }
    }
}

/// Keeps a callback of [`Replica::subscribe`]; dropping it ends the calls.
#[must_use = "dropping it ends the subscription"]
pub struct Subscription {
    held: Weak<Mutex<Held>>,
    number: u64,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(held) = self.held.upgrade() {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.callbacks.remove(&self.number);
        }
    }
}

impl Replica {
    /// Calls `callback` with each event for as long as the subscription lives: what
    /// [`Self::events`] tells, for those who cannot await. None is missed; those of one step come
    /// in order, while steps that end at the same time may be told side by side.
    ///
    /// It is called on a thread of the replica's and holds up what the replica does: it should
    /// hand the event on, and return. It may read.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let app = tidegate::Replica::builder(folder.path().join("field.redb")).open()?;
    /// let (sender, events) = std::sync::mpsc::channel();
    /// let subscription = app.subscribe(Box::new(move |event| {
    ///     let _ = sender.send(event.clone());
    /// }));
    /// drop(subscription);
    /// assert!(events.recv().is_err(), "nobody calls any more");
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, callback: Box<dyn Fn(&Event) + Send + Sync>) -> Subscription {
        let shared = &self.shared.listeners.held;
        let mut held = shared.lock().unwrap_or_else(PoisonError::into_inner);
        held.next += 1;
        let number = held.next;
        held.callbacks.insert(number, callback.into());
        Subscription { held: Arc::downgrade(shared), number }
    }
}
