use std::collections::{BTreeMap, BTreeSet};

use super::purge::PurgeStage;
use super::{Arrival, Event, Output, ReplicaMachine};
use crate::codec::{
    Admitted, CertificateError, EnrollCode, Inquiry, PublicKey, Refusal, Resume, ServerCertificate,
    ToDevice, ToServer,
};
use crate::gate::Attestation;
use crate::model::{EditId, RecordId, Sequence, TableName};
use crate::sync::{Enrolment, GrantError, Purge, ReplicaStore, StoreError, Turn};

/// What a session is opened for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// To sync an enrolled device.
    Sync,
    /// To enrol this device, and sync it.
    Enroll {
        /// The code.
        code: Box<EnrollCode>,
        /// What people shall call the device.
        name: String,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The server showed a certificate that is none.
    #[error("the server's certificate is not one: {0}")]
    Certificate(CertificateError),
    /// The server belongs to someone else.
    #[error(
        "this is not a server of the organization of this device or code (or someone is in between): {0}"
    )]
    OtherOrganization(CertificateError),
    /// The certificate is good, but of another machine.
    #[error("the server shows a certificate that is not its own")]
    StolenCertificate,
    /// The certificate is of keys that were replaced.
    #[error(
        "the server shows an old certificate (serial {shown}; this device has seen {seen}): its \
         keys were replaced, and who has the old ones may not be the server. If the server was \
         restored from a backup made before that, its administrator runs `tidegate rotate-key`"
    )]
    OldCertificate {
        /// The serial of the certificate shown.
        shown: u64,
        /// The highest that was seen before.
        seen: u64,
    },
    /// The server refuses to go on.
    #[error("the server refuses: {0}")]
    Refused(Refusal),
    /// The server's messages make no sense.
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(String),
    /// The server takes the device to have a record that is not here.
    #[error(
        "the server names a record in short that this device does not hold; the next session compares all \
         that it holds"
    )]
    Unfound,
    /// The server sent privileges that it did not sign, or for another device.
    #[error("the server sent a grant that is not for this device: {0}")]
    Grant(#[from] GrantError),
    /// The device's file failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device belongs to nobody yet.
    #[error("this device is not enrolled")]
    NotEnrolled,
    /// There is nobody to ask.
    #[error("no session with the server is open")]
    NotOpen,
    /// The device is enrolled already.
    #[error("this device is enrolled already, as user `{0}`; use another file for another user")]
    AlreadyEnrolled(crate::model::UserId),
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) purpose: Purpose,
    /// The TLS key of whoever is at the other end.
    tls_key: PublicKey,
    /// The serial of the server's certificate.
    serial: u64,
    pub(super) stage: Stage,
    /// Pending edits up to here were sent in this session, but for those in `again` and `later`.
    pub(super) sent: Turn,
    /// Edits before `sent` that were written anew since.
    pub(super) again: BTreeSet<EditId>,
    /// Edits that the server wants anew: sent at the next [`ToDevice::Flushed`], when what they
    /// lack has arrived.
    pub(super) later: BTreeSet<EditId>,
    pub(super) pushed: Pushed,
    /// Of edits that went to quarantine because they have no meaning here any more the server is asked
    /// whether they count all the same, and whether their records were erased.
    pub(super) parked: Vec<Inquiry>,
    /// Edits of this device that count, and of which nothing was pending here.
    pub(super) counted: BTreeSet<EditId>,
    /// Edits on records out of reach, about which the server was asked whether they are admitted.
    pub(super) asked: BTreeSet<EditId>,
    /// Edits that are in the log, at places that the watermark has not reached.
    pub(super) admitted: BTreeMap<EditId, Sequence>,
    /// How often the server wanted something anew, one after the other.
    pub(super) retries: u32,
    /// Up to where a backup of the server holds the log; `None`: it makes none.
    pub(super) backed_up: Option<Sequence>,
    /// Whether something is new by which refused edits may be judged otherwise.
    pub(super) news: bool,
    /// How often refused edits were tried again one after the other, without other news.
    pub(super) rounds: u32,
    /// The last [`ToServer::Flush`] sent, and the last answered.
    pub(super) flush: (u32, u32),
    /// Records that were pinned or released, and that the server has told of in this session.
    pub(super) told: BTreeSet<(TableName, RecordId)>,
    /// Those asked for in this session, with the number of the [`ToServer::Flush`] behind.
    pub(super) pinned_before: BTreeMap<(TableName, RecordId), u32>,
    /// Whether the app was told that the budget is spent.
    pub(super) is_spent: bool,
    /// How far the rows are that a scan brings.
    pub(super) arrival: Option<Arrival>,
    /// How far a purge is.
    pub(super) purge: PurgeStage,
    /// When it last ended, in this session.
    pub(super) purged: Option<crate::model::Timestamp>,
    /// Whether something was found by which what is held may be wrong.
    pub(super) suspected: bool,
}

/// What was sent in a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Pushed {
    /// Edits since the last [`ToServer::Flush`] that was answered, as they were then.
    pub(super) unanswered: BTreeMap<EditId, Admitted>,
    /// Whether records are named whole: the server did not find one that was named by a stem.
    pub(super) whole_ids: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// Waiting for the server's certificate.
    Connected,
    /// The server is who it should be.
    Checked { server: PublicKey, word: Attestation },
    /// The server accepted the device.
    Open { server: PublicKey, word: Attestation },
}

impl ReplicaMachine {
    /// A connection is there; `tls_key` is the key that the other end holds.
    ///
    /// # Errors
    /// The device is not enrolled, or is already, where the purpose needs the opposite.
    pub fn connected(&mut self, purpose: Purpose, tls_key: PublicKey) -> Result<(), SessionError> {
        match (&purpose, &self.meta.enrolment) {
            (Purpose::Sync, None) => return Err(SessionError::NotEnrolled),
            (Purpose::Enroll { .. }, Some(enrolment)) => {
                return Err(SessionError::AlreadyEnrolled(enrolment.user.clone()));
            }
            _ => {}
        }
        self.outputs.retain(|output| matches!(output, Output::Event(_)));
        self.session = Some(Session {
            purpose,
            tls_key,
            serial: 0,
            stage: Stage::Connected,
            sent: Turn::default(),
            again: BTreeSet::new(),
            later: BTreeSet::new(),
            pushed: Pushed::default(),
            parked: Vec::new(),
            counted: BTreeSet::new(),
            asked: BTreeSet::new(),
            admitted: BTreeMap::new(),
            retries: 0,
            backed_up: None,
            news: true,
            rounds: 0,
            flush: (0, 0),
            told: BTreeSet::new(),
            pinned_before: BTreeMap::new(),
            is_spent: false,
            arrival: None,
            purge: PurgeStage::default(),
            purged: None,
            suspected: false,
        });
        self.put_off_recheck();
        Ok(())
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.session = None;
        self.outputs.retain(|output| matches!(output, Output::Event(_)));
    }

    /// Whether a session is open and all is sent, judged and received.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        self.session.as_ref().is_some_and(|session| {
            matches!(session.stage, Stage::Open { .. })
                && session.flush.0 > 0
                && session.flush.0 == session.flush.1
                && session.again.is_empty()
                && session.later.is_empty()
                && session.parked.is_empty()
                && session.counted.is_empty()
                // Where there is no room for what is to be compared, it waits for that.
                && (self.recheck.is_none() || session.is_spent)
                && self.meta.wanted.is_empty()
                && self.meta.pinning.is_empty()
        })
    }

    /// A message arrived. An error is the end of the session, and is also told as
    /// [`Output::Close`].
    ///
    /// # Errors
    /// The server is not who it should be, refuses, or makes no sense; or the store failed.
    pub fn received<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: crate::model::Timestamp,
        message: ToDevice,
    ) -> Result<(), SessionError> {
        let result = self.recover(store).map_err(SessionError::from);
        let result = result.and_then(|()| self.take(store, now, message));
        if let Err(error) = &result {
            self.end(store, error.clone());
        }
        result
    }

    /// Ends the session.
    pub(super) fn end<S: ReplicaStore>(&mut self, store: &S, error: SessionError) {
        if matches!(error, SessionError::Store(_)) {
            self.doubt(store);
        }
        self.disconnected();
        self.outputs.push_back(Output::Close(error));
    }

    fn take<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: crate::model::Timestamp,
        message: ToDevice,
    ) -> Result<(), SessionError> {
        if self.session.is_some()
            && let ToDevice::Refused(refusal) = message
        {
            if matches!(refusal, Refusal::Protocol(_)) {
                // What is sent is rebuilt on what is held.
                self.suspect();
            }
            return Err(SessionError::Refused(refusal));
        }
        let was_up_to_date = self.is_up_to_date();
        let Some(session) = &mut self.session else { return Ok(()) };
        match (std::mem::replace(&mut session.stage, Stage::Connected), message) {
            (Stage::Connected, ToDevice::Greeting { certificate }) => {
                self.greeted(store, &certificate)
            }
            (
                Stage::Checked { server, word },
                ToDevice::Welcome { device, user, epoch, resumed, backed_up, common, .. },
            ) => {
                session.stage = Stage::Open { server, word };
                let log = Log { epoch, resumed, common };
                self.welcomed(store, now, Enrolled { device, user }, log)?;
                Ok(self.state_backed_up(store, backed_up)?)
            }
            (Stage::Open { server, word }, message) => {
                let result = self.open_session(store, now, &server, &word, message);
                if let Some(session) = &mut self.session {
                    session.stage = Stage::Open { server, word };
                }
                // Only now: what is sent depends on the stage.
                result?;
                self.push(store, now)?;
                if self.reconsider(store, now)? {
                    self.push(store, now)?;
                }
                // So does whether all is settled.
                if self.is_up_to_date() {
                    self.note_synced(store, now)?;
                    if !was_up_to_date {
                        self.tell(Event::UpToDate);
                    }
                }
                Ok(())
            }
            (_, message) => Err(SessionError::Protocol(format!("out of turn: {message:.60?}"))),
        }
    }

    fn greeted<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        certificate: &[u8],
    ) -> Result<(), SessionError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let certificate =
            ServerCertificate::from_bytes(certificate).map_err(SessionError::Certificate)?;
        let organization = match (&session.purpose, &self.meta.enrolment) {
            (Purpose::Enroll { code, .. }, _) => code.organization(),
            (Purpose::Sync, Some(enrolment)) => enrolment.organization,
            (Purpose::Sync, None) => return Err(SessionError::NotEnrolled),
        };
        certificate.verify(&organization).map_err(SessionError::OtherOrganization)?;
        if certificate.tls_key() != session.tls_key {
            return Err(SessionError::StolenCertificate);
        }
        let (shown, seen) = (certificate.serial(), self.meta.serial);
        if shown < seen {
            return Err(SessionError::OldCertificate { shown, seen });
        }
        session.serial = shown;
        let word = Attestation::of_checked_server();
        session.stage = Stage::Checked { server: certificate.server_key(), word };
        let hello = match &session.purpose {
            Purpose::Enroll { code, name } => {
                let (code, name) = (code.to_bytes(), name.clone());
                ToServer::Enroll { code, name, app: self.app().cloned() }
            }
            Purpose::Sync => ToServer::Hello(Box::new(Resume {
                epoch: self.meta.epoch,
                watermark: self.meta.watermark,
                scope: self.meta.scope.clone(),
                whole_ids: self.recheck.is_some(),
                schema: self.meta.schema_digest,
                grant: self.meta.grant_digest,
                bytes: self.meta.size().bytes,
                app: self.app().cloned(),
                pins: self.meta.pins.iter().cloned().collect(),
            })),
        };
        self.outputs.push_back(Output::Send(hello));
        self.flush_with_hello(store)?;
        // At once, whatever comes of the session: the old keys are worth nothing from here on.
        if self.meta.enrolment.is_some() && shown > seen {
            self.meta.serial = shown;
            let meta = Some(self.meta.clone());
            self.keep(store, crate::sync::ReplicaBatch { meta, ..Default::default() })?;
        }
        Ok(())
    }

    /// Who has nothing to say asks with the greeting whether all is told: the answer comes a round trip
    /// sooner.
    fn flush_with_hello<S: ReplicaStore>(&mut self, store: &S) -> Result<(), StoreError> {
        let has_nothing_to_do = self.meta.enrolment.is_some()
            && self.meta.grant.is_some()
            && self.meta.wanted.is_empty()
            && self.meta.pinning.is_empty()
            && self.meta.purge == Purge::Nothing
            && self.recheck.is_none();
        // About what was refused it asks before all else.
        if has_nothing_to_do
            && store.pending_after(Turn::default(), 1)?.is_empty()
            && store.quarantine()?.is_empty()
            && let Some(session) = &mut self.session
        {
            session.flush.0 = 1;
            self.outputs.push_back(Output::Send(ToServer::Flush { number: 1 }));
        }
        Ok(())
    }

    fn welcomed<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: crate::model::Timestamp,
        Enrolled { device, user }: Enrolled,
        log: Log,
    ) -> Result<(), SessionError> {
        let Some(session) = &self.session else { return Ok(()) };
        if let Purpose::Enroll { code, .. } = &session.purpose {
            self.meta.serial = session.serial;
            self.meta.enrolment = Some(Enrolment {
                organization: code.organization(),
                addresses: code.addresses().to_vec(),
                device,
                user: user.clone(),
            });
            self.be_another();
            self.tell(Event::Enrolled { device, user });
        }
        self.meta.app = self.app().cloned();
        if !log.resumed {
            self.start_anew(store, log.epoch, log.common)?;
        }
        let batch =
            crate::sync::ReplicaBatch { meta: Some(self.meta.clone()), ..Default::default() };
        self.keep(store, batch)?;
        self.tell(Event::Open);
        self.push(store, now)?;
        self.send_first();
        Ok(())
    }
}

/// How the server's log stands to what the device has of it.
#[derive(Clone, Copy)]
struct Log {
    epoch: crate::model::LogEpoch,
    resumed: bool,
    common: Sequence,
}

struct Enrolled {
    device: crate::model::DeviceNumber,
    user: crate::model::UserId,
}
