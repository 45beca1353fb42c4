//! Carries out what the app does, step by step, on no runtime: nothing goes on beside it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::Outcome;
use crate::limits::KIT_DURABLE_STEPS_MAX;

/// How it ended.
pub(super) enum Driven {
    Done(Outcome),
    /// The process ended where it was told to.
    Ended,
    /// It waits for something that does not happen here.
    Waits,
    /// It makes one durable step after the other, and does not end.
    Endless,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Carries it out, to the end or until it made so many durable steps: a replica in memory is ready
/// with a step when it is asked again.
pub(super) fn drive(action: impl Future<Output = Outcome>, ends_after: Option<usize>) -> Driven {
    let mut action = pin!(action);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    for made in 1..=KIT_DURABLE_STEPS_MAX {
        woken.0.store(false, Ordering::Relaxed);
        match action.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return Driven::Done(outcome),
            Poll::Pending if !woken.0.load(Ordering::Relaxed) => return Driven::Waits,
            Poll::Pending if ends_after == Some(made) => return Driven::Ended,
            Poll::Pending => {}
        }
    }
    Driven::Endless
}
