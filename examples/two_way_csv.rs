//! A backend that speaks CSV: a folder of files, kept in step both ways by a device of a service
//! user. Rows of the files go into Tidegate (importing again updates, because the table has a
//! key), and what people changed in the field comes back into the files.

mod common;

use std::path::Path;

use common::{Office, Outcome};
use tidegate::replica::{ExportFormat, Import, ImportSource};
use tidegate::{Columns, Replica, TableName, Value};

const SCHEMA: &str = r#"
[[table]]
id = "customer"
ownership = "organization_owned"
key = ["number"]
columns = [
  { id = "number", type = "integer", required = true },
  { id = "name", type = "text", required = true },
  { id = "city", type = "text" },
]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "erp"
business_unit = "root"
roles = ["system_administrator"]
[[user]]
id = "sam"
business_unit = "root"
roles = ["sales"]
[[role]]
id = "sales"
[role.rights.customer]
read = "organization"
write = "organization"
"#;

/// One round of the service: the file's rows go in, edits of others come out.
async fn round(service: &Replica, table: &TableName, file: &Path) -> Outcome<()> {
    service.sync().await?;
    let ignore = vec!["id".to_owned()];
    let import = Import { table: table.clone(), rename: [].into(), ignore };
    let rows = std::io::BufReader::new(std::fs::File::open(file)?);
    let report = service.import(&import, ImportSource::Csv(rows), |_| {}).await?;
    println!("from the file: {} changed, {} as they were", report.changed, report.unchanged);
    service.sync().await?;
    Ok(())
}

async fn write_back(service: &Replica, table: &TableName, file: &Path) -> Outcome<()> {
    service.sync().await?;
    // Replaced as a whole, so that the backend never reads half a file.
    let fresh = file.with_extension("csv.new");
    service.export(table, ExportFormat::Csv, std::fs::File::create(&fresh)?)?;
    std::fs::rename(&fresh, file)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let office = Office::open(SCHEMA, POLICY)?;
    let table: TableName = "customer".parse()?;
    let file = office.dir.path().join("customer.csv");
    std::fs::write(&file, "number,name,city\n1,Ada,Graz\n2,Ben,Oslo\n")?;

    let service = office.device("erp", "erp").await?;
    round(&service, &table, &file).await?;

    // In the field, with no connection: Ben has moved.
    let field = office.device("sam", "sam").await?;
    let name = [("name".parse()?, Value::Text("Ben".into()))];
    let found = field.find(&table, &name, None, 1)?;
    let ben = found.first().ok_or("Ben is not there")?.id;
    let moved: Columns = [("city".parse()?, Value::Text("Lyon".into()))].into();
    field.update(&table, ben, moved).await?;
    field.sync().await?;

    write_back(&service, &table, &file).await?;
    print!("{}", std::fs::read_to_string(&file)?);

    // The backend adds a row; the next round brings it in and leaves the others.
    let mut text = std::fs::read_to_string(&file)?;
    text.push_str(",3,Cora,Bothell\n");
    std::fs::write(&file, text)?;
    round(&service, &table, &file).await?;
    field.sync().await?;
    println!("in the field: {} customers", field.count(&table)?);
    office.server.stop().await;
    Ok(())
}
