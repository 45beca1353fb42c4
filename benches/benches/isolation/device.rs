//! The wire of a device, and a light device on it: it edits now and then, and says how long it took
//! until the edit was admitted.

use std::time::{Duration, Instant};

use tidegate::codec::{
    Entry, Resume, SecretKey, ToDevice, ToServer, decode_message, encode_message,
};
use tidegate::crdt::Record;
use tidegate::model::EditId;
use tidegate::net::{Connection, Endpoint, FrameReceiver, FrameSender, TransportOptions};
use tokio::sync::mpsc;
use tokio::time::{interval_at, timeout};

use crate::Outcome;
use crate::office::{Writer, key};

/// Records of a device: each is edited too seldom for its history to begin anew.
const RECORDS: u32 = 20;
/// Time between two edits of a device.
const EVERY: Duration = Duration::from_secs(5);
/// An edit without an answer for so long is lost.
const LOST: Duration = Duration::from_secs(60);

/// The bare wire of a device.
pub(crate) struct Wire {
    pub(crate) sender: FrameSender,
    pub(crate) receiver: FrameReceiver,
    pub(crate) connection: Connection,
    // Dropped, it would end the connection.
    pub(crate) _endpoint: Endpoint,
}

impl Wire {
    pub(crate) async fn connect(key: &SecretKey, address: &str) -> Outcome<Self> {
        let endpoint = Endpoint::client(key)?;
        let connection = endpoint.connect(address, TransportOptions::live()).await?;
        let (sender, receiver) = connection.accept_stream().await?;
        Ok(Self { sender, receiver, connection, _endpoint: endpoint })
    }

    /// Opens the session of an enrolled device.
    pub(crate) async fn greet(&mut self) -> Outcome<()> {
        self.send(&ToServer::Hello(Box::<Resume>::default())).await?;
        loop {
            match self.next().await? {
                ToDevice::Welcome { .. } => return Ok(()),
                ToDevice::Refused(refusal) => return Err(refusal.into()),
                _ => {}
            }
        }
    }

    /// Whether a message says that all that there was is there.
    fn has_all(message: &ToDevice) -> bool {
        let ToDevice::Page(page) = message else { return false };
        page.scope.as_ref().is_some_and(|scope| scope.complete && scope.target.is_none())
    }

    pub(crate) async fn send(&mut self, message: &ToServer) -> Outcome<()> {
        Ok(self.sender.send(encode_message(message)?).await?)
    }

    pub(crate) async fn next(&mut self) -> Outcome<ToDevice> {
        let frame = self.receiver.next().await?.ok_or("the server ended the session")?;
        Ok(decode_message(&frame)?)
    }
}

/// An edit that was answered.
pub(crate) struct Admitted {
    pub(crate) edit: EditId,
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
}

/// Edits until nobody listens any more.
pub(crate) async fn run(
    number: u32,
    address: String,
    told: mpsc::UnboundedSender<Admitted>,
    devices: u32,
) -> Outcome<()> {
    let mut wire = Wire::connect(&key(number), &address).await?;
    wire.greet().await?;
    // What is made while rows are looked through for it might begin anew.
    while !Wire::has_all(&wire.next().await?) {}
    let mut writer = Writer::new(number, 0)?;
    let mut records = Vec::new();
    for n in 0..RECORDS {
        let empty = writer.empty(n);
        let ops = Writer::create(number)?;
        let edit = writer.edit(&empty, ops);
        records.push(Record::from_edit(&edit)?);
        admitted(&mut wire, &writer, empty, edit, None).await?;
    }
    // All devices take turns, evenly.
    let begin = tokio::time::Instant::now() + EVERY * number / devices;
    let mut ticks = interval_at(begin, EVERY);
    for n in (0..records.len()).cycle() {
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => break,
                message = wire.next() => drop(message?),
            }
        }
        let record = records.get(n).ok_or("a record")?.clone();
        let ops = writer.change()?;
        let edit = writer.edit(&record, ops);
        records.get_mut(n).ok_or("a record")?.merge(&edit)?;
        if !admitted(&mut wire, &writer, record, edit, Some(&told)).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends an edit and waits until it is admitted. Returns whether anybody wants to know.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
async fn admitted(
    wire: &mut Wire,
    writer: &Writer,
    record: Record,
    edit: tidegate::model::Edit,
    told: Option<&mpsc::UnboundedSender<Admitted>>,
) -> Outcome<bool> {
    let id = edit.id;
    let signed = writer.sign(vec![(record, edit)])?;
    let sent = Instant::now();
    wire.send(&ToServer::Push(signed)).await?;
    let answer = async {
        loop {
            match wire.next().await? {
                ToDevice::Page(page)
                    if page
                        .entries
                        .iter()
                        .any(|it| matches!(it, Entry::Own { id: own, .. } if *own == id)) =>
                {
                    return Outcome::Ok(());
                }
                ToDevice::Verdicts(verdicts) => return Err(format!("{verdicts:?}").into()),
                ToDevice::Refused(refusal) => return Err(refusal.into()),
                _ => {}
            }
        }
    };
    timeout(LOST, answer).await.map_err(|_| "an edit is not answered")??;
    let admitted = Admitted { edit: id, sent, took: sent.elapsed() };
    Ok(told.is_none_or(|told| told.send(admitted).is_ok()))
}
