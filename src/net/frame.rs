//! Frames on a stream: a length as a varint, and so many bytes of payload.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use quinn::{RecvStream, SendStream};

use super::NetError;
use crate::limits::{FRAME_BYTES_MAX, SEND_QUEUE_BYTES_MAX};

/// What the length of a frame takes at most: seven bits in each byte, the lowest first; all but the last have
/// the highest bit set.
const LENGTH_BYTES: usize = 4;

const _: () = assert!(FRAME_BYTES_MAX < 1 << (7 * LENGTH_BYTES));

fn length_bytes(mut length: u32) -> Bytes {
    let mut bytes = Vec::with_capacity(LENGTH_BYTES);
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push((length & 0x7f) as u8);
    bytes.into()
}

/// The length that bytes begin with, and how many bytes tell it; `None`: there is more of it to come.
fn length_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let told = bytes.iter().take(LENGTH_BYTES).position(|byte| byte & 0x80 == 0);
    let told =
        told.map(|last| last + 1).or((bytes.len() >= LENGTH_BYTES).then_some(LENGTH_BYTES))?;
    let seven = |length: usize, byte: &u8| length << 7 | usize::from(byte & 0x7f);
    let length = bytes.iter().take(told).rev().fold(0, seven);
    // One that goes on is longer than any.
    let goes_on = bytes.get(told - 1).is_some_and(|last| last & 0x80 != 0);
    Some((if goes_on { usize::MAX } else { length }, told))
}

/// The half of a stream that sends frames.
///
/// Dropping it finishes the stream: what was written still goes out as long as the connection
/// stays open, what was only queued does not.
#[derive(Debug)]
pub struct FrameSender {
    stream: SendStream,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    sent_bytes: u64,
}

impl FrameSender {
    pub(super) fn new(stream: SendStream) -> Self {
        Self { stream, queue: VecDeque::new(), queued_bytes: 0, sent_bytes: 0 }
    }

    /// Puts a frame into the queue; [`Self::flush`] sends it.
    ///
    /// # Errors
    /// The frame is over [`FRAME_BYTES_MAX`], or the queue over [`SEND_QUEUE_BYTES_MAX`]; then
    /// nothing was queued.
    pub fn queue(&mut self, payload: impl Into<Bytes>) -> Result<(), NetError> {
        let payload: Bytes = payload.into();
        let bytes = payload.len();
        let length = u32::try_from(bytes)
            .ok()
            .filter(|_| bytes <= FRAME_BYTES_MAX)
            .ok_or(NetError::FrameTooLarge { bytes, bound: FRAME_BYTES_MAX })?;
        let queued = self.queued_bytes;
        if !self.has_room_for(bytes) {
            return Err(NetError::SendQueueFull { queued, bytes, bound: SEND_QUEUE_BYTES_MAX });
        }
        let length = length_bytes(length);
        self.queued_bytes += length.len() + bytes;
        self.queue.push_back(length);
        if !payload.is_empty() {
            self.queue.push_back(payload);
        }
        Ok(())
    }

    /// Hands everything queued to the connection, waiting where the peer takes no more.
    ///
    /// Cancel-safe: what was not handed over stays queued, and the next call goes on there.
    ///
    /// # Errors
    /// The connection or the stream is gone.
    pub async fn flush(&mut self) -> Result<(), NetError> {
        while !self.queue.is_empty() {
            let written = self.stream.write_chunks(self.queue.make_contiguous()).await?;
            self.queue.drain(..written.chunks);
            self.queued_bytes -= written.bytes;
            self.sent_bytes += written.bytes as u64;
        }
        Ok(())
    }

    /// Queues a frame, behind which others may follow at once; sends what is queued where there is no room
    /// for it.
    ///
    /// Not cancel-safe: whether the frame is queued is not known.
    ///
    /// # Errors
    /// The frame is too large, or the connection or the stream is gone.
    pub async fn gather(&mut self, payload: impl Into<Bytes>) -> Result<(), NetError> {
        let payload = payload.into();
        if !self.has_room_for(payload.len()) {
            self.flush().await?;
        }
        self.queue(payload)
    }

    /// Whether a frame of so many bytes can be queued.
    #[must_use]
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.queued_bytes + LENGTH_BYTES + bytes <= SEND_QUEUE_BYTES_MAX
    }

    /// Queues a frame and flushes.
    ///
    /// Cancel-safe in this sense: once polled, the frame is queued, and the next [`Self::flush`]
    /// or `send` sends the rest of it. Do not send it again.
    ///
    /// # Errors
    /// The frame is too large, or the connection or the stream is gone.
    pub async fn send(&mut self, payload: impl Into<Bytes>) -> Result<(), NetError> {
        self.queue(payload)?;
        self.flush().await
    }

    /// Bytes queued and not yet handed to the connection.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Bytes handed to the connection so far: of frames, with their lengths.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Sends what is queued, ends the stream, and waits until the peer's machine has all of it
    /// (not: until the peer has read it). After this the connection can be closed with no loss.
    ///
    /// Cancel-safe: call it again.
    ///
    /// # Errors
    /// The connection is gone, or the peer gave up reading.
    pub async fn finish(&mut self) -> Result<(), NetError> {
        self.flush().await?;
        // An error only says that it was finished before.
        self.stream.finish().ok();
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(code)) => Err(NetError::StreamReset { code: code.into_inner() }),
            Err(quinn::StoppedError::ConnectionLost(e)) => Err(e.into()),
            Err(quinn::StoppedError::ZeroRttRejected) => Err(NetError::EarlyRefused),
        }
    }
}

/// The half of a stream that receives frames.
///
/// It holds at most one frame, and no more memory than has arrived: a length that is only
/// announced reserves nothing.
#[derive(Debug)]
pub struct FrameReceiver {
    stream: RecvStream,
    buffer: BytesMut,
    received_bytes: u64,
}

impl FrameReceiver {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream, buffer: BytesMut::new(), received_bytes: 0 }
    }

    /// The next frame; `None` when the peer has finished the stream.
    ///
    /// Cancel-safe: what has arrived of a frame is kept for the next call.
    ///
    /// # Errors
    /// The frame announced is over [`FRAME_BYTES_MAX`], the stream ends within a frame, or the
    /// connection or the stream is gone. No further frame can be read then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, NetError> {
        self.next_up_to(FRAME_BYTES_MAX).await
    }

    /// As [`Self::next`], of a frame of no more than so many bytes.
    ///
    /// Cancel-safe in the same way.
    ///
    /// # Errors
    /// As [`Self::next`], with that bound.
    pub async fn next_up_to(&mut self, bound: usize) -> Result<Option<Bytes>, NetError> {
        loop {
            let (told, expected) = self.expected_bytes(bound)?;
            let got = self.buffer.len();
            if told > 0 && got == expected {
                let mut frame = self.buffer.split().freeze();
                frame.advance(told);
                return Ok(Some(frame));
            }
            // Never past the end of this frame.
            match self.stream.read_chunk(expected - got, true).await? {
                Some(chunk) => self.take(&chunk.bytes),
                None if got == 0 => return Ok(None),
                None => return Err(NetError::FrameTruncated { got, expected }),
            }
        }
    }

    /// Waits until something of the next frame is here, or the stream has ended.
    ///
    /// Cancel-safe: what has arrived is kept.
    ///
    /// # Errors
    /// The connection or the stream is gone.
    pub async fn arrives(&mut self) -> Result<(), NetError> {
        if self.buffer.is_empty()
            && let Some(chunk) = self.stream.read_chunk(1, true).await?
        {
            self.take(&chunk.bytes);
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.received_bytes += bytes.len() as u64;
    }

    /// Bytes taken from the stream so far: of frames, with their lengths.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Bytes that have arrived of the next frame, its length field included.
    #[must_use]
    pub fn arrived_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the peer opened this stream before the handshake was over: somebody else may have
    /// recorded and sent again what came first.
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.stream.is_0rtt()
    }

    /// How many bytes tell the length of the frame at the front, none if it is not known yet; and how long it
    /// is with them, or what is here and one byte more.
    fn expected_bytes(&self, bound: usize) -> Result<(usize, usize), NetError> {
        let Some((bytes, told)) = length_of(&self.buffer) else {
            return Ok((0, self.buffer.len() + 1));
        };
        let bound = bound.min(FRAME_BYTES_MAX);
        if bytes > bound {
            return Err(NetError::FrameTooLarge { bytes, bound });
        }
        Ok((told, told + bytes))
    }
}
