//! The same rows in a replica and in SQLite, asked the same: the same rows in the same order.

use rusqlite::{Connection, params_from_iter};
use tidegate::model::{ColumnType, RecordId, Schema, TableName, Timestamp};
use tidegate::query::Bookmark;
use tidegate::replica::{Draft, Intent, Replica, RowQuery};
use tidegate::{Direction, Row};

use super::drawn::{Draw, NOW, held, id, row, schema};
use super::rng::Rng;

/// `TIDEGATE_QUERIES` asks for more.
const QUERIES: usize = 2_000;
const QUERIES_OF_A_SCHEMA: usize = 250;

/// A replica that never met a server, and SQLite, with the same rows.
struct Pair {
    _dir: tempfile::TempDir,
    schema: Schema,
    replica: Replica,
    sqlite: Connection,
}

impl Pair {
    async fn new(rng: &mut Rng) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let schema = schema(rng);
        let path = dir.path().join("rows.redb");
        let replica = Replica::builder(path).schema(schema.clone()).open().unwrap();
        let sqlite = Connection::open_in_memory().unwrap();
        sqlite.execute_batch("pragma case_sensitive_like = on").unwrap();
        let mut drafts = Vec::new();
        for table in schema.tables.values() {
            let declared = table.columns.iter().map(|column| {
                let held = match column.column_type {
                    ColumnType::Text | ColumnType::RichText | ColumnType::Choice => "text",
                    ColumnType::Float => "real",
                    ColumnType::Lookup | ColumnType::Bytes => "blob",
                    _ => "integer",
                };
                format!("{} {held}", column.id)
            });
            let declared = declared.collect::<Vec<_>>().join(", ");
            let create = format!("create table {} (id blob primary key, {declared})", table.id);
            sqlite.execute_batch(&create).unwrap();
            let mut ids: Vec<_> = (0..60).map(|_| id(rng)).collect();
            ids.sort_unstable();
            ids.dedup();
            for record in ids {
                let columns = row(rng, table);
                let names = columns.iter().map(|(name, _)| name.as_str());
                let names: Vec<_> = std::iter::once("id").chain(names).collect();
                let places = vec!["?"; names.len()].join(", ");
                let insert =
                    format!("insert into {} ({}) values ({places})", table.id, names.join(", "));
                let own = rusqlite::types::Value::Blob(record.as_bytes().to_vec());
                let values = std::iter::once(own).chain(columns.iter().map(|(_, it)| held(it)));
                sqlite.execute(&insert, params_from_iter(values)).unwrap();
                let intent = Intent::Create { owner: None, columns };
                drafts.push(Draft { table: table.id.clone(), record, intent });
            }
        }
        replica.commit(drafts).await.unwrap();
        Self { _dir: dir, schema, replica, sqlite }
    }

    fn ids_of_sqlite(&self, sql: &str) -> Vec<RecordId> {
        let mut statement =
            self.sqlite.prepare_cached(sql).unwrap_or_else(|it| panic!("{it}: {sql}"));
        let ids = statement.query_map([], |row| row.get::<_, [u8; 16]>(0)).unwrap();
        ids.map(|id| RecordId::from_bytes(id.unwrap())).collect()
    }

    /// One query, whole and in pages; and how many rows it had.
    fn compare(&self, rng: &mut Rng) -> usize {
        let mut draw = Draw { rng, schema: &self.schema, parameters: Vec::new() };
        let depth = draw.rng.below(4);
        let filter = draw.filter(depth);
        let (order, order_theirs) = draw.order();
        let parameters = draw.parameters;
        let base: TableName = "base".parse().unwrap();
        let mut query = self.replica.query(&base).at(Timestamp::from_millis(NOW).unwrap());
        query = query.filter(&filter.ours);
        for (name, value) in parameters {
            query = query.bind(&name, value);
        }
        for (column, is_desc) in order {
            let direction = if is_desc { Direction::Desc } else { Direction::Asc };
            query = query.order_by(column, direction);
        }
        let sql = format!(
            "select base.id from base left join one on one.id = base.up \
             left join two on two.id = one.up where {} order by {order_theirs}",
            filter.theirs
        );
        let expected = self.ids_of_sqlite(&sql);
        let what = || format!("{query:?}\n{sql}");
        let whole = query.rows().unwrap_or_else(|error| panic!("{error}\n{}", what()));
        assert_eq!(ids(&whole), expected, "{}", what());
        assert_eq!(query.count().unwrap(), expected.len() as u64, "{}", what());
        let limit = 1 + rng.below(20);
        assert_eq!(in_pages(&query, limit), expected, "{limit} at a time: {}", what());
        expected.len()
    }
}

fn ids(rows: &[Row]) -> Vec<RecordId> {
    rows.iter().map(|row| row.id).collect()
}

/// All rows, so many at a time, going on by the text of the bookmark.
fn in_pages(query: &RowQuery, limit: usize) -> Vec<RecordId> {
    let mut all = Vec::new();
    let mut page = query.clone().limit(limit);
    loop {
        let found = page.read().unwrap();
        all.extend(ids(&found.rows));
        let Some(next) = found.next else { return all };
        assert_eq!(found.rows.len(), limit);
        page = page.after(&next.to_string().parse::<Bookmark>().unwrap());
    }
}

#[tokio::test]
async fn a_replica_answers_as_sqlite_does() {
    let wanted = std::env::var("TIDEGATE_QUERIES").ok();
    let wanted = wanted.map_or(QUERIES, |it| it.parse().expect("TIDEGATE_QUERIES is no number"));
    let (mut asked, mut with_rows) = (0, 0);
    for seed in 0.. {
        let mut rng = Rng::new(seed);
        let pair = Pair::new(&mut rng).await;
        for _ in 0..QUERIES_OF_A_SCHEMA.min(wanted - asked) {
            with_rows += usize::from(pair.compare(&mut rng) > 0);
            asked += 1;
        }
        if asked >= wanted {
            break;
        }
    }
    println!("{asked} queries, {with_rows} of which gave rows");
    assert!(with_rows > asked / 3, "{with_rows} of {asked} gave rows");
}
