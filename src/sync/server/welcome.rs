use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::bounds::Extent;
use super::connection::{Device, LogPlace};
use super::first::First;
use super::lapse::lapses;
use super::reader::Reader;
use super::{ConnectionId, ServerMachine, part_of};
use crate::codec::{EnrollCode, Refusal, Resume, Scope, Terms, ToDevice};
use crate::limits::GRANT_LASTS_MILLIS;
use crate::model::{AppName, DeviceNumber, Right, Schema, Timestamp};
use crate::scope::minute_of;
use crate::sync::{DeviceRow, Grant, Operation, ServerStore, StoreError};

impl ServerMachine {
    pub(super) fn hello<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        id: ConnectionId,
        resume: Resume,
    ) -> Result<(), StoreError> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        match store.device_by_key(&connection.key)? {
            Some(row) if row.revoked => self.refuse(id, Refusal::RevokedDevice),
            Some(row) => self.admit(store, now, id, row, resume)?,
            None => self.refuse(id, Refusal::UnknownDevice),
        }
        Ok(())
    }

    pub(super) fn enroll<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        id: ConnectionId,
        code: &[u8],
        name: String,
        app: Option<AppName>,
    ) -> Result<(), StoreError> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        let key = connection.key;
        let resume = Resume { app, ..Resume::default() };
        let code = match EnrollCode::from_bytes(code) {
            Ok(code) if code.check_mac(&self.identity.key) => code,
            _ => {
                self.refuse(id, Refusal::WrongCode);
                return Ok(());
            }
        };
        let known_as = store.device_by_key(&key)?;
        if known_as.as_ref().is_some_and(|row| row.revoked) {
            self.refuse(id, Refusal::RevokedDevice);
            return Ok(());
        }
        let used_by = store.code_used_by(code.nonce())?;
        if used_by == Some(key)
            && let Some(row) = known_as
        {
            return self.admit(store, now, id, row, resume);
        }
        let known = self.resolve(code.user(), None)?.standing.is_ok();
        let refusal = if used_by.is_some() {
            Some(Refusal::UsedCode)
        } else if code.is_expired(now) {
            Some(Refusal::ExpiredCode(code.expires()))
        } else if !known {
            Some(Refusal::NoSuchUser(code.user().clone()))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.refuse(id, refusal);
            return Ok(());
        }
        let mut meta = self.meta.clone();
        meta.devices += 1;
        // Another device from now on, also where the key is known: who signed out counts its edits
        // from the beginning.
        let (number, user) = (DeviceNumber(meta.devices), code.user().clone());
        let row = DeviceRow { number, key, user, name, revoked: false, purged: None };
        let use_code = Operation::UseCode { nonce: code.nonce(), key };
        let operations = vec![Operation::PutDevice(row.clone()), use_code];
        self.commit(store, meta, operations)?;
        self.admit(store, now, id, row, resume)
    }

    /// Opens the session of an enrolled device.
    fn admit<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        id: ConnectionId,
        row: DeviceRow,
        resume: Resume,
    ) -> Result<(), StoreError> {
        let resumed = self.can_resume(store, row.number, &resume)?;
        let (scope, watermark, common) = if resumed {
            (resume.scope, resume.watermark, resume.watermark)
        } else {
            (Scope::default(), self.meta.head, self.meta.common_with(resume.epoch))
        };
        let (reader, ..) = Reader::present(&self.resolve(&row.user, resume.app.as_ref())?, now)?;
        let device = Device {
            number: row.number,
            user: row.user.clone(),
            seen: LogPlace::behind(watermark),
            begun: None,
            looked: None,
            ahead: VecDeque::new(),
            sent: Extent::default(),
            bytes: resume.bytes,
            first: None,
            brought: BTreeSet::new(),
            swept: None,
            is_swept: false,
            comparing: None,
            told: scope.clone(),
            scope,
            held: Vec::new(),
            reader,
            next: None,
            app: resume.app,
            intake: None,
            pins: resume.pins.into_iter().collect(),
            due: BTreeSet::new(),
            lapses: Vec::new(),
            schema: resume.schema,
            grant: resume.grant,
            // It knows itself.
            named: [row.number].into(),
            as_sent: BTreeMap::new(),
            paged: watermark,
            whole_ids: resume.whole_ids,
        };
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        connection.device = Some(device);
        let (device, user) = (row.number, row.user);
        let (epoch, backed_up) = (self.meta.epoch, self.meta.backed_up);
        let welcome =
            ToDevice::Welcome { device, user, epoch, resumed, time: now, backed_up, common };
        self.send(id, welcome);
        if !resumed {
            self.tell_erased(store, id, device)?;
        }
        self.refresh(store, now, id)
    }

    /// Whether what the device says that it has fits what is known here; otherwise it must start
    /// anew. Only standings that this very device was given count: another's would make the server
    /// name rows that the device never had.
    fn can_resume<S: ServerStore>(
        &self,
        store: &S,
        device: DeviceNumber,
        resume: &Resume,
    ) -> Result<bool, StoreError> {
        let target = resume.scope.target.iter().map(|(terms, _)| terms);
        for terms in resume.scope.held.iter().chain(target) {
            if store.standing(device, terms.digest())?.is_none() {
                return Ok(false);
            }
        }
        let somewhere = !resume.scope.held.is_empty() || resume.scope.target.is_some();
        let log = self.meta.floor..=self.meta.head;
        let known = resume.epoch == self.meta.epoch && log.contains(&resume.watermark);
        Ok(somewhere && known)
    }

    /// Whether what a device is sent may have changed by time alone.
    pub(super) fn is_late(&self, now: Timestamp, id: ConnectionId) -> bool {
        let device = self.connections.get(&id).and_then(|it| it.device.as_ref());
        let reader = device.map(|it| it.next.as_ref().map_or(&it.reader, |(_, next)| next));
        let profile = reader.and_then(Reader::profile);
        profile.is_some_and(|it| it.asks_time() && it.minute() != minute_of(now))
    }

    /// Tells a device what is new of schema and privileges, and turns its scope to these.
    pub(super) fn refresh<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        id: ConnectionId,
    ) -> Result<(), StoreError> {
        let Some(device) = self.connections.get(&id).and_then(|it| it.device.as_ref()) else {
            return Ok(());
        };
        let (number, user, app) = (device.number, device.user.clone(), device.app.clone());
        let (resolved, (reader, terms, _)) = self.until_certain(store, |machine, store| {
            machine.note_rules(store, now)?;
            let resolved = machine.resolve(&user, app.as_ref())?;
            let present = Reader::present(&resolved, now)?;
            let (_, terms, bytes) = &present;
            if store.standing(number, terms.digest())?.is_none() {
                let (digest, standing) = (terms.digest(), bytes.clone());
                let put = Operation::PutStanding { device: number, digest, standing };
                machine.commit(store, machine.meta.clone(), vec![put])?;
            }
            Ok((resolved, present))
        })?;
        let epoch = self.epoch()?;
        let end = LogPlace::behind(self.meta.head);
        let rules = Arc::clone(&self.rules);
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let key = connection.key;
        let Some(device) = &mut connection.device else { return Ok(()) };
        let grant = Grant {
            device: number,
            key,
            user,
            epoch,
            expires: now.plus_millis(GRANT_LASTS_MILLIS),
            standing: resolved.standing.as_ref().ok().cloned(),
        };
        let damaged = |error: crate::sync::GrantError| StoreError::Damaged(error.to_string());
        let digest = grant.digest().map_err(damaged)?;
        let mut news = Vec::new();
        if device.schema != Some(resolved.schema) {
            device.schema = Some(resolved.schema);
            news.push(ToDevice::Schema(Box::new(part_of(grant.standing.as_ref(), rules.schema()))));
        }
        if device.grant != Some(digest) {
            device.grant = Some(digest);
            news.push(ToDevice::Grant(grant.sign(&self.identity.key).map_err(damaged)?));
            if grant.standing.as_ref().is_some_and(|it| it.holds_anywhere(Right::Assign)) {
                news.push(ToDevice::Owners(rules.owners()));
            }
        }
        let schema = Arc::clone(rules.shared_schema());
        let intake = resolved.intake();
        if device.intake.as_ref() != Some(&intake) {
            device.intake = Some(intake.clone());
            news.push(ToDevice::Intake(intake));
        }
        match device.up_to_now(store, &schema, terms)? {
            // What it misses of the log is told as before: nearly all of it stays.
            Some(before) if device.seen < end => {
                (device.reader, device.next) = (before, Some((terms, reader)));
            }
            _ => device.turn((terms, reader), &schema, store)?,
        }
        device.lapses = lapses(store, number, device.seen.sequence)?;
        // Looked at with other eyes.
        device.begun = None;
        self.waiting.turn(id);
        let coming = device.coming(store, rules.schema())?;
        for message in news.into_iter().chain(coming) {
            self.send(id, message);
        }
        self.pump(store, id)
    }
}

impl Device {
    /// What the device was sent its rows under, where it has all of these and that differs from the terms
    /// of now in nothing but what of the readable is taken.
    fn up_to_now<S: ServerStore>(
        &self,
        store: &S,
        schema: &Arc<Schema>,
        terms: Terms,
    ) -> Result<Option<Reader>, StoreError> {
        let [held] = self.scope.held.as_slice() else { return Ok(None) };
        if self.scope.target.is_some() || !self.scope.complete {
            return Ok(None);
        }
        if *held == terms || held.standing != terms.standing {
            return Ok(None);
        }
        let Some(bytes) = store.standing(self.number, held.digest())? else { return Ok(None) };
        Ok(Some(Reader::past(&bytes, schema)?).filter(Reader::is_known))
    }

    /// Turns the device's scope to other terms.
    pub(super) fn turn<S: ServerStore>(
        &mut self,
        (terms, reader): (Terms, Reader),
        schema: &Arc<Schema>,
        store: &S,
    ) -> Result<(), StoreError> {
        self.scope.turn_to(terms);
        self.looked = self.scope.target.as_ref().and_then(|(_, place)| place.clone());
        let held = self.scope.held.iter().map(|terms| store.standing(self.number, terms.digest()));
        let held = held.collect::<Result<Option<Vec<_>>, _>>()?.unwrap_or_default();
        let held = held.iter().map(|bytes| Reader::past(bytes, schema));
        self.held = held.collect::<Result<_, _>>()?;
        (self.swept, self.is_swept) = (None, false);
        self.brought.clear();
        self.first = self.first.take().map(First::anew);
        self.due = if self.is_turning() { self.pins.clone() } else { BTreeSet::new() };
        (self.reader, self.next) = (reader, None);
        if let Some(comparing) = &mut self.comparing {
            comparing.begin_anew();
        }
        Ok(())
    }
}
