//! What bytes went for.

use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// How many bytes went for what, one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// The handshake: all packets until it was over, but for what was said in them.
    pub handshake: u64,
    /// Which records, edits, actors and changes are meant, and where in the log they are.
    pub ids: u64,
    /// What was edited, and when: tables, columns, values, times.
    pub values: u64,
    /// What became of edits and records: admitted, denied, split, gone, erased.
    pub verdicts: u64,
    /// Signatures, certificates, and the digests by which what was sent is checked.
    pub signatures: u64,
    /// What both sides say of themselves and go by: greetings, places in the log, schema, grant, owners,
    /// profile, administration.
    pub session: u64,
    /// What tells where messages and their parts begin and end, and of what kind and version they are.
    pub framing: u64,
    /// What QUIC adds behind the handshake: headers, tags of encryption, acknowledgements, what is sent again.
    pub quic: u64,
}

impl Spent {
    /// Each count with its name.
    #[must_use]
    pub const fn by_purpose(&self) -> [(&'static str, u64); 8] {
        [
            ("handshake", self.handshake),
            ("ids", self.ids),
            ("values", self.values),
            ("verdicts", self.verdicts),
            ("signatures", self.signatures),
            ("session", self.session),
            ("framing", self.framing),
            ("quic", self.quic),
        ]
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_purpose().iter().fold(0, |total, (_, bytes)| total.saturating_add(*bytes))
    }

    /// What messages took becomes what all packets took: `stream` bytes were those of messages in their
    /// frames, `handshake` those of the handshake, `all` is the sum.
    ///
    /// Where a session was cut, messages may have been counted of which not all went out: what is too much is
    /// taken off the largest counts.
    #[must_use]
    pub fn in_packets(mut self, stream: u64, handshake: u64, all: u64) -> Self {
        let stream = stream.min(all);
        while let Some(over) = self.total().checked_sub(stream).filter(|over| *over > 0) {
            let counts = [
                &mut self.ids,
                &mut self.values,
                &mut self.verdicts,
                &mut self.signatures,
                &mut self.session,
                &mut self.framing,
            ];
            let Some(largest) = counts.into_iter().max_by_key(|count| **count) else { break };
            *largest -= over.min(*largest);
        }
        self.framing += stream - self.total();
        self.handshake = handshake.min(all - stream);
        self.quic = all - stream - self.handshake;
        self
    }

    fn with(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            handshake: of(self.handshake, other.handshake),
            ids: of(self.ids, other.ids),
            values: of(self.values, other.values),
            verdicts: of(self.verdicts, other.verdicts),
            signatures: of(self.signatures, other.signatures),
            session: of(self.session, other.session),
            framing: of(self.framing, other.framing),
            quic: of(self.quic, other.quic),
        }
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        self.with(more, u64::saturating_add)
    }
}

impl Sub for Spent {
    type Output = Self;

    /// What came since.
    fn sub(self, before: Self) -> Self {
        self.with(before, u64::saturating_sub)
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

/// How many bytes of UDP payload went for what: of one session, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// What this side sent.
    pub sent: Spent,
    /// What it received.
    pub received: Spent,
}

impl Add for Ledger {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { sent: self.sent + more.sent, received: self.received + more.received }
    }
}

impl Sub for Ledger {
    type Output = Self;

    /// What came since.
    fn sub(self, before: Self) -> Self {
        Self { sent: self.sent - before.sent, received: self.received - before.received }
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_and_no_handshake_is_quic() {
        let said = Spent { ids: 20, values: 70, framing: 5, ..Spent::default() };
        let spent = said.in_packets(100, 1_000, 1_250);
        let expected = Spent { framing: 10, handshake: 1_000, quic: 150, ..said };
        assert_eq!((spent, spent.total()), (expected, 1_250));
    }

    #[test]
    fn the_sum_is_what_went_out_however_a_session_was_cut() {
        let said = Spent { ids: 20, values: 70, verdicts: 9, ..Spent::default() };
        for stream in [0, 1, 50, 99, 100, 500] {
            for (handshake, all) in [(0, 0), (10, 60), (60, 60), (900, 60), (7, 1_000)] {
                let spent = said.in_packets(stream, handshake, all);
                assert_eq!(spent.total(), all, "{stream} {handshake} {all}: {spent:?}");
            }
        }
        assert_eq!(said.in_packets(50, 0, 50).values, 21);
    }
}
