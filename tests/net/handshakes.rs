//! Who proves what to whom.

use tidegate::net::{Connection, Endpoint, NetError, TransportOptions};

use crate::common::{client, key, pair, server, within};
use crate::raw_peer::{self, Claim};

#[tokio::test]
async fn each_side_learns_the_true_key_of_the_other() {
    let (server, _) = server();
    let (made, taken) = pair(&server, &client(), TransportOptions::short()).await;
    assert_eq!(made.peer_key(), key(1).public());
    assert_eq!(taken.peer_key(), key(2).public());
    assert_eq!(made.remote_address(), server.local_addr().unwrap());
    assert!(taken.remote_address().ip().is_loopback(), "{}", taken.remote_address());
}

#[tokio::test]
async fn one_server_tells_its_clients_apart() {
    let (server, _) = server();
    for number in [7, 8, 9] {
        let client = Endpoint::client(&key(number)).unwrap();
        let (_made, taken) = pair(&server, &client, TransportOptions::short()).await;
        assert_eq!(taken.peer_key(), key(number).public());
    }
}

/// What the server makes of a client with this claim.
async fn taken_by_server(claim: &Claim<'_>) -> Result<Connection, NetError> {
    let (server, _) = server();
    let to = server.local_addr().unwrap();
    let take = async { server.accept().await.unwrap().handshake().await };
    within(async { tokio::join!(raw_peer::connect(claim, to), take) }).await.1
}

/// What the client makes of a server with this claim.
async fn made_by_client(claim: &Claim<'_>) -> Result<Connection, NetError> {
    let server = raw_peer::server(claim);
    let address = server.local_addr().unwrap().to_string();
    let take = async { server.accept().await.unwrap().await };
    let client = client();
    let connect = client.connect(&address, TransportOptions::short());
    within(async { tokio::join!(connect, take) }).await.0
}

#[tokio::test]
async fn a_client_must_hold_the_key_it_shows() {
    let honest = key(2);
    let taken = taken_by_server(&Claim::honest(&honest)).await;
    assert_eq!(taken.unwrap().peer_key(), key(2).public());

    let thief = key(66);
    let claim = Claim { shows: key(2).public(), ..Claim::honest(&thief) };
    let taken = taken_by_server(&claim).await;
    assert!(matches!(taken, Err(NetError::Handshake(_))), "{taken:?}");
}

#[tokio::test]
async fn an_early_handshake_is_no_way_around_the_proof() {
    let (server, _) = server();
    let to = server.local_addr().unwrap();
    let thief = key(66);
    let claim = Claim { shows: key(2).public(), ..Claim::honest(&thief) };
    let take = async { server.accept().await.unwrap().handshake_early().await };
    let (_, taken) = within(async { tokio::join!(raw_peer::connect(&claim, to), take) }).await;
    assert!(matches!(taken, Err(NetError::Handshake(_))), "{taken:?}");
}

#[tokio::test]
async fn a_server_must_hold_the_key_it_shows() {
    let honest = key(1);
    let made = made_by_client(&Claim::honest(&honest)).await;
    assert_eq!(made.unwrap().peer_key(), key(1).public());

    let thief = key(66);
    let claim = Claim { shows: key(1).public(), ..Claim::honest(&thief) };
    let made = made_by_client(&claim).await;
    assert!(matches!(made, Err(NetError::Handshake(_))), "{made:?}");
}

#[tokio::test]
async fn another_protocol_version_is_named_as_the_reason_on_both_sides() {
    let honest = key(2);
    let other = Claim { alpn: "tidegate/999", ..Claim::honest(&honest) };
    let taken = taken_by_server(&other).await;
    assert!(matches!(taken, Err(NetError::NoCommonProtocol)), "{taken:?}");
    let made = made_by_client(&other).await;
    assert!(matches!(made, Err(NetError::NoCommonProtocol)), "{made:?}");
}
