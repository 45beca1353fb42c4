//! What the machines want sent and told, and how their errors end sessions.

use std::sync::Arc;

use tidegate::codec::{Digest, Entry, Lexicon, Page, Refusal, Stem, ToDevice, encode_message};
use tidegate::model::Schema;
use tidegate::sync::StoreError;
use tidegate::sync::replica::{Output, ReplicaMachine, SessionError};
use tidegate::sync::server::{ConnectionId, Output as ServerOutput, ServerMachine};

use crate::links::End;
use crate::world::{Check, World};

impl World {
    /// No two changes of a section have one actor and number.
    pub(crate) fn check_actors(&mut self, at: usize) -> Check {
        let violation = self.devices[at].disk.violation.take();
        violation.map_or(Ok(()), |text| Err(format!("device {at}: {text}")))
    }

    /// Takes what the device wants sent and told.
    pub(crate) fn drain_device(&mut self, at: usize) -> Check {
        self.check_actors(at)?;
        if self.lost_power(at)? {
            return self.follow_enrolment(at);
        }
        while let Some(output) =
            self.devices[at].machine.as_mut().and_then(ReplicaMachine::poll_output)
        {
            match output {
                Output::Send(message) => {
                    let bytes = encode_message(&message).map_err(|e| e.to_string())?;
                    let id = self.devices[at].link;
                    if let Some(link) = id.and_then(|id| self.links.get_mut(&id))
                        && !link.up_ends
                    {
                        link.said.push(bytes.clone());
                        link.up.push_back(bytes);
                    }
                }
                Output::Close(error) => {
                    self.drop_link(at);
                    self.session_error(at, &error)?;
                }
                Output::Event(event) => self.event(at, event)?,
                Output::Answer(..) => return Err("an answer to nothing".into()),
            }
        }
        self.check_touched(at)?;
        self.follow_enrolment(at)
    }

    /// As the shell does: after a failure of the store all devices are sent away.
    pub(crate) fn server_result(&mut self, result: Result<(), StoreError>) -> Check {
        if self.server_lost_power()? {
            return Ok(());
        }
        self.follow_epoch()?;
        self.drain_server()?;
        let Err(error) = result else { return Ok(()) };
        self.note(|| format!("server: {error}"));
        if self.calm || matches!(error, StoreError::Damaged(_)) {
            return Err(format!("the server fails: {error}"));
        }
        let ids: Vec<_> =
            self.links.iter().filter(|(_, link)| link.at_server).map(|(id, _)| *id).collect();
        for id in ids {
            self.server_closes(id, Refusal::Trouble(error.to_string()))?;
        }
        if self.rng.chance(30) { self.crash_server() } else { Ok(()) }
    }

    pub(crate) fn server_closes(&mut self, id: u64, refusal: Refusal) -> Check {
        if let Some(server) = &mut self.server {
            server.disconnected(ConnectionId(id));
        }
        self.note(|| format!("{id} is closed: {refusal}"));
        let end = self.links.get(&id).map(|link| link.end);
        match &refusal {
            Refusal::Protocol(_) if matches!(end, Some(End::Device(at)) if self.is_unknown(at)) => {
            }
            Refusal::Protocol(text) if matches!(end, Some(End::Device(_))) => {
                return Err(format!("the server does not understand a device: {text}"));
            }
            Refusal::Protocol(_) if end == Some(End::Byzantine) => {
                self.figures.byzantine_refused += 1;
            }
            Refusal::UnknownDevice if matches!(end, Some(End::Device(at)) if self.is_known(at)) => {
                return Err("a device that is enrolled is told that it is not".into());
            }
            _ => {}
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.at_server = false;
            link.up_ends = true;
            if !link.down_ends {
                link.down_ends = true;
                link.down.push_back(encode_message(&ToDevice::Refused(refusal)).unwrap());
            }
        }
        Ok(())
    }

    fn note_schema(&mut self, message: &ToDevice) {
        if let ToDevice::Schema(schema) = message {
            let lexicon = lexicon_of(schema);
            self.lexicons.extend(lexicon.mark().map(|mark| (mark, Arc::new(lexicon))));
        }
    }

    fn note_short(&mut self, page: &Page) {
        for entry in &page.entries {
            match entry {
                Entry::Edit { bits, .. } if *bits < Stem::WHOLE => self.figures.stems += 1,
                Entry::Own { admitted: None, .. } => self.figures.own_as_sent += 1,
                _ => {}
            }
        }
    }

    /// Takes what the server wants sent.
    pub(crate) fn drain_server(&mut self) -> Check {
        while let Some(output) = self.server.as_mut().and_then(ServerMachine::poll_output) {
            match output {
                ServerOutput::Send(ConnectionId(id), message) => {
                    let end = self.links.get(&id).map(|link| link.end);
                    self.check_message(id, &message)?;
                    let is_welcome = matches!(message, ToDevice::Welcome { .. });
                    self.figures.welcomes += u64::from(is_welcome);
                    let is_unclear = matches!(message, ToDevice::NameWhole);
                    self.figures.named_whole += u64::from(is_unclear);
                    self.note_schema(&message);
                    if let (ToDevice::Page(page), Some(end)) = (&message, end) {
                        self.check_page(end, page)?;
                        self.note_short(page);
                        let mut says_nothing = page.scope.is_none() && page.entries.is_empty();
                        if let (Some(link), Some(scope)) = (self.links.get_mut(&id), &page.scope) {
                            says_nothing =
                                link.scope.replace(scope.clone()).as_ref() == Some(scope);
                        }
                        if says_nothing {
                            return Err(format!("{end:?} is sent a page of nothing: {page:?}"));
                        }
                    }
                    let bytes = encode_message(&message).map_err(|e| e.to_string())?;
                    if let Some(link) = self.links.get_mut(&id) {
                        link.pages += u32::from(matches!(message, ToDevice::Page(_)));
                        if !link.down_ends {
                            link.down.push_back(bytes);
                        }
                    }
                }
                ServerOutput::LookOn(ConnectionId(id)) => {
                    if let Some(link) = self.links.get_mut(&id) {
                        link.pages += 1;
                    }
                }
                ServerOutput::Close(id, refusal) => self.server_closes(id.0, refusal)?,
            }
        }
        Ok(())
    }
}

impl World {
    fn session_error(&mut self, at: usize, error: &SessionError) -> Check {
        self.note(|| format!("device {at} ends its session: {error}"));
        match error {
            // In calm it is one that was on its way. Of a device that is not known it was so when it
            // was said: an old message on a restored server may have enrolled it meanwhile.
            SessionError::Refused(
                Refusal::Trouble(_) | Refusal::NoSuchUser(_) | Refusal::UnknownDevice,
            ) => Ok(()),
            SessionError::Refused(Refusal::ExpiredCode(_) | Refusal::WrongCode) if !self.calm => {
                Ok(())
            }
            // It may be on its way still when a backup of before is put back.
            SessionError::Refused(Refusal::RevokedDevice) if self.figures.revocations > 0 => Ok(()),
            SessionError::Grant(_) if self.is_unknown(at) => Ok(()),
            SessionError::Store(StoreError::Damaged(_)) => Err(format!("device {at}: {error}")),
            SessionError::Store(_) if !self.calm => {
                if self.rng.chance(50) {
                    self.crash_device(at)
                } else {
                    Ok(())
                }
            }
            // What rots is let go when it is read; who dies before it has it again is found out so.
            SessionError::Unfound if self.figures.rotten > 0 => {
                self.figures.unfound += 1;
                Ok(())
            }
            _ => Err(format!("device {at}: its session ends: {error}")),
        }
    }
}

/// The names of a schema that a device was sent.
fn lexicon_of(schema: &Schema) -> Lexicon {
    let bytes = postcard::to_stdvec(schema).expect("a schema can be written");
    Lexicon::of(schema, Digest::of("schema", &bytes))
}
