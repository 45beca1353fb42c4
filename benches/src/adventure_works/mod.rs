//! Four tables of AdventureWorks, or as many rows of the same shape, and a server that holds them.

mod served;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

pub use served::{Measured, Served, device};

use crate::{Outcome, order};

/// The tables that are measured.
pub const TABLES: [&str; 4] = ["address", "customer", "purchase_order", "purchase_order_line"];
/// What they look up, which comes first and is not read by the device that is measured.
pub const LOOKED_UP: [&str; 4] = ["territory", "store", "product", "vendor"];

/// A folder of CSV files, with the organization and a policy beside them.
#[derive(Debug)]
pub struct Source {
    /// The folder.
    pub dir: PathBuf,
    /// Whether these are the real ones.
    pub is_real: bool,
}

impl Source {
    /// The folder beside the repository; where there is none, one that is made in `scratch`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn find(scratch: &Path) -> Outcome<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/adventureworks");
        if dir.join("address.csv").exists() {
            return Ok(Self { dir, is_real: true });
        }
        let dir = scratch.join("generated");
        generate(&dir)?;
        Ok(Self { dir, is_real: false })
    }

    /// The file of a table.
    #[must_use]
    pub fn csv(&self, table: &str) -> PathBuf {
        self.dir.join(format!("{table}.csv"))
    }

    /// Names of columns, and rows of texts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn table(&self, table: &str) -> Outcome<(Vec<String>, Vec<csv::StringRecord>)> {
        let mut reader = csv::Reader::from_path(self.csv(table))?;
        let names = reader.headers()?.iter().map(str::to_owned).collect();
        Ok((names, reader.records().collect::<Result<_, _>>()?))
    }

    /// How many rows the measured tables have.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn rows(&self) -> Outcome<u64> {
        let mut rows = 0;
        for table in TABLES {
            rows += u64::try_from(self.table(table)?.1.len())?;
        }
        Ok(rows)
    }
}

/// An id that looks like those of the real files, in no order.
fn id(kind: u32, n: u32) -> String {
    let mix = |seed: u64| {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        state ^= state >> 29;
        state.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (state >> 31)
    };
    let (high, low) = (mix(u64::from(kind) << 32 | u64::from(n)), mix(u64::from(n) << 8 | 7));
    let mut text = format!("{high:016x}{low:016x}");
    // Version 4: a random one. Another could be of a system table.
    text.replace_range(12..13, "4");
    text.replace_range(16..17, "a");
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

const TIME: &str = "2013-03-07T00:00:00Z";

/// As many rows of the same columns, with values of the same lengths.
fn generate(dir: &Path) -> Outcome<()> {
    fs::create_dir_all(dir)?;
    let file = |name: &str, head: &str, rows: u32, row: &dyn Fn(u32) -> String| {
        let mut text = format!("{head}\n");
        for n in 0..rows {
            writeln!(text, "{}", row(n))?;
        }
        Outcome::Ok(fs::write(dir.join(name), text)?)
    };
    let owner = |n: u32| format!("seller{}", n % 17);
    let unit = |n| if n == 0 { "root,".to_owned() } else { "sales,root".to_owned() };
    file("business_unit.csv", "id,parent", 2, &unit)?;
    let people = "login,employee_id,job_title,business_unit,manager,hire_date,roles";
    file("user.csv", people, 17, &|n| format!("seller{n},{n},Seller,sales,,2009-01-14,seller"))?;
    file("territory.csv", "id,name,country", 10, &|n| format!("{},{},US", n + 1, order(n).city))?;
    file("store.csv", "id,name,sales_person", 701, &|n| {
        format!("{},{},{}", id(1, n), order(n).title, owner(n))
    })?;
    file("product.csv", "id,name,number", 504, &|n| {
        format!("{},{},PR-{n:04}", id(2, n), order(n).title)
    })?;
    file("vendor.csv", "id,account_number,name", 104, &|n| {
        format!("{},VENDOR{n:04},{}", id(3, n), order(n).title)
    })?;
    let head = "id,line1,line2,city,state,country,postal_code,modified_at,owner";
    file("address.csv", head, 19_614, &|n| {
        let it = order(n);
        format!(
            "{},{} {},,{},WA,US,{:05},{TIME},{}",
            id(4, n),
            n % 9_999,
            it.city,
            order(n % 600).city,
            98_000 + n % 700,
            owner(n)
        )
    })?;
    file("customer.csv", "id,account_number,store,territory,modified_at,owner", 19_820, &|n| {
        let store = if n < 1_336 { id(1, n % 701) } else { String::new() };
        format!("{},AW{n:08},{store},{},{TIME},{}", id(5, n), 1 + n % 10, owner(n))
    })?;
    let head = "id,number,revision,status,vendor,order_date,ship_date,subtotal_usd,tax_usd,\
                freight_usd,owner";
    file("purchase_order.csv", head, 4_012, &|n| {
        let total = order(n).title.len() * 37;
        format!(
            "{},PO{n},4,complete,{},{TIME},{TIME},{total}.04,{}.0832,5.026,{}",
            id(6, n),
            id(3, n % 104),
            total / 12,
            owner(n)
        )
    })?;
    let head = "id,purchase_order,product,due_date,quantity,unit_price_usd,received_quantity,\
                rejected_quantity,owner";
    file("purchase_order_line.csv", head, 8_845, &|n| {
        let count = 3 + n % 550;
        format!(
            "{},{},{},{TIME},{count},{}.26,{count}.00,.00,{}",
            id(7, n),
            id(6, n % 4_012),
            id(2, n % 504),
            n % 90,
            owner(n)
        )
    })?;
    // Who owns a row has to be somebody who may read it.
    let mut policy = "[[role]]\nid = \"seller\"\n".to_owned();
    for table in LOOKED_UP.into_iter().chain(TABLES) {
        writeln!(policy, "[role.rights.{table}]\nread = \"user\"")?;
    }
    Ok(fs::write(dir.join("policy.toml"), policy)?)
}
