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
    Frames(Gathered),
    Close { frame: Vec<u8>, reason: String },
}

/// What one round has to say: it goes out together, so that small messages share a packet.
#[derive(Default)]
struct Gathered {
    frames: Vec<Vec<u8>>,
    has_page: bool,
}

impl Gathered {
    fn bytes(&self) -> usize {
        self.frames.iter().map(Vec::len).sum()
    }
}

/// How much waits for one device.
#[derive(Default)]
struct Load {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// Queues messages for one device.
pub(super) struct Outbound {
    items: mpsc::UnboundedSender<Item>,
    gathered: Gathered,
    load: Arc<Load>,
    messages_max: usize,
}

/// Takes them out and writes them.
pub(super) struct Queue {
    items: mpsc::UnboundedReceiver<Item>,
    load: Arc<Load>,
}

pub(super) fn queue(messages_max: u32) -> (Outbound, Queue) {
    let messages_max = usize::try_from(messages_max).unwrap_or(usize::MAX).max(1);
    let (sender, receiver) = mpsc::unbounded_channel();
    let load = Arc::<Load>::default();
    let (gathered, waits) = (Gathered::default(), Arc::clone(&load));
    let outbound = Outbound { items: sender, gathered, load: waits, messages_max };
    (outbound, Queue { items: receiver, load })
}

impl Outbound {
    /// Takes a message that [`Self::send`] queues; false: too much waits, or the message cannot be sent.
    pub(super) fn gather(&mut self, message: &ToDevice) -> bool {
        let bytes = match encode_message(message) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, "a message cannot be sent");
                return false;
            }
        };
        let Load { messages, bytes: waiting } = &*self.load;
        if waiting.load(Ordering::Relaxed) > OUTBOUND_BYTES_MAX
            || messages.load(Ordering::Relaxed) >= self.messages_max
        {
            return false;
        }
        waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        messages.fetch_add(1, Ordering::Relaxed);
        self.gathered.has_page |= matches!(message, ToDevice::Page(_));
        self.gathered.frames.push(bytes);
        true
    }

    /// Queues what was gathered.
    pub(super) fn send(&mut self) {
        if !self.gathered.frames.is_empty() {
            // Whoever writes may be gone: then the engine will hear of it.
            let _ = self.items.send(Item::Frames(std::mem::take(&mut self.gathered)));
        }
    }

    /// Whether so much waits that the device should read before it asks for more.
    pub(super) fn is_filling(&self) -> bool {
        let (messages, bytes) =
            (self.load.messages.load(Ordering::Relaxed), self.load.bytes.load(Ordering::Relaxed));
        let is_filling = bytes > OUTBOUND_BYTES_MAX / 4 || messages > self.messages_max / 2;
        // What nobody writes any more nobody waits for.
        is_filling && !self.items.is_closed()
    }

    /// Queues the reason as the last message.
    pub(super) fn close(mut self, refusal: Refusal) {
        self.send();
        let reason = refusal.to_string();
        if let Ok(frame) = encode_message(&ToDevice::Refused(refusal)) {
            let _ = self.items.send(Item::Close { frame, reason });
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
                Item::Frames(gathered) => {
                    let (messages, bytes) = (gathered.frames.len(), gathered.bytes());
                    match patience::send(&mut sender, gathered.frames, patience).await {
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
                    self.load.messages.fetch_sub(messages, Ordering::Relaxed);
                    self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
                    if gathered.has_page {
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
