//! The way from the engine to one device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::inbox::Inbox;
use super::patience;
use crate::codec::{Refusal, ToDevice, encode_message};
use crate::limits::{GOODBYE_TIMEOUT, OUTBOUND_BYTES_MAX};
use crate::net::{Connection, FrameSender};
use crate::sync::server::ConnectionId;

/// The application's code for "refused" when a connection is closed.
pub(super) const CLOSE_REFUSED: u32 = 1;

enum Item {
    Frame { bytes: Vec<u8>, is_page: bool },
    Close { frame: Vec<u8>, reason: String },
}

/// Queues messages for one device.
pub(super) struct Outbound {
    items: mpsc::Sender<Item>,
    /// Bytes of messages that wait.
    bytes: Arc<AtomicUsize>,
}

/// Takes them out and writes them.
pub(super) struct Queue {
    items: mpsc::Receiver<Item>,
    bytes: Arc<AtomicUsize>,
}

pub(super) fn queue(messages_max: u32) -> (Outbound, Queue) {
    let length = usize::try_from(messages_max).unwrap_or(usize::MAX).max(1);
    let (sender, receiver) = mpsc::channel(length);
    let bytes = Arc::<AtomicUsize>::default();
    (Outbound { items: sender, bytes: Arc::clone(&bytes) }, Queue { items: receiver, bytes })
}

impl Outbound {
    /// Queues a message; false: the queue is full, or the message cannot be sent.
    pub(super) fn send(&self, message: &ToDevice) -> bool {
        let is_page = matches!(message, ToDevice::Page(_));
        let bytes = match encode_message(message) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, "a message cannot be sent");
                return false;
            }
        };
        if self.bytes.load(Ordering::Relaxed) > OUTBOUND_BYTES_MAX {
            return false;
        }
        self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        self.items.try_send(Item::Frame { bytes, is_page }).is_ok()
    }

    /// Whether so much waits that the device should read before it asks for more.
    pub(super) fn is_filling(&self) -> bool {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let is_filling =
            bytes > OUTBOUND_BYTES_MAX / 4 || self.items.capacity() < self.items.max_capacity() / 2;
        // What nobody writes any more nobody waits for.
        is_filling && !self.items.is_closed()
    }

    /// Queues the reason as the last message.
    pub(super) fn close(self, refusal: Refusal) {
        let reason = refusal.to_string();
        if let Ok(frame) = encode_message(&ToDevice::Refused(refusal)) {
            // A full queue means a device that does not read: it is cut off without a word.
            let _ = self.items.try_send(Item::Close { frame, reason });
        }
    }
}

impl Queue {
    /// Writes until the connection or the engine ends it, or the device takes nothing any more. The
    /// engine is told when a page is on its way, so that it makes the next.
    pub(super) async fn run(
        mut self,
        connection: Connection,
        sender: FrameSender,
        id: ConnectionId,
        (engine, patience): (Inbox, Duration),
    ) {
        self.write(connection, sender, id, (&engine, patience)).await;
        self.items.close();
        engine.wake();
    }

    async fn write(
        &mut self,
        connection: Connection,
        mut sender: FrameSender,
        id: ConnectionId,
        (engine, patience): (&Inbox, Duration),
    ) {
        while let Some(item) = self.items.recv().await {
            match item {
                Item::Frame { bytes, is_page } => {
                    let length = bytes.len();
                    match patience::send(&mut sender, bytes, patience).await {
                        Ok(true) => {}
                        Ok(false) => {
                            let reason = "this device reads too slowly";
                            tracing::info!(connection = id.0, reason, "refused");
                            connection.close(CLOSE_REFUSED, reason);
                            return;
                        }
                        Err(_) => {
                            // It may be there still, and not listen: then it is not heard either.
                            connection.close(0, "this device listens no more");
                            return;
                        }
                    }
                    self.bytes.fetch_sub(length, Ordering::Relaxed);
                    if is_page {
                        engine.writable(id);
                    } else {
                        engine.wake();
                    }
                }
                Item::Close { frame, reason } => {
                    let goodbye = async {
                        if sender.send(frame).await.is_ok() {
                            let _ = sender.finish().await;
                        }
                    };
                    // Who does not listen is cut off.
                    let _ = timeout(GOODBYE_TIMEOUT, goodbye).await;
                    connection.close(CLOSE_REFUSED, &reason);
                    return;
                }
            }
        }
        connection.close(0, "the server ended the session");
    }
}
