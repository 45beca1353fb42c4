use std::path::PathBuf;
use std::time::Duration;

use crate::codec::{DecodeError, Refusal};
use crate::limits::OFFENCE_MAX;
use crate::net::{KeyStoreError, NetError};
use crate::store::OpenError;
use crate::sync::StoreError;
use crate::sync::replica::SessionError;

/// Why a replica cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaOpenError {
    /// Its file cannot be opened.
    #[error(transparent)]
    File(#[from] OpenError),
    /// Its file cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device's key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyStoreError),
    /// The replica is enrolled, and its device key is gone.
    #[error(
        "the device key of {} is missing (it is kept in {}.key, unless the app keeps it \
         elsewhere): bring it back from where the replica was, or enrol a new replica", .0.display(), .0.display()
    )]
    KeyLost(PathBuf),
    /// The system has no randomness to give.
    #[error("the system has no randomness: {0}")]
    Random(#[from] std::io::Error),
}

/// Why a session did not come about, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The network, or the way to the server.
    #[error(transparent)]
    Net(#[from] NetError),
    /// What the server said, or this device could not accept.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The server sent something that is no message.
    #[error("the server sent something that is no message: {0}")]
    Decode(#[from] DecodeError),
    /// The server ended the session before all was settled.
    #[error("the server ended the session; try again")]
    Ended,
    /// The app is shutting down.
    #[error("the replica is shutting down")]
    Closed,
}

impl SyncError {
    /// Whether trying again later can help without anyone doing something.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Net(_) | Self::Ended | Self::Session(SessionError::Unfound) => true,
            Self::Session(SessionError::Refused(refusal)) => {
                matches!(refusal, Refusal::Trouble(_) | Refusal::Later { .. })
            }
            Self::Session(_) | Self::Decode(_) | Self::Closed => false,
        }
    }

    /// How long the server wants this device to wait at least.
    pub(super) fn asks_to_wait(&self) -> Option<Duration> {
        match self {
            Self::Session(SessionError::Refused(Refusal::Later { seconds })) => {
                Some(Duration::from_secs((*seconds).into()).min(OFFENCE_MAX))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_waits_as_long_as_it_is_told_but_not_for_ever() {
        let refused = |refusal| SyncError::Session(SessionError::Refused(refusal));
        let later = |seconds| refused(Refusal::Later { seconds });
        assert!(later(7).is_passing());
        assert_eq!(later(7).asks_to_wait(), Some(Duration::from_secs(7)));
        assert_eq!(later(u32::MAX).asks_to_wait(), Some(OFFENCE_MAX));
        assert_eq!(refused(Refusal::Trouble("disk".into())).asks_to_wait(), None);
        assert!(!refused(Refusal::Protocol("nonsense".into())).is_passing());
    }
}
