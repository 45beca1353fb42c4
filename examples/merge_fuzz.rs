//! Fuzzes an app's own logic: invoices whose totals are kept beside their lines.
//!
//! The first version of the app has a mistake that no test with one device shows: it adds to the total
//! that it reads. The kit finds it, and tells the shortest story that it found. The second version works
//! the total out again after each sync, and closes an invoice in one step; it holds.
//!
//! `cargo run --features kit --example merge_fuzz`

use serde::{Deserialize, Serialize};
use tidegate::kit::{Chance, Kit, Outcome, Problem};
use tidegate::{Event, RecordId, Replica};

const SCHEMA: &str = r#"
[[table]]
id = "invoice"
ownership = "user_owned"
columns = [
  { id = "total", type = "integer", required = true },
  { id = "status", type = "choice", choices = ["open", "closed"], required = true },
  { id = "closed_on", type = "date" },
]
[[table]]
id = "line"
ownership = "user_owned"
columns = [
  { id = "invoice", type = "lookup", table = "invoice", required = true },
  { id = "amount", type = "integer", required = true },
]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "office"
[[user]]
id = "ann"
business_unit = "office"
roles = ["clerk"]
[[user]]
id = "ben"
business_unit = "office"
roles = ["clerk"]
[[role]]
id = "clerk"
[role.rights.invoice]
create = "organization"
read = "organization"
write = "organization"
append_to = "organization"
[role.rights.line]
create = "organization"
read = "organization"
append = "organization"
[[role]]
id = "reader"
[role.rights.invoice]
read = "organization"
[role.rights.line]
read = "organization"
"#;

#[derive(Debug, Serialize, Deserialize)]
struct Invoice {
    total: i64,
    status: String,
    closed_on: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    invoice: RecordId,
    amount: i64,
}

async fn new_invoice(app: &Replica, _: &mut Chance) -> Outcome {
    let invoice = Invoice { total: 0, status: "open".into(), closed_on: None };
    app.table("invoice")?.insert(&invoice).await?;
    Ok(())
}

/// Adds to the total that this device shows: what another device adds beside it is lost.
async fn add_line(app: &Replica, chance: &mut Chance) -> Outcome {
    let invoices = app.table::<Invoice>("invoice")?;
    let rows = invoices.rows()?;
    let Some((id, invoice)) = chance.pick(&rows) else { return Ok(()) };
    let amount = 1 + i64::try_from(chance.below(9))?;
    let lines = app.table::<Line>("line")?;
    let step = app.transaction(|tx| {
        tx.insert(&lines, &Line { invoice: *id, amount })?;
        tx.edit(invoices.edit(*id).set("total", invoice.total + amount))?;
        Ok(())
    });
    step.atomic().await?;
    Ok(())
}

/// In two steps: the process may end between them.
async fn close_in_two_steps(app: &Replica, chance: &mut Chance) -> Outcome {
    let invoices = app.table::<Invoice>("invoice")?;
    let rows = invoices.rows()?;
    let Some((id, _)) = chance.pick(&rows) else { return Ok(()) };
    invoices.edit(*id).set("status", "closed").commit().await?;
    invoices.edit(*id).set("closed_on", "2026-03-01").commit().await?;
    Ok(())
}

async fn close(app: &Replica, chance: &mut Chance) -> Outcome {
    let invoices = app.table::<Invoice>("invoice")?;
    let rows = invoices.rows()?;
    let Some((id, _)) = chance.pick(&rows) else { return Ok(()) };
    invoices.edit(*id).set("status", "closed").set("closed_on", "2026-03-01").commit().await?;
    Ok(())
}

fn sum_of_lines(app: &Replica, invoice: RecordId) -> Result<i64, Box<dyn std::error::Error>> {
    let lines = app.table::<Line>("line")?.rows()?;
    Ok(lines.iter().filter(|(_, line)| line.invoice == invoice).map(|(_, line)| line.amount).sum())
}

/// The app's own way to merge totals.
async fn work_out_totals(app: &Replica, events: &[Event]) -> Outcome {
    if !events.iter().any(|event| matches!(event, Event::Changed { .. })) {
        return Ok(());
    }
    let invoices = app.table::<Invoice>("invoice")?;
    for (id, invoice) in invoices.rows()? {
        let total = sum_of_lines(app, id)?;
        if invoice.total != total {
            invoices.edit(id).set("total", total).commit().await?;
        }
    }
    Ok(())
}

fn totals_are_right(app: &Replica) -> Outcome {
    for (id, invoice) in app.table::<Invoice>("invoice")?.rows()? {
        let sum = sum_of_lines(app, id)?;
        if invoice.total != sum {
            return Err(format!("the lines of {id} make {sum}, not {}", invoice.total).into());
        }
    }
    Ok(())
}

fn closed_ones_have_a_date(app: &Replica) -> Outcome {
    for (id, invoice) in app.table::<Invoice>("invoice")?.rows()? {
        if invoice.status == "closed" && invoice.closed_on.is_none() {
            return Err(format!("{id} was closed, and nobody knows when").into());
        }
    }
    Ok(())
}

/// Two users, three devices, and a while in which Ben may not write.
fn office() -> Result<Kit, Box<dyn std::error::Error>> {
    // His are the last roles of a user.
    let (before, behind) = POLICY.rsplit_once("[\"clerk\"]").ok_or("Ben is a clerk")?;
    let away = [before, "[\"reader\"]", behind].concat();
    let kit = Kit::of_documents(SCHEMA, POLICY)?
        .rules_of_document("Ben may only read", &away)?
        .steps(30)
        .devices("ann", 1)
        .devices("ben", 2)
        .first("ann", new_invoice)
        .action_of("ann", "new invoice", 1, new_invoice)
        .action("add a line", 6, add_line)
        .invariant("a total is the sum of the lines", totals_are_right)
        .always("a closed invoice has a date", closed_ones_have_a_date);
    Ok(kit)
}

/// Runs a kit that must find this invariant broken.
fn find(kit: &Kit, wanted: &str) -> Outcome {
    let found = kit.run(0..50);
    let failure = found.as_ref().err().and_then(|error| error.failure());
    let failure = failure.ok_or_else(|| format!("not found: {wanted}; {found:?}"))?;
    println!("{failure}");
    match &failure.problem {
        Problem::Broken { invariant, .. } if invariant == wanted => Ok(()),
        other => Err(format!("found instead: {other}").into()),
    }
}

fn main() -> Outcome {
    println!("The app adds to the total that it reads:\n");
    find(&office()?.action("close an invoice", 1, close), "a total is the sum of the lines")?;

    println!("It closes an invoice in two steps:\n");
    let kit = office()?
        .action("close an invoice", 8, close_in_two_steps)
        .after_sync("work out totals", work_out_totals);
    find(&kit, "a closed invoice has a date")?;

    println!("It works totals out again after each sync, and closes an invoice in one step:\n");
    let mended = office()?
        .action("close an invoice", 1, close)
        .after_sync("work out totals", work_out_totals);
    println!("{}", mended.run(0..12)?);
    Ok(())
}
