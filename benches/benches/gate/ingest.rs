//! Ten thousand small change sets of a hundred devices, until all are durable and answered.

use std::collections::VecDeque;

use tidegate::codec::{
    Resume, SecretKey, SignedChangeSet, ToDevice, ToServer, decode_message, encode_message,
};
use tidegate::model::DeviceNumber;
use tidegate::net::{Endpoint, FrameReceiver, FrameSender, TransportOptions};
use tidegate::server::{Server, ServerOptions};
use tidegate::sync::ServerStore as _;

use crate::world::{DEVICES, Engine, RECORDS, World};
use crate::{Outcome, timed};

const CHANGES: u32 = DEVICES * RECORDS;
/// Over sockets each of them goes back to every device: these are fewer.
const OVER_SOCKETS: u32 = 1_000;
/// What the server's engine takes at most before it writes.
const ROUND: usize = 1_024;

pub(crate) fn run() -> Outcome<()> {
    println!("durable ingest of {CHANGES} change sets of one change, of {DEVICES} devices");
    for round in [ROUND, 100, 1] {
        let dir = tempfile::tempdir()?;
        let (mut world, mut engine) = World::new(&dir.path().join("ingest.redb"))?;
        let (seconds, sets) = by_machine(&mut world, &mut engine, round)?;
        line(&format!("machine and file on one thread, {round} a commit"), sets, seconds);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let seconds = runtime.block_on(by_server())?;
    line("1000 of them, a server and its devices over QUIC", OVER_SOCKETS, seconds);
    Ok(())
}

fn line(what: &str, sets: u32, seconds: f64) {
    println!("  {what:<50} {:>8.0} changes/s", f64::from(sets) / seconds);
}

/// One change of each of a device's records, in turn with the other devices.
fn frames(world: &mut World) -> Outcome<VecDeque<(DeviceNumber, Vec<u8>)>> {
    let table = world.table()?;
    let mut frames = VecDeque::new();
    for n in 0..RECORDS as usize {
        for device in &mut world.devices {
            let set: SignedChangeSet = device.change(&table, n)?;
            frames.push_back((device.number, encode_message(&ToServer::Push(set))?));
        }
    }
    Ok(frames)
}

/// As the engine does it, with so many events a round: decode, judge, write, make pages.
fn by_machine(world: &mut World, engine: &mut Engine, round: usize) -> Outcome<(f64, u32)> {
    let mut frames = frames(world)?;
    // With a commit for each, a tenth tells as much.
    frames.truncate(if round == 1 { frames.len() / 10 } else { frames.len() });
    let (head, count) = (engine.store.meta()?.head.0, frames.len());
    let (seconds, ()) = timed(|| {
        while !frames.is_empty() {
            let mut arrived = Vec::new();
            for (device, frame) in frames.drain(..round.min(frames.len())) {
                let ToServer::Push(set) = decode_message(&frame)? else { continue };
                arrived.push((device, set));
            }
            engine.push(arrived)?;
        }
        Ok(())
    })?;
    assert_eq!(engine.store.meta()?.head.0 - head, u64::try_from(count)?, "all are admitted");
    Ok((seconds, u32::try_from(count)?))
}

/// The real server on its socket, and each device on a connection of its own, in this process.
async fn by_server() -> Outcome<f64> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("server.redb");
    let (mut world, engine) = World::new(&path)?;
    drop(engine);
    let mut frames = frames(&mut world)?;
    frames.truncate(usize::try_from(OVER_SOCKETS)?);
    let options = ServerOptions {
        goes_on: false,
        listen: "127.0.0.1:0".parse()?,
        file: &path,
        identity: world.identity.clone(),
        tls_key: world.tls_key.clone(),
        rules: world.rules()?,
    };
    let server = Server::start(options)?;
    let address = server.local_addr()?.to_string();
    let head = server.status().await?.meta.head.0;
    let mut clients = Vec::new();
    for device in &world.devices {
        let own = frames.iter().filter(|(number, _)| *number == device.number);
        let own: Vec<_> = own.map(|(_, frame)| frame.clone()).collect();
        clients.push((Client::connect(&device.key, &address).await?, own));
    }
    let seconds = at_once(clients).await?;
    let admitted = server.status().await?.meta.head.0 - head;
    assert_eq!(admitted, u64::from(OVER_SOCKETS), "all are admitted");
    server.stop().await;
    Ok(seconds)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
async fn at_once(clients: Vec<(Client, Vec<Vec<u8>>)>) -> Outcome<f64> {
    let start = std::time::Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for (client, frames) in clients {
        all.spawn(async move { client.push(frames).await.map_err(|it| it.to_string()) });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// The bare wire of a device: it sends what it has, and reads to the end of what it is told.
struct Client {
    sender: FrameSender,
    receiver: FrameReceiver,
    // Dropped, they would close the connection.
    _connection: tidegate::net::Connection,
    _endpoint: Endpoint,
}

impl Client {
    async fn connect(key: &SecretKey, address: &str) -> Outcome<Self> {
        let endpoint = Endpoint::client(key)?;
        let connection = endpoint.connect(address, TransportOptions::live()).await?;
        let (sender, receiver) = connection.accept_stream().await?;
        let mut client = Self { sender, receiver, _connection: connection, _endpoint: endpoint };
        let hello = ToServer::Hello(Box::<Resume>::default());
        client.sender.send(encode_message(&hello)?).await?;
        client.flush(1).await?;
        client.until_flushed(1).await?;
        Ok(client)
    }

    async fn flush(&mut self, number: u32) -> Outcome<()> {
        Ok(self.sender.send(encode_message(&ToServer::Flush { number })?).await?)
    }

    async fn until_flushed(&mut self, flushed: u32) -> Outcome<()> {
        loop {
            let frame = self.receiver.next().await?.ok_or("the server ended the session")?;
            match decode_message::<ToDevice>(&frame)? {
                ToDevice::Flushed { number, .. } if number == flushed => return Ok(()),
                ToDevice::Refused(refusal) => return Err(refusal.into()),
                _ => {}
            }
        }
    }

    /// Sends all, and returns when the server has answered all: each is durable.
    async fn push(mut self, frames: Vec<Vec<u8>>) -> Outcome<()> {
        for frame in frames {
            self.sender.queue(frame)?;
        }
        self.sender.flush().await?;
        self.flush(2).await?;
        self.until_flushed(2).await
    }
}
