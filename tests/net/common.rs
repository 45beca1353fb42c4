//! A server and a client on this machine, and a time limit for every wait.

use std::time::Duration;

use tidegate::codec::SecretKey;
use tidegate::net::{Connection, Endpoint, FrameReceiver, FrameSender, NetError, TransportOptions};

/// Fails a test that waits for something that does not come.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it took too long")
}

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

pub(crate) fn server() -> (Endpoint, String) {
    let address = "127.0.0.1:0".parse().unwrap();
    let endpoint = Endpoint::server(address, &key(1), TransportOptions::server()).unwrap();
    let address = endpoint.local_addr().unwrap().to_string();
    (endpoint, address)
}

/// A server where one has just gone: the system may need a moment to free the port.
pub(crate) async fn server_again(address: &str) -> Endpoint {
    let address = address.parse().unwrap();
    within(async {
        loop {
            match Endpoint::server(address, &key(1), TransportOptions::server()) {
                Ok(endpoint) => break endpoint,
                Err(NetError::PortInUse(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    })
    .await
}

pub(crate) fn client() -> Endpoint {
    Endpoint::client(&key(2)).unwrap()
}

/// The two ends of one connection; the server's comes second.
pub(crate) async fn pair(
    server: &Endpoint,
    client: &Endpoint,
    options: TransportOptions,
) -> (Connection, Connection) {
    let address = server.local_addr().unwrap().to_string();
    let take = async { server.accept().await.unwrap().handshake().await.unwrap() };
    let both = async { tokio::join!(client.connect(&address, options), take) };
    let (made, taken) = within(both).await;
    (made.unwrap(), taken)
}

/// The two ends of one stream. Its first frame, which shows it to the server, is read already.
pub(crate) async fn stream(
    made: &Connection,
    taken: &Connection,
) -> ((FrameSender, FrameReceiver), (FrameSender, FrameReceiver)) {
    let mut near = within(made.open()).await.unwrap();
    within(near.0.send("hello")).await.unwrap();
    let mut far = within(taken.accept_stream()).await.unwrap();
    assert_eq!(within(far.1.next()).await.unwrap().unwrap(), "hello");
    (near, far)
}
