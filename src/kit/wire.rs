//! Connections of a run. Within one, messages arrive in order and once, as QUIC sees to it; it may be cut
//! at any of them.

use std::collections::VecDeque;

use super::Problem;
use super::device::{Device, Link};
use super::failure::Trouble;
use super::world::{Result, World};
use crate::codec::{ToDevice, ToServer, decode_message, encode_message};
use crate::limits::KIT_ROUNDS_MAX;
use crate::sync::replica::{Output, Purpose};
use crate::sync::server::{ConnectionId, Output as ServerOutput};

/// So often a device connects anew while all settles: whom the server sends away stays away.
const CONNECTS_MAX: usize = 4;
/// Longer than anything is put off.
const ROUND_MILLIS: usize = 120_000;

impl World<'_> {
    /// Connects a device that is not connected.
    pub(super) fn connect(&mut self, at: usize) -> Result {
        let Some(device) = self.devices.get_mut(at) else { return Ok(()) };
        if device.link.is_some() {
            return Ok(());
        }
        let purpose = if device.replica.user().is_some() {
            Purpose::Sync
        } else {
            Purpose::Enroll { code: Box::new(device.code.clone()), name: format!("device {at}") }
        };
        let connected = device.replica.connect(purpose, self.server.tls());
        connected.map_err(|error| Trouble::library(at, error))?;
        self.connections += 1;
        let id = ConnectionId(self.connections);
        device.link = Some(Link { id, up: VecDeque::new(), down: VecDeque::new() });
        self.server.connect(id, device.key.public());
        self.drain_server()
    }

    /// The connection of a device is gone, and all that was on its way.
    pub(super) fn cut(&mut self, at: usize) {
        let Some(device) = self.devices.get_mut(at) else { return };
        if let Some(link) = device.link.take() {
            device.replica.disconnect();
            self.server.disconnect(link.id);
            self.report.cuts += 1;
        }
    }

    /// Lets so many messages of a device's connection arrive, or all; returns how many did.
    pub(super) fn exchange(&mut self, at: usize, messages: Option<usize>) -> Result<usize> {
        let mut arrived = 0;
        self.send(at)?;
        while messages.is_none_or(|messages| arrived < messages) {
            let Some(link) = self.devices.get_mut(at).and_then(|it| it.link.as_mut()) else {
                break;
            };
            let id = link.id;
            if let Some(bytes) = link.up.pop_front() {
                self.arrive_up(at, id, &bytes)?;
            } else if let Some(bytes) = link.down.pop_front() {
                self.arrive_down(at, id, &bytes)?;
            } else {
                break;
            }
            arrived += 1;
        }
        self.report.messages += u64::try_from(arrived).unwrap_or_default();
        Ok(arrived)
    }

    fn arrive_up(&mut self, at: usize, id: ConnectionId, bytes: &[u8]) -> Result {
        let failed = |error: &dyn std::fmt::Display| Trouble::library(at, error);
        let message = decode_message::<ToServer>(bytes).map_err(|error| failed(&error))?;
        let now = self.now();
        self.server.receive(id, now, message).map_err(|error| failed(&error))?;
        self.drain_server()
    }

    fn arrive_down(&mut self, at: usize, id: ConnectionId, bytes: &[u8]) -> Result {
        let failed = |error: &dyn std::fmt::Display| Trouble::library(at, error);
        let message = decode_message::<ToDevice>(bytes).map_err(|error| failed(&error))?;
        let is_page = matches!(message, ToDevice::Page(_));
        let Some(device) = self.devices.get(at) else { return Ok(()) };
        // An error is the session's last output as well.
        let _ = device.replica.receive(message);
        self.send(at)?;
        let is_open = self.devices.get(at).is_some_and(|it| it.link.is_some());
        if is_page && is_open {
            self.server.look_on(id).map_err(|error| failed(&error))?;
            self.drain_server()?;
        }
        Ok(())
    }

    /// Sends what a device's session wants sent.
    pub(super) fn send(&mut self, at: usize) -> Result {
        let Some(device) = self.devices.get_mut(at) else { return Ok(()) };
        let mut ended = false;
        for output in device.replica.outputs() {
            match (output, &mut device.link) {
                (Output::Send(message), Some(link)) => {
                    let bytes = encode_message(&message);
                    link.up.push_back(bytes.map_err(|error| Trouble::library(at, error))?);
                }
                (Output::Close(_), _) => ended = true,
                // Events are told when they happen, and nobody asked anything.
                (Output::Send(_) | Output::Event(_) | Output::Answer(..), _) => {}
            }
        }
        if ended {
            self.cut(at);
        }
        Ok(())
    }

    /// The server judges, and what it says is on its way.
    pub(super) fn drain_server(&mut self) -> Result {
        let failed = |error: &dyn std::fmt::Display| Trouble::library(0, error);
        let mut looks = true;
        while std::mem::take(&mut looks) {
            let now = self.now();
            self.server.rule(now).map_err(|error| failed(&error))?;
            while let Some(output) = self.server.output() {
                match output {
                    ServerOutput::Send(id, message) => {
                        let bytes = encode_message(&message).map_err(|error| failed(&error))?;
                        let links = self.devices.iter_mut().filter_map(|it| it.link.as_mut());
                        if let Some(link) = links.into_iter().find(|link| link.id == id) {
                            link.down.push_back(bytes);
                        }
                    }
                    ServerOutput::LookOn(id) => {
                        looks = true;
                        self.server.look_on(id).map_err(|error| failed(&error))?;
                    }
                    ServerOutput::Close(id, _) => {
                        let of = |it: &Device| it.link.as_ref().is_some_and(|link| link.id == id);
                        if let Some(at) = self.devices.iter().position(of) {
                            self.cut(at);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Nothing goes wrong any more: everyone is connected until there is nothing left to say.
    pub(super) fn settle(&mut self) -> Result {
        let mut connects = vec![0; self.devices.len()];
        for _ in 0..KIT_ROUNDS_MAX {
            self.pass(ROUND_MILLIS);
            let mut moved = false;
            for (at, connects) in connects.iter_mut().enumerate() {
                let is_away = self.devices.get(at).is_some_and(|it| it.link.is_none());
                if is_away && *connects < CONNECTS_MAX {
                    *connects += 1;
                    moved = true;
                    self.connect(at)?;
                }
                if let Some(device) = self.devices.get(at) {
                    device.replica.wake();
                }
                moved |= self.exchange(at, None)? > 0;
                self.react(at)?;
            }
            if !moved {
                return self.check_settled();
            }
        }
        Err(Trouble { problem: Problem::Restless, device: 0 })
    }

    /// Whoever is connected has all that it may read, and nothing waits for a verdict.
    fn check_settled(&self) -> Result {
        for (at, device) in self.devices.iter().enumerate().filter(|(_, it)| it.link.is_some()) {
            let status = device.replica.status().map_err(|error| Trouble::library(at, error))?;
            if !status.up_to_date || status.turning || status.pending > 0 {
                let error = "nothing is on its way, and the device waits for something";
                return Err(Trouble::library(at, error));
            }
        }
        Ok(())
    }
}
