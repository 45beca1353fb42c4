//! Resumed sessions: the first request rides in the first flight. And what everything costs.

use tidegate::net::{Connection, Dialled, EarlyConnection, Endpoint, Traffic, TransportOptions};

use crate::common::{client, key, pair, server, server_again, stream, within};

/// A request of one byte and its answer, on a new stream.
async fn ask(made: &Connection, taken: &Connection) {
    let (mut send, mut answer) = within(made.open()).await.unwrap();
    within(send.send("?")).await.unwrap();
    let (mut reply, mut receive) = within(taken.accept_stream()).await.unwrap();
    assert_eq!(within(receive.next()).await.unwrap().unwrap(), "?");
    assert!(!receive.is_early());
    within(reply.send("!")).await.unwrap();
    assert_eq!(within(answer.next()).await.unwrap().unwrap(), "!");
}

/// What a further request costs on a stream in use, on average.
async fn next_request(made: &Connection, taken: &Connection) -> u64 {
    let ((mut send, mut answer), (mut reply, mut receive)) = stream(made, taken).await;
    let before = total(made.stats());
    for _ in 0..20 {
        within(send.send("?")).await.unwrap();
        within(receive.next()).await.unwrap();
        within(reply.send("!")).await.unwrap();
        within(answer.next()).await.unwrap();
    }
    (total(made.stats()) - before) / 20
}

/// Connects and expects that a session is resumed.
async fn resume(client: &Endpoint, address: &str) -> EarlyConnection {
    match within(client.connect_early(address, TransportOptions::short(), None)).await.unwrap() {
        Dialled::Early(early) => early,
        Dialled::Full(_) => panic!("no session was resumed"),
    }
}

fn total(traffic: Traffic) -> u64 {
    traffic.sent_bytes + traffic.received_bytes
}

#[tokio::test]
async fn the_second_connection_asks_in_its_first_flight() {
    let (server, address) = server();
    let client = client();
    let (made, taken) = pair(&server, &client, TransportOptions::short()).await;
    ask(&made, &taken).await;
    let full = total(made.stats());
    let next = next_request(&made, &taken).await;
    made.close(0, "");

    let serve = tokio::spawn(async move {
        let (taken, mut early) = server.accept().await.unwrap().handshake_early().await.unwrap();
        assert_eq!(taken.peer_key(), key(2).public(), "known before the handshake is over");
        let (mut reply, mut receive) = taken.accept_stream().await.unwrap();
        assert!(receive.is_early());
        assert_eq!(receive.next().await.unwrap().unwrap(), "?");
        reply.send("!").await.unwrap();
        early.established().await.unwrap();
        early.established().await.unwrap();
        // The same stream goes on after the handshake.
        assert_eq!(receive.next().await.unwrap().unwrap(), "write");
        reply.send("done").await.unwrap();
        taken.closed().await;
    });
    let early = resume(&client, &address).await;
    let (mut send, mut answer) = within(early.open()).await.unwrap();
    within(send.send("?")).await.unwrap();
    assert_eq!(within(answer.next()).await.unwrap().unwrap(), "!");
    let (made, accepted) = within(early.confirmed()).await.unwrap();
    assert!(accepted);
    assert_eq!(made.peer_key(), key(1).public());
    let resumed = total(made.stats());
    within(send.send("write")).await.unwrap();
    assert_eq!(within(answer.next()).await.unwrap().unwrap(), "done");
    made.close(0, "");
    within(serve).await.unwrap();

    println!("1 byte asked and answered, UDP payload of both directions:");
    println!("  full handshake   {full} B (anchor 4.2 kB)");
    println!("  early            {resumed} B (anchor 4.1 kB)");
    println!("  same connection  {next} B (anchor 108 B)");
    assert!(full < 6_000, "{full}: is MTU discovery on?");
    assert!(resumed < 6_000, "{resumed}");
    assert!(next < 400, "{next}");
}

#[tokio::test]
async fn a_new_client_has_nothing_to_resume() {
    let (server, address) = server();
    let client = client();
    let take = async { server.accept().await.unwrap().handshake_early().await.unwrap() };
    let connect = client.connect_early(&address, TransportOptions::short(), None);
    let (dialled, (taken, mut early)) = within(async { tokio::join!(connect, take) }).await;
    let Dialled::Full(made) = dialled.unwrap() else { panic!("it resumed") };
    within(early.established()).await.unwrap();
    assert_eq!(taken.peer_key(), key(2).public());
    ask(&made, &taken).await;
}

#[tokio::test]
async fn every_connection_can_be_resumed_by_one_more() {
    let (server, address) = server();
    let client = client();
    let (made, taken) = pair(&server, &client, TransportOptions::short()).await;
    ask(&made, &taken).await;
    for _ in 0..3 {
        let take = async { server.accept().await.unwrap().handshake().await.unwrap() };
        let dial = async { resume(&client, &address).await.confirmed().await.unwrap() };
        let ((made, _accepted), taken) = within(async { tokio::join!(dial, take) }).await;
        ask(&made, &taken).await;
    }
}

#[tokio::test]
async fn a_restarted_server_refuses_what_was_early_and_takes_the_connection() {
    let (server, address) = server();
    let client = client();
    let (made, taken) = pair(&server, &client, TransportOptions::short()).await;
    ask(&made, &taken).await;
    drop((made, taken));
    within(server.close("")).await;
    drop(server);

    // The same key and port, but its memory of sessions is gone.
    let server = server_again(&address).await;
    let take = tokio::spawn(async move {
        let (taken, _) = server.accept().await.unwrap().handshake_early().await.unwrap();
        (server, taken)
    });
    let early = resume(&client, &address).await;
    let (mut send, mut answer) = within(early.open()).await.unwrap();
    within(send.send("?")).await.unwrap();
    let (made, accepted) = within(early.confirmed()).await.unwrap();
    assert!(!accepted);
    let refused = within(answer.next()).await;
    assert!(matches!(refused, Err(tidegate::net::NetError::EarlyRefused)), "{refused:?}");
    let (_server, taken) = within(take).await.unwrap();
    ask(&made, &taken).await;
}

#[tokio::test]
async fn sessions_of_another_server_are_not_offered() {
    let (first, _) = server();
    let client = client();
    let (made, taken) = pair(&first, &client, TransportOptions::short()).await;
    ask(&made, &taken).await;

    let (second, address) = server();
    let take = async { second.accept().await.unwrap().handshake().await.unwrap() };
    let connect = client.connect_early(&address, TransportOptions::short(), None);
    let (dialled, _taken) = within(async { tokio::join!(connect, take) }).await;
    assert!(matches!(dialled, Ok(Dialled::Full(_))));
}

#[tokio::test]
async fn larger_packets_are_looked_for_only_when_asked() {
    let (server, _) = server();
    let client = client();
    let mut costs = Vec::new();
    for options in [TransportOptions::short(), TransportOptions::bulk()] {
        let (made, taken) = pair(&server, &client, options).await;
        let ((mut send, mut answer), (mut reply, mut receive)) = stream(&made, &taken).await;
        // A probe goes out when the one before it is acknowledged.
        for _ in 0..20 {
            within(send.send("?")).await.unwrap();
            within(receive.next()).await.unwrap();
            within(reply.send("!")).await.unwrap();
            within(answer.next()).await.unwrap();
        }
        costs.push(made.stats().sent_bytes);
    }
    println!("sent without and with: {costs:?}");
    assert!(costs[0] < 6_000 && costs[1] > costs[0] + 3_000, "{costs:?}");
}

#[tokio::test]
async fn of_a_hosts_addresses_the_one_that_answered_is_spoken_to_first() {
    let (server, address) = server();
    let client = client();
    // Where the name has another address in front, nobody listens there.
    let port = address.rsplit_once(':').unwrap().1;
    let name = format!("localhost:{port}");
    let take = async { server.accept().await.unwrap().handshake().await.unwrap() };
    let connect = client.connect(&name, TransportOptions::short());
    let (made, taken) = within(async { tokio::join!(connect, take) }).await;
    let made = made.unwrap();
    ask(&made, &taken).await;
    let answered = made.remote_address();
    assert_eq!(answered.to_string(), address);
    let take = async { server.accept().await.unwrap().handshake().await.unwrap() };
    let dial = async {
        let options = TransportOptions::short();
        match client.connect_early(&name, options, Some(answered)).await.unwrap() {
            Dialled::Early(early) => early.confirmed().await.unwrap(),
            Dialled::Full(_) => panic!("no session was resumed"),
        }
    };
    let ((made, accepted), taken) = within(async { tokio::join!(dial, take) }).await;
    assert!(accepted);
    ask(&made, &taken).await;
}
