//! How many handshakes a network address may make. Each costs some signatures before anybody knows
//! whose it is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::limits::{HANDSHAKES_AT_ONCE_TIMES, KNOCKS_KEPT_MAX};

/// Who knocked lately. Times are those of one clock that only goes on.
#[derive(Debug)]
pub(super) struct Knocks {
    per_second: u32,
    /// When the last handshake of an address is paid for, at so many a second.
    paid: BTreeMap<IpAddr, Duration>,
}

impl Knocks {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), paid: BTreeMap::new() }
    }

    /// Whether a handshake may begin; if so, it counts.
    pub(super) fn admit(&mut self, from: IpAddr, now: Duration) -> bool {
        let each = Duration::from_secs(1) / self.per_second;
        let from = network(from);
        let paid = self.paid.get(&from).copied().unwrap_or_default().max(now) + each;
        if paid.saturating_sub(now) > Duration::from_secs(1) * HANDSHAKES_AT_ONCE_TIMES {
            return false;
        }
        if !self.paid.contains_key(&from) && self.paid.len() >= KNOCKS_KEPT_MAX {
            self.paid.retain(|_, paid| *paid > now);
            if self.paid.len() >= KNOCKS_KEPT_MAX {
                // Who made the fewest is forgotten.
                let least = self.paid.iter().min_by_key(|(_, paid)| **paid).map(|(it, _)| *it);
                least.map(|it| self.paid.remove(&it));
            }
        }
        self.paid.insert(from, paid);
        true
    }
}

/// Whoever has one IPv6 address has all of a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn v4(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn an_address_makes_so_many_handshakes_and_another_makes_its_own() {
        let mut knocks = Knocks::new(10);
        let at_once = 10 * HANDSHAKES_AT_ONCE_TIMES;
        let made = (0..2 * at_once).filter(|_| knocks.admit(v4(1), NOW)).count();
        assert_eq!(made, at_once as usize);
        assert!(knocks.admit(v4(2), NOW));
        let later = NOW + Duration::from_secs(1);
        assert_eq!((0..at_once).filter(|_| knocks.admit(v4(1), later)).count(), 10);
    }

    #[test]
    fn neighbours_in_one_network_of_ipv6_count_as_one() {
        let mut knocks = Knocks::new(1);
        let from = |last: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        let made = (0..100).filter(|last| knocks.admit(from(*last), NOW)).count();
        assert_eq!(made, HANDSHAKES_AT_ONCE_TIMES as usize);
        assert!(knocks.admit(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1).into(), NOW));
    }

    #[test]
    fn only_so_many_addresses_are_remembered_and_the_busiest_stay() {
        let mut knocks = Knocks::new(1);
        while knocks.admit(v4(1), NOW) {}
        for n in 0..2 * KNOCKS_KEPT_MAX {
            let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
            assert!(knocks.admit([198, 51, high, low].into(), NOW));
            assert!(knocks.paid.len() <= KNOCKS_KEPT_MAX);
        }
        assert!(!knocks.admit(v4(1), NOW));
    }
}
