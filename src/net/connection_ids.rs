//! The connection ids of a server: short, as each packet to it begins with one, and known by it as its own.

use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};

/// Chance: sixteen million, of which a server has some for each of its connections.
const NONCE_BYTES: usize = 3;
/// By which it knows one of a former life, and lets nearly all go that never was one.
const MARK_BYTES: usize = 2;
const BYTES: usize = NONCE_BYTES + MARK_BYTES;

/// Makes ids that whoever has the key knows.
#[derive(Clone)]
pub(super) struct KnownIds {
    key: [u8; 32],
    seed: [u8; 32],
    made: u64,
}

impl KnownIds {
    /// `seed` must be fresh, else ids of a former life come again.
    pub(super) fn new(key: [u8; 32], seed: [u8; 32]) -> Self {
        Self { key, seed, made: 0 }
    }

    fn mark(&self, nonce: &[u8]) -> [u8; MARK_BYTES] {
        let [a, b, ..] = *blake3::keyed_hash(&self.key, nonce).as_bytes();
        [a, b]
    }
}

impl ConnectionIdGenerator for KnownIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.made += 1;
        let [a, b, c, ..] = *blake3::keyed_hash(&self.seed, &self.made.to_le_bytes()).as_bytes();
        let nonce: [u8; NONCE_BYTES] = [a, b, c];
        ConnectionId::new(&[&nonce[..], &self.mark(&nonce)].concat())
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let (nonce, mark) = id.split_at_checked(NONCE_BYTES).ok_or(InvalidCid)?;
        if *mark == self.mark(nonce) { Ok(()) } else { Err(InvalidCid) }
    }

    fn cid_len(&self) -> usize {
        BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_key_knows_the_ids_and_nobody_else() {
        let mut ids = KnownIds::new([1; 32], [7; 32]);
        let made: Vec<_> = (0..100).map(|_| ids.generate_cid()).collect();
        assert!(made.iter().all(|id| id.len() == BYTES && ids.validate(id).is_ok()));
        let other = KnownIds::new([2; 32], [7; 32]);
        let known = made.iter().filter(|id| other.validate(id).is_ok()).count();
        // One in 65,536 by chance.
        assert!(known < 5, "{known}");
        assert!(ids.validate(&ConnectionId::new(&[1])).is_err());
    }
}
