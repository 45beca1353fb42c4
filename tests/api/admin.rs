//! Administration of a running server by an administrator's device.

use tidegate::codec::{AdminAnswer, AdminRefusal, AdminRequest};
use tidegate::model::{Right, User};
use tidegate::replica::{AdminError, EditError, Replica, RowState, SyncError};
use tidegate::server::{Home, HomeError};
use tidegate::{SyncOptions, Value};

use super::office::{Office, columns, table, text};

fn clerk() -> User {
    User {
        name: None,
        business_unit: "root".parse().unwrap(),
        manager: None,
        position: None,
        roles: ["clerk".parse().unwrap()].into(),
        disabled: false,
    }
}

async fn note(replica: &Replica) -> tidegate::RecordId {
    let row = columns([("place", text("harbour"))]);
    let (id, receipt) = replica.insert(&table("visit"), row).await.unwrap();
    replica.sync().await.unwrap();
    receipt.settled().await.unwrap();
    id
}

#[tokio::test]
async fn a_hire_is_one_row_and_outlives_a_restart() {
    let office = Office::open();
    let boss = office.device("boss", "boss").await;
    let before = boss.rules_in_force().await.unwrap();
    let hire = |_: &mut _, people: &mut tidegate::model::Organization| {
        people.users.insert("cora".parse().unwrap(), clerk());
    };
    let epoch = boss.change_rules(hire).await.unwrap();
    assert_eq!(epoch.0, before.epoch.0 + 1);
    let cora = office.device("cora", "cora").await;
    let id = note(&cora).await;
    drop(boss);

    // The files of the folder do not know her.
    let Office { dir, home, server } = office;
    server.stop().await;
    assert!(!home.rules().unwrap().roster().organization().users.contains_key("cora"));
    let server = home.serve(home.rules().unwrap()).unwrap();
    let office = Office { dir, home, server };
    let again = office.device("cora's other", "cora").await;
    again.sync().await.unwrap();
    assert!(again.get(&table("visit"), id).unwrap().is_some());
}

#[tokio::test]
async fn only_an_administrator_is_listened_to() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    for request in [
        AdminRequest::Rules,
        AdminRequest::Devices,
        AdminRequest::Denials { limit: 1 },
        AdminRequest::Revoke(boss.device().unwrap()),
    ] {
        let refused = ann.administer(request.clone()).await.unwrap_err();
        let AdminError::Refused(AdminRefusal::NotAdministrator(user)) = refused else {
            panic!("{refused}")
        };
        assert_eq!(user.as_str(), "ann");
    }
    // And from the moment on that the boss makes her one.
    let promote = |_: &mut _, people: &mut tidegate::model::Organization| {
        let user = people.users.get_mut("ann").unwrap();
        user.roles.insert("system_administrator".parse().unwrap());
    };
    boss.change_rules(promote).await.unwrap();
    assert!(ann.administer(AdminRequest::Rules).await.is_ok());
}

#[tokio::test]
async fn a_mistake_is_named_and_what_is_in_force_stays() {
    let office = Office::open();
    let boss = office.device("boss", "boss").await;
    let before = boss.rules_in_force().await.unwrap();
    let refused = |error: AdminError| match error {
        AdminError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    };
    let nowhere = |_: &mut _, people: &mut tidegate::model::Organization| {
        people.users.get_mut("ann").unwrap().business_unit = "moon".parse().unwrap();
    };
    let refusal = refused(boss.change_rules(nowhere).await.unwrap_err());
    assert!(matches!(&refusal, AdminRefusal::Mistake(text) if text.contains("moon")), "{refusal}");
    let nobody = |_: &mut _, people: &mut tidegate::model::Organization| {
        people.users.get_mut("boss").unwrap().disabled = true;
    };
    assert_eq!(refused(boss.change_rules(nobody).await.unwrap_err()), AdminRefusal::NobodyLeft);
    let stale = AdminRequest::Change {
        expected: tidegate::model::PolicyEpoch(before.epoch.0 + 7),
        schema: None,
        policy: None,
        organization: Vec::new(),
        trial: false,
    };
    let refusal = refused(boss.administer(stale).await.unwrap_err());
    assert_eq!(refusal, AdminRefusal::Outdated(before.epoch));
    assert_eq!(boss.rules_in_force().await.unwrap(), before);
}

#[tokio::test]
async fn a_change_counts_for_the_next_edit_and_reaches_connected_devices() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let id = note(&ann).await;
    let _live = ann.start_sync(SyncOptions::live());
    let mut events = ann.events();
    let forbid = |policy: &mut tidegate::model::Policy, _: &mut _| {
        let rights = policy.roles.get_mut("clerk").unwrap().rights.get_mut("visit").unwrap();
        rights.remove(&Right::Write);
    };
    boss.change_rules(forbid).await.unwrap();
    while events.recv().await.unwrap() != tidegate::Event::GrantChanged {}
    let edit = ann.update(&table("visit"), id, columns([("place", text("quay"))])).await;
    assert!(matches!(edit, Err(EditError::Denied(_))), "{edit:?}");
    assert_eq!(ann.row_state(id).unwrap(), RowState::Confirmed);
    let allow = |policy: &mut tidegate::model::Policy, _: &mut _| {
        let rights = policy.roles.get_mut("clerk").unwrap().rights.get_mut("visit").unwrap();
        rights.insert(Right::Write, tidegate::model::Depth::User);
    };
    boss.change_rules(allow).await.unwrap();
    while events.recv().await.unwrap() != tidegate::Event::GrantChanged {}
    ann.update(&table("visit"), id, columns([("place", text("quay"))])).await.unwrap();
}

#[tokio::test]
async fn a_revoked_device_is_cut_off_and_another_of_its_user_is_not() {
    let office = Office::open();
    let boss = office.device("boss", "boss").await;
    let (lost, other) = (office.device("lost", "ann").await, office.device("other", "ann").await);
    let mut live = lost.start_sync(SyncOptions::live());
    let mut events = lost.events();
    while events.recv().await.unwrap() != tidegate::Event::UpToDate {}
    let devices = |answer| match answer {
        AdminAnswer::Devices(devices) => devices,
        other => panic!("{other:?}"),
    };
    let listed = devices(boss.administer(AdminRequest::Devices).await.unwrap());
    let number = lost.device().unwrap();
    let found = listed.iter().find(|device| device.number == number).unwrap();
    assert!(found.connected && !found.revoked && found.name == "lost", "{found:?}");

    boss.administer(AdminRequest::Revoke(number)).await.unwrap();
    let ended = live.ended().await;
    assert!(ended.to_string().contains("revoked"), "{ended}");
    let refused = lost.sync().await.unwrap_err();
    assert!(matches!(refused, SyncError::Session(_)), "{refused}");
    other.sync().await.unwrap();
    let listed = devices(boss.administer(AdminRequest::Devices).await.unwrap());
    assert!(listed.iter().any(|device| device.number == number && device.revoked));
    let nobody = boss.administer(AdminRequest::Revoke(tidegate::model::DeviceNumber(99))).await;
    let Err(AdminError::Refused(refusal)) = nobody else { panic!("{nobody:?}") };
    assert_eq!(refusal.to_string(), "there is no device 99");
}

#[tokio::test]
async fn records_follow_an_owner_who_moves() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let id = note(&ann).await;
    let unit = |replica: &Replica| {
        let row = replica.get(&table("visit"), id).unwrap().unwrap();
        row.header.owner.map(|(_, unit)| unit.to_string())
    };
    assert_eq!(unit(&ann).as_deref(), Some("root"));
    let found = |_: &mut _, people: &mut tidegate::model::Organization| {
        let north =
            tidegate::model::BusinessUnit { name: None, parent: Some("root".parse().unwrap()) };
        people.business_units.insert("north".parse().unwrap(), north);
        people.users.get_mut("ann").unwrap().business_unit = "north".parse().unwrap();
    };
    boss.change_rules(found).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(unit(&ann).as_deref(), Some("north"));
    ann.update(&table("visit"), id, [("place".parse().unwrap(), Value::Null)]).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(ann.row_state(id).unwrap(), RowState::Confirmed);
}

#[tokio::test]
async fn denials_are_told_without_their_values() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let id = note(&ann).await;
    ann.update(&table("visit"), id, columns([("place", text("secret quay"))])).await.unwrap();
    let forbid = |policy: &mut tidegate::model::Policy, _: &mut _| {
        let rights = policy.roles.get_mut("clerk").unwrap().rights.get_mut("visit").unwrap();
        rights.remove(&Right::Write);
    };
    boss.change_rules(forbid).await.unwrap();
    ann.sync().await.unwrap();
    let answer = boss.administer(AdminRequest::Denials { limit: 10 }).await.unwrap();
    let AdminAnswer::Denials(denials) = answer else { panic!("{answer:?}") };
    let [denial] = denials.as_slice() else { panic!("{denials:?}") };
    assert_eq!((denial.user.as_str(), denial.record), ("ann", id));
    assert!(!format!("{denials:?}").contains("secret quay"));
}

#[tokio::test]
async fn files_are_put_in_force_only_where_that_is_asked() {
    let office = Office::open();
    let boss = office.device("boss", "boss").await;
    let dismiss = |_: &mut _, people: &mut tidegate::model::Organization| {
        people.users.get_mut("ben").unwrap().disabled = true;
    };
    boss.change_rules(dismiss).await.unwrap();
    drop(boss);
    let Office { dir, home, server } = office;
    server.stop().await;
    let is_disabled = async |home: &Home, by_files: bool| {
        let rules = home.rules().unwrap();
        let server = if by_files { home.serve_by(rules) } else { home.serve(rules) }.unwrap();
        server.stop().await;
        let code = home.enroll_code_at(vec!["a:1".into()], &"ben".parse().unwrap(), 60_000);
        code.is_err_and(|error| matches!(error, HomeError::NoSuchUser(..)))
    };
    assert!(is_disabled(&home, false).await);
    assert!(!is_disabled(&home, true).await);
    drop(dir);
}
