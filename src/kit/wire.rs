//! Connections of a run. Within one, messages arrive in order and once, as QUIC sees to it; it may be cut
//! at any of them.

use std::collections::VecDeque;

use super::Problem;
use super::device::{Link, time};
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
        let now = time(&self.clock, 0);
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

    pub(super) fn drain_server(&mut self) -> Result {
        while let Some(output) = self.server.output() {
            let of = |id| {
                let has = |link: &Link| link.id == id;
                self.devices.iter().position(|device| device.link.as_ref().is_some_and(has))
            };
            match output {
                ServerOutput::Send(id, message) => {
                    let Some(at) = of(id) else { continue };
                    let bytes = encode_message(&message);
                    let bytes = bytes.map_err(|error| Trouble::library(at, error))?;
                    let link = self.devices.get_mut(at).and_then(|it| it.link.as_mut());
                    if let Some(link) = link {
                        link.down.push_back(bytes);
                    }
                }
                ServerOutput::LookOn(id) => {
                    let looked = self.server.look_on(id);
                    looked.map_err(|error| Trouble::library(0, error))?;
                }
                ServerOutput::Close(id, _) => {
                    if let Some(at) = of(id) {
                        self.cut(at);
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
                return Ok(());
            }
        }
        Err(Trouble { problem: Problem::Restless, device: 0 })
    }
}
