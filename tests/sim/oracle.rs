//! What must be true of a world: all along, and when nothing moves any more.

use std::collections::BTreeMap;

use tidegate::codec::{Entry, MovedLeg, Page};
use tidegate::gate::Confirmed;
use tidegate::model::{Columns, DeviceNumber, Edit, Op, RecordId, Section, Sequence, UserId};
use tidegate::sync::replica::Event;
use tidegate::sync::{Purge, StoredRow};

use crate::app::quarantined_ops;
use crate::judge::Judge;
use crate::memory::Key;
use crate::merge::{Naive, parts};
use crate::people::SECURED;
use crate::privileges::Facts;
use crate::world::{Check, World};

/// Rounds after which a world that still moves never settles.
const ROUNDS_MAX: usize = 300;

impl World {
    pub(crate) fn event(&mut self, at: usize, event: Event) -> Check {
        self.note(|| format!("device {at} tells {event:?}"));
        let device = &mut self.devices[at];
        match event {
            Event::Admitted { edit, sequence } => {
                self.figures.admitted += 1;
                device.admitted.push((edit, sequence));
            }
            Event::Denied(entry) => {
                self.figures.denied += 1;
                if !device.disk.file.quarantine.contains(&entry) {
                    device.passed.push(entry);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// No more faults; everyone is connected until nothing moves.
    pub(crate) fn settle(&mut self) -> Check {
        self.note(|| "settle".into());
        self.calm = true;
        self.disarm_faults();
        for _ in 0..ROUNDS_MAX {
            self.now += 100;
            if self.server.is_none() {
                self.open_server()?;
            }
            let mut moves = self.deliver_all()?;
            self.rule()?;
            for at in 0..self.devices.len() {
                if self.devices[at].link.is_none() && self.may_connect(at) {
                    moves = true;
                    self.connect(at)?;
                }
            }
            moves |= self.deliver_all()?;
            if !moves {
                self.calm = false;
                return self.check_settled();
            }
        }
        Err("it never settles".into())
    }

    /// A user who is disabled cannot enrol.
    fn may_connect(&self, at: usize) -> bool {
        let device = &self.devices[at];
        device.disk.file.meta.enrolment.is_some()
            || !self.people.organization.users[&device.user].disabled
    }

    fn check_settled(&self) -> Check {
        for (at, device) in self.devices.iter().enumerate().filter(|(at, _)| self.may_connect(*at))
        {
            let machine = device.machine.as_ref().unwrap();
            if !machine.is_up_to_date() {
                return Err(format!("device {at} waits for ever"));
            }
            if let Some(edit) = device.disk.file.pending.values().next() {
                return Err(format!("device {at}: {} stays pending", edit.id));
            }
        }
        Ok(())
    }

    pub(crate) fn check_all(&mut self) -> Check {
        if let Some(entry) = self.devices.iter().find_map(|device| device.passed.first()) {
            return Err(format!("{} is refused and not in quarantine", entry.edit));
        }
        self.check_log()?;
        for at in 0..self.devices.len() {
            self.check_convergence(at)?;
            self.check_nothing_lost(at).map_err(|e| format!("device {at}: {e}"))?;
            for key in self.devices[at].disk.file.rows.keys().cloned().collect::<Vec<_>>() {
                self.check_row(at, &key)?;
            }
        }
        Ok(())
    }

    /// The log has no gaps and each edit once; each was allowed where it stands; the records are
    /// what the log makes of them; what was acknowledged is in it.
    fn check_log(&self) -> Check {
        self.check_erased()?;
        let mut judge = Judge::default();
        for (place, entry) in (1..).zip(&self.disk.file.history) {
            if entry.sequence != Sequence(place) {
                return Err(format!("place {place} of the log holds {}", entry.sequence));
            }
        }
        for entry in &self.disk.file.deeds {
            let place = entry.sequence;
            let epoch = entry.epoch.0;
            let truth = self.truths.get(&epoch);
            let truth = truth.ok_or_else(|| format!("{place}: no policy of epoch {epoch}"))?;
            if entry.edit.changes.is_empty() {
                judge.erase(entry.sequence, &entry.edit)?;
                continue;
            }
            if entry.edit.id.device == DeviceNumber(0) {
                judge.of_server(truth, entry.sequence, &entry.edit)?;
                continue;
            }
            let device = self.disk.file.devices.get(&entry.edit.id.device);
            let user = &device.ok_or("an edit of no device")?.user;
            judge
                .admit(truth, user, entry.sequence, &entry.edit)
                .map_err(|e| format!("log {place}, edit {} of {user}: {e}", entry.edit.id))?;
        }
        for group in self.disk.file.deeds.chunk_by(|a, b| a.edit.is_bound_to(&b.edit)) {
            let all = group[0].edit.atomic.max(1) as usize;
            let in_order = (0..).zip(group).all(|(part, entry)| entry.edit.id.part == part);
            if group[0].edit.atomic > 0 && (group.len() != all || !in_order) {
                return Err(format!("{} of {all} parts of {}", group.len(), group[0].edit.id));
            }
        }
        for confirmed in self.disk.file.confirmed() {
            let record = confirmed.record();
            let naive = judge.record(record.id()).ok_or("a record that the log does not know")?;
            same_record(&confirmed, naive).map_err(|e| format!("server, {}: {e}", record.id()))?;
        }
        for device in &self.devices {
            for (edit, sequence) in &device.admitted {
                // Of what was dropped it is told that it is not behind the floor.
                let place = judge.place(*edit);
                let dropped = *sequence <= self.disk.file.meta.floor && place < Some(*sequence);
                if place.is_none() || (place != Some(*sequence) && !dropped) {
                    return Err(format!("{edit} was acknowledged at {sequence}, and is not there"));
                }
            }
        }
        if let Some((_, organization)) = &self.disk.file.rules {
            judge.check_units(organization)?;
        }
        judge.check_parts()?;
        judge.check_order()
    }

    /// What was erased is nowhere: its places in the log are empty and the others are not, no refused
    /// edit of it is left from before, and no device keeps anything for the server.
    fn check_erased(&self) -> Check {
        let file = &self.disk.file;
        let behind = file.history.iter().filter(|entry| entry.sequence > file.meta.floor);
        if file.log.len() != behind.clone().count() {
            return Err("the log lost a place".into());
        }
        for (entry, was) in file.log.iter().zip(behind) {
            let mut expected = was.clone();
            if let Some(edit) =
                expected.edit_mut().filter(|edit| file.erased.contains_key(&edit.record))
            {
                edit.changes.clear();
            }
            if *entry != expected {
                return Err(format!("{} of the log is {entry:?}", was.sequence));
            }
        }
        for record in file.erased.keys() {
            let has_ops = |edit: &Edit| edit.record == *record && edit.ops().next().is_some();
            if file.tables.contains_key(record) || file.refused.iter().any(|it| has_ops(&it.edit)) {
                return Err(format!("{record} was erased, and is there"));
            }
            for at in (0..self.devices.len()).filter(|at| self.may_connect(*at)) {
                let held = &self.devices[at].disk.file;
                let kept = held.kept.values().map(|kept| kept.edit.record);
                let pending = held.pending.values().map(|edit| edit.record);
                let refused = held.quarantine.iter().map(|entry| entry.record);
                if kept.chain(pending).chain(refused).any(|it| it == *record) {
                    return Err(format!("device {at} has an edit of {record}, which was erased"));
                }
            }
        }
        Ok(())
    }

    /// The device holds exactly what its user may read, as it is on the server.
    fn check_convergence(&self, at: usize) -> Check {
        let device = &self.devices[at];
        if device.disk.file.meta.enrolment.is_none() {
            return Ok(());
        }
        let (people, user) = (&self.people, &device.user);
        let mut held: BTreeMap<_, _> = device.disk.file.confirmed.clone();
        for theirs in self.disk.file.confirmed() {
            let record = theirs.record();
            let (table, facts) = (record.table().as_str(), Facts::from(record.header()));
            let key = (record.table().clone(), record.id());
            let readable = people.reads(user, table, &facts);
            let Some((version, edit)) = held.remove(&key) else {
                if readable {
                    return Err(format!("device {at} of {user} lacks {key:?}"));
                }
                continue;
            };
            if !readable {
                return Err(format!("device {at} holds {key:?}, which {user} may not read"));
            }
            let ours = Confirmed::from_stored(version, &edit).map_err(|e| e.to_string())?;
            let reads = |column: &str| {
                !(table == "order" && SECURED.contains(&column))
                    || people.reads_column(user, table, column, &facts)
            };
            let seen = theirs.versions().for_reader(|column| reads(column.as_str()));
            if version != seen {
                return Err(format!("device {at}: {key:?} is of {version}, not of {seen}"));
            }
            same_for_reader(&ours, &theirs, reads)
                .map_err(|e| format!("device {at} of {user}, {key:?}: {e}"))?;
        }
        if let Some(key) = held.keys().next() {
            return Err(format!("device {at} holds {key:?}, which is nowhere"));
        }
        Ok(())
    }

    /// No file holds a byte of what its user may not read, and the server knows of all that left.
    pub(crate) fn check_purged(&mut self) -> Check {
        for (at, device) in self.devices.iter().enumerate() {
            let file = &device.disk.file;
            if file.meta.enrolment.is_none() {
                continue;
            }
            let user = &device.user;
            if file.meta.purge != Purge::Nothing {
                return Err(format!("device {at}: {:?} to purge", file.meta.purge));
            }
            for ((table, record), section) in &file.bytes {
                let held = self.disk.file.confirmed().find(|it| it.record().id() == *record);
                let held = held.ok_or("bytes of a record that is nowhere")?;
                let facts = Facts::from(held.record().header());
                let readable = self.people.reads(user, table.as_str(), &facts)
                    && match section {
                        Section::Secured(column) => {
                            let (table, column) = (table.as_str(), column.as_str());
                            self.people.reads_column(user, table, column, &facts)
                        }
                        _ => true,
                    };
                if !readable {
                    let what = format!("{section:?} of {table} {record}");
                    return Err(format!("the file of device {at} has bytes of {what}"));
                }
            }
        }
        let receipts = self.disk.file.devices.values().filter(|device| device.purged.is_some());
        self.figures.purges = receipts.count() as u64;
        Ok(())
    }

    /// Each operation that was made is in the log, in quarantine, or was thrown away.
    fn check_nothing_lost(&self, at: usize) -> Check {
        let device = &self.devices[at];
        for (id, made) in &device.made {
            let logged = self.disk.file.deeds.iter().find(|entry| entry.edit.id == *id);
            let quarantined = quarantined_ops(&device.disk.file.quarantine, *id);
            let mut left = made.ops.clone();
            let logged = logged.into_iter().flat_map(|entry| entry.edit.ops());
            // A device that could not enrol keeps what it has.
            let pending = device.disk.file.pending.values().filter(|edit| edit.id == *id);
            let kept = logged.chain(pending.flat_map(Edit::ops));
            for op in kept.chain(&quarantined).chain(&made.dealt_with) {
                match left.iter().position(|it| is_same(it, op)) {
                    Some(at) => drop(left.remove(at)),
                    None => return Err(format!("{id}: {op:?} appears from nowhere, or twice")),
                }
            }
            // Of a record that others created under the same key the header is theirs.
            left.retain(|op| !made.creates || op.column().is_some());
            if self.disk.file.erased.contains_key(&made.record) {
                left.clear();
            }
            if !left.is_empty() {
                return Err(format!("{id}: {left:?} is lost"));
            }
        }
        Ok(())
    }

    /// What the last commit touched shows confirmed and pending.
    pub(crate) fn check_touched(&mut self, at: usize) -> Check {
        for key in std::mem::take(&mut self.devices[at].disk.touched) {
            self.check_row(at, &key)?;
        }
        Ok(())
    }

    fn check_row(&self, at: usize, key: &Key) -> Check {
        let file = &self.devices[at].disk.file;
        let confirmed = file.confirmed.get(key);
        let pending: Vec<&Edit> =
            file.pending.values().filter(|edit| edit.record == key.1).collect();
        let mut base = Naive::new(key.0.clone());
        if let Some((_, edit)) = confirmed {
            base.add(edit);
        }
        let mut shown = base.clone();
        for edit in &pending {
            if !shown.fits(edit) {
                // What does not fit (yet) is not shown.
                shown = base;
                break;
            }
            shown.add(edit);
        }
        let is_pending = !pending.is_empty();
        let version = confirmed.map(|(version, _)| *version).unwrap_or_default();
        let row = file.rows.get(key);
        let fits = match row {
            None => !shown.is_active(),
            Some(StoredRow { header, columns, pending, version: own }) => {
                shown.is_active()
                    && Facts::from(header) == shown.facts()
                    && header.state == shown.state()
                    && parts(columns) == shown.columns()
                    && *pending == is_pending
                    && *own == version
            }
        };
        if fits {
            return Ok(());
        }
        Err(format!(
            "device {at} shows {row:?} of {key:?}, not {:?} with {:?} ({is_pending}, {version})",
            shown.facts(),
            shown.columns()
        ))
    }

    /// No message holds what its reader may not read at this moment.
    pub(crate) fn check_page(&mut self, at: usize, page: &Page) -> Check {
        let (people, user) = (&self.people, &self.devices[at].user);
        let place = page.scope.target.iter().find_map(|(_, place)| place.as_ref());
        if place.is_some_and(|place| !self.could_ever_read(at, place.record)) {
            return Err(format!("{user} is told that a scan is at {place:?}"));
        }
        for entry in &page.entries {
            let (edit, after) = match entry {
                Entry::Edit { edit, .. } if edit.id.counter != 0 || edit.atomic != 0 => {
                    return Err(format!("{user} is told of which commit {} is", edit.id));
                }
                Entry::Edit { sequence, edit } => {
                    self.check_news(user, *sequence, edit)?;
                    (edit, self.header_at(*sequence, edit.record))
                }
                Entry::Moved { sequence, legs, .. } => {
                    self.check_moved(user, *sequence, legs)?;
                    continue;
                }
                Entry::Whole { record, version } => {
                    self.check_version(at, record, *version)?;
                    self.check_past(user, record)?;
                    (record, Some(Naive::of(record)))
                }
                Entry::Own { .. } => continue,
                Entry::Erased { table, record, .. } => {
                    let number = self.devices[at].disk.file.meta.enrolment.as_ref();
                    let authors = &self.disk.file.erased[record].authors;
                    let wrote = number.is_some_and(|it| authors.contains(&it.device));
                    if !wrote && !self.could_ever_read(at, *record) {
                        return Err(format!("{user} is told of {table} {record}"));
                    }
                    continue;
                }
                Entry::Gone { table, record, .. } => {
                    if !self.could_ever_read(at, *record) {
                        return Err(format!("{user} is told of {table} {record}"));
                    }
                    continue;
                }
            };
            let after = after.ok_or("a page of an entry that is not in the log")?;
            let (table, facts) = (edit.table.as_str(), after.facts());
            if !people.reads(user, table, &facts) {
                return Err(format!("{user} is sent {table} {}", edit.record));
            }
            // An edit of a while ago must not bring what was taken back since.
            let now = self
                .header_at(self.head_of(edit.record), edit.record)
                .ok_or("a record of no log")?;
            let reads = |column: &str| {
                people.reads_column(user, table, column, &facts)
                    && people.reads_column(user, table, column, &now.facts())
            };
            for change in &edit.changes {
                if let Section::Secured(column) = &change.section
                    && !reads(column.as_str())
                {
                    return Err(format!("{user} is sent {column} of {table} {}", edit.record));
                }
            }
        }
        Ok(())
    }

    /// Records of which a move is told are told to who may read them after it.
    fn check_moved(&self, user: &UserId, sequence: Sequence, legs: &[MovedLeg]) -> Check {
        for leg in legs {
            for record in &leg.records {
                let after = self.header_at(sequence, *record).map(|record| record.facts());
                let after = after.ok_or("a page of a move that is not in the log")?;
                let owned = (leg.owner.clone(), leg.business_unit.clone());
                let reads = self.people.reads(user, leg.table.as_str(), &after);
                if !reads || after.owned != Some(owned) {
                    return Err(format!("{user} is told that {} {record} moved", leg.table));
                }
            }
        }
        Ok(())
    }

    /// What a whole record is numbered by is the last edit of something in it.
    fn check_version(&self, at: usize, record: &Edit, version: Sequence) -> Check {
        let log = self.disk.file.deeds.iter().rev();
        let is_in_it = |edit: &Edit| {
            edit.changes.iter().any(|change| record.change(&change.section).is_some())
        };
        let last = log
            .filter(|entry| entry.edit.record == record.record)
            .find(|entry| is_in_it(&entry.edit))
            .map(|entry| entry.sequence);
        if last == Some(version) {
            return Ok(());
        }
        Err(format!("device {at} is sent {} as of {version}, not {last:?}", record.record))
    }

    fn head_of(&self, record: RecordId) -> Sequence {
        let mut own = self.disk.file.deeds.iter().filter(|it| it.edit.record == record);
        own.next_back().map(|entry| entry.sequence).unwrap_or_default()
    }

    /// A record as the log has it after this place, which is about it.
    fn header_at(&self, sequence: Sequence, record: RecordId) -> Option<Naive> {
        let own = self.disk.file.deeds.iter().filter(|it| it.edit.record == record);
        let own: Vec<_> = own.take_while(|deed| deed.sequence <= sequence).collect();
        let last = own.last().filter(|last| last.sequence == sequence)?;
        let mut made = Naive::new(last.edit.table.clone());
        for deed in own {
            made.add(&deed.edit);
        }
        Some(made)
    }

    /// Whether the device asked for the record itself, or its user could read it once, as the
    /// record was at any time and by any policy there was.
    fn could_ever_read(&self, at: usize, record: RecordId) -> bool {
        let device = &self.devices[at];
        let file = &device.disk.file;
        let user = &device.user;
        let asked = file.confirmed.keys().any(|(_, id)| *id == record)
            || file.meta.wanted.iter().any(|(_, id)| *id == record);
        let log = || self.disk.file.deeds.iter().filter(|it| it.edit.record == record);
        let own = file.meta.enrolment.as_ref().map(|it| it.device);
        let wrote = log().any(|entry| Some(entry.edit.id.device) == own);
        let truths = || self.truths.values().chain([&self.people]);
        let read = log().any(|entry| {
            truths().any(|it| it.reads(user, entry.edit.table.as_str(), &Facts::from(&entry.after)))
        });
        asked || wrote || read
    }
}

/// Whether an operation is this one, wherever in a text or list it is now.
fn is_same(op: &Op, other: &Op) -> bool {
    let somewhere = |op: &Op| {
        let mut op = op.clone();
        if let Op::Splice { at, .. } | Op::ListInsert { at, .. } = &mut op {
            *at = 0;
        }
        op
    };
    somewhere(op) == somewhere(other)
}

fn same_record(confirmed: &Confirmed, naive: &Naive) -> Check {
    let record = confirmed.record();
    if Facts::from(record.header()) != naive.facts() || record.header().state != naive.state() {
        return Err(format!("header {:?}, not {:?}", record.header(), naive.facts()));
    }
    if parts(record.columns()) != naive.columns() {
        return Err(format!("columns {:?}, not {:?}", record.columns(), naive.columns()));
    }
    Ok(())
}

fn same_for_reader(ours: &Confirmed, theirs: &Confirmed, reads: impl Fn(&str) -> bool) -> Check {
    if ours.record().header() != theirs.record().header() {
        let (ours, theirs) = (ours.record().header(), theirs.record().header());
        return Err(format!("header {ours:?}, not {theirs:?}"));
    }
    let seen = |confirmed: &Confirmed| -> Columns {
        let columns = confirmed.record().columns().iter();
        let columns = columns.filter(|(column, _)| reads(column.as_str()));
        columns.map(|(column, value)| (column.clone(), value.clone())).collect()
    };
    if seen(ours) != seen(theirs) {
        return Err(format!("columns {:?}, not {:?}", seen(ours), seen(theirs)));
    }
    let heads = |confirmed: &Confirmed| {
        let mut heads = confirmed.record().document_heads().map_err(|e| e.to_string())?;
        heads.retain(|section, _| match section {
            Section::Secured(column) => reads(column.as_str()),
            _ => true,
        });
        Ok::<_, String>(heads)
    };
    if heads(ours)? != heads(theirs)? {
        return Err("other heads".into());
    }
    Ok(())
}
