//! Made-up records, edits and batches, all from one seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate::codec::{Digest, PublicKey, ScanPlace, Scope, Terms};
use tidegate::crdt::Record;
use tidegate::gate::{Applied, Attestation, Confirmed, Follow, apply};
use tidegate::model::{
    ActorId, Asked, BusinessUnit, BusinessUnitId, Change, ChangeRef, Column, ColumnName,
    ColumnType, Columns, Date, Denial, DeviceNumber, DocumentText, Edit, EditId, EditKind, Header,
    Intake, LogEpoch, Op, OrganizationRow, Owner, Ownership, Policy, PolicyEpoch, Position,
    Principal, Profiles, PublishedProfiles, RecordId, RecordState, Rights, Role, Rule, Schema,
    Section, Sequence, Table, TableName, Team, TeamId, TeamKind, Timestamp, User, UserId, Value,
};
use tidegate::sync::{
    Commit, DeviceRow, Enrolment, EntryKind, Follower, Kept, KeptPlace, Leg, LogEntry, Move,
    Operation, PastStanding, Pending, Quarantined, RefusedEdit, ReplicaBatch, ReplicaMeta,
    ReplicaStore, ServerMeta, ServerStore, StoredRow, Turn,
};

/// SplitMix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

pub(crate) fn table(name: &str) -> TableName {
    TableName::new(name).unwrap()
}

pub(crate) fn column(name: &str) -> ColumnName {
    ColumnName::new(name).unwrap()
}

pub(crate) fn id(number: u64) -> RecordId {
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    RecordId::from_bytes(bytes)
}

pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest([byte; 16])
}

pub(crate) fn edit_id(device: u32, counter: u64, part: u32) -> EditId {
    EditId { device: DeviceNumber(device), counter, part }
}

/// Names that begin each other: their order must be that of names.
pub(crate) fn tables() -> [TableName; 3] {
    [table("order"), table("order line"), table("orders")]
}

/// The records that there may be: few, so that batches meet.
pub(crate) fn places() -> Vec<(TableName, RecordId)> {
    (0..18).map(|n| (tables()[usize::try_from(n % 3).unwrap()].clone(), id(n / 3))).collect()
}

fn owner(name: &str) -> Owner {
    Owner::User(name.parse().unwrap())
}

fn text(rng: &mut Rng) -> String {
    let long = if rng.one_in(20) { 5_000 } else { 12 };
    (0..rng.below(long)).map(|_| rng.pick(&['a', 'b', ' ', 'é', '9'])).collect()
}

fn value(rng: &mut Rng) -> Value {
    match rng.below(10) {
        0 => Value::Null,
        1 => Value::Integer(rng.next().cast_signed()),
        2 => Value::Boolean(rng.one_in(2)),
        3 => Value::Float(f64::from(u32::from(rng.byte())) / 8.0),
        4 => Value::Date(Date::from_days(i32::from(rng.byte())).unwrap()),
        5 => Value::Lookup(id(rng.next() % 10)),
        6 => Value::Timestamp(time(rng.next().cast_signed() % 1_000_000)),
        _ => Value::Text(text(rng).into()),
    }
}

fn columns(rng: &mut Rng) -> Columns {
    let names = ["name", "status", "due", "amount"];
    (0..=rng.below(3)).map(|_| (column(rng.pick(&names)), value(rng))).collect()
}

pub(crate) fn own(name: &str) -> Op {
    Op::Own { owner: owner(name), business_unit: "north".parse().unwrap() }
}

fn header_ops(rng: &mut Rng, exists: bool) -> Vec<Op> {
    let own = Op::Own {
        owner: owner(rng.pick(&["ann", "bob"])),
        business_unit: rng.pick(&["north", "south"]).parse().unwrap(),
    };
    match rng.below(6) {
        _ if !exists => vec![own],
        0 => vec![Op::State(rng.pick(&[RecordState::Active, RecordState::Deleted]))],
        1 => vec![own],
        2 => {
            let to = Principal::User("eve".parse().unwrap());
            vec![Op::Share { to, rights: Rights::NONE }]
        }
        _ => Vec::new(),
    }
}

/// An edit of `record` as it is here, which another may not know yet.
pub(crate) fn edit(rng: &mut Rng, id: EditId, record: &Record) -> Edit {
    let actor = ActorId { device: id.device, incarnation: rng.next() };
    let puts: Vec<_> = columns(rng).into_iter().collect();
    let puts: Vec<_> = puts.into_iter().map(|(column, value)| Op::Put { column, value }).collect();
    let secret = vec![Op::Put { column: column("secret"), value: value(rng) }];
    let parts = [
        (Section::Header, header_ops(rng, record.exists())),
        (Section::Main, puts),
        (Section::Secured(column("secret")), if rng.one_in(4) { secret } else { Vec::new() }),
    ];
    let time = time(rng.next().cast_signed() % 1_000_000_000);
    let change = |(section, ops): (Section, Vec<Op>)| {
        let deps = record.heads(&section).to_vec();
        Arc::new(Change { section, id: ChangeRef { actor, seq: 1 }, time, deps, ops })
    };
    let parts = parts.into_iter().filter(|(_, ops)| !ops.is_empty());
    let changes = parts.map(change).collect();
    Edit {
        id,
        table: record.table().clone(),
        record: record.id(),
        atomic: u32::from(rng.byte() % 3),
        changes,
    }
}

/// What the server says counts.
pub(crate) fn admit(before: Option<Confirmed>, edit: Edit, sequence: u64) -> Applied {
    let admitted = Attestation::of_checked_server().admits(edit, Sequence(sequence));
    apply(before, &admitted).unwrap()
}

pub(crate) fn row(record: &Record, pending: bool, version: u64) -> StoredRow {
    StoredRow {
        header: record.header().clone(),
        columns: record.columns().clone(),
        pending,
        version: Sequence(version),
    }
}

pub(crate) fn denial(rng: &mut Rng) -> Denial {
    Denial { detail: Some(text(rng)), ..Denial::of(Rule::OutOfDepth) }
}

pub(crate) fn schema(columns: usize) -> Schema {
    let column = |n| Column {
        choices: vec!["a".into()],
        ..Column::new(column(&format!("c{n}")), ColumnType::Text)
    };
    let columns: Vec<_> = (0..columns).map(column).collect();
    let made = |name| Table::new(name, Ownership::UserOwned, columns.clone());
    let tables: BTreeMap<_, _> = tables().into_iter().map(|it| (it.clone(), made(it))).collect();
    Schema { tables, ..Schema::default() }
}

pub(crate) fn replica_meta(rng: &mut Rng, mut meta: ReplicaMeta) -> ReplicaMeta {
    meta.counter += 1;
    match rng.below(12) {
        0 => {
            meta.enrolment = Some(Enrolment {
                organization: PublicKey([rng.byte(); 32]),
                addresses: vec![text(rng)],
                device: DeviceNumber(4),
                user: "ann".parse().unwrap(),
            });
        }
        1 => {
            meta.schema = schema(rng.below(6));
            meta.schema_digest = Some(digest(rng.byte()));
        }
        2 => {
            meta.grant = Some(text(rng).into_bytes());
            meta.grant_digest = Some(digest(rng.byte()));
        }
        3 => meta.wanted = (0..rng.below(4)).map(|_| rng.pick(&places())).collect(),
        4 => meta.owners = vec![(owner("bob"), "north".parse().unwrap())],
        5 => {
            meta.epoch = LogEpoch(rng.next());
            meta.serial = rng.next();
        }
        6 => {
            let (table, record) = rng.pick(&places());
            meta.scope = Scope {
                held: vec![terms(rng)],
                complete: rng.byte() > 127,
                target: Some((terms(rng), Some(ScanPlace { table, record }))),
            };
        }
        7 => {
            let tables = tables().into_iter().map(|table| (table, Some(5))).collect();
            let profile = "field".parse().unwrap();
            meta.app = Some("app".parse().unwrap());
            meta.intake = Some(Intake { profile, budget: Some(rng.next()), tables });
        }
        8 => {
            meta.pins = (0..rng.below(4)).map(|_| rng.pick(&places())).collect();
            meta.pinning = meta.pins.iter().take(1).cloned().collect();
        }
        9 => {
            let at = Timestamp::from_millis(i64::from(rng.byte())).unwrap();
            meta.synced = tables().into_iter().map(|table| (table, at)).collect();
        }
        10 => {
            meta.ledger.sent.values += rng.next() >> 8;
            meta.ledger.received.quic += 1;
        }
        _ => meta.watermark = Sequence(meta.watermark.0 + 1),
    }
    meta
}

fn quarantined(rng: &mut Rng) -> Quarantined {
    let (table, record) = rng.pick(&places());
    Quarantined {
        edit: edit_id(4, 1 + rng.next() % 5, 0),
        table,
        record,
        kind: EditKind::Change,
        atomic: u32::from(rng.byte() % 3),
        ops: vec![Op::Put { column: column("name"), value: value(rng) }],
        denial: denial(rng),
        epoch: PolicyEpoch(rng.next()),
        lacking: rng.one_in(2),
        parked: rng.one_in(2),
        at: time(rng.next().cast_signed() % 1_000),
    }
}

/// A batch for a replica that holds what `store` says. It is not always one that a machine would
/// make: a store takes what it is given.
pub(crate) fn batch(rng: &mut Rng, store: &impl ReplicaStore) -> ReplicaBatch {
    let mut batch = ReplicaBatch::default();
    if rng.one_in(2) {
        batch.meta = Some(replica_meta(rng, store.meta().unwrap()));
    }
    let places = places();
    for _ in 0..rng.below(5) {
        let (table, id) = rng.pick(&places);
        let held = store.confirmed(&table, id).unwrap();
        let record =
            held.as_ref().map_or_else(|| Record::new(table.clone(), id), |it| it.record().clone());
        let edit_id = edit_id(4, 1 + rng.next() % 40, 0);
        let edit = edit(rng, edit_id, &record);
        // Often the row says what the edit says.
        let shown = match (rng.one_in(2), Record::from_edit(&edit)) {
            (true, Ok(made)) => made,
            _ => record,
        };
        match rng.below(5) {
            // Confirmed; where the same place comes twice, the later of two concurrent states.
            0 | 1 => batch.confirmed.push(admit(held, edit, rng.next() % 100)),
            2 => batch.gone.push((table.clone(), id)),
            _ => {
                let again = Turn { counter: 1 + rng.next() % 40, part: 0 };
                let turn = if rng.one_in(2) { again } else { Turn::first(edit.id) };
                let pending = Pending { turn, edit };
                if rng.one_in(3) {
                    let sequence = Sequence(1 + rng.next() % 100);
                    batch.kept.push(Kept { sequence, pending: pending.clone() });
                }
                batch.pending.push(pending);
            }
        }
        let row = (!rng.one_in(3)).then(|| row(&shown, rng.one_in(2), rng.next() % 100));
        batch.rows.push((table, id, row));
    }
    for _ in 0..rng.below(3) {
        batch.settled.push(edit_id(4, 1 + rng.next() % 40, 0));
    }
    if rng.one_in(3) {
        batch.quarantine = (0..=rng.below(2)).map(|_| quarantined(rng)).collect();
    }
    if rng.one_in(4) {
        let turn = Turn { counter: rng.next() % 40, part: 0 };
        batch.forgotten = Some(KeptPlace { sequence: Sequence(rng.next() % 100), turn });
    }
    if rng.one_in(4) {
        batch.released.push(edit_id(4, 1 + rng.next() % 5, 0));
    }
    if rng.one_in(6) {
        batch.erased.push(rng.pick(&places).1);
    }
    batch
}

fn append(
    rng: &mut Rng,
    held: Option<Confirmed>,
    place: (TableName, RecordId),
    n: u64,
) -> Operation {
    let before =
        held.as_ref().map_or_else(|| Record::new(place.0, place.1), |it| it.record().clone());
    let device = 1 + u32::from(rng.byte() % 3);
    let edit = edit(rng, edit_id(device, n, 0), &before);
    let record = admit(held, edit.clone(), n);
    let after = record.confirmed().record();
    let mut asked = Asked::default();
    asked.table(&tables()[0]).insert(column("name"));
    let kind = EntryKind::edit(edit, Some(&before).filter(|it| it.exists()), after, &asked);
    Operation::Append { entry: entry(rng, n, kind), records: vec![record] }
}

fn entry(rng: &mut Rng, n: u64, kind: EntryKind) -> Box<LogEntry> {
    let (at, epoch) = (time(i64::try_from(n).unwrap()), PolicyEpoch(rng.next()));
    Box::new(LogEntry { sequence: Sequence(n), kind, at, epoch })
}

/// Some of these records follow their owners.
fn terms(rng: &mut Rng) -> Terms {
    let profile = rng.one_in(2).then(|| digest(rng.byte()));
    Terms { standing: digest(rng.byte()), profile }
}

fn follow(rng: &mut Rng, held: Vec<Confirmed>, n: u64) -> Option<Operation> {
    let actor = ActorId { device: DeviceNumber(0), incarnation: rng.next() };
    let to: BusinessUnitId = rng.pick(&["east", "west"]).parse().unwrap();
    let (mut legs, mut records) = (Vec::new(), Vec::new());
    for confirmed in held {
        let record = confirmed.record();
        let Some((owner, from)) = record.header().owner.clone() else { continue };
        let at = time(i64::try_from(n).unwrap());
        let follow = Follow { owner: owner.clone(), business_unit: to.clone(), actor, at };
        let Some(edit) = follow.edit(record).filter(|_| rng.one_in(2)) else { continue };
        let followers = vec![Follower::new(record.id(), record.header())];
        legs.push(Leg { owner, from, to: to.clone(), table: record.table().clone(), followers });
        records.push(admit(Some(confirmed), edit, n));
    }
    let kind = EntryKind::Move(Move { actor, legs });
    (!records.is_empty()).then(|| Operation::Append { entry: entry(rng, n, kind), records })
}

fn profiles(rng: &mut Rng) -> PublishedProfiles {
    let mut published = PublishedProfiles::default();
    for _ in 0..=rng.below(3) {
        let document = DocumentText { file: "p.toml".into(), text: rng.byte().to_string() };
        published.draft(document, Profiles::default(), None, time(i64::from(rng.byte())));
        if rng.one_in(2) {
            published.publish(None).unwrap();
        }
    }
    published
}

/// What a server goes by, but for the organization.
fn rules(rng: &mut Rng) -> [Operation; 3] {
    let policy = Box::new(policy(rng));
    let schema = Box::new(schema(rng.below(3)));
    let profiles = Box::new(profiles(&mut Rng(rng.0)));
    [Operation::SetPolicy(policy), Operation::SetSchema(schema), Operation::SetProfiles(profiles)]
}

fn policy(rng: &mut Rng) -> Policy {
    let roles = (0..rng.below(3))
        .map(|_| (format!("role {}", rng.byte() % 5).parse().unwrap(), Role::default()));
    Policy { roles: roles.collect(), ..Policy::default() }
}

fn rows(rng: &mut Rng) -> Vec<OrganizationRow> {
    let unit = |rng: &mut Rng| BusinessUnitId::new(format!("unit {}", rng.byte() % 3)).unwrap();
    let row = |rng: &mut Rng| match rng.below(5) {
        0 => OrganizationRow::BusinessUnit(unit(rng), None),
        1 => OrganizationRow::BusinessUnit(
            unit(rng),
            Some(BusinessUnit { name: None, parent: Some(unit(rng)) }),
        ),
        2 => OrganizationRow::Team(
            TeamId::new(format!("team {}", rng.byte() % 3)).unwrap(),
            Some(Team {
                name: None,
                kind: TeamKind::Access,
                members: ["ann".parse().unwrap()].into(),
            }),
        ),
        3 => OrganizationRow::Position("chief".parse().unwrap(), Some(Position::default())),
        _ => OrganizationRow::User(
            UserId::new(format!("user {}", rng.byte() % 4)).unwrap(),
            (rng.below(3) > 0).then(|| User {
                name: None,
                business_unit: unit(rng),
                manager: None,
                position: None,
                roles: [].into(),
                disabled: rng.below(2) > 0,
            }),
        ),
    };
    (0..rng.below(6)).map(|_| row(rng)).collect()
}

/// A commit for a server that holds what `store` says.
pub(crate) fn commit(rng: &mut Rng, store: &impl ServerStore) -> Commit {
    let expected = store.meta().unwrap();
    let mut meta = expected.clone();
    let mut operations = Vec::new();
    let mut now: BTreeMap<RecordId, Confirmed> = BTreeMap::new();
    for _ in 0..rng.below(6) {
        match rng.below(14) {
            12 => {
                let behind = meta.head.0 - meta.floor.0;
                meta.floor.0 += rng.next() % (behind / 2 + 1);
                operations.push(Operation::Trim { up_to: meta.floor });
            }
            11 => {
                let mut held = store.scan(None, usize::MAX).unwrap();
                held.retain(|it| !now.contains_key(&it.record().id()));
                held.extend(now.values().cloned());
                if let Some(operation) = follow(rng, held, meta.head.0 + 1) {
                    meta.head.0 += 1;
                    let Operation::Append { records, .. } = &operation else { unreachable!() };
                    now.extend(records.iter().map(|it| (it.id(), it.confirmed().clone())));
                    operations.push(operation);
                }
            }
            10 => {
                let number = rng.next() % 12;
                let (table, record) =
                    (tables()[usize::try_from(number % 3).unwrap()].clone(), id(number));
                if store.erased(record).unwrap().is_some() {
                    // Its id is never used again.
                    break;
                }
                meta.head.0 += 1;
                let edit_id = edit_id(0, meta.head.0, 7);
                let edit = Edit { id: edit_id, table, record, atomic: 0, changes: Vec::new() };
                let before = Some(now.get(&record).map(|it| it.record().header().clone()));
                let kind = EntryKind::Edit { edit, before, after: Header::default(), asked: None };
                operations.push(Operation::Erase(entry(rng, meta.head.0, kind)));
                // Nothing more is done to it in this step.
                break;
            }
            8 => {
                (meta.rules, meta.profiles) = (Some(digest(8)), Some(digest(9)));
                operations.extend(rules(rng));
            }
            9 => operations.push(Operation::SetOrganization(rows(rng))),
            0 => {
                let id = edit_id(9, 1, u32::from(rng.byte() % 3));
                let refused = RefusedEdit {
                    edit: edit(rng, id, &Record::new(table("order"), self::id(3))),
                    is_part: rng.byte().is_multiple_of(2),
                    user: "ann".parse().unwrap(),
                    denial: denial(rng),
                    epoch: PolicyEpoch(3),
                    at: time(i64::from(rng.byte() % 8)),
                };
                operations.push(Operation::Refuse(Box::new(refused)));
            }
            1 => {
                meta.devices += 1;
                operations.push(Operation::PutDevice(device(1 + u32::from(rng.byte() % 5), rng)));
            }
            2 => {
                let nonce = [rng.byte() % 4; 8];
                operations.push(Operation::UseCode { nonce, key: PublicKey([rng.byte(); 32]) });
            }
            3 => operations.push(Operation::PutStanding {
                device: DeviceNumber(u32::from(rng.byte() % 3)),
                digest: digest(rng.byte() % 4),
                standing: text(rng).into_bytes(),
            }),
            13 => operations.push(Operation::PutPastStanding {
                device: DeviceNumber(u32::from(rng.byte() % 3)),
                past: PastStanding {
                    until: Sequence(u64::from(rng.byte() % 9)),
                    standing: text(rng).into_bytes(),
                },
                floor: Sequence(u64::from(rng.byte() % 4)),
            }),
            4 => operations.push(Operation::ForgetRefused { before: time(4), limit: 2 }),
            _ => {
                // A record is in one table: ids tell them apart.
                let number = rng.next() % 12;
                let place = (tables()[usize::try_from(number % 3).unwrap()].clone(), id(number));
                let held = match now.remove(&place.1) {
                    Some(held) => Some(held),
                    None => store.record(place.1).unwrap(),
                };
                meta.head.0 += 1;
                let operation = append(rng, held, place.clone(), meta.head.0);
                if let Operation::Append { records, .. } = &operation {
                    now.insert(place.1, records[0].confirmed().clone());
                }
                operations.push(operation);
            }
        }
    }
    meta.policy_epoch.0 += 1;
    Commit { expected, meta, operations }
}

pub(crate) fn device(number: u32, rng: &mut Rng) -> DeviceRow {
    let mut key = [rng.byte(); 32];
    key[0] = u8::try_from(number).unwrap();
    DeviceRow {
        number: DeviceNumber(number),
        key: PublicKey(key),
        user: "ann".parse().unwrap(),
        name: text(rng),
        revoked: rng.one_in(2),
        purged: None,
    }
}

/// A commit that does nothing but move the meta on.
pub(crate) fn empty_commit(expected: ServerMeta) -> Commit {
    let mut meta = expected.clone();
    meta.policy_epoch.0 += 1;
    Commit { expected, meta, operations: Vec::new() }
}

pub(crate) fn header(owner_name: &str) -> Header {
    Header { owner: Some((owner(owner_name), "north".parse().unwrap())), ..Header::default() }
}
