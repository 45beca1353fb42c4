//! What a device that means harm sends.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tidegate::codec::{
    AdminRequest, ChangeSet, Context, Digest, HashesDigest, IdsDigest, Inquiry, PublicKey,
    PurgeReceipt, Resume, SchemaMark, SignedChangeSet, Stretch, ToServer, decode_edits,
    encode_edits, encode_message,
};
use tidegate::crdt::{Document, Record};
use tidegate::limits::{CHANGE_OPS_MAX, FRAME_BYTES_MAX, TEXT_BYTES_MAX};
use tidegate::model::{
    ActorId, ColumnPermissions, DeviceNumber, Edit, EditId, LogEpoch, Op, Owner, Principal,
    RecordId, RecordState, Right, Rights, Section, Sequence, Table, Timestamp, UserId, Value,
};

use crate::app::is_system;
use crate::fault::Fault;
use crate::people::{SECURED, USERS, name};
use crate::world::World;

#[derive(Serialize)]
struct Body<'a>(u8, DeviceNumber, HashesDigest, Option<IdsDigest>, Option<SchemaMark>, &'a [u8]);

impl World {
    /// Change sets that should not be.
    pub(super) fn forged(&mut self, fault: Fault) -> Vec<Vec<u8>> {
        let Some((table, record)) = self.some_target() else { return Vec::new() };
        let first = self.harmful_edit(&table, &record, fault);
        let me = first.id.device;
        let sets: Vec<(DeviceNumber, Vec<Edit>)> = match fault {
            Fault::ForgedAuthors => return self.with_forged_author(first),
            Fault::Equivocation => {
                let second = self.harmful_edit(&table, &record, fault);
                let second = self.of_same_actor(&first, second);
                if self.rng.chance(50) {
                    vec![(me, vec![first, second])]
                } else {
                    vec![(me, vec![first]), (me, vec![second])]
                }
            }
            Fault::ReusedEditIds => {
                let second = self.harmful_edit(&table, &record, fault);
                let id = if self.rng.chance(50) { first.id } else { self.some_id(second.id) };
                vec![(me, vec![first]), (me, vec![Edit { id, ..second }])]
            }
            Fault::WithheldChanges => {
                let mut base = record.clone();
                if base.merge(&first).is_err() {
                    return Vec::new();
                }
                let second = self.harmful_edit(&table, &base, fault);
                let both = self.rng.chance(30);
                // The base comes late, or never.
                let late = both.then_some((me, vec![first]));
                std::iter::once((me, vec![second])).chain(late).collect()
            }
            Fault::MutatedChangeSets => return self.mutated(first),
            Fault::HugeInputs => return self.huge(first),
            _ => vec![(me, vec![first])],
        };
        sets.into_iter().filter_map(|(device, edits)| self.push(device, edits)).collect()
    }

    /// A record that the server holds, or a new one.
    fn some_target(&mut self) -> Option<(Table, Record)> {
        let mut held: Vec<_> = self.disk.file.records.keys().cloned().collect();
        let wants_people = self.rng.chance(8);
        held.retain(|place| is_system(&place.table) == wants_people);
        let place = self.rng.pick(&held).cloned().filter(|_| self.rng.chance(85));
        let Some(place) = place else {
            let table = self.people.schema.table("order")?.clone();
            let id = self.random_id();
            return Some((table.clone(), Record::new(table.id, id)));
        };
        let table = self.people.schema.table(place.table.as_str())?.clone();
        let (versions, edit) = &self.disk.file.records[&place];
        let confirmed = tidegate::gate::Confirmed::from_stored(versions.clone(), edit).ok()?;
        Some((table, confirmed.record().clone()))
    }

    /// Mostly something that its user may not do.
    fn harmful_edit(&mut self, table: &Table, record: &Record, fault: Fault) -> Edit {
        let me = self.byzantine.as_mut().map(|byzantine| {
            byzantine.counter += 1;
            (byzantine.number, byzantine.counter)
        });
        let (device, counter) = me.unwrap_or_default();
        let id = EditId { device, counter, part: 0 };
        let actor = ActorId { device, incarnation: self.rng.next() };
        let time = match fault {
            Fault::BackDating => {
                let times = [Timestamp::MIN, Timestamp::MAX, Timestamp::default()];
                times[self.rng.below(3)]
            }
            _ => self.time(),
        };
        let ops = self.harmful_ops(table, record);
        record.author(table, id, actor, time, ops)
    }

    fn harmful_ops(&mut self, table: &Table, record: &Record) -> Vec<Op> {
        let mine = Owner::User(name(USERS[3]));
        if !record.exists() {
            let unit =
                self.people.organization.users[&name::<UserId>(USERS[3])].business_unit.clone();
            let own = Op::Own { owner: mine, business_unit: unit };
            let title = Op::Put { column: name("title"), value: self.value() };
            return vec![Op::State(RecordState::Active), own, title];
        }
        let to = Principal::User(name(USERS[3]));
        match self.rng.below(8) {
            0 => {
                let unit =
                    self.people.organization.users[&name::<UserId>(USERS[3])].business_unit.clone();
                vec![Op::Own { owner: mine, business_unit: unit }]
            }
            1 => vec![Op::State(RecordState::Deleted)],
            2 => vec![Op::State(RecordState::Active)],
            3 => {
                let rights: Rights = Right::ALL.into_iter().collect();
                vec![Op::Share { to, rights }]
            }
            4 => {
                let column = name(self.rng.pick(&SECURED).unwrap());
                let permissions = ColumnPermissions { read: true, create: false, update: true };
                vec![Op::ShareColumn { column, to, permissions }]
            }
            _ => match table.id.as_str() {
                "order" => {
                    let column = name(self.rng.pick(&["title", "note", "cost", "margin"]).unwrap());
                    vec![Op::Put { column, value: self.value() }]
                }
                "user" | "team" | "business_unit" => {
                    vec![Op::Put { column: name("name"), value: self.value() }]
                }
                "sheet" => vec![Op::Increment { column: name("count"), by: 1 }],
                _ => vec![Op::Put { column: name("note"), value: self.value() }],
            },
        }
    }

    /// It speaks for another device: in the edit's id, as its actor, in the change set, or in all
    /// of these.
    fn with_forged_author(&mut self, mut edit: Edit) -> Vec<Vec<u8>> {
        let known: Vec<_> = self.disk.file.devices.keys().copied().collect();
        let other = self.rng.pick(&known).copied().unwrap_or_default();
        let other = if self.rng.chance(20) { DeviceNumber::SERVER } else { other };
        let mut claimed = edit.id.device;
        let ways = if self.rng.chance(50) { 7 } else { 1 + self.rng.below(7) };
        if ways & 1 != 0 {
            edit.id.device = other;
        }
        if ways & 2 != 0 {
            for change in &mut edit.changes {
                Arc::make_mut(change).id.actor.device = other;
            }
        }
        if ways & 4 != 0 {
            claimed = other;
        }
        self.push(claimed, vec![edit]).into_iter().collect()
    }

    /// The second has the first one's actor and numbers, and says something else.
    fn of_same_actor(&mut self, first: &Edit, mut second: Edit) -> Edit {
        let actor = first.changes.first().map(|change| change.id.actor);
        for change in &mut second.changes {
            if let Some(actor) = actor {
                Arc::make_mut(change).id.actor = actor;
            }
        }
        if self.rng.chance(30) {
            second.id = first.id;
        }
        second
    }

    /// The id of an edit that is in the log.
    fn some_id(&mut self, otherwise: EditId) -> EditId {
        let ids: Vec<_> = self.disk.file.deeds.iter().map(|entry| entry.edit.id).collect();
        self.rng.pick(&ids).copied().unwrap_or(otherwise)
    }

    fn mutated(&mut self, edit: Edit) -> Vec<Vec<u8>> {
        let device = edit.id.device;
        let Ok(bytes) = encode_edits(std::slice::from_ref(&edit)) else { return Vec::new() };
        let mutant = self.mutant(&bytes);
        if self.rng.chance(60) {
            // A digest that fits what it says now. The naive merge knows what apps do, and no more.
            let known = decode_edits(&mutant).ok().filter(|edits| edits.iter().all(is_known));
            return known.and_then(|edits| self.push(device, edits)).into_iter().collect();
        }
        let body = Body(4, device, HashesDigest([0; 8]), None, None, &mutant);
        let body = postcard::to_stdvec(&body).unwrap();
        let Some(set) =
            self.byzantine.as_ref().map(|it| signed(&it.key, &self.identity.organization, body))
        else {
            return Vec::new();
        };
        let frame = encode_message(&ToServer::Push(set)).unwrap();
        let broken = self.rng.chance(50);
        vec![if broken { self.mutant(&frame) } else { frame }]
    }

    fn mutant(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.rng.below(3) {
            let at = self.rng.below(bytes.len());
            let end = (at + self.rng.below(16)).min(bytes.len());
            match self.rng.below(4) {
                _ if bytes.is_empty() => {}
                0 => bytes[at] ^= 1 << self.rng.below(8),
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..end)),
                // A length that lies.
                _ => drop(bytes.splice(at..=at, [0xff, 0xff, 0xff, 0xff, 0x0f])),
            }
        }
        bytes
    }

    fn huge(&mut self, edit: Edit) -> Vec<Vec<u8>> {
        let device = edit.id.device;
        let long = Value::Text("x".repeat(TEXT_BYTES_MAX + self.rng.below(2)).into());
        let ops = match self.rng.below(3) {
            0 => vec![Op::Put { column: name("note"), value: long }],
            1 => vec![Op::Increment { column: name("count"), by: 1 }; CHANGE_OPS_MAX + 1],
            _ => return vec![vec![1; FRAME_BYTES_MAX + self.rng.below(2)]],
        };
        let mut edit = edit;
        if let Some(change) = edit.changes.first_mut() {
            Arc::make_mut(change).ops = ops;
        }
        self.push(device, vec![edit]).into_iter().collect()
    }

    /// A change set with the digest that it should have, as far as there is one.
    fn push(&mut self, device: DeviceNumber, edits: Vec<Edit>) -> Option<Vec<u8>> {
        let mut documents: BTreeMap<(RecordId, Section), Document> = BTreeMap::new();
        let mut hashes = Vec::new();
        for edit in &edits {
            for change in &edit.changes {
                let key = (edit.record, change.section.clone());
                let document = match documents.remove(&key) {
                    Some(document) => document,
                    None => self.document(edit, &change.section)?,
                };
                let document = documents.entry(key).or_insert(document);
                hashes.extend(document.apply(change));
            }
        }
        let hashes = HashesDigest::of(hashes);
        let set = ChangeSet { device, edits, hashes };
        let organization = &self.identity.organization;
        let set = set.sign(&self.byzantine.as_ref()?.key, organization).ok()?;
        encode_message(&ToServer::Push(set)).ok()
    }

    fn document(&self, edit: &Edit, section: &Section) -> Option<Document> {
        let mut held = self.disk.file.confirmed();
        match held.find(|it| it.record().id() == edit.record) {
            Some(confirmed) => confirmed.record().document(section).ok(),
            None => Some(Document::new(section.clone())),
        }
    }

    /// Change sets that others signed, of the present or an old session.
    pub(super) fn carried(&mut self) -> Vec<Vec<u8>> {
        let is_push = |bytes: &&Vec<u8>| {
            let message = tidegate::codec::decode_message::<ToServer>(bytes);
            matches!(message, Ok(ToServer::Push(_)))
        };
        let old = self.old_sessions.iter().flat_map(|(_, said)| said);
        let now = self.links.values().flat_map(|link| &link.said);
        let pushes: Vec<_> = old.chain(now).filter(is_push).cloned().collect();
        self.rng.pick(&pushes).cloned().into_iter().collect()
    }

    /// What is no message, or makes no sense from this device, or where it comes.
    pub(super) fn unknown_messages(&mut self) -> Vec<Vec<u8>> {
        let Some(byzantine) = &mut self.byzantine else { return Vec::new() };
        let key = byzantine.key.clone();
        let organization = self.identity.organization;
        let records: Vec<_> = self.disk.file.records.keys().cloned().collect();
        let place = self.rng.pick(&records).cloned();
        let message = match self.rng.below(9) {
            0 => return vec![self.rng.seed()[..self.rng.below(32)].to_vec()],
            1 => return vec![Vec::new()],
            2 => ToServer::Hello(Box::<Resume>::default()),
            3 => ToServer::Enroll { code: vec![7; 80], name: "again".into(), app: None },
            4 => {
                let Some(place) = place else { return Vec::new() };
                byzantine.asked.insert(place.record);
                ToServer::Fetch { table: place.table, record: place.record, pinned: false }
            }
            5 => {
                let all = self.disk.file.deeds.iter().map(|it| Inquiry::of(&it.edit));
                ToServer::Ask(all.collect())
            }
            6 => {
                let request = match place {
                    Some(it) => AdminRequest::Erase { table: it.table, record: it.record },
                    None => AdminRequest::Rules,
                };
                // An administrator may; and it may be one.
                if self.people.may_administer(&byzantine.user) {
                    return Vec::new();
                }
                ToServer::Admin { number: 1, request }
            }
            7 => {
                let receipt = PurgeReceipt {
                    organization,
                    device: DeviceNumber(1),
                    epoch: LogEpoch(1),
                    sequence: Sequence(u64::MAX),
                    standing: Some(Digest([0; 16])),
                    at: Timestamp::MAX,
                };
                let Ok(receipt) = receipt.sign(&key) else { return Vec::new() };
                ToServer::Purged(receipt)
            }
            // Where nobody is rechecked it is not drawn.
            _ if self.faults.has(Fault::Rot) => {
                let after = place.filter(|_| self.rng.chance(50));
                let grain = u32::try_from(self.rng.below(4)).unwrap();
                let stretches = vec![Stretch { after, end: None }];
                ToServer::Compare { number: 1, grain, stretches }
            }
            _ => ToServer::Flush { number: u32::MAX },
        };
        encode_message(&message).into_iter().collect()
    }
}

/// Bytes with the device's signature over them, whatever they are.
fn signed(
    key: &tidegate::codec::SecretKey,
    organization: &PublicKey,
    body: Vec<u8>,
) -> SignedChangeSet {
    let signature = key.sign(Context::ChangeSet, &[organization.as_bytes(), &body[..]].concat());
    let bytes = postcard::to_stdvec(&(body, signature)).unwrap();
    postcard::from_bytes(&bytes).unwrap()
}

/// Whether the naive merge knows what an edit does.
fn is_known(edit: &Edit) -> bool {
    let is_sheet = edit.table.as_str() == "sheet";
    edit.ops().all(|op| match op {
        Op::Splice { delete, .. } => is_sheet && *delete == 0,
        Op::Increment { .. } | Op::ListInsert { .. } => is_sheet,
        Op::Put { .. } => !is_sheet,
        Op::Own { .. } | Op::State(_) | Op::Share { .. } | Op::ShareColumn { .. } => true,
        _ => false,
    })
}
