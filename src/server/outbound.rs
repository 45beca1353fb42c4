//! The way from the engine to one device.

use tokio::sync::mpsc;

use super::engine::Event;
use crate::codec::{Refusal, ToDevice, encode_message};
use crate::net::{Connection, FrameSender};
use crate::sync::server::ConnectionId;

/// The application's code for "refused" when a connection is closed.
const CLOSE_REFUSED: u32 = 1;

enum Item {
    Frame { bytes: Vec<u8>, is_page: bool },
    Close { frame: Vec<u8>, reason: String },
}

/// Queues messages for one device.
pub(super) struct Outbound(mpsc::Sender<Item>);

/// Takes them out and writes them.
pub(super) struct Queue(mpsc::Receiver<Item>);

pub(super) fn queue(messages_max: u32) -> (Outbound, Queue) {
    let length = usize::try_from(messages_max).unwrap_or(usize::MAX).max(1);
    let (sender, receiver) = mpsc::channel(length);
    (Outbound(sender), Queue(receiver))
}

impl Outbound {
    /// Queues a message; false: the queue is full, or the message cannot be sent.
    pub(super) fn send(&self, message: &ToDevice) -> bool {
        let is_page = matches!(message, ToDevice::Page(_));
        match encode_message(message) {
            Ok(bytes) => self.0.try_send(Item::Frame { bytes, is_page }).is_ok(),
            Err(error) => {
                tracing::error!(%error, "a message cannot be sent");
                false
            }
        }
    }

    /// Queues the reason as the last message.
    pub(super) fn close(self, refusal: Refusal) {
        let reason = refusal.to_string();
        if let Ok(frame) = encode_message(&ToDevice::Refused(refusal)) {
            // A full queue means a device that does not read: it is cut off without a word.
            let _ = self.0.try_send(Item::Close { frame, reason });
        }
    }
}

impl Queue {
    /// Writes until the connection or the engine ends it. The engine is told when a page is on its
    /// way, so that it makes the next.
    pub(super) async fn run(
        mut self,
        connection: Connection,
        mut sender: FrameSender,
        id: ConnectionId,
        engine: mpsc::Sender<Event>,
    ) {
        while let Some(item) = self.0.recv().await {
            match item {
                Item::Frame { bytes, is_page } => {
                    if sender.send(bytes).await.is_err() {
                        return;
                    }
                    if is_page {
                        // An engine that has stopped drops this queue too.
                        let _ = engine.send(Event::Writable { id }).await;
                    }
                }
                Item::Close { frame, reason } => {
                    if sender.send(frame).await.is_ok() {
                        let _ = sender.finish().await;
                    }
                    connection.close(CLOSE_REFUSED, &reason);
                    return;
                }
            }
        }
        connection.close(0, "the server ended the session");
    }
}
