//! Administration of the server, by an administrator's device.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::session::Until;
use super::{Replica, Shared, SyncError};
use crate::codec::{AdminAnswer, AdminRefusal, AdminRequest};
use crate::model::{DocumentText, Organization, Policy, PolicyEpoch, Schema};
use crate::sync::replica::Purpose;

/// Why the server did not do what an administrator wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The server refuses; nothing changed.
    #[error("the server refuses: {0}")]
    Refused(AdminRefusal),
    /// The server could not be asked; or it was, and its answer did not arrive.
    #[error(transparent)]
    Sync(#[from] SyncError),
}

/// Answers that nobody has taken yet, by the numbers of their requests.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<BTreeMap<u32, AdminAnswer>>);

impl Answers {
    pub(super) fn put(&self, number: u32, answer: AdminAnswer) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, answer);
    }

    fn take(&self, number: u32) -> Option<AdminAnswer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }

    /// The session is over: who asked in it does not wait any more.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The rules in force on a server.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesInForce {
    /// What they are counted as: a change is made for these.
    pub epoch: PolicyEpoch,
    /// The schema.
    pub schema: Schema,
    /// The policy.
    pub policy: Policy,
    /// The organization.
    pub organization: Organization,
}

impl RulesInForce {
    /// The request that puts these in their place: what differs, made for this policy epoch.
    #[must_use]
    pub fn change_to(&self, policy: Policy, organization: &Organization) -> AdminRequest {
        AdminRequest::Change {
            expected: self.epoch,
            organization: self.organization.rows_to(organization),
            policy: (policy != self.policy).then(|| Box::new(policy)),
            schema: None,
            trial: false,
        }
    }
}

impl Replica {
    /// Asks the server for what an administrator wants: the user must be a
    /// `system_administrator`, by the server's rules of that moment. Opens a session; where
    /// [`Self::start_sync`] runs, goes through its session, and waits for one while that is not
    /// connected.
    ///
    /// Not cancel-safe: where the future is dropped, it is not known whether the server did it.
    ///
    /// # Errors
    /// The server refuses, which changes nothing; or it cannot be reached, or the session ends
    /// before the answer.
    pub async fn administer(&self, request: AdminRequest) -> Result<AdminAnswer, AdminError> {
        let answer = if let Ok(_one) = self.shared.session.try_lock() {
            let addresses = self.shared.addresses().map_err(SyncError::from)?;
            let session = self.shared.session(Purpose::Sync, &addresses, Until::Stopped);
            tokio::select! {
                ended = session => return Err(ended.err().unwrap_or(SyncError::Ended).into()),
                answer = self.shared.ask(request) => answer?,
            }
        } else {
            self.shared.ask(request).await?
        };
        match answer {
            AdminAnswer::Refused(refusal) => Err(AdminError::Refused(refusal)),
            answer => Ok(answer),
        }
    }

    /// The schema, the policy and the organization in force on the server.
    ///
    /// # Errors
    /// As [`Self::administer`].
    pub async fn rules_in_force(&self) -> Result<RulesInForce, AdminError> {
        match self.administer(AdminRequest::Rules).await? {
            AdminAnswer::Rules { epoch, schema, policy, organization } => {
                let (schema, policy, organization) = (*schema, *policy, *organization);
                Ok(RulesInForce { epoch, schema, policy, organization })
            }
            _ => Err(SyncError::Ended.into()),
        }
    }

    /// Puts other rules in force: `change` is given those of now. They are checked as a whole, and
    /// count for the very next edit that the server judges. Returns their policy epoch.
    ///
    /// # Errors
    /// As [`Self::administer`]; also where somebody else changed the rules meanwhile.
    pub async fn change_rules(
        &self,
        change: impl FnOnce(&mut Policy, &mut Organization) + Send,
    ) -> Result<PolicyEpoch, AdminError> {
        let before = self.rules_in_force().await?;
        let (mut policy, mut organization) = (before.policy.clone(), before.organization.clone());
        change(&mut policy, &mut organization);
        match self.administer(before.change_to(policy, &organization)).await? {
            AdminAnswer::Changed { epoch } => Ok(epoch),
            _ => Err(SyncError::Ended.into()),
        }
    }
}

impl Replica {
    /// Puts another schema in force: a document, as [`crate::policy::read_schema`] reads it. The server
    /// checks it against the policy in force and all records; connected devices work by it at once,
    /// others from their next session on. Returns the policy epoch.
    ///
    /// # Errors
    /// As [`Self::administer`]; also where records do not fit the schema, which are named.
    pub async fn change_schema(&self, text: &str, file: &str) -> Result<PolicyEpoch, AdminError> {
        let before = self.rules_in_force().await?;
        let schema = DocumentText { file: file.to_owned(), text: text.to_owned() };
        let request = AdminRequest::Change {
            expected: before.epoch,
            schema: Some(Box::new(schema)),
            policy: None,
            organization: Vec::new(),
            trial: false,
        };
        match self.administer(request).await? {
            AdminAnswer::Changed { epoch } => Ok(epoch),
            _ => Err(SyncError::Ended.into()),
        }
    }
}

impl Shared {
    /// Asks as soon as a session is open, and waits for the answer.
    async fn ask(&self, request: AdminRequest) -> Result<AdminAnswer, SyncError> {
        let mut changed = self.changed.subscribe();
        let number = loop {
            if let Ok(number) = self.core().machine.administer(request.clone()) {
                break number;
            }
            changed.changed().await.map_err(|_| SyncError::Closed)?;
        };
        self.edited.notify_one();
        loop {
            if let Some(answer) = self.answers.take(number) {
                return Ok(answer);
            }
            if !self.core().machine.is_open() {
                return Err(SyncError::Ended);
            }
            changed.changed().await.map_err(|_| SyncError::Closed)?;
        }
    }
}
