//! A device of the small world: its machine and file, and what is on its way.

use std::collections::VecDeque;

use tidegate::codec::{EnrollCode, EnrollTerms, SecretKey};
use tidegate::model::EditId;
use tidegate::sync::replica::ReplicaMachine;
use tidegate::sync::server::{ConnectionId, Identity};

use crate::memory::MemoryReplica;
use crate::world::now;

#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) machine: ReplicaMachine,
    pub(crate) store: MemoryReplica,
    pub(crate) key: SecretKey,
    pub(crate) code: EnrollCode,
    pub(crate) up: VecDeque<Vec<u8>>,
    pub(crate) down: VecDeque<Vec<u8>>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) connects: u8,
    /// The edits that it made.
    pub(crate) made: Vec<EditId>,
    /// Those of which its app was told that they count.
    pub(crate) admitted: Vec<EditId>,
}

impl Device {
    pub(crate) fn new(identity: &Identity, user: &str) -> Self {
        let number = user.as_bytes()[0];
        let terms = EnrollTerms {
            addresses: vec!["server.example:4433".into()],
            organization: identity.organization,
            user: user.parse().unwrap(),
            nonce: [number; 8],
            expires: now().plus_millis(1_000_000),
        };
        let key = SecretKey::from_seed([number; 32]);
        let store = MemoryReplica::default();
        let (up, down, made, admitted) = Default::default();
        Self {
            machine: ReplicaMachine::open(&store, key.clone(), [number + 1; 32]).unwrap(),
            store,
            key,
            code: EnrollCode::mint(&identity.key, terms).unwrap(),
            up,
            down,
            connection: None,
            connects: 0,
            made,
            admitted,
        }
    }
}
