//! What one device does, or does not do, is no trouble for another. Each device here is made by hand,
//! so that it can do what Tidegate's own never would.

use std::time::Duration;

use tidegate::codec::{
    Inquiry, Refusal, Resume, SecretKey, ToDevice, ToServer, decode_message, encode_message,
};
use tidegate::limits::{
    ASKED_AT_ONCE_MAX, CONNECTIONS_PER_DEVICE_MAX, FRAME_BYTES_MAX, GREETING_BYTES_MAX,
    HANDSHAKES_AT_ONCE_TIMES, OFFENCE_MIN, OUTBOUND_BYTES_MAX,
};
use tidegate::model::{Columns, DeviceNumber, EditId, RecordId, Value};
use tidegate::net::{Connection, Endpoint, FrameReceiver, FrameSender, NetError, TransportOptions};
use tidegate::replica::{FileKeyStore, KeyStore as _, Replica};
use tidegate::server::{Home, InitOptions, Limits, Server};

use crate::common::{key, within};
use crate::raw_peer::{self, Claim};

struct World {
    dir: tempfile::TempDir,
    home: Home,
    server: Server,
}

impl World {
    fn start(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = Some("127.0.0.1:0".parse().unwrap());
        let options = InitOptions { listen, ..InitOptions::default() };
        let home = Home::init(&dir.path().join("server"), &options).unwrap();
        let rules = home.rules().unwrap();
        let server = tidegate::server::ServerOptions {
            goes_on: false,
            listen: "127.0.0.1:0".parse().unwrap(),
            file: &home.data_file(),
            identity: home.identity(),
            tls_key: home.tls_key().clone(),
            rules,
        };
        let server = Server::start_within(server, limits).unwrap();
        Self { dir, home, server }
    }

    fn impatient() -> Self {
        Self::start(Limits { patience_seconds: 1, ..Limits::default() })
    }

    fn address(&self) -> String {
        self.server.local_addr().unwrap().to_string()
    }

    fn enroll(&self, user: &str) -> Vec<u8> {
        let user = user.parse().unwrap();
        let code = self.home.enroll_code_at(vec![self.address()], &user, 60_000).unwrap();
        let (code, name) = (code.to_bytes(), "by hand".into());
        encode_message(&ToServer::Enroll { code, name, app: None }).unwrap()
    }

    async fn connect(&self, key: &SecretKey) -> Result<Device, NetError> {
        let endpoint = Endpoint::client(key)?;
        let connection = endpoint.connect(&self.address(), TransportOptions::live()).await?;
        let (sender, receiver) = connection.accept_stream().await?;
        Ok(Device { _endpoint: endpoint, connection, sender, receiver })
    }

    /// An enrolled device in an open session.
    async fn device(&self, key: &SecretKey, user: &str) -> Device {
        let mut device = within(self.connect(key)).await.unwrap();
        device.sender.send(self.enroll(user)).await.unwrap();
        device.until(|it| matches!(it, ToDevice::Welcome { .. })).await;
        device
    }
}

struct Device {
    _endpoint: Endpoint,
    connection: Connection,
    sender: FrameSender,
    receiver: FrameReceiver,
}

impl Device {
    async fn next(&mut self) -> Option<ToDevice> {
        let frame = within(self.receiver.next()).await.ok()??;
        Some(decode_message(&frame).unwrap())
    }

    async fn until(&mut self, is_it: impl Fn(&ToDevice) -> bool) -> ToDevice {
        loop {
            let message = self.next().await.expect("the session goes on");
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Asks something and gets the answer.
    async fn is_served(&mut self, number: u32) {
        self.sender.send(encode_message(&ToServer::Flush { number }).unwrap()).await.unwrap();
        let flushed =
            |it: &ToDevice| matches!(it, ToDevice::Flushed { number: n, .. } if *n == number);
        self.until(flushed).await;
    }

    /// Why the server ends the session.
    async fn refusal(&mut self) -> Refusal {
        let refused = self.until(|it| matches!(it, ToDevice::Refused(_))).await;
        let ToDevice::Refused(refusal) = refused else { unreachable!() };
        refusal
    }
}

/// Asks about so many edits that nobody made: work for the server, and no answer.
fn question(edits: u64) -> Vec<u8> {
    let id = |counter| EditId { device: DeviceNumber(u32::MAX), counter, part: 0 };
    let edits =
        (0..edits).map(|it| Inquiry::of_record(id(it), RecordId::from_bytes([7; 16]))).collect();
    encode_message(&ToServer::Ask(edits)).unwrap()
}

#[tokio::test]
async fn who_does_not_greet_is_sent_away_and_who_greeted_may_be_silent() {
    let world = World::impatient();
    let mut greeted = world.device(&key(1), "alice").await;
    let mut silent = within(world.connect(&key(2))).await.unwrap();
    let refusal = silent.refusal().await;
    assert_eq!(refusal, Refusal::Trouble("no greeting came".into()));
    greeted.is_served(1).await;
}

#[tokio::test]
async fn a_greeting_is_small_and_what_comes_later_may_be_large() {
    let world = World::start(Limits::default());
    let mut greeted = world.device(&key(1), "alice").await;
    let large = question(10_000);
    assert!(large.len() > GREETING_BYTES_MAX);
    greeted.sender.send(large.clone()).await.unwrap();
    greeted.is_served(1).await;

    let mut stranger = within(world.connect(&key(2))).await.unwrap();
    stranger.sender.send(large).await.unwrap();
    let refusal = stranger.refusal().await;
    assert!(matches!(&refusal, Refusal::Protocol(it) if it.contains("65536")), "{refusal}");
}

/// The length of a message before it, as a frame has it.
fn length_of(message: &[u8]) -> Vec<u8> {
    postcard::to_stdvec(&message.len()).unwrap()
}

#[tokio::test]
async fn a_message_that_does_not_go_on_ends_the_session_and_a_slow_one_does_not() {
    let world = World::impatient();
    let message = question(300);
    assert!(message.len() > 5 * 1_200);
    let framed = [length_of(&message), message].concat();
    let (slow_key, stuck_key) = (key(1), key(2));
    let mut streams = Vec::new();
    for (key, user) in [(&slow_key, "alice"), (&stuck_key, "bob")] {
        let to = world.server.local_addr().unwrap();
        let claim = Claim::honest(key);
        let (endpoint, connection) = within(raw_peer::connect(&claim, to)).await.unwrap();
        let (mut send, receive) = within(connection.accept_bi()).await.unwrap();
        let greeting = world.enroll(user);
        send.write_all(&[length_of(&greeting), greeting].concat()).await.unwrap();
        streams.push((endpoint, connection, send, receive));
    }
    let (_one, stuck, mut send, _receive) = streams.pop().unwrap();
    send.write_all(&framed[..100]).await.unwrap();
    let (_other, slow, mut send, _receive) = streams.pop().unwrap();
    // One piece in each time that the server is patient for, over several such times.
    let mut pace = tokio::time::interval(Duration::from_millis(800));
    for piece in framed.chunks(1_200) {
        pace.tick().await;
        send.write_all(piece).await.unwrap();
    }
    assert!(slow.close_reason().is_none());
    let ended = within(stuck.closed()).await;
    assert!(ended.to_string().contains("a message did not go on"), "{ended}");
    assert!(slow.close_reason().is_none());
}

/// Whoever asks and does not read fills a queue of the server, up to a bound: then it is not asked
/// any further, and after a while nobody waits for it.
#[tokio::test]
async fn who_does_not_read_is_sent_away_and_who_reads_gets_every_answer() {
    const QUESTIONS: u32 = 60_000;
    let world = World::impatient();
    let fetch = ToServer::Fetch {
        table: "work_order".parse().unwrap(),
        record: RecordId::from_bytes([9; 16]),
        pinned: false,
    };
    let fetch = encode_message(&fetch).unwrap();

    let deaf = world.device(&key(1), "alice").await;
    let Device { connection, mut sender, receiver: _unread, _endpoint } = deaf;
    let asked = async {
        let mut asked = 0;
        while sender.send(fetch.clone()).await.is_ok() {
            asked += 1;
        }
        asked
    };
    let asked: u32 = tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
    let ended = within(connection.closed()).await.to_string();
    assert!(ended.contains("reads too slowly"), "{ended}");
    assert!(asked < 2 * QUESTIONS, "{asked} questions were taken of who does not read");
    let gone = async {
        while world.server.status().await.unwrap().connections > 0 {
            tokio::task::yield_now().await;
        }
    };
    within(gone).await;
    assert!(asked > 0 && (asked as usize) < 2 * OUTBOUND_BYTES_MAX / fetch.len());

    let mut reader = world.device(&key(2), "bob").await;
    let (mut sender, mut receiver) = (reader.sender, reader.receiver);
    let asking = tokio::spawn(async move {
        for _ in 0..QUESTIONS {
            sender.send(fetch.clone()).await.unwrap();
        }
        sender
    });
    let mut answers = 0;
    while answers < QUESTIONS {
        let frame = within(receiver.next()).await.unwrap().expect("the session goes on");
        answers += u32::from(matches!(decode_message(&frame), Ok(ToDevice::Page(_))));
    }
    reader = Device { sender: asking.await.unwrap(), receiver, ..reader };
    reader.is_served(1).await;
}

/// A long question is answered piece by piece, so that others have their turn; and all of it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_longer_than_its_turn_is_answered_whole() {
    const EDITS: usize = ASKED_AT_ONCE_MAX + 100;
    let world = World::start(Limits::default());
    let file = world.dir.path().join("alice.redb");
    let app = Replica::builder(&file).open().unwrap();
    let user = "alice".parse().unwrap();
    let code = world.home.enroll_code_at(vec![world.address()], &user, 60_000).unwrap();
    app.enroll(&code, "alice").await.unwrap();
    let (table, title) = ("work_order".parse().unwrap(), "title".parse().unwrap());
    for number in 0..EDITS {
        let value = Value::Text(format!("Order {number}").into());
        let _ = app.insert(&table, Columns::from([(Clone::clone(&title), value)])).await.unwrap();
    }
    app.sync().await.unwrap();

    // The same device by hand, which has forgotten all.
    let key = FileKeyStore::new(world.dir.path().join("alice.redb.key")).load().unwrap().unwrap();
    let mut device = within(world.connect(&key)).await.unwrap();
    let hello = ToServer::Hello(Box::<Resume>::default());
    device.sender.send(encode_message(&hello).unwrap()).await.unwrap();
    let welcome = device.until(|it| matches!(it, ToDevice::Welcome { .. })).await;
    let ToDevice::Welcome { device: number, .. } = welcome else { unreachable!() };
    let id = |counter| EditId { device: number, counter, part: 0 };
    // Numbers begin somewhere; some were never given.
    let asked: Vec<_> = (0..3 * EDITS as u64).map(id).collect();
    let edits =
        asked.iter().map(|it| Inquiry::of_record(*it, RecordId::from_bytes([7; 16]))).collect();
    device.sender.send(encode_message(&ToServer::Ask(edits)).unwrap()).await.unwrap();
    let mut admitted = 0;
    while admitted < EDITS {
        let verdicts = device.until(|it| matches!(it, ToDevice::Verdicts(_))).await;
        let ToDevice::Verdicts(verdicts) = verdicts else { unreachable!() };
        admitted += verdicts.len();
    }
    assert_eq!(admitted, EDITS);
    device.is_served(1).await;
}

#[tokio::test]
async fn who_listens_no_more_is_not_heard_any_more() {
    let world = World::start(Limits::default());
    let Device { connection, mut sender, receiver, _endpoint } =
        world.device(&key(1), "alice").await;
    drop(receiver);
    for number in 0.. {
        if sender.send(encode_message(&ToServer::Flush { number }).unwrap()).await.is_err() {
            break;
        }
    }
    let ended = within(connection.closed()).await.to_string();
    assert!(ended.contains("listens no more"), "{ended}");
}

#[tokio::test]
async fn who_breaks_the_protocol_is_turned_away_for_a_while_and_others_are_not() {
    let world = World::start(Limits::default());
    let mut honest = world.device(&key(1), "alice").await;
    let mut offender = world.device(&key(2), "alice").await;
    offender.sender.send("no message").await.unwrap();
    assert!(matches!(offender.refusal().await, Refusal::Protocol(_)));

    let mut again = within(world.connect(&key(2))).await.unwrap();
    let Refusal::Later { seconds } = again.refusal().await else { panic!("it is let in") };
    assert!((1..=OFFENCE_MIN.as_secs() + 1).contains(&seconds.into()), "{seconds}");
    honest.is_served(1).await;
    world.device(&key(3), "alice").await.is_served(1).await;
}

#[tokio::test]
async fn a_device_has_so_many_connections_and_the_newest_ones_stay() {
    let world = World::start(Limits::default());
    let mut other = world.device(&key(1), "bob").await;
    let mut own = Vec::new();
    for _ in 0..=CONNECTIONS_PER_DEVICE_MAX {
        own.push(world.device(&key(2), "alice").await);
    }
    let refusal = own.remove(0).refusal().await;
    assert!(matches!(&refusal, Refusal::Trouble(it) if it.contains("too many")), "{refusal}");
    for device in own.iter_mut().chain([&mut other]) {
        device.is_served(1).await;
    }
}

#[tokio::test]
async fn an_address_makes_so_many_handshakes_and_who_is_in_goes_on() {
    let world = World::start(Limits { handshakes_per_address: 1, ..Limits::default() });
    let mut inside = world.device(&key(1), "alice").await;
    let mut made = 1;
    let error = loop {
        match within(world.connect(&key(2))).await {
            Ok(device) => drop(device),
            Err(error) => break error,
        }
        made += 1;
    };
    assert!(matches!(error, NetError::Busy(_)), "{error}");
    assert!(made >= HANDSHAKES_AT_ONCE_TIMES, "{made}");
    inside.is_served(1).await;
}

/// All that the server may take at a time of one device is taken by a flood of costly questions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_work_holds_up_no_other_device() {
    let world = World::start(Limits::default());
    let mut other = world.device(&key(1), "bob").await;
    let flood = world.device(&key(2), "alice").await;
    let Device { mut sender, connection, receiver: _unread, _endpoint } = flood;
    let question = question(100_000);
    assert!(question.len() < FRAME_BYTES_MAX);
    let flood = tokio::spawn(async move { while sender.send(question.clone()).await.is_ok() {} });
    for number in 0..50 {
        other.is_served(number).await;
    }
    assert!(!flood.is_finished(), "the flood went on all the time");
    connection.close(0, "enough");
    flood.await.unwrap();
}
