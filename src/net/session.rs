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
                    Dialled::Early(early) => match speak(early, frames).await? {
                        Some(stream) => return Ok(stream),
                        None => self.connect(address, options).await?,
                    },
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

/// `None`: nothing was said, but a stream was opened that the server may take for the session's. It is
/// another one than was known, so nothing may be said to it either: the connection was closed.
async fn speak(
    early: EarlyConnection,
    first: Vec<Vec<u8>>,
) -> Result<Option<SessionStream>, NetError> {
    let said = say(&early, first).await;
    let was_late = said.as_ref().is_ok_and(|(_, receiver)| !receiver.is_early());
    // Where nothing could be said, the handshake knows why.
    let (connection, accepted) = early.confirmed().await?;
    if !accepted && was_late {
        connection.close(0, "too late to be early");
        return Ok(None);
    }
    if !accepted {
        return greeted(connection).await.map(Some);
    }
    let (mut sender, mut receiver) = said?;
    let early_bytes = sender.sent_bytes();
    sender.flush().await?;
    tokio::select! {
        biased;
        arrived = receiver.arrives() => {
            arrived?;
            Ok(Some(SessionStream { connection, sender, receiver, device_spoke: true, early_bytes }))
        }
        // What was said early came too late.
        opened = connection.accept_stream() => {
            let (sender, receiver) = opened?;
            Ok(Some(SessionStream { connection, sender, receiver, device_spoke: false, early_bytes: 0 }))
        }
    }
}

/// Opens a stream and says it, but where the handshake is over by now: then it stays in the queue until one knows
/// to whom.
async fn say(
    early: &EarlyConnection,
    first: Vec<Vec<u8>>,
) -> Result<(FrameSender, FrameReceiver), NetError> {
    let (mut sender, receiver) = early.open().await?;
    for frame in first {
        sender.queue(Bytes::from(frame))?;
    }
    if receiver.is_early() {
        sender.flush().await?;
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::SecretKey;

    /// A former endpoint lets go of its port a moment after it is dropped.
    async fn server(address: SocketAddr) -> Endpoint {
        let key = SecretKey::from_seed([1; 32]);
        within(async {
            loop {
                match Endpoint::server(address, &key, TransportOptions::server()) {
                    Err(NetError::PortInUse(_)) => tokio::task::yield_now().await,
                    other => break other.unwrap(),
                }
            }
        })
        .await
    }

    async fn within<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), future).await.expect("it took too long")
    }

    /// A device that was held up until the handshake was over used to open a stream that a restarted server
    /// took for the session's, while the device waited for the server's: for good.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_is_too_late_to_speak_first_says_nothing_and_begins_again() {
        let client = Endpoint::client(&SecretKey::from_seed([2; 32])).unwrap();
        let first = server(([127, 0, 0, 1], 0).into()).await;
        let address = first.local_addr().unwrap();
        let (options, target) = (TransportOptions::short(), address.to_string());
        let take = async { first.accept().await.unwrap().open_session().await.unwrap() };
        let (made, taken) =
            within(async { tokio::join!(client.connect(&target, options), take) }).await;
        // With a frame of it comes the session to resume.
        let (made, (mut taken, _)) = (made.unwrap(), taken);
        taken.sender.send("!").await.unwrap();
        let mut opened = within(made.accept_stream()).await.unwrap();
        assert_eq!(within(opened.1.next()).await.unwrap().unwrap(), "!");
        within(first.close("")).await;
        drop((first, taken, made, opened));

        // Another process with the same key: it resumes no session of the former.
        let again = server(address).await;
        let take = tokio::spawn(async move {
            let session = again.accept().await.unwrap().open_session().await;
            (again, session.map(|(session, _)| session))
        });
        let early = match within(client.connect_early(&target, options, None)).await.unwrap() {
            Dialled::Early(early) => early,
            Dialled::Full(_) => panic!("no session was resumed"),
        };
        let over = async {
            while early.inner.stats().frame_rx.handshake_done == 0 {
                tokio::task::yield_now().await;
            }
        };
        within(over).await;
        let spoken = within(speak(early, vec![b"?".to_vec()])).await.unwrap();
        assert!(spoken.is_none());
        let (_again, session) = within(take).await.unwrap();
        // At most a stream on which nothing came.
        if let Ok(SessionStream { mut receiver, .. }) = session {
            assert!(within(receiver.next()).await.is_err());
        }
    }
}
