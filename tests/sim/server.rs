//! The life of the server: it is opened, crashes, judges by other rules, is restored and has its
//! keys replaced.

use std::time::Duration;

use tidegate::codec::{SecretKey, ServerCertificate};
use tidegate::model::{Column, DeviceNumber, Sequence, Timestamp, Value};
use tidegate::sync::server::{
    ConnectionId, HistoryBounds, LogBounds, PageBounds, RulesError, ServerMachine,
};
use tidegate::sync::{ServerMeta, StoreError};

use crate::app::is_system;
use crate::device::Impostor;
use crate::links::End;
use crate::people::{People, reads_in};
use crate::planted::Planted;
use crate::world::{Check, START_MILLIS, World};

impl World {
    /// The rules that the server is given; the true ones unless a bug is planted.
    fn rules_for(&self, people: &People) -> People {
        match self.planted {
            Some(Planted::SkipsTheGate) => people.permissive(),
            Some(Planted::LeaksSections) => people.open_columns(),
            Some(Planted::ForgetsNames) => people.nameless(),
            Some(Planted::IgnoresRuleChanges) => self.people.clone(),
            _ => people.clone(),
        }
    }

    /// The server may have found that another policy epoch stands for its rules.
    pub(crate) fn follow_epoch(&mut self) -> Check {
        let epoch = self.epoch();
        if epoch.is_none_or(|epoch| epoch == self.last_epoch) { Ok(()) } else { self.note_truth() }
    }

    /// Under which the server judges; none while it finds others' rules in its file.
    fn epoch(&self) -> Option<u64> {
        self.server.as_ref()?.policy_epoch().map(|epoch| epoch.0)
    }

    fn note_truth(&mut self) -> Check {
        let Some(epoch) = self.epoch() else { return Ok(()) };
        self.last_epoch = epoch;
        match self.truths.insert(epoch, self.people.clone()) {
            // A server that is given other rules counts otherwise.
            Some(_) if self.planted.is_some_and(Planted::changes_rules) => Ok(()),
            Some(known) if !known.rules_as(&self.people) => {
                Err(format!("policy epoch {epoch} stands for two policies"))
            }
            Some(_) => Ok(()),
            None => {
                self.ever.truths.push(self.people.clone());
                Ok(())
            }
        }
    }

    /// A server that failed may have put these in force, and the next one others.
    pub(crate) fn note_untold_truth(&mut self, people: People) {
        self.truths.entry(self.disk.file.meta.policy_epoch.0).or_insert(people);
    }

    pub(crate) fn open_server(&mut self) -> Check {
        let (now, seed) = (self.time(), self.rng.seed());
        let open = |world: &mut Self| {
            let (rules, identity) =
                (world.rules_for(&world.people).rules(), world.identity.clone());
            ServerMachine::open(&mut world.disk, identity, rules, now, seed)
        };
        let mut opened = open(self);
        let is_unfit = matches!(opened, Err(RulesError::Misfits(_) | RulesError::Profile { .. }));
        if let (true, Some(schema)) = (is_unfit, &self.disk.file.schema) {
            // It was restored: what was there then fits the schema of then.
            self.people.schema = schema.clone();
            opened = open(self);
        }
        match opened.map_err(of_store) {
            Ok(mut server) => {
                // Scans and logs of several pages, although the worlds are small.
                let looks = [1, 2, 4, 512][self.rng.below(4)];
                let (rounds, bytes) = (1 << self.rng.below(6), 100 << self.rng.below(8));
                let entries = looks * [1, 4, 16][self.rng.below(3)];
                self.bounds = PageBounds { looks, rounds, entries, bytes };
                server.set_page_bounds(self.bounds);
                // Sections of a few changes begin new generations, in some worlds.
                let changes = [1, 2, 4, 512][self.rng.below(4)];
                let default = HistoryBounds::default();
                server.set_history_bounds(HistoryBounds {
                    changes,
                    age: [Duration::from_secs(60), Duration::from_secs(600), default.age]
                        [self.rng.below(3)],
                    heads: if changes == 2 { 2 } else { default.heads },
                });
                self.note(|| format!("server opens at {:?}", server.meta()));
                self.server = Some(server);
                self.server_life += 1;
                self.note_truth()
            }
            Err(StoreError::Damaged(text)) => Err(format!("the server's file is damaged: {text}")),
            Err(_) => {
                // Nobody is told what was written meanwhile; whoever opens it next finds it.
                self.disk.faults.restart();
                self.note_untold_truth(self.people.clone());
                Ok(())
            }
        }
    }

    pub(crate) fn crash_server(&mut self) -> Check {
        self.note(|| "server crashes".into());
        self.figures.crashes += 1;
        self.stop_server();
        if self.rng.chance(80) { self.open_server() } else { Ok(()) }
    }

    fn stop_server(&mut self) {
        self.server = None;
        self.disk.crash();
        self.disk.faults.restart();
        for link in self.links.values_mut() {
            link.server_is_gone(&mut self.rng);
        }
        self.forget_links();
    }

    /// Whether the server's power went; then it is gone.
    pub(crate) fn server_lost_power(&mut self) -> Check<bool> {
        if !self.disk.faults.is_off.get() {
            return Ok(false);
        }
        self.note(|| "the server lost its power".into());
        self.figures.power_cuts += 1;
        self.stop_server();
        if self.rng.chance(80) {
            self.open_server()?;
        }
        Ok(true)
    }

    /// The server goes on from a copy that happens to be up to date: a new life of the log.
    pub(crate) fn begin_new_life(&mut self) -> Check {
        self.stop_server();
        self.note(|| "a new life of the log".into());
        self.disk.file.meta.end_life();
        // It is the newest backup now.
        self.backup = Some(self.disk.file.clone());
        self.figures.log_epochs += 1;
        self.open_server()
    }

    /// A backup is made, or the last one is put back.
    pub(crate) fn back_up_or_restore(&mut self) -> Check {
        if self.backup.is_some() && self.rng.chance(40) {
            self.restore_server()
        } else {
            self.back_up()
        }
    }

    pub(crate) fn back_up(&mut self) -> Check {
        let Some(server) = &mut self.server else { return Ok(()) };
        let mut copy = self.disk.file.clone();
        let head = copy.meta.head;
        copy.meta.end_life();
        self.backup = Some(copy);
        self.figures.backups += 1;
        let result = server.set_backed_up(&mut self.disk, Some(head));
        self.note(|| format!("a backup holds the log up to {head}: {result:?}"));
        self.server_result(result)
    }

    pub(crate) fn restore_server(&mut self) -> Check {
        let Some(backup) = self.backup.clone() else { return Ok(()) };
        self.stop_server();
        let ServerMeta { head, policy_epoch, .. } = backup.meta;
        self.note(|| format!("the server is restored, up to {head}"));
        self.figures.restores += 1;
        self.figures.log_epochs += 1;
        let ServerMeta { epoch: life, floor, .. } = self.disk.file.meta;
        self.disk.file = backup;
        if self.planted == Some(Planted::RestoresOldLives) {
            self.disk.file.meta.epoch = life;
        }
        self.truths.retain(|epoch, _| *epoch <= policy_epoch.0);
        self.last_epoch = policy_epoch.0;
        self.revoked
            .retain(|number| self.disk.file.devices.get(number).is_some_and(|row| row.revoked));
        self.ever.go_back(self.disk.file.deeds.len(), floor);
        for device in &mut self.devices {
            // What it was told of came after.
            device.admitted.retain(|(_, sequence)| *sequence <= head);
        }
        self.open_server()
    }

    /// The server gets new keys. Whoever has the old ones waits for devices.
    pub(crate) fn rotate_keys(&mut self) -> Check {
        self.stop_server();
        self.note(|| "the server's keys are replaced".into());
        self.figures.key_changes += 1;
        let certificate = self.identity.certificate.clone();
        self.impostor = Some(Impostor { certificate, tls: self.tls });
        self.serial += 1;
        self.identity.key = SecretKey::from_seed(self.rng.seed());
        self.tls = SecretKey::from_seed(self.rng.seed()).public();
        let (key, start) = (self.identity.key.public(), Timestamp::from_millis(START_MILLIS));
        let start = start.unwrap();
        self.identity.certificate =
            ServerCertificate::issue(&self.organization, key, self.tls, self.serial, start)
                .to_bytes();
        self.renew_codes();
        self.open_server()
    }

    /// Policy and organization are again what they were under one of the last epochs.
    pub(crate) fn take_back_rules(&mut self) -> Check {
        let last: Vec<_> = self.truths.values().rev().take(4).collect();
        let Some(before) = self.rng.pick(&last).copied().cloned() else { return Ok(()) };
        self.change_rules(|people, _| {
            people.policy = before.policy;
            people.organization = before.organization;
            "as they were"
        })
    }

    pub(crate) fn change_rules(
        &mut self,
        change: impl FnOnce(&mut People, &mut crate::rng::Rng) -> &'static str,
    ) -> Check {
        let mut next = self.people.clone();
        let what = change(&mut next, &mut self.rng);
        self.note(|| format!("rules: {what}"));
        if next.schema == self.people.schema {
            self.figures.rule_changes += 1;
        } else {
            self.figures.schema_changes += 1;
        }
        let (time, given) = (self.time(), self.rules_for(&next));
        let Some(server) = &mut self.server else {
            self.people = next;
            return Ok(());
        };
        let result = server.set_rules(&mut self.disk, time, given.rules());
        self.check_fit(&next, &result)?;
        match result {
            Err(RulesError::Misfits(misfits)) => {
                self.note(|| format!("refused: {misfits:?}"));
                self.figures.schema_refusals += 1;
                self.drain_server()
            }
            // What profiles name is there.
            Err(RulesError::Profile { .. }) => {
                self.note(|| "refused: a profile does not fit".into());
                self.figures.schema_refusals += 1;
                self.drain_server()
            }
            Ok(()) => {
                self.people = next;
                self.note_truth()?;
                self.drain_server()
            }
            Err(error) => {
                // Where the power went they may be in force all the same, until it is opened.
                self.note_untold_truth(next);
                self.server_result(Err(of_store(error)))
            }
        }
    }

    /// A schema is refused if some record holds what would not read under it, or lacks what it requires,
    /// and for nothing else.
    fn check_fit(&self, next: &People, result: &Result<(), RulesError>) -> Check {
        let mut unfit = None;
        for confirmed in self.disk.file.confirmed() {
            let record = confirmed.record();
            let Some(table) = next.schema.tables.get(record.table()) else { continue };
            let before = self.people.schema.tables.get(record.table());
            for column in &table.columns {
                let value = record.columns().get(&column.id).unwrap_or(&Value::Null);
                let needs = |column: &Column| column.required && column.default.is_none();
                // What was undeleted since may lack what was required meanwhile.
                let needed_before = before.and_then(|table| table.column(column.id.as_str()));
                let is_news = !needed_before.is_some_and(needs) && record.is_active();
                if !reads_in(column, value) && (!value.is_null() || is_news) {
                    unfit = Some(format!("{} of {} holds {value:?}", column.id, record.id()));
                }
            }
        }
        match (result, unfit) {
            (Ok(()), Some(why)) => Err(format!("a schema is in force although {why}")),
            (Err(RulesError::Misfits(misfits)), None) => {
                Err(format!("a schema is refused that fits: {misfits:?}"))
            }
            _ => Ok(()),
        }
    }

    /// An administrator erases a record, or what was refused of one that was never made.
    pub(crate) fn erase_somewhere(&mut self) -> Check {
        let records = self.disk.file.tables.iter().map(|(record, table)| (table.clone(), *record));
        let refused = self.disk.file.refused.iter();
        let refused = refused.map(|refused| (refused.edit.table.clone(), refused.edit.record));
        let mut all: Vec<_> = records.chain(refused).collect();
        let wants_people = self.rng.chance(15);
        all.retain(|(table, _)| is_system(table) == wants_people);
        let Some((table, record)) = self.rng.pick(&all).cloned() else { return Ok(()) };
        let time = self.time();
        let Some(server) = &mut self.server else { return Ok(()) };
        let result = server.erase(&mut self.disk, time, &table, record);
        self.note(|| format!("{table} {record} is erased: {result:?}"));
        self.figures.erased += u64::from(result == Ok(true));
        if self.disk.file.erased.contains_key(&record) {
            self.ever.erased.insert(record);
        }
        self.server_result(result.map(drop))
    }

    /// The server drops entries of the log, those that were made before a moment of this life.
    pub(crate) fn trim_log(&mut self) -> Check {
        let span = usize::try_from(self.now - START_MILLIS).unwrap() + 2;
        let age = i64::try_from(self.rng.below(span)).unwrap();
        let before = self.time().plus_millis(-age);
        let entries = 1 << self.rng.below(9);
        let Some(server) = &mut self.server else { return Ok(()) };
        let result = server.trim_log(&mut self.disk, LogBounds { before, entries });
        let floor = server.meta().floor;
        self.note(|| format!("the log is trimmed to {floor}: {result:?}"));
        self.figures.trims += u64::from(result == Ok(false) && floor > Sequence(0));
        self.server_result(result.map(drop))
    }

    /// An administrator revokes a device, once.
    pub(crate) fn revoke_somewhere(&mut self) -> Check {
        let numbers: Vec<DeviceNumber> = self.disk.file.devices.keys().copied().collect();
        let is_revoked = self.disk.file.devices.values().any(|row| row.revoked);
        let Some(number) = self.rng.pick(&numbers).copied().filter(|_| !is_revoked) else {
            return Ok(());
        };
        let Some(server) = &mut self.server else { return Ok(()) };
        let result = server.revoke(&mut self.disk, number);
        self.note(|| format!("device number {number} is revoked: {result:?}"));
        self.figures.revocations += 1;
        if result == Ok(true) {
            self.revoked.insert(number);
        }
        self.server_result(result.map(drop))
    }

    /// All connections end, in good order.
    pub(crate) fn part_all(&mut self) {
        for at in 0..self.devices.len() {
            self.drop_link(at);
        }
        for (id, link) in std::mem::take(&mut self.links) {
            if let End::Device(at) = link.end {
                self.old_sessions.push((at, link.said));
            }
            if let Some(server) = &mut self.server {
                server.disconnected(ConnectionId(id));
            }
        }
    }
}

/// Nothing is so large here that it could not follow.
pub(crate) fn of_store(error: RulesError) -> StoreError {
    match error {
        RulesError::Store(error) => error,
        other => StoreError::Damaged(other.to_string()),
    }
}
