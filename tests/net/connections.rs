//! How connections fail and end, and what the error says.

use std::net::UdpSocket;
use std::time::Duration;

use tidegate::net::{Endpoint, NetError, TransportOptions};

use crate::common::{client, key, pair, server, server_again, stream, within};

fn impatient() -> TransportOptions {
    TransportOptions { handshake_timeout: Duration::from_millis(300), ..TransportOptions::short() }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (first, address) = server();
    let second = Endpoint::server(first.local_addr().unwrap(), &key(1), TransportOptions::server());
    let error = second.unwrap_err();
    assert!(matches!(error, NetError::PortInUse(_)), "{error}");
    let port = address.rsplit_once(':').unwrap().1;
    assert!(error.to_string().contains(port), "{error}");
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[tokio::test]
async fn an_address_of_another_machine_cannot_be_listened_on() {
    let address = "192.0.2.1:4433".parse().unwrap();
    let error = Endpoint::server(address, &key(1), TransportOptions::server()).unwrap_err();
    assert!(matches!(error, NetError::Bind { .. }), "{error}");
    assert!(error.to_string().contains("192.0.2.1:4433"), "{error}");
}

#[tokio::test]
async fn silence_is_reported_with_what_to_look_at() {
    // Bound and never read: what a firewall that drops UDP looks like.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let error = within(client().connect(&address, impatient())).await.unwrap_err();
    assert!(matches!(error, NetError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
    assert!(error.to_string().contains("let UDP through"), "{error}");
}

/// Not all systems tell; those that do not fall silent, and are waited for.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_machine_that_says_that_nobody_listens_is_not_waited_for() {
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    let patient = TransportOptions {
        handshake_timeout: Duration::from_secs(1_000),
        idle_timeout: Duration::from_secs(2_000),
        ..TransportOptions::short()
    };
    let error = within(client().connect(&address, patient)).await.unwrap_err();
    assert!(matches!(error, NetError::NobodyListens(_)), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
    let error = within(client().connect_early(&address, patient, None)).await.unwrap_err();
    assert!(matches!(error, NetError::NobodyListens(_)), "{error}");
}

#[tokio::test]
async fn what_is_no_address_is_told_from_a_host_that_is_not_found() {
    let client = client();
    let long = format!("{}:1", "a".repeat(300));
    for text in ["", "host", ":1", "host:", "host:0", "host:99999", "::1:80:x", long.as_str()] {
        let error = within(client.connect(text, impatient())).await.unwrap_err();
        assert!(matches!(error, NetError::Address(_)), "{text}: {error:?}");
    }
    let error = within(client.connect("nowhere.invalid:4433", impatient())).await.unwrap_err();
    assert!(matches!(error, NetError::Resolve { .. }), "{error}");
    assert!(error.to_string().contains("nowhere.invalid"), "{error}");
}

#[tokio::test]
async fn a_host_name_is_resolved_and_its_addresses_are_tried() {
    let (server, address) = server();
    let client = client();
    // Where localhost is ::1 besides, nobody answers there.
    let name = address.replace("127.0.0.1", "localhost");
    let take = async { server.accept().await.unwrap().handshake().await.unwrap() };
    let connect = client.connect(&name, TransportOptions::short());
    let (made, _taken) = within(async { tokio::join!(connect, take) }).await;
    assert_eq!(made.unwrap().peer_key(), key(1).public());
}

#[tokio::test]
async fn a_server_that_is_full_says_so() {
    let (server, address) = server();
    let refuse = async { server.accept().await.unwrap().refuse() };
    let client = client();
    let connect = client.connect(&address, TransportOptions::short());
    let (made, ()) = within(async { tokio::join!(connect, refuse) }).await;
    assert!(matches!(made, Err(NetError::Busy(_))), "{made:?}");
}

#[tokio::test]
async fn code_and_reason_of_a_close_arrive() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    let ((mut send, mut answer), _far) = stream(&made, &taken).await;
    taken.close(42, "device \u{1b}[31mrevoked");
    let error = within(answer.next()).await.unwrap_err();
    let NetError::ClosedByPeer { code: 42, reason } = &error else { panic!("{error:?}") };
    assert_eq!(reason, "device ?[31mrevoked", "control characters are replaced");
    assert!(matches!(within(send.send("x")).await, Err(NetError::ClosedByPeer { .. })));
    assert!(matches!(within(made.closed()).await, NetError::ClosedByPeer { .. }));
    assert!(matches!(within(taken.closed()).await, NetError::Closed));
    assert!(matches!(within(made.open()).await, Err(NetError::ClosedByPeer { .. })));
}

#[tokio::test]
async fn a_long_reason_is_cut_between_characters() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    taken.close(1, &"ä€".repeat(100));
    let NetError::ClosedByPeer { reason, .. } = within(made.closed()).await else { panic!() };
    assert!(reason.len() > 250 && reason.len() <= 256, "{}", reason.len());
    assert!(reason.chars().all(|it| "ä€".contains(it)), "{reason}");
}

#[tokio::test]
async fn closing_an_endpoint_ends_its_connections_and_accepting() {
    let (server, address) = server();
    let client = client();
    let (made, _taken) = pair(&server, &client, TransportOptions::live()).await;
    assert_eq!(server.open_connections(), 1);
    let ((), next) =
        within(async { tokio::join!(server.close("stopping"), server.accept()) }).await;
    assert!(next.is_none());
    let NetError::ClosedByPeer { code: 0, reason } = within(made.closed()).await else { panic!() };
    assert_eq!(reason, "stopping");
    within(client.wait_idle()).await;
    within(client.close("")).await;
    let error = within(client.connect(&address, TransportOptions::short())).await.unwrap_err();
    assert!(matches!(error, NetError::Closed), "{error:?}");
}

#[tokio::test]
async fn a_call_or_setting_that_does_not_fit_is_an_error() {
    let (server, address) = server();
    let error = within(server.connect(&address, TransportOptions::short())).await.unwrap_err();
    assert!(matches!(error, NetError::Setting(_)), "{error}");
    let endless = TransportOptions { idle_timeout: Duration::MAX, ..TransportOptions::short() };
    let error = within(client().connect(&address, endless)).await.unwrap_err();
    assert!(matches!(error, NetError::Setting(_)), "{error}");
}

#[tokio::test]
async fn a_stream_survives_a_change_of_the_devices_address() {
    let (server, _) = server();
    let client = client();
    let (made, taken) = pair(&server, &client, TransportOptions::live()).await;
    let ((mut send, mut answer), (mut reply, mut receive)) = stream(&made, &taken).await;
    let (place, before) = (taken.remote_address(), made.stats());

    client.rebind().unwrap();
    within(send.send("from elsewhere")).await.unwrap();
    assert_eq!(within(receive.next()).await.unwrap().unwrap(), "from elsewhere");
    within(reply.send("still here")).await.unwrap();
    assert_eq!(within(answer.next()).await.unwrap().unwrap(), "still here");
    assert_ne!(taken.remote_address(), place);
    let after = made.stats();
    println!(
        "moving cost {} B sent and {} B received so far (anchor 3.8 kB in all)",
        after.sent_bytes - before.sent_bytes,
        after.received_bytes - before.received_bytes
    );
}

#[test]
fn a_server_that_crashed_and_is_back_is_noticed_at_once() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let (here, there) = (runtime(), runtime());
    let (server, address) = there.block_on(async { server() });
    let serve = server.clone();
    there.spawn(async move {
        let connection = serve.accept().await.unwrap().handshake().await.unwrap();
        connection.closed().await
    });
    let (_client, made) = here.block_on(async {
        let client = client();
        let made = within(client.connect(&address, TransportOptions::live())).await.unwrap();
        (client, made)
    });

    // All of the server's tasks are gone at once, with no goodbye.
    there.shutdown_timeout(Duration::from_secs(5));
    drop(server);
    here.block_on(async {
        let _again = server_again(&address).await;
        // Whatever it does first: a sign of life may have shown it already.
        let asked = async {
            let (mut send, mut answer) = made.open().await?;
            send.send(vec![0; 100]).await?;
            answer.next().await
        };
        let error = within(asked).await.unwrap_err();
        assert!(matches!(error, NetError::PeerRestarted), "{error:?}");
    });
}
