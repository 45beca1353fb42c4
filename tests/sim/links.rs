//! Connections: each direction is ordered and reliable until the connection is cut; then what is on
//! its way is lost from some message on, and each side learns of it in its own time.

use std::collections::VecDeque;

use tidegate::codec::{Refusal, Scope, ToDevice, ToServer, decode_message};
use tidegate::sync::server::ConnectionId;

use crate::rng::Rng;
use crate::world::{Check, World};

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Device(usize),
    /// Nobody: what this device said once is said again.
    Echo(usize),
    /// The device that means harm.
    Byzantine,
}

pub(crate) struct Link {
    pub(crate) end: End,
    pub(crate) up: VecDeque<Vec<u8>>,
    pub(crate) down: VecDeque<Vec<u8>>,
    /// Nothing more can be sent to the server, which will see the end after what is on its way.
    pub(crate) up_ends: bool,
    pub(crate) down_ends: bool,
    /// Whether the server knows of the connection.
    pub(crate) at_server: bool,
    /// Whether the server waits until the last page is on its way.
    pub(crate) pages: u32,
    /// What the device asked for, each of which is answered by a page of its own.
    pub(crate) asked: u32,
    /// What the last page said of what the device holds.
    pub(crate) scope: Option<Scope>,
    /// Nothing arrives before this time.
    pub(crate) held_until: i64,
    /// The direction that is silent, up or down, and until when the other is not.
    pub(crate) silent: Option<(bool, i64)>,
    /// All that the device said.
    pub(crate) said: Vec<Vec<u8>>,
    /// Of the server's certificate.
    pub(crate) serial: u64,
    /// Of the server at its other end.
    pub(crate) life: u64,
}

impl Link {
    pub(crate) fn new(end: End) -> Self {
        let (up, down, said) = Default::default();
        let (up_ends, down_ends, at_server) = (false, false, true);
        let (pages, asked, scope, held_until, silent) = (0, 0, None, 0, None);
        Self {
            end,
            up,
            down,
            up_ends,
            down_ends,
            at_server,
            pages,
            asked,
            scope,
            held_until,
            silent,
            said,
            serial: 0,
            life: 0,
        }
    }

    /// Ends it on both sides; of what is on its way only the beginning arrives.
    pub(crate) fn cut(&mut self, rng: &mut Rng) {
        self.up.truncate(rng.below(self.up.len() + 1));
        self.down.truncate(rng.below(self.down.len() + 1));
        (self.up_ends, self.down_ends) = (true, true);
    }

    fn brings_up(&self, now: i64) -> bool {
        let moves = !self.up.is_empty() || self.up_ends;
        self.at_server && moves && self.is_open(now, true)
    }

    fn brings_down(&self, now: i64) -> bool {
        (!self.down.is_empty() || self.down_ends) && self.is_open(now, false)
    }

    fn is_open(&self, now: i64, up: bool) -> bool {
        self.held_until <= now && self.silent.is_none_or(|(silent, _)| silent != up)
    }

    pub(crate) fn server_is_gone(&mut self, rng: &mut Rng) {
        self.at_server = false;
        self.up.clear();
        self.up_ends = true;
        self.down.truncate(rng.below(self.down.len() + 1));
        self.down_ends = true;
    }
}

impl World {
    pub(crate) fn link_with(&mut self, found: impl Fn(&Link) -> bool) -> Option<u64> {
        let ids: Vec<_> =
            self.links.iter().filter(|(_, link)| found(link)).map(|(id, _)| *id).collect();
        self.rng.pick(&ids).copied()
    }

    pub(crate) fn deliver_up_somewhere(&mut self) -> Check {
        let now = self.now;
        match self.link_with(|link| link.brings_up(now)) {
            Some(id) => self.deliver_up(id),
            None => Ok(()),
        }
    }

    pub(crate) fn deliver_down_somewhere(&mut self) -> Check {
        let now = self.now;
        match self.link_with(|link| link.brings_down(now)) {
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
        let (end, message) = (link.end, decode_message::<ToServer>(&bytes));
        let message = match message {
            Ok(message) => message,
            Err(error) if matches!(end, End::Device(_)) => {
                return Err(format!("to server: {error}"));
            }
            // As the shell does.
            Err(error) => {
                return self.server_closes(id, Refusal::Protocol(error.to_string()));
            }
        };
        let asks = matches!(
            message,
            ToServer::Fetch { .. } | ToServer::Hello(_) | ToServer::Enroll { .. }
        );
        link.asked += u32::from(asks);
        // A restored server has forgotten what it refused since its backup.
        let is_forgotten = end == End::Byzantine && self.figures.restores > 0;
        if let ToServer::Push(set) = &message
            && matches!(end, End::Echo(_) | End::Byzantine)
        {
            self.note_carried(set);
            if is_forgotten || matches!(end, End::Echo(_)) {
                self.note_echoed(set);
            }
        }
        self.figures.messages += 1;
        self.note(|| format!("{id} up {}", up_text(&message)));
        self.digest(&bytes);
        let message = self.tampered_up(message);
        let server = self.server.as_mut().unwrap();
        let result = server.received(&mut self.disk, time, ConnectionId(id), message);
        self.server_result(result)
    }

    fn deliver_down(&mut self, id: u64) -> Check {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let at = match link.end {
            End::Device(at) if self.devices[at].link == Some(id) => at,
            End::Byzantine => return self.deliver_to_byzantine(id),
            End::Device(_) | End::Echo(_) => {
                link.down.clear();
                link.down_ends = false;
                self.forget_links();
                return Ok(());
            }
        };
        let Some(bytes) = link.down.pop_front() else {
            self.drop_link(at);
            return Ok(());
        };
        let (life, time) = (link.life, self.device_time(at));
        let message: ToDevice = decode_message(&bytes).map_err(|e| format!("to device: {e}"))?;
        self.figures.messages += 1;
        self.note(|| format!("{id} down to {at} {}", down_text(&message)));
        self.digest(&bytes);
        let message = self.tampered_down(at, message);
        let device = &mut self.devices[at];
        let Some(machine) = &mut device.machine else { return Ok(()) };
        let refused = device.disk.file.quarantine.clone();
        device.disk.refused.clear();
        // An error is told as the last output as well.
        let greets = matches!(message, ToDevice::Greeting { .. });
        let result = machine.received(&mut device.disk, time, message);
        if greets && result.is_ok() {
            device.greeted = Some(life);
        }
        self.drain_device(at)?;
        self.follow_reconsidered(at, refused)
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

    /// The device gave its connection up, and the server does not know.
    pub(crate) fn abandon_link(&mut self, at: usize) {
        let device = &mut self.devices[at];
        if let Some(machine) = &mut device.machine {
            machine.disconnected();
        }
        if let Some(link) = device.link.take().and_then(|id| self.links.get_mut(&id)) {
            link.down.clear();
        }
        self.forget_links();
    }

    pub(crate) fn forget_links(&mut self) {
        let over: Vec<u64> = self
            .links
            .iter()
            .filter(|(id, link)| !link.at_server && !self.is_held(**id, link.end))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            if let Some(Link { end: End::Device(at), said, .. }) = self.links.remove(&id) {
                self.old_sessions.push((at, said));
            }
        }
        // The latest are enough.
        let surplus = self.old_sessions.len().saturating_sub(6);
        self.old_sessions.drain(..surplus);
    }

    /// Whether somebody at the other end still reads what comes.
    pub(crate) fn is_held(&self, id: u64, end: End) -> bool {
        match end {
            End::Device(at) => self.devices[at].link == Some(id),
            End::Echo(_) => false,
            End::Byzantine => self.byzantine.as_ref().is_some_and(|it| it.link == Some(id)),
        }
    }
}

pub(crate) fn up_text(message: &ToServer) -> String {
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
