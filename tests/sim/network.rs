//! What goes wrong with connections.

use tidegate::codec::{ChangeSet, PublicKey, SignedChangeSet, Stem};
use tidegate::model::Edit;
use tidegate::sync::server::ConnectionId;

use crate::device::Once;
use crate::links::{End, Link};
use crate::world::{Check, World};

impl World {
    pub(crate) fn cut_somewhere(&mut self) -> Check {
        if let Some(id) = self.link_with(|link| !link.up_ends || !link.down_ends) {
            self.note(|| format!("link {id} is cut"));
            self.figures.cuts += 1;
            self.links.get_mut(&id).unwrap().cut(&mut self.rng);
        }
        Ok(())
    }

    /// What is sent in one direction from now on is lost, and nobody hears of it for a while.
    pub(crate) fn silence_somewhere(&mut self) -> Check {
        if let Some(id) = self.link_with(|link| !link.up_ends && link.silent.is_none()) {
            let up = self.rng.chance(50);
            let until = self.now + i64::try_from(self.rng.below(60_000)).unwrap();
            self.note(|| format!("link {id} is silent, up: {up}"));
            self.figures.one_way_cuts += 1;
            self.links.get_mut(&id).unwrap().silent = Some((up, until));
        }
        Ok(())
    }

    /// Ends connections that were silent long enough for both sides to notice.
    pub(crate) fn end_silences(&mut self) -> Check {
        let now = self.now;
        for link in self.links.values_mut() {
            if let Some((up, _)) = link.silent.filter(|(_, until)| *until <= now) {
                // Nothing of what was sent into the silence was heard.
                if up {
                    link.up.clear();
                } else {
                    link.down.clear();
                }
                link.silent = None;
                (link.up_ends, link.down_ends) = (true, true);
            }
        }
        Ok(())
    }

    pub(crate) fn delay_somewhere(&mut self) -> Check {
        let now = self.now;
        if let Some(id) = self.link_with(|link| link.held_until <= now) {
            self.figures.delays += 1;
            let until = self.now + i64::try_from(self.rng.below(90_000)).unwrap();
            self.links.get_mut(&id).unwrap().held_until = until;
        }
        Ok(())
    }

    /// The device is somewhere else, and connects anew. What it sent before is still on its way,
    /// and the server takes the old connection for alive.
    pub(crate) fn change_address(&mut self, at: usize) -> Check {
        if self.devices[at].link.is_none() {
            return Ok(());
        }
        self.note(|| format!("device {at} has another address"));
        self.figures.cuts += 1;
        self.abandon_link(at);
        self.connect(at)
    }

    /// An old session's messages arrive once more: early data may be sent twice, and whoever
    /// carries messages may keep them.
    pub(crate) fn replay_somewhere(&mut self) -> Check {
        let Some((at, said)) = self.rng.pick(&self.old_sessions).cloned() else { return Ok(()) };
        let Some(server) = &mut self.server else { return Ok(()) };
        self.next_link += 1;
        let id = self.next_link;
        self.figures.replays += 1;
        server.connected(ConnectionId(id), self.devices[at].key.public());
        let mut link = Link::new(End::Echo(at));
        link.up.extend(said);
        link.up_ends = true;
        self.links.insert(id, link);
        self.note(|| format!("what device {at} said once arrives again, as {id}"));
        self.drain_server()
    }

    /// A change set that this key signed, with all records named whole.
    pub(crate) fn opened(&self, set: &SignedChangeSet, key: &PublicKey) -> Option<ChangeSet> {
        let file = &self.disk.file;
        let erased = file.erased.iter().map(|(id, erased)| (id, &erased.table));
        let all: Vec<_> = file.tables.iter().chain(erased).collect();
        let find = |edit: &Edit, stem: Stem| {
            let made = self.devices.iter().find_map(|device| device.made.get(&edit.id));
            let mut found = all.iter().filter(|(id, of)| stem.is_of(**id) && **of == edit.table);
            made.map(|made| made.record).or_else(|| found.next().map(|(id, _)| **id))
        };
        let names = |mark| self.lexicons.get(&mark).cloned();
        set.open_in_short(key, &self.identity.organization, names, find).ok()
    }

    /// What was refused once, and comes again as if its author had sent it, or as if it had not been
    /// refused, may count although its author has it in quarantine, or threw it away.
    pub(crate) fn note_echoed(&mut self, set: &SignedChangeSet) {
        let keys: Vec<_> = self.devices.iter().map(|device| device.key.public()).collect();
        let sets: Vec<_> = keys.iter().map(|key| self.opened(set, key)).collect();
        for (device, set) in self.devices.iter_mut().zip(sets) {
            for edit in set.iter().flat_map(|set| &set.edits) {
                if let Some(made) = device.made.get_mut(&edit.id) {
                    made.once = made.once.max(Once::AtLeast);
                }
            }
        }
    }

    /// What somebody else brings may come when its author has done other things.
    pub(crate) fn note_carried(&mut self, set: &SignedChangeSet) {
        let keys = self.devices.iter().map(|device| device.key.public());
        let sets = keys.filter_map(|key| self.opened(set, &key));
        let edits = sets.flat_map(|set| set.edits).map(|edit| edit.id);
        self.carried.extend(edits.collect::<Vec<_>>());
    }

    /// Nothing is held up any more, and who is gone is known to be.
    pub(crate) fn calm_network(&mut self) {
        self.now += 100_000;
        let gone: Vec<u64> = self
            .links
            .iter()
            .filter(|(id, it)| !self.is_held(**id, it.end))
            .map(|it| *it.0)
            .collect();
        for (id, link) in &mut self.links {
            link.held_until = 0;
            if link.silent.is_some() {
                link.silent = Some((link.silent.is_some_and(|(up, _)| up), 0));
            }
            link.up_ends |= gone.contains(id);
        }
    }
}
