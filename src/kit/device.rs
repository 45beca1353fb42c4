//! A device: a replica in memory, and what is around it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::Chance;
use crate::codec::{EnrollCode, SecretKey};
use crate::model::{Timestamp, UserId};
use crate::replica::{Event, Outside, Replica, ReplicaOpenError};
use crate::sync::server::ConnectionId;

/// Virtual time, the same for all.
pub(super) type Clock = Arc<AtomicI64>;

/// The time by a clock that is off.
pub(super) fn time(clock: &Clock, skew: i64) -> Timestamp {
    let millis = clock.load(Ordering::Relaxed).saturating_add(skew);
    Timestamp::from_millis(millis).unwrap_or_default()
}

/// What the replica takes for the system.
#[derive(Debug)]
struct Virtual {
    clock: Clock,
    skew: i64,
    chance: Arc<Mutex<Chance>>,
}

impl Outside for Virtual {
    fn now(&self) -> Timestamp {
        time(&self.clock, self.skew)
    }

    fn seed(&self) -> io::Result<[u8; 32]> {
        Ok(self.chance.lock().unwrap_or_else(PoisonError::into_inner).seed())
    }

    fn blocks(&self) -> bool {
        false
    }
}

/// A connection to the server, and what is on its way.
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) up: VecDeque<Vec<u8>>,
    pub(super) down: VecDeque<Vec<u8>>,
}

pub(super) struct Device {
    pub(super) user: UserId,
    pub(super) key: SecretKey,
    pub(super) code: EnrollCode,
    pub(super) replica: Replica,
    pub(super) link: Option<Link>,
    chance: Arc<Mutex<Chance>>,
    events: Receiver<Event>,
}

impl Device {
    pub(super) fn new(
        clock: Clock,
        skew: i64,
        user: UserId,
        code: EnrollCode,
        mut chance: Chance,
    ) -> Result<Self, ReplicaOpenError> {
        let key = SecretKey::from_seed(chance.seed());
        let chance = Arc::new(Mutex::new(chance));
        let outside = Virtual { clock, skew, chance: Arc::clone(&chance) };
        let replica = Replica::in_memory(Box::new(outside), key.clone())?;
        let (events, link) = (replica.events(), None);
        Ok(Self { user, key, code, replica, link, chance, events })
    }

    /// From now on its randomness is this.
    pub(super) fn set_chance(&self, chance: Chance) {
        *self.chance.lock().unwrap_or_else(PoisonError::into_inner) = chance;
    }

    /// What it told since it was asked last.
    pub(super) fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.events.try_recv() {
                Ok(event) => events.push(event),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return events,
            }
        }
    }
}
