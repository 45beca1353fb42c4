//! A day in the field: work orders with lines, notes that several people write, and a counter.
//!
//! The dispatcher plans an order with its lines in the office. Two technicians take it along,
//! lose the connection, and work on it side by side: both write notes, both count photos, both say
//! where they parked. When they are back, the notes and the photos of both are there, and the two
//! parking places are shown as what they are, a conflict, until somebody settles it.

mod common;

use common::{Office, Outcome};
use serde::{Deserialize, Serialize};
use tidegate::model::Owner;
use tidegate::replica::{EditError, RowState};
use tidegate::{RecordId, Replica, TypedTable};

const SCHEMA: &str = r#"
[[table]]
id = "work_order"
ownership = "user_owned"
columns = [
  { id = "title", type = "text", required = true },
  { id = "status", type = "choice", choices = ["planned", "in_progress", "done"] },
  { id = "parking", type = "text" },
  { id = "notes", type = "rich_text" },
  { id = "photos", type = "counter" },
]
[[table]]
id = "line"
ownership = "user_owned"
columns = [
  { id = "work_order", type = "lookup", table = "work_order", required = true },
  { id = "part", type = "text", required = true },
  { id = "pieces", type = "integer", required = true },
  { id = "price", type = "decimal" },
]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "dana"
business_unit = "root"
roles = ["dispatcher"]
[[user]]
id = "theo"
business_unit = "root"
roles = ["technician"]
[[user]]
id = "tina"
business_unit = "root"
roles = ["technician"]
[[team]]
id = "north"
kind = "owner"
business_unit = "root"
members = ["theo", "tina"]
roles = ["technician"]
[[role]]
id = "dispatcher"
[role.rights.work_order]
create = "organization"
read = "organization"
write = "organization"
assign = "organization"
append_to = "organization"
[role.rights.line]
create = "organization"
read = "organization"
write = "organization"
assign = "organization"
append = "organization"
[[role]]
id = "technician"
[role.rights.work_order]
read = "user"
write = "user"
append_to = "user"
[role.rights.line]
create = "user"
read = "business_unit"
append = "user"
"#;

#[derive(Debug, Default, Serialize, Deserialize)]
struct WorkOrder {
    title: String,
    status: Option<String>,
    parking: Option<String>,
    notes: Option<String>,
    photos: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    work_order: RecordId,
    part: String,
    pieces: i64,
    price: Option<String>,
}

fn orders(replica: &Replica) -> Outcome<TypedTable<WorkOrder>> {
    Ok(replica.table("work_order")?)
}

fn lines(replica: &Replica) -> Outcome<TypedTable<Line>> {
    Ok(replica.table("line")?)
}

/// An order of the team's with its lines: all of it reaches the others, or nothing.
async fn plan(dana: &Replica) -> Outcome<RecordId> {
    let (orders, lines) = (orders(dana)?, lines(dana)?);
    let order = WorkOrder {
        title: "Replace the pump".into(),
        status: Some("planned".into()),
        notes: Some("Call before you go.".into()),
        ..WorkOrder::default()
    };
    let north = Owner::Team("north".parse()?);
    let planned = dana.transaction(|tx| {
        let work_order = tx.insert_for(&orders, &order, north.clone())?;
        for (part, pieces, price) in [("pump", 1, "349.00"), ("seal", 4, "2.15")] {
            let (part, price) = (part.to_owned(), Some(price.to_owned()));
            tx.insert_for(&lines, &Line { work_order, part, pieces, price }, north.clone())?;
        }
        Ok(())
    });
    let receipt = planned.atomic().await?;
    dana.sync().await?;
    println!("planned: {:?}", receipt.settled().await?);
    Ok(receipt.id())
}

fn show(who: &str, replica: &Replica, order: RecordId) -> Outcome<()> {
    let row = orders(replica)?.get(order)?.ok_or("the order is there")?;
    println!("{who} sees: {row:?} ({:?})", replica.row_state(order)?);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let office = Office::open(SCHEMA, POLICY)?;
    let dana = office.device("dana", "dana").await?;
    let (theo, tina) = (office.device("theo", "theo").await?, office.device("tina", "tina").await?);
    let order = plan(&dana).await?;
    theo.sync().await?;
    tina.sync().await?;
    println!("theo takes along {} lines", lines(&theo)?.rows()?.len());

    // No connection from here on. Each works on what the device has.
    let by_theo = orders(&theo)?.edit(order).set("status", "in_progress");
    let by_theo = by_theo.splice("notes", 0..0, "Pump is out. ").increment("photos", 2);
    by_theo.set("parking", "courtyard").commit().await?;
    let by_tina = orders(&tina)?.edit(order).splice("notes", 19..19, " Gate code 4711.");
    by_tina.increment("photos", 3).set("parking", "street").commit().await?;
    let hose = Line { work_order: order, part: "hose".into(), pieces: 2, price: None };
    lines(&tina)?.insert(&hose).await?;
    show("tina, offline,", &tina, order)?;

    // What the technicians may not do is refused at once, without a connection, and says why.
    match orders(&tina)?.insert(&WorkOrder { title: "Coffee".into(), ..WorkOrder::default() }).await
    {
        Err(EditError::Denied(denial)) => println!("tina may not plan orders: {denial}"),
        other => return Err(format!("that should be denied: {other:?}").into()),
    }

    // Back at the office.
    for replica in [&theo, &tina, &theo, &dana] {
        replica.sync().await?;
    }
    show("dana", &dana, order)?;
    let merged = orders(&dana)?.get(order)?.ok_or("the order is there")?;
    let notes = merged.notes.as_deref();
    assert_eq!(notes, Some("Pump is out. Call before you go. Gate code 4711."));
    assert_eq!((merged.photos, lines(&dana)?.rows()?.len()), (Some(5), 3));

    let (table, column) = ("work_order".parse()?, "parking".parse()?);
    for conflict in dana.conflicts(&table, order, &column)? {
        let author = conflict.author.map_or_else(|| "somebody".to_owned(), |it| it.to_string());
        println!("parking: {} says {}", author, conflict.value);
    }
    orders(&dana)?.edit(order).set("parking", "courtyard").set("status", "done").commit().await?;
    dana.sync().await?;
    theo.sync().await?;
    assert!(theo.conflicts(&table, order, &column)?.is_empty());
    assert_eq!(theo.row_state(order)?, RowState::Confirmed);
    show("theo", &theo, order)
}
