//! The program of the README: records on the device, edited with no connection.
//!
//! Run it as it is; no server is needed. With a server (`tidegate init`, `tidegate serve`), give it
//! an enrolment code, and what it made becomes the user's and is synced:
//! `TIDEGATE_CODE=tide1-... cargo run --example quickstart`

use serde::{Deserialize, Serialize};
use tidegate::{Replica, SyncOptions, read_schema};

const SCHEMA: &str = r#"
[[table]]
id = "work_order"
ownership = "user_owned"
columns = [
  { id = "title", type = "text", required = true },
  { id = "status", type = "choice", choices = ["open", "in_progress", "done"] },
  { id = "due", type = "date" },
]
"#;

#[derive(Debug, Serialize, Deserialize)]
struct WorkOrder {
    title: String,
    status: Option<String>,
    due: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = read_schema(SCHEMA, "schema.toml")?;
    let app = Replica::builder("field.redb").schema(schema).open()?;
    if app.user().is_none()
        && let Ok(code) = std::env::var("TIDEGATE_CODE")
    {
        app.enroll(&code.parse()?, "quickstart").await?;
    }

    // Any serde type, checked against the schema.
    let orders = app.table::<WorkOrder>("work_order")?;
    let (title, due) = ("Replace pump".to_owned(), Some("2026-12-01".to_owned()));
    let receipt = orders.insert(&WorkOrder { title, status: Some("open".into()), due }).await?;
    orders.edit(receipt.id()).set("status", "done").commit().await?;

    // Several edits in one durable step; the server takes them all, or none.
    let pair = app.transaction(|tx| {
        for title in ["Inspect boiler", "Read meter"] {
            let status = Some("open".to_owned());
            tx.insert(&orders, &WorkOrder { title: title.to_owned(), status, due: None })?;
        }
        Ok(())
    });
    pair.atomic().await?;

    // Reads are local: the same with and without a connection.
    for (id, order) in orders.filter("status = 'open'").rows()? {
        println!("open: {id} {}", order.title);
    }
    println!("{} orders are on this device", orders.rows()?.len());

    if app.user().is_some() {
        let _sync = app.start_sync(SyncOptions::live());
        for (edit, verdict) in receipt.settled().await? {
            println!("edit {edit}: {verdict:?}");
        }
    }
    Ok(())
}
