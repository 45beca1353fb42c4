//! What a device says that its user may do, before it is tried: each no beside its yes.

use tidegate::model::{Right, Rights, Rule};
use tidegate::replica::{Ability, EditError, Lack, Replica, Wish};

use super::office::{Office, columns, table, text};

/// Tells a yes, a rule, or what is lacking.
fn word(ability: &Ability) -> &'static str {
    match ability {
        Ability::Allowed(_) => "yes",
        Ability::Denied(denial) => denial.rule.as_str(),
        Ability::Unknown(_) => "unknown",
    }
}

#[tokio::test]
async fn a_device_says_what_its_user_may_do_with_a_record() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let ben = office.device("ben", "ben").await;
    let account = table("account");
    let (anns, _) = ann.insert(&account, columns([("name", text("ann's"))])).await.unwrap();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    let (name, to_ben) = ("name".parse().unwrap(), "user:ben".parse().unwrap());
    let ask = |replica: &Replica, wish: &Wish| {
        let ability = replica.can(&account, anns, wish).unwrap();
        word(&ability)
    };
    let share = Wish::Share {
        to: "user:ben".parse().unwrap(),
        rights: [Right::Write].into_iter().collect::<Rights>(),
    };
    // Of the owner, then of another.
    for (wish, of_owner, of_other) in [
        (Wish::Write(vec![name]), "yes", "yes"),
        (Wish::ReadColumn("balance".parse().unwrap()), "yes", "yes"),
        (Wish::Delete, "yes", "out_of_depth"),
        (Wish::AppendTo, "yes", "yes"),
        (Wish::Append, "no_privilege", "no_privilege"),
        (Wish::Assign(to_ben), "no_privilege", "no_privilege"),
        (share, "no_privilege", "no_privilege"),
        (Wish::Undelete, "malformed", "malformed"),
        (Wish::Write(vec!["colour".parse().unwrap()]), "malformed", "malformed"),
    ] {
        assert_eq!((ask(&ann, &wish), ask(&ben, &wish)), (of_owner, of_other), "{wish:?}");
    }
    // What it says is what an edit is told.
    let Ability::Denied(denial) = ben.can(&account, anns, &Wish::Delete).unwrap() else { panic!() };
    assert_eq!(ben.delete(&account, anns).await.unwrap_err(), EditError::Denied(denial));
    let Ability::Allowed(why) = ann.can(&account, anns, &Wish::Delete).unwrap() else { panic!() };
    assert!(why.to_string().contains("the record belongs to ann"), "{why}");
    // And when it is deleted, it can only come back.
    ann.delete(&account, anns).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(ask(&ann, &Wish::Undelete), "yes");
    assert_eq!(ask(&ann, &Wish::Delete), "malformed");
}

#[tokio::test]
async fn a_lookup_is_judged_by_what_it_points_at() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let (account, transfer) = (table("account"), table("transfer"));
    let (cash, _) = ann.insert(&account, columns([("name", text("cash"))])).await.unwrap();
    let amount = columns([("amount", tidegate::Value::Integer(1))]);
    let (paid, _) = ann.insert(&transfer, amount.clone()).await.unwrap();
    let from: tidegate::model::ColumnName = "from".parse().unwrap();
    let point = |to| Wish::Point { column: from.clone(), to };
    let ask = |wish: &Wish| ann.can(&transfer, paid, wish).unwrap();
    // Clerks may append to transfers, and nobody gave them `write`.
    assert_eq!(ask(&point(Some(cash))).rule(), Some(Rule::NoPrivilege));
    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            let rights = clerk.rights.get_mut("transfer").unwrap();
            rights.insert(Right::Write, tidegate::model::Depth::User);
        })
        .await;
    ann.sync().await.unwrap();
    assert!(ask(&point(Some(cash))).is_allowed());
    assert!(ask(&point(None)).is_allowed());
    // A record that is not here, and one that nobody named.
    let elsewhere = tidegate::RecordId::from_bytes([9; 16]);
    for wish in [point(Some(elsewhere)), Wish::Write(vec![from.clone()])] {
        let lacking = ask(&wish);
        assert!(matches!(lacking, Ability::Unknown(Lack::Requirement(_))), "{wish:?} {lacking:?}");
    }
    let unknown = ann.can(&transfer, elsewhere, &Wish::Delete).unwrap();
    assert_eq!(unknown, Ability::Unknown(Lack::Record));
}

#[tokio::test]
async fn creating_is_asked_of_the_table() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let (account, name) = (table("account"), ["name".parse().unwrap()]);
    assert!(ann.can_create(&account, None, &name).unwrap().is_allowed());
    let for_ben = "user:ben".parse().unwrap();
    // Who may not assign is not told of other owners; an edit gets the same answer.
    let unknown = ann.can_create(&account, Some(&for_ben), &name).unwrap_err();
    assert_eq!(unknown, EditError::UnknownOwner(for_ben.clone()));
    assert!(matches!(
        ann.can_create(&table("acount"), None, &name),
        Err(EditError::NoSuchTable(_))
    ));
    // The boss may give it to another, of whom this device does not know whether they can read it.
    let boss = office.device("boss", "boss").await;
    assert!(boss.can_create(&account, None, &name).unwrap().is_allowed());
    let unknown = boss.can_create(&account, Some(&for_ben), &name).unwrap();
    assert_eq!(word(&unknown), "unknown", "{unknown:?}");
    // Someone who was disabled holds nothing.
    office
        .change_policy(|_, organization| {
            organization.users.get_mut("ann").unwrap().disabled = true;
        })
        .await;
    let _ = ann.sync().await;
    let denied = ann.can_create(&account, None, &name).unwrap();
    assert_eq!(denied.rule(), Some(Rule::NoPrivilege));
}
