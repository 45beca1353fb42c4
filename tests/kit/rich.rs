//! An app that uses all that a replica offers: nothing in it is wrong, and so nothing is found, neither in
//! it nor in the library.

use serde_json::{Value as Json, json};
use tidegate::Replica;
use tidegate::kit::{Chance, Kit, Outcome};
use tidegate::model::{ColumnPermissions, Owner, Right, Rights};

pub(crate) const SCHEMA: &str = r#"
[[table]]
id = "customer"
ownership = "user_owned"
columns = [
  { id = "name", type = "text", required = true },
  { id = "credit", type = "integer", secured = true },
]
[[table]]
id = "visit"
ownership = "user_owned"
columns = [
  { id = "customer", type = "lookup", table = "customer" },
  { id = "notes", type = "rich_text" },
  { id = "parts", type = "list" },
  { id = "readings", type = "map" },
  { id = "photos", type = "counter" },
  { id = "status", type = "text" },
  { id = "cost", type = "integer", secured = true },
]
"#;

const USERS: [&str; 3] = ["ann", "ben", "cyd"];

/// Ben's role and business unit, and who knows about money.
fn policy(role: &str, unit: &str, money: &str) -> String {
    let rights = |depth: &str| {
        let table = |table: &str| {
            let rights = Right::ALL.iter().map(|right| format!("{right} = \"{depth}\"\n"));
            format!("[role.rights.{table}]\n{}", rights.collect::<String>())
        };
        table("customer") + &table("visit")
    };
    let user = |user: &str, unit: &str, role: &str| {
        format!("[[user]]\nid = \"{user}\"\nbusiness_unit = \"{unit}\"\nroles = [\"{role}\"]\n")
    };
    let column = |column: &str| {
        format!(
            "[column_security.columns.\"{column}\"]\nread = true\ncreate = true\nupdate = true\n"
        )
    };
    [
        "[[business_unit]]\nid = \"root\"\n",
        "[[business_unit]]\nid = \"north\"\nparent = \"root\"\n",
        "[[business_unit]]\nid = \"south\"\nparent = \"root\"\n",
        &user("ann", "root", "boss"),
        &user("ben", unit, role),
        &user("cyd", "south", "technician"),
        "[[role]]\nid = \"nothing\"\n",
        "[[role]]\nid = \"boss\"\n",
        &rights("organization"),
        "[[role]]\nid = \"technician\"\n",
        &rights("business_unit"),
        &format!("[[column_security]]\nid = \"money\"\nusers = [{money}]\n"),
        &column("visit.cost"),
        &column("customer.credit"),
    ]
    .concat()
}

async fn plan(app: &Replica, _: &mut Chance) -> Outcome {
    let (customers, visits) = (app.table::<Json>("customer")?, app.table::<Json>("visit")?);
    let planned = app.transaction(|tx| {
        let customer = tx.insert(&customers, &json!({ "name": "acme" }))?;
        tx.insert(&visits, &json!({ "customer": customer, "notes": "call", "status": "new" }))?;
        Ok(())
    });
    planned.atomic().await?;
    Ok(())
}

async fn visit(app: &Replica, chance: &mut Chance) -> Outcome {
    let visits = app.table::<Json>("visit")?;
    let rows = visits.rows()?;
    let Some((id, row)) = chance.pick(&rows) else { return Ok(()) };
    let length = row["notes"].as_str().map_or(0, |notes| notes.chars().count());
    let parts = row["parts"].as_array().map_or(0, Vec::len);
    let edit = visits.edit(*id);
    let edit = match chance.below(7) {
        0 => edit.splice("notes", length / 2..length, "later"),
        1 => edit.insert("parts", parts, "seal"),
        2 if parts > 0 => edit.remove("parts", parts - 1),
        3 => edit.insert("readings", "pressure", i64::try_from(chance.below(9))?),
        4 => edit.increment("photos", 2),
        5 => edit.set("cost", chance.below(100)),
        _ => edit.set("status", format!("step {}", chance.below(100))),
    };
    edit.commit().await?;
    Ok(())
}

async fn administer(app: &Replica, chance: &mut Chance) -> Outcome {
    let visits = app.table::<Json>("visit")?;
    let rows = visits.rows()?;
    let Some((id, _)) = chance.pick(&rows) else { return Ok(()) };
    let user = USERS[chance.below(USERS.len())];
    let to = format!("user:{user}").parse()?;
    match chance.below(4) {
        0 => visits.delete(*id).await?,
        1 => visits.assign(*id, Owner::User(user.parse()?)).await?,
        2 => visits.share(*id, to, Rights::from_iter([Right::Read, Right::Write])).await?,
        _ => visits.share_column(*id, "cost", to, ColumnPermissions::READ).await?,
    };
    Ok(())
}

async fn look_at_refused(app: &Replica, chance: &mut Chance) -> Outcome {
    let refused = app.quarantine()?;
    match chance.pick(&refused) {
        Some(refused) if chance.percent(50) => drop(app.retry(refused.edit).await?),
        Some(refused) => app.discard(refused.edit).await?,
        None => {}
    }
    Ok(())
}

pub(crate) async fn rename(app: &Replica, chance: &mut Chance) -> Outcome {
    let customers = app.table::<Json>("customer")?;
    let rows = customers.rows()?;
    let Some((id, _)) = chance.pick(&rows) else { return Ok(()) };
    customers.edit(*id).set("name", format!("customer {}", chance.below(9))).commit().await?;
    Ok(())
}

/// The app, and all that happens to it.
pub(crate) fn kit(schema: &str) -> Kit {
    let kit = Kit::of_documents(schema, &policy("technician", "north", "\"ann\"")).unwrap();
    let rules = [
        ("Ben may do nothing", policy("nothing", "north", "\"ann\"")),
        ("Ben has moved, and knows about money", policy("technician", "south", "\"ann\", \"ben\"")),
        ("Ben is the boss, and nobody knows about money", policy("boss", "root", "")),
    ];
    let kit =
        rules.iter().fold(kit, |kit, (name, policy)| kit.rules_of_document(name, policy).unwrap());
    let kit = USERS.iter().fold(kit, |kit, user| kit.devices(user, 1));
    kit.first("ann", plan)
        .first("ben", plan)
        .action("plan a visit", 2, plan)
        .action("visit", 8, visit)
        .action("administer", 3, administer)
        .action("look at what was refused", 2, look_at_refused)
}

/// What somebody may read from now on begins anew, for which the server's machine waits until it is
/// asked to judge, also where there is nothing to judge: a kit that did not ask left devices waiting.
#[test]
fn an_app_that_uses_everything_holds_whatever_happens_to_it() {
    let kit = kit(SCHEMA).always("rows can be read", |app| {
        for table in ["customer", "visit"] {
            app.table::<Json>(table)?.rows()?;
        }
        Ok(())
    });
    let report = kit.run(0..16).unwrap();
    assert!(report.admitted > 50 && report.denied > 0 && report.refused > 0, "{report}");
    assert!(report.changes > 0 && report.restarts > 0 && report.interrupted > 0, "{report}");
}
