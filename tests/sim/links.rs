//! Connections: each direction is ordered and reliable until the connection is cut; then what is on
//! its way is lost from some message on, and each side learns of it in its own time.

use std::collections::VecDeque;

use tidegate::codec::{Refusal, Scope, ToDevice, ToServer, decode_message, encode_message};
use tidegate::sync::StoreError;
use tidegate::sync::replica::{Output, ReplicaMachine, SessionError};
use tidegate::sync::server::{ConnectionId, Output as ServerOutput, ServerMachine};

use crate::rng::Rng;
use crate::world::{Check, World};

pub(crate) struct Link {
    device: usize,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
    /// Nothing more can be sent to the server, which will see the end after what is on its way.
    up_ends: bool,
    down_ends: bool,
    /// Whether the server knows of the connection.
    at_server: bool,
    /// Pages that the server waits for.
    pages: u32,
    /// What the last page said of what the device holds.
    scope: Option<Scope>,
}

impl Link {
    pub(crate) fn new(device: usize) -> Self {
        let (up, down) = Default::default();
        let (up_ends, down_ends, at_server) = (false, false, true);
        Self { device, up, down, up_ends, down_ends, at_server, pages: 0, scope: None }
    }

    pub(crate) fn server_is_gone(&mut self, rng: &mut Rng) {
        self.at_server = false;
        self.up.clear();
        self.up_ends = true;
        self.down.truncate(rng.below(self.down.len() + 1));
        self.down_ends = true;
    }

    fn is_over(&self, held: bool) -> bool {
        !self.at_server && !held
    }
}

impl World {
    fn link_with(&mut self, found: impl Fn(&Link) -> bool) -> Option<u64> {
        let ids: Vec<_> =
            self.links.iter().filter(|(_, link)| found(link)).map(|(id, _)| *id).collect();
        self.rng.pick(&ids).copied()
    }

    pub(crate) fn deliver_up_somewhere(&mut self) -> Check {
        match self.link_with(|link| link.at_server && (!link.up.is_empty() || link.up_ends)) {
            Some(id) => self.deliver_up(id),
            None => Ok(()),
        }
    }

    pub(crate) fn deliver_down_somewhere(&mut self) -> Check {
        match self.link_with(|link| !link.down.is_empty() || link.down_ends) {
            Some(id) => self.deliver_down(id),
            None => Ok(()),
        }
    }

    pub(crate) fn writable_somewhere(&mut self) -> Check {
        match self.link_with(|link| link.at_server && link.pages > 0) {
            Some(id) => self.writable(id),
            None => Ok(()),
        }
    }

    pub(crate) fn cut_somewhere(&mut self) {
        if let Some(id) = self.link_with(|link| !link.up_ends || !link.down_ends) {
            self.note(|| format!("link {id} is cut"));
            self.figures.cuts += 1;
            let link = self.links.get_mut(&id).unwrap();
            link.up.truncate(self.rng.below(link.up.len() + 1));
            link.down.truncate(self.rng.below(link.down.len() + 1));
            (link.up_ends, link.down_ends) = (true, true);
        }
    }

    /// Everything that is under way, in turn; whether there was anything.
    pub(crate) fn deliver_all(&mut self) -> Check<bool> {
        let mut any = false;
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            for _ in 0..self.links.get(&id).map_or(0, |link| link.up.len()) {
                any = true;
                self.deliver_up(id)?;
            }
            if self.links.get(&id).is_some_and(|link| link.at_server && link.up_ends) {
                any = true;
                self.deliver_up(id)?;
            }
            for _ in 0..self.links.get(&id).map_or(0, |link| link.down.len()) {
                any = true;
                self.deliver_down(id)?;
            }
            if self.links.get(&id).is_some_and(|link| link.down_ends) {
                any = true;
                self.deliver_down(id)?;
            }
            while self.links.get(&id).is_some_and(|link| link.at_server && link.pages > 0) {
                any = true;
                self.writable(id)?;
            }
        }
        Ok(any)
    }

    fn writable(&mut self, id: u64) -> Check {
        self.links.get_mut(&id).unwrap().pages -= 1;
        let Some(server) = &mut self.server else { return Ok(()) };
        let result = server.writable(&self.disk, ConnectionId(id));
        self.server_result(result)
    }

    pub(crate) fn rule(&mut self) -> Check {
        let time = self.time();
        let Some(server) = &mut self.server else { return Ok(()) };
        let result = server.rule(&mut self.disk, time);
        self.server_result(result)
    }

    fn deliver_up(&mut self, id: u64) -> Check {
        let time = self.time();
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let Some(server) = self.server.as_mut().filter(|_| link.at_server) else {
            link.up.clear();
            return Ok(());
        };
        let Some(bytes) = link.up.pop_front() else {
            link.at_server = false;
            server.disconnected(ConnectionId(id));
            self.forget_links();
            return Ok(());
        };
        let message: ToServer = decode_message(&bytes).map_err(|e| format!("to server: {e}"))?;
        self.figures.messages += 1;
        self.note(|| format!("{id} up {}", up_text(&message)));
        self.digest(&bytes);
        let server = self.server.as_mut().unwrap();
        let result = server.received(&mut self.disk, time, ConnectionId(id), message);
        self.server_result(result)
    }

    fn deliver_down(&mut self, id: u64) -> Check {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let at = link.device;
        let time = self.device_time(at);
        let is_current = self.devices[at].link == Some(id);
        let link = self.links.get_mut(&id).unwrap();
        let Some(bytes) = link.down.pop_front().filter(|_| is_current) else {
            link.down.clear();
            if is_current {
                self.drop_link(at);
            }
            self.forget_links();
            return Ok(());
        };
        let message: ToDevice = decode_message(&bytes).map_err(|e| format!("to device: {e}"))?;
        self.figures.messages += 1;
        self.note(|| format!("{id} down to {at} {}", down_text(&message)));
        self.digest(&bytes);
        let device = &mut self.devices[at];
        let Some(machine) = &mut device.machine else { return Ok(()) };
        let refused = device.disk.file.quarantine.clone();
        // An error is told as the last output as well.
        let _ = machine.received(&mut device.disk, time, message);
        self.drain_device(at)?;
        self.follow_reconsidered(at, refused)
    }

    fn session_error(&mut self, at: usize, error: &SessionError) -> Check {
        self.note(|| format!("device {at} ends its session: {error}"));
        match error {
            // In calm it is one that was on its way.
            SessionError::Refused(Refusal::Trouble(_) | Refusal::NoSuchUser(_)) => Ok(()),
            SessionError::Store(StoreError::Damaged(_)) => Err(format!("device {at}: {error}")),
            SessionError::Store(_) if !self.calm => {
                if self.rng.chance(50) {
                    self.crash_device(at)
                } else {
                    Ok(())
                }
            }
            _ => Err(format!("device {at}: its session ends: {error}")),
        }
    }

    /// The device's side of its connection is gone.
    pub(crate) fn drop_link(&mut self, at: usize) {
        let device = &mut self.devices[at];
        if let Some(machine) = &mut device.machine {
            machine.disconnected();
        }
        if let Some(link) = device.link.take().and_then(|id| self.links.get_mut(&id)) {
            link.down.clear();
            link.up_ends = true;
        }
        self.forget_links();
    }

    fn forget_links(&mut self) {
        let devices = &self.devices;
        self.links.retain(|id, link| !link.is_over(devices[link.device].link == Some(*id)));
    }

    /// No two changes of a section have one actor and number.
    pub(crate) fn check_actors(&mut self, at: usize) -> Check {
        let violation = self.devices[at].disk.violation.take();
        violation.map_or(Ok(()), |text| Err(format!("device {at}: {text}")))
    }

    /// Takes what the device wants sent and told.
    pub(crate) fn drain_device(&mut self, at: usize) -> Check {
        self.check_actors(at)?;
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

    fn server_closes(&mut self, id: u64, refusal: Refusal) -> Check {
        if let Some(server) = &mut self.server {
            server.disconnected(ConnectionId(id));
        }
        if let Refusal::Protocol(text) = &refusal {
            return Err(format!("the server does not understand a device: {text}"));
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

    /// Takes what the server wants sent.
    pub(crate) fn drain_server(&mut self) -> Check {
        while let Some(output) = self.server.as_mut().and_then(ServerMachine::poll_output) {
            match output {
                ServerOutput::Send(ConnectionId(id), message) => {
                    let at = self.links.get(&id).map(|link| link.device);
                    if let (ToDevice::Page(page), Some(at)) = (&message, at) {
                        self.check_page(at, page)?;
                        let before = self
                            .links
                            .get_mut(&id)
                            .and_then(|link| link.scope.replace(page.scope.clone()));
                        if page.entries.is_empty() && before.as_ref() == Some(&page.scope) {
                            return Err(format!("device {at} is sent a page of nothing"));
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

fn up_text(message: &ToServer) -> String {
    match message {
        ToServer::Hello(resume) => format!("Hello {resume:?}"),
        ToServer::Enroll { .. } => "Enroll".into(),
        ToServer::Push(set) => format!("Push of {} bytes", set.len()),
        other => format!("{other:?}"),
    }
}

fn down_text(message: &ToDevice) -> String {
    match message {
        ToDevice::Schema(_) => "Schema".into(),
        ToDevice::Grant(_) => "Grant".into(),
        ToDevice::Greeting { .. } => "Greeting".into(),
        other => format!("{other:?}"),
    }
}
