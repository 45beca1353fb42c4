//! What administrators do while the server runs.

use std::sync::Arc;

use super::{ConnectionId, Rules, RulesError, ServerMachine};
use crate::codec::{
    AdminAnswer, AdminRefusal, AdminRequest, DenialInfo, DeviceInfo, ProfilesRequest, PurgeInfo,
    PurgeReceipt, Refusal, ToDevice,
};
use crate::gate::{Roster, Standing};
use crate::limits::ADMIN_DENIALS_MAX;
use crate::model::{DeviceNumber, OrganizationRow, Policy, PolicyEpoch, Schema, Timestamp, UserId};
use crate::policy::{check_organization, check_policy, check_tables, read_schema};
use crate::sync::{DeviceRow, Operation, RefusedEdit, ServerStore, StoreError};

impl ServerMachine {
    /// Does what an administrator wants, or says why not. What is refused changes nothing.
    pub(super) fn admin<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        id: ConnectionId,
        number: u32,
        request: AdminRequest,
    ) -> Result<(), StoreError> {
        let device = self.connections.get(&id).and_then(|it| it.device.as_ref());
        let Some(user) = device.map(|device| device.user.clone()) else { return Ok(()) };
        // By the rules of this moment, not by what the device was granted.
        self.note_rules(store, now)?;
        let resolved = self.resolve(&user, None)?;
        let answer = if resolved.standing.as_ref().is_ok_and(Standing::is_administrator) {
            tracing::info!(%user, what = name_of(&request), "administration");
            self.carry_out(store, now, user, request)?
        } else {
            AdminAnswer::Refused(AdminRefusal::NotAdministrator(user))
        };
        self.send(id, ToDevice::Admin { number, answer });
        Ok(())
    }

    fn carry_out<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        user: UserId,
        request: AdminRequest,
    ) -> Result<AdminAnswer, StoreError> {
        Ok(match request {
            AdminRequest::Rules => AdminAnswer::Rules {
                epoch: self.epoch()?,
                schema: Box::new(self.rules.schema().clone()),
                policy: Box::new(self.rules.roster().policy().clone()),
                organization: Box::new(self.rules.roster().organization().clone()),
            },
            AdminRequest::Change { expected, schema, policy, organization, trial } => {
                let schema = schema.map(|schema| read_schema(&schema.text, &schema.file));
                let changed = match schema.transpose() {
                    Ok(schema) => {
                        self.changed_rules(expected, schema, policy.map(|it| *it), organization)?
                    }
                    Err(error) => Err(AdminRefusal::Mistake(error.to_string())),
                };
                let rules = match changed {
                    Ok(rules) => rules,
                    Err(refusal) => return Ok(AdminAnswer::Refused(refusal)),
                };
                let done = if trial {
                    self.try_rules(store, now, rules)
                } else {
                    self.set_rules(store, now, rules)
                };
                match done {
                    Ok(()) if trial => AdminAnswer::Fits,
                    Ok(()) => AdminAnswer::Changed { epoch: self.epoch()? },
                    Err(RulesError::Store(error)) => return Err(error),
                    Err(error) => AdminAnswer::Refused(AdminRefusal::Mistake(error.to_string())),
                }
            }
            AdminRequest::Devices => {
                let devices = store.devices()?.into_iter();
                let infos: Result<_, _> = devices.map(|row| self.info(row)).collect();
                AdminAnswer::Devices(infos?)
            }
            AdminRequest::Revoke(device) => {
                if self.revoke(store, device)? {
                    AdminAnswer::Revoked
                } else {
                    AdminAnswer::Refused(AdminRefusal::NoSuchDevice(device))
                }
            }
            AdminRequest::Erase { table, record } => {
                if self.erase(store, now, &table, record)? {
                    AdminAnswer::Erased
                } else {
                    AdminAnswer::Refused(AdminRefusal::NoSuchRecord(table, record))
                }
            }
            AdminRequest::Denials { limit } => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(ADMIN_DENIALS_MAX);
                let refused = store.refused(limit)?;
                AdminAnswer::Denials(refused.into_iter().map(denial).collect())
            }
            AdminRequest::Profiles(request) => {
                self.carry_out_profiles(store, now, user, request)?
            }
        })
    }

    /// The rules as they would be, checked as a whole.
    fn changed_rules(
        &self,
        expected: PolicyEpoch,
        schema: Option<Schema>,
        policy: Option<Policy>,
        rows: Vec<OrganizationRow>,
    ) -> Result<Result<Rules, AdminRefusal>, StoreError> {
        let present = self.epoch()?;
        if expected != present {
            return Ok(Err(AdminRefusal::Outdated(present)));
        }
        let before = self.rules.roster();
        let policy = policy.unwrap_or_else(|| before.policy().clone());
        let mut organization = before.organization().clone();
        for row in rows {
            organization.set(row);
        }
        let schema = schema.unwrap_or_else(|| self.rules.schema().clone());
        let tables = schema.facts();
        let checked = check_tables(&tables)
            .and_then(|()| check_organization(&organization, Some(&policy)))
            .and_then(|()| check_policy(&policy, &tables, Some(&organization)));
        if let Err(mistake) = checked {
            return Ok(Err(AdminRefusal::Mistake(mistake.to_string())));
        }
        let roster = Roster::new(Arc::new(policy), Arc::new(organization));
        let administers = |user| {
            Standing::resolve(&roster, user).is_ok_and(|standing| standing.is_administrator())
        };
        if !roster.organization().users.keys().any(administers) {
            return Ok(Err(AdminRefusal::NobodyLeft));
        }
        Rules::new(schema, roster).map(Ok)
    }

    /// Ends the sessions of a device, and opens none for it any more. Returns whether there is such a
    /// device.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn revoke<S: ServerStore>(
        &mut self,
        store: &mut S,
        number: DeviceNumber,
    ) -> Result<bool, StoreError> {
        let Some(row) = store.device(number)? else { return Ok(false) };
        let key = row.key;
        self.until_certain(store, |machine, store| {
            let put = Operation::PutDevice(DeviceRow { revoked: true, ..row.clone() });
            machine.commit(store, machine.meta.clone(), vec![put])
        })?;
        let open = self.connections.iter().filter(|(_, connection)| connection.key == key);
        for id in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.refuse(id, Refusal::RevokedDevice);
        }
        Ok(true)
    }

    fn info(&mut self, row: DeviceRow) -> Result<DeviceInfo, StoreError> {
        let DeviceRow { number, key, user, name, revoked, purged } = row;
        let connected = self.connections.values().any(|it| it.key == key && it.device.is_some());
        // It was verified before it was stored.
        let receipt = purged.and_then(|signed| signed.open(&key).ok());
        let purged = match receipt {
            Some(receipt) => {
                let present = self.resolve(&user, None)?.digest;
                let covers_present = receipt.standing == Some(present);
                let PurgeReceipt { epoch, sequence, at, .. } = receipt;
                Some(PurgeInfo { epoch, sequence, at, covers_present })
            }
            None => None,
        };
        Ok(DeviceInfo { number, user, name, revoked, connected, purged })
    }
}

fn denial(refused: RefusedEdit) -> DenialInfo {
    let RefusedEdit { edit, user, denial, epoch, at, .. } = refused;
    DenialInfo { edit: edit.id, user, table: edit.table, record: edit.record, denial, epoch, at }
}

fn name_of(request: &AdminRequest) -> &'static str {
    match request {
        AdminRequest::Rules => "rules",
        AdminRequest::Change { .. } => "change",
        AdminRequest::Devices => "devices",
        AdminRequest::Revoke(_) => "revoke",
        AdminRequest::Erase { .. } => "erase",
        AdminRequest::Denials { .. } => "denials",
        AdminRequest::Profiles(request) => match request {
            ProfilesRequest::List => "profiles",
            ProfilesRequest::Show(_) => "profiles shown",
            ProfilesRequest::Draft(_) => "profiles drafted",
            ProfilesRequest::Publish { pilot: None } => "profiles published",
            ProfilesRequest::Publish { pilot: Some(_) } => "profiles published to a pilot group",
            ProfilesRequest::Promote => "profiles promoted",
            ProfilesRequest::RollBack => "profiles rolled back",
            ProfilesRequest::Estimate { .. } => "profiles estimated",
        },
    }
}
