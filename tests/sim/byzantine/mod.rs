//! A device that means harm. It is enrolled for a user who may do some things and not others, signs
//! with its own key, and knows all that the server holds: more than any real one.

mod forge;

use std::collections::BTreeSet;

use tidegate::codec::{
    EnrollCode, Refusal, Resume, SecretKey, ToDevice, ToServer, decode_message, encode_message,
};
use tidegate::model::{DeviceNumber, RecordId, UserId};
use tidegate::sync::server::ConnectionId;

use crate::fault::Fault;
use crate::links::{End, Link};
use crate::people::{USERS, name};
use crate::world::{Check, World};

pub(crate) struct Byzantine {
    pub(crate) key: SecretKey,
    pub(crate) user: UserId,
    /// 0 until it is enrolled.
    pub(crate) number: DeviceNumber,
    pub(crate) link: Option<u64>,
    /// Records by whose ids it asked.
    pub(crate) asked: BTreeSet<RecordId>,
    code: EnrollCode,
    counter: u64,
}

impl World {
    pub(crate) fn enrol_byzantine(&mut self) -> Check {
        let user: UserId = name(USERS[3]);
        let code = self.mint_code(&user);
        let key = SecretKey::from_seed(self.rng.seed());
        let (number, link, asked) = (DeviceNumber(0), None, BTreeSet::new());
        self.byzantine = Some(Byzantine { key, user, number, link, asked, code, counter: 0 });
        self.connect_byzantine()
    }

    fn connect_byzantine(&mut self) -> Check {
        let fresh = self.mint_code(&name(USERS[3]));
        let (Some(server), Some(byzantine)) = (&mut self.server, &mut self.byzantine) else {
            return Ok(());
        };
        self.next_link += 1;
        let id = self.next_link;
        server.connected(ConnectionId(id), byzantine.key.public());
        byzantine.link = Some(id);
        let hello = if byzantine.number == DeviceNumber(0) {
            // Of the server's key of this moment.
            byzantine.code = fresh;
            ToServer::Enroll { code: byzantine.code.to_bytes(), name: "harm".into(), app: None }
        } else {
            ToServer::Hello(Box::<Resume>::default())
        };
        let mut link = Link::new(End::Byzantine);
        link.up.push_back(encode_message(&hello).unwrap());
        self.links.insert(id, link);
        self.note(|| format!("the device that means harm connects as {id}"));
        self.drain_server()
    }

    /// It does something of this kind.
    pub(crate) fn harm(&mut self, fault: Fault) -> Check {
        let Some(byzantine) = &self.byzantine else { return Ok(()) };
        if byzantine.link.is_none_or(|id| self.links.get(&id).is_none_or(|link| link.up_ends)) {
            if let Some(byzantine) = &mut self.byzantine {
                byzantine.link = None;
            }
            self.forget_links();
            self.connect_byzantine()?;
        }
        let frames = match fault {
            Fault::UnknownMessages => self.unknown_messages(),
            Fault::ForeignCarriers => self.carried(),
            _ => self.forged(fault),
        };
        let Some(id) = self.byzantine.as_ref().and_then(|it| it.link) else { return Ok(()) };
        self.note(|| format!("{fault:?}: {} messages as {id}", frames.len()));
        self.figures.byzantine_acts += frames.len() as u64;
        if let Some(link) = self.links.get_mut(&id) {
            link.up.extend(frames);
        }
        Ok(())
    }

    /// What the server answers is read, and nothing is made of it but what helps to go on.
    pub(crate) fn deliver_to_byzantine(&mut self, id: u64) -> Check {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let bytes = link.down.pop_front();
        let message = bytes.map(|bytes| decode_message::<ToDevice>(&bytes));
        let Some(byzantine) = &mut self.byzantine else { return Ok(()) };
        match message {
            Some(Ok(ToDevice::Welcome { device, .. })) => byzantine.number = device,
            Some(Ok(ToDevice::Refused(refusal))) => {
                if refusal == Refusal::UnknownDevice {
                    byzantine.number = DeviceNumber(0);
                }
                byzantine.link = None;
            }
            None => byzantine.link = None,
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(format!("to the device that means harm: {error}")),
        }
        if byzantine.link.is_none() {
            link.up_ends = true;
            link.down.clear();
            link.down_ends = false;
        }
        self.forget_links();
        Ok(())
    }
}
