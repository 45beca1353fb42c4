//! How long the server waits for a device. A slow one is waited for as long as it goes on; one that
//! stops in the middle of something is not.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::limits::{FRAME_BYTES_MAX, GREETING_BYTES_MAX, GREETING_TIMEOUT, PATIENCE_BYTES_MIN};
use crate::net::{FrameReceiver, FrameSender, NetError};

/// How a device's frame was waited for.
#[derive(Debug)]
pub(super) enum Waited {
    /// It is here.
    Frame(Bytes),
    /// The device has finished.
    Finished,
    /// The device took too long.
    TooLong(&'static str),
}

impl From<Option<Bytes>> for Waited {
    fn from(frame: Option<Bytes>) -> Self {
        frame.map_or(Self::Finished, Self::Frame)
    }
}

/// The first frame, of someone whom nobody knows yet.
pub(super) async fn greeting(
    receiver: &mut FrameReceiver,
    patience: Duration,
) -> Result<Waited, NetError> {
    let waits = patience.min(GREETING_TIMEOUT);
    match timeout(waits, receiver.next_up_to(GREETING_BYTES_MAX)).await {
        Ok(frame) => Ok(frame?.into()),
        Err(_) => Ok(Waited::TooLong("no greeting came")),
    }
}

/// The next frame, whenever it begins.
pub(super) async fn frame(
    receiver: &mut FrameReceiver,
    patience: Duration,
) -> Result<Waited, NetError> {
    let mut before = 0;
    loop {
        if let Ok(frame) = timeout(patience, receiver.next_up_to(FRAME_BYTES_MAX)).await {
            return Ok(frame?.into());
        }
        let arrived = receiver.arrived_bytes();
        if before > 0 && arrived < before + PATIENCE_BYTES_MIN {
            return Ok(Waited::TooLong("a message did not go on"));
        }
        before = arrived;
    }
}

/// Sends frames together; false: the device takes nothing any more.
pub(super) async fn send(
    sender: &mut FrameSender,
    frames: Vec<Vec<u8>>,
    patience: Duration,
) -> Result<bool, NetError> {
    for frame in frames {
        if !sender.has_room_for(frame.len()) && !flush(sender, patience).await? {
            return Ok(false);
        }
        sender.queue(frame)?;
    }
    flush(sender, patience).await
}

async fn flush(sender: &mut FrameSender, patience: Duration) -> Result<bool, NetError> {
    loop {
        let before = sender.queued_bytes();
        if let Ok(sent) = timeout(patience, sender.flush()).await {
            return sent.map(|()| true);
        }
        if sender.queued_bytes() + PATIENCE_BYTES_MIN > before {
            return Ok(false);
        }
    }
}
