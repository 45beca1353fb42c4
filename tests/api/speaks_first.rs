//! A device that comes again in the same process speaks first.

use std::net::SocketAddr;
use std::time::Duration;

use tidegate::model::Value;
use tidegate::net::NetError;
use tidegate::replica::Replica;
use tidegate::server::{Home, Server, ServerError, ServerOptions};

use super::office::{Office, columns, table, text};

#[tokio::test]
async fn who_comes_again_speaks_first_and_is_told_and_answered_as_before() {
    let office = Office::open();
    let (ann, boss) = (office.device("ann", "ann").await, office.device("boss", "boss").await);
    let idle = ann.sync().await.unwrap();
    assert!(idle.spoke_first);

    // What others did comes,
    let name = columns([("name", text("cash"))]);
    let (account, _) = boss.insert(&table("account"), name).await.unwrap();
    assert!(boss.sync().await.unwrap().spoke_first);
    assert!(ann.sync().await.unwrap().spoke_first);
    assert_eq!(ann.count(&table("account")).unwrap(), 1);

    // what was done here goes,
    let balance = columns([("balance", Value::Integer(3))]);
    ann.update(&table("account"), account, balance).await.unwrap();
    let report = ann.sync().await.unwrap();
    assert!(report.spoke_first);
    assert_eq!(report.totals.admitted, 1);
    boss.sync().await.unwrap();
    let row = boss.get(&table("account"), account).unwrap().unwrap();
    assert_eq!(row.get("balance"), &Value::Integer(3));

    // and so with what may be read from now on.
    office
        .change_policy(|policy, _| policy.roles.values_mut().for_each(|it| it.rights.clear()))
        .await;
    assert!(ann.sync().await.unwrap().spoke_first);
    assert_eq!(ann.count(&table("account")).unwrap(), 0);
}

/// The server as it was, where it was, as soon as the system gives the port again.
async fn serve_again(home: &Home, listen: SocketAddr) -> Server {
    loop {
        let options = ServerOptions {
            listen,
            file: &home.data_file(),
            identity: home.identity(),
            tls_key: home.tls_key().clone(),
            rules: home.rules().unwrap(),
            goes_on: true,
        };
        match Server::start(options) {
            Ok(server) => break server,
            Err(ServerError::Net(NetError::PortInUse(_))) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn another_life_of_the_app_or_of_the_server_is_greeted() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    drop(ann);
    let ann = Replica::builder(office.dir.path().join("ann.redb")).open().unwrap();
    assert!(!ann.sync().await.unwrap().spoke_first);
    assert!(ann.sync().await.unwrap().spoke_first);

    let listen = office.server.local_addr().unwrap();
    office.server.stop().await;
    let server = serve_again(&office.home, listen).await;
    // What it says first is not taken, and it is greeted at once.
    assert!(!ann.sync().await.unwrap().spoke_first);
    assert!(ann.sync().await.unwrap().spoke_first);
    server.stop().await;
}

#[tokio::test]
async fn what_is_said_first_to_nobody_is_no_loss() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let name = columns([("name", text("cash"))]);
    ann.insert(&table("account"), name).await.unwrap();
    let listen = office.server.local_addr().unwrap();
    office.server.stop().await;
    ann.sync().await.unwrap_err();
    ann.sync().await.unwrap_err();

    let server = serve_again(&office.home, listen).await;
    let report = ann.sync().await.unwrap();
    assert_eq!((report.spoke_first, report.totals.admitted), (false, 1));
    server.stop().await;
}

/// A connection that is closed is remembered by the transport for three timeouts, 75 ms and more. Nobody waits
/// for that.
#[tokio::test]
async fn a_session_in_which_there_is_nothing_to_say_is_over_when_the_server_has_said_so() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let mut quickest = Duration::MAX;
    for _ in 0..20 {
        let begun = tokio::time::Instant::now();
        ann.sync().await.unwrap();
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < Duration::from_millis(60), "{quickest:?}");
}
