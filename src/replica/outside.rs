//! What a replica takes from outside: the time, randomness, and a place where its steps may block.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use crate::model::Timestamp;
use crate::net::system;

/// What is around a replica.
pub(crate) trait Outside: std::fmt::Debug + Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Randomness that nobody else has.
    ///
    /// # Errors
    /// There is none to be had.
    fn seed(&self) -> io::Result<[u8; 32]>;

    /// Whether steps wait for a disk, and so run beside whoever asks for them, and sessions for a
    /// network. Elsewhere steps run in place, and there is no network.
    fn blocks(&self) -> bool;
}

/// The system that the app runs on.
#[derive(Debug, Clone, Copy)]
pub(super) struct System;

impl Outside for System {
    fn now(&self) -> Timestamp {
        system::now()
    }

    fn seed(&self) -> io::Result<[u8; 32]> {
        system::seed()
    }

    fn blocks(&self) -> bool {
        true
    }
}

/// Is ready when it is asked the second time: whoever drives the future that awaits it may leave it
/// there, as a process that ends does.
pub(super) async fn let_others_go_on() {
    let mut was_asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut was_asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
