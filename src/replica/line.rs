//! The stream of a session, with a count of what its bytes were for.

use std::sync::Arc;

use super::{Shared, SyncError};
use crate::codec::{ToDevice, ToServer, decode_message, encode_message};
use crate::model::{Ledger, Spent};
use crate::net::{Connection, SessionStream, Traffic};

/// The stream, and what went over it so far. When it is dropped, that is counted.
pub(super) struct Line {
    shared: Arc<Shared>,
    stream: SessionStream,
    said: Spent,
    heard: Spent,
    /// Bytes of the records and edits in pages that came, as rows.
    pub(super) page_bytes: u64,
    counted: Option<(Traffic, Ledger)>,
}

impl Line {
    /// `said`: what this side said on the stream already.
    pub(super) fn new(shared: Arc<Shared>, stream: SessionStream, said: Spent) -> Self {
        Self { shared, stream, said, heard: Spent::default(), page_bytes: 0, counted: None }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.stream.connection
    }

    pub(super) fn device_spoke(&self) -> bool {
        self.stream.device_spoke
    }

    /// Queues a message, and sends what is queued where there is no room for it.
    pub(super) async fn say(&mut self, message: &ToServer) -> Result<(), SyncError> {
        let bytes = encode_message(message)?;
        self.said += message.weigh(&bytes);
        Ok(self.stream.sender.gather(bytes).await?)
    }

    /// Sends what is queued.
    pub(super) async fn flush(&mut self) -> Result<(), SyncError> {
        Ok(self.stream.sender.flush().await?)
    }

    /// The next message. Cancel-safe.
    pub(super) async fn hear(&mut self) -> Result<ToDevice, SyncError> {
        let Some(frame) = self.stream.receiver.next().await? else { return Err(SyncError::Ended) };
        let message: ToDevice = decode_message(&frame)?;
        self.heard += message.weigh(&frame);
        if let ToDevice::Page(page) = &message {
            self.page_bytes = self.page_bytes.saturating_add(page.row_bytes());
        }
        Ok(message)
    }

    /// Sends all, and waits until the other side has it.
    pub(super) async fn finish(&mut self) {
        // Where the connection is gone, so is what is missing.
        let _ = self.stream.sender.finish().await;
    }

    /// What the session came to on the wire. From now on it counts as over.
    pub(super) fn count(&mut self) -> (Traffic, Ledger) {
        if let Some(counted) = self.counted {
            return counted;
        }
        let SessionStream { connection, sender, receiver, early_bytes, .. } = &self.stream;
        let (all, handshake) = (connection.stats(), connection.handshake());
        let before = handshake.sent_bytes.saturating_sub(*early_bytes);
        let sent = self.said.in_packets(sender.sent_bytes(), before, all.sent_bytes);
        let (heard, before) = (receiver.received_bytes(), handshake.received_bytes);
        let received = self.heard.in_packets(heard, before, all.received_bytes);
        let ledger = Ledger { sent, received };
        self.shared.count_bytes(ledger);
        *self.counted.insert((all, ledger))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.count();
    }
}
