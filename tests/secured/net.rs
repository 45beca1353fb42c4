//! A server's machine and devices on real files; every message as its bytes, which are kept.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate::codec::{
    EnrollCode, EnrollTerms, Entry, Page, Refusal, SecretKey, ToDevice, ToServer, decode_message,
    encode_message, encode_rows,
};
use tidegate::gate::Roster;
use tidegate::model::{
    ChangeRef, ColumnName, ColumnSecurityId, Columns, DeviceNumber, DocumentText, Edit, EditId,
    Organization, Policy, RecordId, Schema, TableName, Timestamp, UserId, Value,
};
use tidegate::policy::read_profiles;
use tidegate::server::{Home, InitOptions, OrganizationFiles};
use tidegate::store::{RedbReplica, RedbServer};
use tidegate::sync::replica::{
    Draft, Event, Intent, Output, PinError, Purpose, RecheckReport, ReplicaMachine, SessionError,
};
use tidegate::sync::server::{
    ConnectionId, HistoryBounds, Output as ServerOutput, PageBounds, Rules, RulesError,
    ServerMachine,
};
use tidegate::sync::{Purge, ReplicaStore as _, ServerStore as _};

pub(crate) struct Device {
    machine: ReplicaMachine,
    pub(crate) store: RedbReplica,
    pub(crate) path: PathBuf,
    pub(crate) key: SecretKey,
    code: EnrollCode,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
    connection: Option<ConnectionId>,
    /// All that it received.
    pub(crate) received: Vec<Vec<u8>>,
    /// All that it sent.
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
    /// Its file between the last page that took something away and the purge: as `kill -9` leaves
    /// it.
    pub(crate) caught: Option<Vec<u8>>,
}

pub(crate) struct Net {
    dir: tempfile::TempDir,
    home: Home,
    server: ServerMachine,
    pub(crate) store: RedbServer,
    pub(crate) devices: Vec<Device>,
    connections: u64,
    /// What the server's clock shows.
    clock: Timestamp,
    /// Refusals that are expected, as they come.
    pub(crate) refused: Option<Vec<Refusal>>,
}

impl Device {
    pub(crate) fn try_pin(&mut self, table: &TableName, record: RecordId) -> Result<(), PinError> {
        self.machine.pin(&mut self.store, table, record)
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000).unwrap()
}

pub(crate) fn columns<const N: usize>(pairs: [(&str, Value); N]) -> Columns {
    pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value)).collect()
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

impl Net {
    pub(crate) fn new(
        schema: &str,
        policy: &str,
        organization: Option<OrganizationFiles>,
        administrator: Option<&str>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let options = InitOptions {
            schema: write("schema.toml", schema),
            policy: write("policy.toml", policy),
            organization,
            administrator: administrator.map(|user| user.parse().unwrap()),
            ..InitOptions::default()
        };
        let home = Home::init(&dir.path().join("server"), &options).unwrap();
        let mut store = RedbServer::create(dir.path().join("log.redb")).unwrap();
        let (identity, rules) = (home.identity(), home.rules().unwrap());
        let mut server = ServerMachine::open(&mut store, identity, rules, now(), [4; 32]).unwrap();
        server.set_backed_up(&mut store, None).unwrap();
        let (devices, connections, clock, refused) = (Vec::new(), 0, now(), None);
        Self { dir, home, server, store, devices, connections, clock, refused }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A device of `user` that is enrolled and connected; its place among the devices.
    pub(crate) fn enroll(&mut self, user: &str) -> usize {
        let at = self.add_device(user);
        self.connect(at);
        self.settle();
        at
    }

    /// A device of `user` that is not enrolled yet.
    pub(crate) fn add_device(&mut self, user: &str) -> usize {
        let at = self.devices.len();
        let number = u8::try_from(at).unwrap();
        let folder = self.path(&format!("device-{at}"));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("own.redb");
        let store = RedbReplica::create(&path).unwrap();
        let key = SecretKey::from_seed([10 + number; 32]);
        let user: UserId = user.parse().unwrap();
        let identity = self.home.identity();
        let terms = EnrollTerms {
            addresses: vec!["there:1".into()],
            organization: identity.organization,
            user,
            nonce: u64::from(number).to_le_bytes(),
            expires: now().plus_millis(3_600_000),
        };
        let code = EnrollCode::mint(&identity.key, terms).unwrap();
        let machine = ReplicaMachine::open(&store, key.clone(), [20 + number; 32]).unwrap();
        let (up, down, received, sent, events) = Default::default();
        let (connection, caught) = (None, None);
        self.devices.push(Device {
            machine,
            store,
            path,
            key,
            code,
            up,
            down,
            connection,
            received,
            sent,
            events,
            caught,
        });
        at
    }

    pub(crate) fn connect(&mut self, at: usize) {
        self.connections += 1;
        let device = &mut self.devices[at];
        let purpose = match device.machine.meta().enrolment {
            Some(_) => Purpose::Sync,
            None => Purpose::Enroll { code: Box::new(device.code.clone()), name: "one".into() },
        };
        device.machine.connected(purpose, self.home.tls_key().public()).unwrap();
        let id = ConnectionId(self.connections);
        device.connection = Some(id);
        self.server.connected(id, device.key.public());
        self.drain_server();
    }

    pub(crate) fn part(&mut self, at: usize) {
        let device = &mut self.devices[at];
        device.machine.disconnected();
        device.up.clear();
        device.down.clear();
        if let Some(id) = device.connection.take() {
            self.server.disconnected(id);
        }
    }

    /// The user of the device does this; what is refused here is a failure.
    #[track_caller]
    pub(crate) fn commit(&mut self, at: usize, drafts: Vec<Draft>, atomic: bool) -> Vec<EditId> {
        let Device { machine, store, .. } = &mut self.devices[at];
        let made = machine.commit(store, now(), drafts, atomic).unwrap();
        self.drain(at);
        made
    }

    #[track_caller]
    pub(crate) fn set(
        &mut self,
        at: usize,
        table: &TableName,
        record: RecordId,
        columns: Columns,
    ) -> EditId {
        let draft = Draft { table: table.clone(), record, intent: Intent::Set(columns) };
        self.commit(at, vec![draft], false)[0]
    }

    pub(crate) fn discard(&mut self, at: usize, edit: EditId) {
        let Device { machine, store, .. } = &mut self.devices[at];
        machine.discard(store, edit).unwrap();
    }

    /// The user of the device wants a record whatever the profile takes.
    pub(crate) fn pin(&mut self, at: usize, table: &TableName, record: RecordId) {
        self.devices[at].try_pin(table, record).unwrap();
        self.drain(at);
    }

    /// And does not want it any more; returns whether it was pinned.
    pub(crate) fn release(&mut self, at: usize, table: &TableName, record: RecordId) -> bool {
        let Device { machine, store, .. } = &mut self.devices[at];
        let was_pinned = machine.release(store, table, record).unwrap();
        self.drain(at);
        was_pinned
    }

    /// The device's machine.
    pub(crate) fn machine(&mut self, at: usize) -> &mut ReplicaMachine {
        &mut self.devices[at].machine
    }

    /// The file of a device is lost; a backup takes its place.
    pub(crate) fn restore(&mut self, at: usize, backup: &[u8]) {
        self.part(at);
        let folder = self.path(&format!("restored-{at}"));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("own.redb");
        fs::write(&path, backup).unwrap();
        let device = &mut self.devices[at];
        device.store = RedbReplica::open(&path).unwrap();
        device.machine =
            ReplicaMachine::open(&device.store, device.key.clone(), [200; 32]).unwrap();
        device.path = path;
    }

    /// Looks at so much at a time from now on, and sends so much at most.
    pub(crate) fn set_page(&mut self, looks: usize) {
        self.set_pages(PageBounds::of(looks));
    }

    pub(crate) fn set_pages(&mut self, bounds: PageBounds) {
        self.server.set_page_bounds(bounds);
    }

    /// So many days pass on the server.
    pub(crate) fn pass_days(&mut self, days: i64) {
        self.clock = self.clock.plus_millis(days * 24 * 60 * 60 * 1_000);
    }

    /// Begins a new generation of a section with more changes than these.
    pub(crate) fn set_generation_changes(&mut self, changes: usize) {
        self.server.set_history_bounds(HistoryBounds { changes, ..HistoryBounds::default() });
    }

    /// The device sends so many edits at most before it waits for an answer.
    pub(crate) fn set_push_window(&mut self, at: usize, edits: usize) {
        self.devices[at].machine.set_push_window(edits);
    }

    /// How long the device puts a purge off.
    pub(crate) fn purges_in(&self, at: usize) -> Option<std::time::Duration> {
        self.devices[at].machine.purges_in(now())
    }

    /// So much time has passed at a device.
    pub(crate) fn wake(&mut self, at: usize, millis: i64) {
        let Device { machine, store, .. } = &mut self.devices[at];
        machine.wake(store, now().plus_millis(millis));
        self.drain(at);
        self.settle();
    }

    /// Publishes offline profiles for everyone.
    pub(crate) fn set_profiles(&mut self, text: &str) {
        let schema = Arc::new(self.server.rules().schema().clone());
        let profiles = read_profiles(text, "profiles.toml", &schema, None, None).unwrap();
        let mut published = self.server.rules().profiles().clone();
        let document = DocumentText { file: "profiles.toml".into(), text: text.into() };
        published.draft(document, profiles, None, self.clock);
        published.publish(None).unwrap();
        self.server.set_profiles(&mut self.store, self.clock, published).unwrap();
        self.drain_server();
    }

    /// Puts a policy in force.
    pub(crate) fn change_policy(&mut self, change: impl FnOnce(&mut Policy)) {
        self.change_rules(|policy, _| change(policy));
    }

    /// Tries to put a schema in force.
    pub(crate) fn try_schema(
        &mut self,
        change: impl FnOnce(&mut Schema),
    ) -> Result<(), RulesError> {
        let rules = self.changed(|_, _, schema| change(schema));
        let result = self.server.set_rules(&mut self.store, now(), rules);
        self.drain_server();
        result
    }

    /// The server's process ends, and one begins that is given another schema.
    pub(crate) fn try_restart(
        &mut self,
        change: impl FnOnce(&mut Schema),
    ) -> Result<(), RulesError> {
        let rules = self.changed(|_, _, schema| change(schema));
        (0..self.devices.len()).for_each(|at| self.part(at));
        let identity = self.home.identity();
        self.server = ServerMachine::open(&mut self.store, identity, rules, self.clock, [5; 32])?;
        Ok(())
    }

    /// Puts a policy and a schema in force.
    pub(crate) fn change_rules(&mut self, change: impl FnOnce(&mut Policy, &mut Schema)) {
        self.change_all(|policy, _, schema| change(policy, schema));
    }

    /// A user belongs to this business unit from now on.
    pub(crate) fn move_user(&mut self, user: &str, unit: &str) {
        self.change_all(|_, people, _| {
            people.users.get_mut(user).unwrap().business_unit = unit.parse().unwrap();
        });
    }

    pub(crate) fn change_all(
        &mut self,
        change: impl FnOnce(&mut Policy, &mut Organization, &mut Schema),
    ) {
        let rules = self.changed(change);
        self.server.set_rules(&mut self.store, now(), rules).unwrap();
        self.drain_server();
    }

    fn changed(&self, change: impl FnOnce(&mut Policy, &mut Organization, &mut Schema)) -> Rules {
        let (mut policy, mut organization, mut schema) = {
            let rules = self.server.rules();
            let roster = rules.roster();
            (roster.policy().clone(), roster.organization().clone(), rules.schema().clone())
        };
        change(&mut policy, &mut organization, &mut schema);
        let roster = Roster::new(Arc::new(policy), Arc::new(organization));
        Rules::new(schema, roster).unwrap()
    }

    /// Gives or takes away a profile of column security.
    pub(crate) fn profile(&mut self, id: &str, user: &str, given: bool) {
        let (id, user): (ColumnSecurityId, UserId) = (id.parse().unwrap(), user.parse().unwrap());
        self.change_policy(|policy| {
            let users = &mut policy.column_security.get_mut(&id).unwrap().users;
            assert!(if given { users.insert(user) } else { users.remove(&user) });
        });
    }

    fn drain(&mut self, at: usize) {
        let device = &mut self.devices[at];
        while let Some(output) = device.machine.poll_output() {
            match output {
                Output::Send(message) => device.up.push_back(encode_message(&message).unwrap()),
                Output::Close(error) => panic!("device {at}: {error}"),
                Output::Event(event) => device.events.push(event),
                Output::Answer(..) => panic!("an answer to nothing"),
            }
        }
    }

    fn drain_server(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                ServerOutput::Send(id, message) => {
                    let to = self.devices.iter_mut().find(|it| it.connection == Some(id));
                    to.unwrap().down.push_back(encode_message(&message).unwrap());
                }
                ServerOutput::LookOn(id) => self.writable(id),
                ServerOutput::Close(id, refusal) => self.refuse(id, refusal),
            }
        }
    }

    /// The server sends a device away.
    fn refuse(&mut self, id: ConnectionId, refusal: Refusal) {
        let Some(refused) = &mut self.refused else { panic!("{refusal}") };
        refused.push(refusal.clone());
        let at = self.devices.iter().position(|it| it.connection == Some(id)).unwrap();
        let Device { machine, store, connection, .. } = &mut self.devices[at];
        machine.received(store, now(), ToDevice::Refused(refusal)).unwrap_err();
        assert!(matches!(machine.poll_output(), Some(Output::Close(_))));
        *connection = None;
        self.part(at);
    }

    /// The device begins a recheck.
    pub(crate) fn begin_recheck(&mut self, at: usize) {
        let Device { machine, store, .. } = &mut self.devices[at];
        machine.recheck(store, now());
        self.drain(at);
    }

    /// What came of the rechecks that the device told of since the last time.
    pub(crate) fn rechecked(&mut self, at: usize) -> Vec<RecheckReport> {
        let events = std::mem::take(&mut self.devices[at].events);
        let reports = events.into_iter().filter_map(|event| match event {
            Event::Rechecked(report) => Some(report),
            _ => None,
        });
        reports.collect()
    }

    /// The device sends this, whatever it is.
    pub(crate) fn say(&mut self, at: usize, message: &ToServer) {
        self.devices[at].up.push_back(encode_message(message).unwrap());
    }

    /// Delivers until the device has sent a change set, which is lost with the connection.
    #[track_caller]
    pub(crate) fn cut_at_push(&mut self, at: usize) -> ToServer {
        loop {
            let sent = self.devices[at].up.iter().map(|bytes| decode_message(bytes).unwrap());
            if let Some(push) = sent.into_iter().find(|it| matches!(it, ToServer::Push(_))) {
                self.part(at);
                return push;
            }
            self.deliver_up(at);
            assert!(self.deliver_down(at), "it sends nothing");
        }
    }

    fn writable(&mut self, id: ConnectionId) {
        self.server.writable(&self.store, id).unwrap();
        self.server.rule(&mut self.store, self.clock).unwrap();
    }

    fn deliver_up(&mut self, at: usize) {
        while let Some(bytes) = self.devices[at].up.pop_front() {
            let message: ToServer = decode_message(&bytes).unwrap();
            self.devices[at].sent.push(bytes);
            let id = self.devices[at].connection.unwrap();
            self.server.received(&mut self.store, self.clock, id, message).unwrap();
        }
        self.server.rule(&mut self.store, self.clock).unwrap();
        self.drain_server();
    }

    fn deliver_down(&mut self, at: usize) -> bool {
        self.try_deliver_down(at).unwrap()
    }

    fn try_deliver_down(&mut self, at: usize) -> Result<bool, SessionError> {
        let device = &mut self.devices[at];
        let Some(bytes) = device.down.pop_front() else { return Ok(false) };
        let message: ToDevice = decode_message(&bytes).unwrap();
        let is_page = matches!(message, ToDevice::Page(_));
        device.received.push(bytes);
        device.machine.received(&mut device.store, now(), message)?;
        if device.store.meta().unwrap().purge == Purge::Due {
            device.caught = Some(fs::read(&device.path).unwrap());
        }
        self.drain(at);
        if is_page {
            let id = self.devices[at].connection.unwrap();
            self.writable(id);
            self.drain_server();
        }
        Ok(true)
    }

    /// Delivers until the device ends the session for what it is told, and says why it does.
    pub(crate) fn fail(&mut self, at: usize) -> SessionError {
        let error = loop {
            self.deliver_up(at);
            if let Err(error) = self.try_deliver_down(at) {
                break error;
            }
        };
        let machine = &mut self.devices[at].machine;
        assert!(
            std::iter::from_fn(|| machine.poll_output()).any(|it| matches!(it, Output::Close(_)))
        );
        self.part(at);
        error
    }

    /// Delivers what the device sent, and this many messages to it at the most.
    pub(crate) fn deliver(&mut self, at: usize, messages: usize) {
        self.deliver_up(at);
        let _ = (0..messages).take_while(|_| self.deliver_down(at)).count();
    }

    /// The device's process ends and begins anew.
    pub(crate) fn restart(&mut self, at: usize) {
        self.part(at);
        let device = &mut self.devices[at];
        device.machine =
            ReplicaMachine::open(&device.store, device.key.clone(), [201; 32]).unwrap();
    }

    /// The server's process ends and begins anew: all connections with it.
    pub(crate) fn restart_server(&mut self) {
        self.try_restart(|_| {}).unwrap();
    }

    /// A backup holds the log so far.
    pub(crate) fn back_up(&mut self) {
        let head = self.store.meta().unwrap().head;
        self.server.set_backed_up(&mut self.store, Some(head)).unwrap();
    }

    /// An administrator erases a record.
    pub(crate) fn erase(&mut self, table: &TableName, record: RecordId) {
        assert!(self.server.erase(&mut self.store, self.clock, table, record).unwrap());
        self.drain_server();
    }

    /// Delivers until nothing is under way.
    pub(crate) fn settle(&mut self) {
        while self.devices.iter().any(|it| !it.up.is_empty() || !it.down.is_empty()) {
            for at in 0..self.devices.len() {
                if self.devices[at].connection.is_some() {
                    self.deliver_up(at);
                    while self.deliver_down(at) {}
                }
            }
        }
    }

    /// The bytes of all files of a device, and of a backup of it.
    pub(crate) fn bytes_of(&self, at: usize) -> Vec<(String, Vec<u8>)> {
        let device = &self.devices[at];
        let backup = device.path.with_file_name("backup.redb");
        let _ = fs::remove_file(&backup);
        device.store.reader().backup(&backup).unwrap();
        bytes_in(device.path.parent().unwrap())
    }

    /// The bytes of the server's file.
    pub(crate) fn bytes_of_server(&self) -> Vec<u8> {
        fs::read(self.path("log.redb")).unwrap()
    }

    /// What a device holds of a record, as its app sees it.
    pub(crate) fn row(&self, at: usize, table: &TableName, record: RecordId) -> Columns {
        self.devices[at].store.row(table, record).unwrap().unwrap().columns
    }

    /// What the device has stated of a purge, verified.
    pub(crate) fn receipt(&self, at: usize) -> Option<tidegate::codec::PurgeReceipt> {
        let key = self.devices[at].key.public();
        let row = self.store.device_by_key(&key).unwrap().unwrap();
        row.purged.map(|signed| signed.open(&key).unwrap())
    }
}

/// The files of a folder, by name.
pub(crate) fn bytes_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = |path: PathBuf| (path.display().to_string(), fs::read(&path).unwrap());
    let mut files: Vec<_> = paths.map(file).collect();
    files.sort();
    files
}

/// An edit in which new generations do not say where in the log they begin.
fn placeless(mut edit: Edit) -> Edit {
    let placeless = |id: &mut ChangeRef| {
        if id.actor.device == DeviceNumber::SERVER {
            id.actor.incarnation = 0;
        }
    };
    for change in &mut edit.changes {
        let change = Arc::make_mut(change);
        placeless(&mut change.id);
        change.deps.iter_mut().for_each(placeless);
    }
    edit
}

/// What these messages say: their bytes, and the edits and records of pages as rows, for columns hold no
/// value as it is.
pub(crate) fn told(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut told = messages.concat();
    for message in messages {
        let Ok(ToDevice::Page(page)) = decode_message(message) else { continue };
        let edits = page.entries.into_iter().filter_map(|entry| match entry {
            Entry::Edit { edit, .. } | Entry::Whole { record: edit, .. } => Some(edit),
            _ => None,
        });
        told.extend(encode_rows(&edits.collect::<Vec<_>>()).unwrap());
    }
    told
}

/// A message without the numbers of the log, which are one for all that is done anywhere, and
/// without what is signed with a server's own key.
pub(crate) fn unnumbered(bytes: &[u8]) -> ToDevice {
    let zero = tidegate::model::Sequence(0);
    let entry = |entry| match entry {
        Entry::Edit { edit, bits, of_owner, .. } => {
            Entry::Edit { sequence: zero, edit: placeless(edit), bits, of_owner }
        }
        Entry::Own { id, admitted, .. } => Entry::Own { sequence: zero, id, admitted },
        split @ Entry::Split { .. } => split,
        Entry::Whole { record, .. } => Entry::Whole { version: zero, record: placeless(record) },
        Entry::Gone { table, record, .. } => Entry::Gone { sequence: zero, table, record },
        Entry::Erased { table, record, .. } => Entry::Erased { sequence: zero, table, record },
        Entry::Moved { mut actor, at, legs, .. } => {
            actor.incarnation = 0;
            Entry::Moved { sequence: zero, actor, at, legs }
        }
    };
    match decode_message(bytes).unwrap() {
        ToDevice::Page(Page { entries, scope, authors, ids, .. }) => {
            let entries = entries.into_iter().map(entry).collect();
            ToDevice::Page(Page { entries, watermark: zero, scope, authors, ids })
        }
        ToDevice::Flushed { number, .. } => ToDevice::Flushed { number, watermark: None },
        ToDevice::Welcome { device, user, epoch, resumed, time, backed_up, .. } => {
            let common = zero;
            ToDevice::Welcome { device, user, epoch, resumed, time, backed_up, common }
        }
        ToDevice::Greeting { .. } => ToDevice::Greeting { certificate: Vec::new() },
        ToDevice::Grant(_) => ToDevice::Grant(Vec::new()),
        other => other,
    }
}

/// The names of secured columns of a record that a device holds.
pub(crate) fn sections(net: &Net, at: usize, table: &TableName, id: RecordId) -> Vec<ColumnName> {
    use tidegate::model::Section;
    let held = net.devices[at].store.confirmed(table, id).unwrap().unwrap();
    let sections = held.record().sections().map(|(section, _)| section);
    let secured = sections.filter_map(|section| match section {
        Section::Secured(column) => Some(column.clone()),
        _ => None,
    });
    secured.collect()
}
