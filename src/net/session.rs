//! The stream of a session, and who opens it.
//!
//! The server does, and has the first word; but for a device that was greeted by this very server before.
//! It resumes that connection, opens the stream itself, and says in its first flight what it would answer to
//! the greeting. The server decides: it takes the device's stream where one is there before the handshake is
//! over, else it opens its own; the device goes by what comes first.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{
    Connection, Dialled, EarlyConnection, EarlyPeer, Endpoint, FrameReceiver, FrameSender,
    Incoming, NetError, TransportOptions,
};

/// What is said to a server that was here before.
#[derive(Debug)]
pub struct FirstWords {
    /// Frames.
    pub frames: Vec<Vec<u8>>,
    /// The network address from which it answered.
    pub answered: SocketAddr,
}

/// A connection with the stream of its session.
#[derive(Debug)]
pub struct SessionStream {
    /// The connection.
    pub connection: Connection,
    /// What is said on the stream.
    pub sender: FrameSender,
    /// What is heard on it.
    pub receiver: FrameReceiver,
    /// Whether the device spoke first: it needs no greeting.
    pub device_spoke: bool,
    /// How many bytes this side said on the stream before the handshake was over: they went out with it.
    pub early_bytes: u64,
}

impl Endpoint {
    /// Connects like [`Self::connect`], and waits for the stream that the server opens. Where `first` is
    /// something to say to a server that is known, and the connection can be resumed, it is said at once, on
    /// a stream of this side's.
    ///
    /// Cancel-safe: dropping it gives up.
    ///
    /// # Errors
    /// Those of [`Self::connect`], or the connection is lost.
    pub async fn open_session(
        &self,
        address: &str,
        options: TransportOptions,
        first: Option<FirstWords>,
    ) -> Result<SessionStream, NetError> {
        let connection = match first {
            None => self.connect(address, options).await?,
            Some(FirstWords { frames, answered }) => {
                match self.connect_early(address, options, Some(answered)).await? {
                    Dialled::Early(early) => return speak(early, frames).await,
                    Dialled::Full(connection) => connection,
                }
            }
        };
        greeted(connection).await
    }
}

async fn greeted(connection: Connection) -> Result<SessionStream, NetError> {
    let (sender, receiver) = connection.accept_stream().await?;
    Ok(SessionStream { connection, sender, receiver, device_spoke: false, early_bytes: 0 })
}

async fn speak(early: EarlyConnection, first: Vec<Vec<u8>>) -> Result<SessionStream, NetError> {
    let said = say(&early, first).await;
    // Where nothing could be said, the handshake knows why.
    let (connection, accepted) = early.confirmed().await?;
    if !accepted {
        return greeted(connection).await;
    }
    let (sender, mut receiver) = said?;
    tokio::select! {
        biased;
        arrived = receiver.arrives() => {
            arrived?;
            let early_bytes = sender.sent_bytes();
            Ok(SessionStream { connection, sender, receiver, device_spoke: true, early_bytes })
        }
        // What was said early came too late.
        opened = connection.accept_stream() => {
            let (sender, receiver) = opened?;
            Ok(SessionStream { connection, sender, receiver, device_spoke: false, early_bytes: 0 })
        }
    }
}

async fn say(
    early: &EarlyConnection,
    first: Vec<Vec<u8>>,
) -> Result<(FrameSender, FrameReceiver), NetError> {
    let (mut sender, receiver) = early.open().await?;
    for frame in first {
        sender.queue(Bytes::from(frame))?;
    }
    sender.flush().await?;
    Ok((sender, receiver))
}

impl Incoming {
    /// Does the handshake like [`Self::handshake_early`], and takes the stream that the device has opened, or
    /// opens one.
    ///
    /// Not cancel-safe: dropping it drops the connection.
    ///
    /// # Errors
    /// Those of [`Self::handshake`], or the connection is lost.
    pub async fn open_session(self) -> Result<(SessionStream, EarlyPeer), NetError> {
        let (connection, mut early) = self.handshake_early().await?;
        let own = tokio::select! {
            biased;
            opened = connection.accept_stream() => Some(opened?),
            established = early.established() => {
                established?;
                None
            }
        };
        let device_spoke = own.is_some();
        let (sender, receiver) = match own {
            Some(stream) => stream,
            None => connection.open().await?,
        };
        let stream = SessionStream { connection, sender, receiver, device_spoke, early_bytes: 0 };
        Ok((stream, early))
    }
}
