use std::sync::Arc;

use super::connection::{Device, LogPlace, Reader};
use super::lapse::lapses;
use super::{ConnectionId, ServerMachine, part_of};
use crate::codec::{Digest, EnrollCode, Refusal, Resume, Scope, ToDevice};
use crate::limits::GRANT_LASTS_MILLIS;
use crate::model::{DeviceNumber, Right, Timestamp};
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
    ) -> Result<(), StoreError> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        let key = connection.key;
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
            return self.admit(store, now, id, row, Resume::default());
        }
        let known = self.resolve(code.user())?.standing.is_ok();
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
        self.admit(store, now, id, row, Resume::default())
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
        let reader = Reader::Present(self.resolve(&row.user)?);
        let device = Device {
            number: row.number,
            user: row.user.clone(),
            seen: LogPlace::behind(watermark),
            begun: None,
            looked: None,
            ahead: 0,
            told: scope.clone(),
            scope,
            held: Vec::new(),
            reader,
            lapses: Vec::new(),
            schema: resume.schema,
            grant: resume.grant,
            // It knows itself.
            named: [row.number].into(),
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
        let target = resume.scope.target.iter().map(|(digest, _)| digest);
        for digest in resume.scope.held.iter().chain(target) {
            if store.standing(device, *digest)?.is_none() {
                return Ok(false);
            }
        }
        let somewhere = !resume.scope.held.is_empty() || resume.scope.target.is_some();
        let log = self.meta.floor..=self.meta.head;
        let known = resume.epoch == self.meta.epoch && log.contains(&resume.watermark);
        Ok(somewhere && known)
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
        let (number, user) = (device.number, device.user.clone());
        let resolved = self.until_certain(store, |machine, store| {
            machine.note_rules(store, now)?;
            let resolved = machine.resolve(&user)?;
            let digest = resolved.digest;
            if store.standing(number, digest)?.is_none() {
                let standing = resolved.bytes.clone();
                let put = Operation::PutStanding { device: number, digest, standing };
                machine.commit(store, machine.meta.clone(), vec![put])?;
            }
            Ok(resolved)
        })?;
        let epoch = self.epoch()?;
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
        device.scope.turn_to(resolved.digest);
        device.looked = device.scope.target.as_ref().and_then(|(_, place)| place.clone());
        device.held = device
            .scope
            .held
            .iter()
            .map(|digest| past(store, number, *digest))
            .collect::<Result<Option<_>, _>>()?
            .unwrap_or_default();
        device.reader = Reader::Present(resolved);
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

fn past<S: ServerStore>(
    store: &S,
    device: DeviceNumber,
    digest: Digest,
) -> Result<Option<Reader>, StoreError> {
    let standing = store.standing(device, digest)?;
    standing.map(|bytes| Reader::of_bytes(&bytes)).transpose()
}
