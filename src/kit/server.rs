//! The server: the real machine, on a store in memory.

use std::sync::Arc;

use super::Chance;
use super::Kit;
use crate::codec::{EnrollCode, EnrollTerms, PublicKey, SecretKey, ServerCertificate, ToServer};
use crate::gate::Roster;
use crate::limits::PAGE_LOOKS_MAX;
use crate::model::{Timestamp, UserId};
use crate::store::RedbServer;
use crate::sync::server::{ConnectionId, Identity, Output, PageBounds, Rules, ServerMachine};

/// How long a code is good: longer than any run.
const CODE_LASTS_MILLIS: i64 = 365 * 24 * 3_600_000;

pub(super) struct Server {
    machine: ServerMachine,
    store: RedbServer,
    identity: Identity,
    tls: PublicKey,
    bounds: PageBounds,
}

/// So much is looked at for a page: few rows are to come in several, too.
const LOOKS: [usize; 3] = [2, 8, PAGE_LOOKS_MAX];

/// What it says of an error is all that is made of it: the library failed.
type Failed = Box<dyn std::error::Error>;

fn rules(kit: &Kit, which: usize) -> Result<Rules, Failed> {
    let rules = kit.rules.get(which).ok_or("there are no such rules")?;
    let (policy, organization) = (rules.policy.clone(), rules.organization.clone());
    let roster = Roster::new(Arc::new(policy), Arc::new(organization));
    Ok(Rules::new(kit.schema.clone(), roster)?)
}

impl Server {
    pub(super) fn new(kit: &Kit, now: Timestamp, chance: &mut Chance) -> Result<Self, Failed> {
        let [organization, key, tls] = [(); 3].map(|()| SecretKey::from_seed(chance.seed()));
        let tls = tls.public();
        let certificate = ServerCertificate::issue(&organization, key.public(), tls, 1, now);
        let certificate = certificate.to_bytes();
        let identity = Identity { organization: organization.public(), key, certificate };
        let mut store = RedbServer::in_memory()?;
        let rules = rules(kit, 0)?;
        let mut machine =
            ServerMachine::open(&mut store, identity.clone(), rules, now, chance.seed())?;
        // No backups are made, so that devices keep nothing for them.
        machine.set_backed_up(&mut store, None)?;
        let looks = chance.pick(&LOOKS).copied().unwrap_or(PAGE_LOOKS_MAX);
        let bounds = PageBounds::of(looks);
        machine.set_page_bounds(bounds);
        Ok(Self { machine, store, identity, tls, bounds })
    }

    /// The key that it shows.
    pub(super) fn tls(&self) -> PublicKey {
        self.tls
    }

    pub(super) fn mint_code(
        &self,
        user: &UserId,
        now: Timestamp,
        chance: &mut Chance,
    ) -> Result<EnrollCode, Failed> {
        let terms = EnrollTerms {
            addresses: vec!["server.example:4433".into()],
            organization: self.identity.organization,
            user: user.clone(),
            nonce: chance.number().to_le_bytes(),
            expires: now.plus_millis(CODE_LASTS_MILLIS),
        };
        Ok(EnrollCode::mint(&self.identity.key, terms)?)
    }

    /// Its process ends, with all connections, and another one begins.
    pub(super) fn restart(
        &mut self,
        kit: &Kit,
        which: usize,
        now: Timestamp,
        seed: [u8; 32],
    ) -> Result<(), Failed> {
        let (rules, identity) = (rules(kit, which)?, self.identity.clone());
        self.machine = ServerMachine::open(&mut self.store, identity, rules, now, seed)?;
        self.machine.set_page_bounds(self.bounds);
        Ok(())
    }

    /// It judges by other rules.
    pub(super) fn change(&mut self, kit: &Kit, which: usize, now: Timestamp) -> Result<(), Failed> {
        Ok(self.machine.set_rules(&mut self.store, now, rules(kit, which)?)?)
    }

    pub(super) fn connect(&mut self, id: ConnectionId, key: PublicKey) {
        self.machine.connected(id, key);
    }

    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        self.machine.disconnected(id);
    }

    /// A message arrived.
    pub(super) fn receive(
        &mut self,
        id: ConnectionId,
        now: Timestamp,
        message: ToServer,
    ) -> Result<(), Failed> {
        Ok(self.machine.received(&mut self.store, now, id, message)?)
    }

    /// Judges what has arrived, and sees to what those wait for who connected or looked on.
    pub(super) fn rule(&mut self, now: Timestamp) -> Result<(), Failed> {
        Ok(self.machine.rule(&mut self.store, now)?)
    }

    /// There is room for more on a connection.
    pub(super) fn look_on(&mut self, id: ConnectionId) -> Result<(), Failed> {
        Ok(self.machine.writable(&self.store, id)?)
    }

    pub(super) fn output(&mut self) -> Option<Output> {
        self.machine.poll_output()
    }
}
