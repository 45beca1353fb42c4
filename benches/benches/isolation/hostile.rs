//! One device that means harm, in a process of its own: it floods the server with edits that are
//! refused, questions that cost much and answers that it does not read, and comes back as soon as it
//! is sent away. Beside it a stranger knocks all the time and talks nonsense.

use std::io::BufRead as _;
use std::time::Duration;

use tidegate::codec::{Inquiry, ToServer};
use tidegate::model::{DeviceNumber, EditId, RecordId};
use tidegate::net::system;
use tokio::sync::watch;

use crate::Outcome;
use crate::device::Wire;
use crate::office::{DEVICES, HOSTILE, Writer, key};

/// Edits in a change set of junk.
const JUNK_EDITS: u32 = 200;
/// Edits that one question asks about.
const ASKED: u64 = 100_000;
/// Knocks in a second.
const KNOCKS: u32 = 100;

/// Does harm while it is told `on`, until its input ends.
pub(crate) async fn run(address: String) -> Outcome<()> {
    let (tell, phase) = watch::channel(false);
    let tasks = [
        tokio::spawn(repeat(phase.clone(), address.clone(), Way::Junk)),
        tokio::spawn(repeat(phase.clone(), address.clone(), Way::Questions)),
        tokio::spawn(repeat(phase.clone(), address.clone(), Way::Deaf)),
        tokio::spawn(knock(phase, address)),
    ];
    let listening = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = tell.send(line == "on");
        }
    });
    listening.await?;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

#[derive(Clone, Copy)]
enum Way {
    Junk,
    Questions,
    Deaf,
}

/// Does it again and again while it is on.
async fn repeat(mut phase: watch::Receiver<bool>, address: String, way: Way) {
    for life in 1.. {
        if phase.wait_for(|is_on| *is_on).await.is_err() {
            return;
        }
        let mut off = phase.clone();
        tokio::select! {
            biased;
            _ = off.wait_for(|is_on| !*is_on) => {}
            // However it was sent away.
            _ = harm(&address, way, life) => {}
        }
        // Sent away, it comes again at once, but not in a loop that only burns its own processor.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn harm(address: &str, way: Way, life: u64) -> Outcome<()> {
    let mut wire = Wire::connect(&key(HOSTILE), address).await?;
    wire.greet().await?;
    let message = match way {
        Way::Questions => {
            let record = RecordId::from_bytes([7; 16]);
            let id = |counter| EditId { device: DeviceNumber(HOSTILE), counter, part: 0 };
            let edits = (0..ASKED).map(|it| Inquiry::of_record(id(it), record)).collect();
            Some(ToServer::Ask(edits))
        }
        Way::Deaf => {
            let record = RecordId::from_bytes([9; 16]);
            Some(ToServer::Fetch { table: "work_order".parse()?, record, pinned: false })
        }
        Way::Junk => None,
    };
    let Wire { mut sender, mut receiver, connection: _held, _endpoint } = wire;
    let reading = async {
        // The deaf one lets all answers wait.
        while !matches!(way, Way::Deaf) && receiver.next().await?.is_some() {}
        std::future::pending::<Outcome<()>>().await
    };
    let writing = async {
        let mut writer = Writer::new(HOSTILE, u64::from(std::process::id()) << 12 | life)?;
        for n in 0.. {
            let message = match &message {
                Some(message) => message.clone(),
                None => ToServer::Push(junk(&mut writer, n)?),
            };
            sender.send(tidegate::codec::encode_message(&message)?).await?;
        }
        Ok(())
    };
    tokio::select! { biased; done = writing => done, done = reading => done }
}

/// Records in the name of others.
fn junk(writer: &mut Writer, n: u32) -> Outcome<tidegate::codec::SignedChangeSet> {
    let mut made = Vec::new();
    for at in 0..JUNK_EDITS {
        let empty = writer.empty(n * JUNK_EDITS + at);
        let ops = Writer::create(1 + at % DEVICES)?;
        let edit = writer.edit(&empty, ops);
        made.push((empty, edit));
    }
    writer.sign(made)
}

/// Handshakes, each with another key, and nonsense after them.
async fn knock(mut phase: watch::Receiver<bool>, address: String) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / KNOCKS);
    let first = u32::try_from(system::now().as_millis() & 0xFFFF).unwrap_or_default() << 12;
    for number in 0.. {
        if phase.wait_for(|is_on| *is_on).await.is_err() {
            return;
        }
        ticks.tick().await;
        let stranger = key(HOSTILE + 1 + first + number);
        if let Ok(mut wire) = Wire::connect(&stranger, &address).await {
            let _ = wire.sender.send("nonsense").await;
        }
    }
}
