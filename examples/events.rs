//! What an app can listen to: edits that others make, verdicts, denials.
//!
//! A technician's edits arrive at the dispatcher as they are made; then the technician loses a
//! right, and an edit made in good faith is denied, rolled back and kept in quarantine.

mod common;

use common::{Office, Outcome};
use tidegate::gate::Roster;
use tidegate::replica::{Event, Settled};
use tidegate::sync::server::Rules;
use tidegate::{Columns, SyncOptions, Value};

const SCHEMA: &str = r#"
[[table]]
id = "note"
ownership = "user_owned"
columns = [{ id = "text", type = "text", required = true }]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "dana"
business_unit = "root"
roles = ["system_administrator"]
[[user]]
id = "theo"
business_unit = "root"
roles = ["technician"]
[[role]]
id = "technician"
[role.rights.note]
create = "user"
read = "business_unit"
write = "user"
"#;

#[tokio::main]
async fn main() -> Outcome<()> {
    let office = Office::open(SCHEMA, POLICY)?;
    let (dana, theo) = (office.device("dana", "dana").await?, office.device("theo", "theo").await?);
    let table = "note".parse()?;
    let text = |text: &str| -> Outcome<Columns> {
        Ok([("text".parse()?, Value::Text(text.into()))].into())
    };

    let mut seen = dana.events();
    let _live = dana.start_sync(SyncOptions::live());
    let theo_live = theo.start_sync(SyncOptions::live());
    let (note, receipt) = theo.insert(&table, text("The pump leaks")?).await?;
    println!("theo's note is settled: {:?}", receipt.settled().await?);
    loop {
        match seen.recv().await? {
            Event::Changed { record, .. } if record == note => break,
            other => println!("dana hears: {other:?}"),
        }
    }
    println!("dana sees: {:?}", dana.get(&table, note)?.map(|row| row.columns));

    // Theo goes offline and edits; meanwhile the right is taken away.
    drop(theo_live);
    let receipt = theo.update(&table, note, text("The pump does not leak")?).await?;
    let rules = office.home.rules()?;
    let mut policy = rules.roster().policy().clone();
    for role in policy.roles.values_mut() {
        for rights in role.rights.values_mut() {
            rights.remove(&tidegate::model::Right::Write);
        }
    }
    let people = rules.roster().organization().clone();
    let roster = Roster::new(policy.into(), people.into());
    office.server.set_rules(Rules::new(rules.schema().clone(), roster)?).await?;

    theo.sync().await?;
    for (edit, verdict) in receipt.settled().await? {
        match verdict {
            Settled::Admitted => println!("edit {edit} counts"),
            Settled::Denied(parts) => {
                for part in parts {
                    println!("edit {edit} does not count: {}; kept: {:?}", part.denial, part.ops);
                }
            }
        }
    }
    println!("theo sees again: {:?}", theo.get(&table, note)?.map(|row| row.columns));
    office.server.stop().await;
    Ok(())
}
