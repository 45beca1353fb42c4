//! The same rows in a replica and in SQLite, asked the same: the same rows in the same order.

use std::collections::BTreeSet;

use rusqlite::{Connection, params_from_iter};
use tidegate::model::{ColumnType, RecordId, Schema, TableName, Timestamp, Value};
use tidegate::query::Bookmark;
use tidegate::replica::{Draft, Intent, Replica, RowQuery};
use tidegate::{Direction, Row};

use super::drawn::{Draw, NOW, held, id, index_of_sqlite, row, schemas};
use super::rng::Rng;

/// `TIDEGATE_QUERIES` asks for more.
const QUERIES: usize = 2_000;
const QUERIES_OF_A_SCHEMA: usize = 250;

/// How often rows change between the queries of a schema.
const CHANGES_OF_A_SCHEMA: usize = 10;

/// A replica that never met a server, and SQLite, with the same rows.
pub(crate) struct Pair {
    dir: tempfile::TempDir,
    schema: Schema,
    replica: Replica,
    sqlite: Connection,
    /// Their ids are taken.
    deleted: BTreeSet<(TableName, RecordId)>,
    /// Queries that an index was used for.
    by_index: usize,
}

impl Pair {
    /// Half of them have their indexes from the beginning, others get them when there are rows.
    pub(crate) async fn new(rng: &mut Rng) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (plain, indexed) = schemas(rng);
        let first = if rng.chance(50) { plain } else { indexed.clone() };
        let replica = Self::open(&dir, first);
        let sqlite = Connection::open_in_memory().unwrap();
        sqlite.execute_batch("pragma case_sensitive_like = on").unwrap();
        let mut pair =
            Self { dir, schema: indexed, replica, sqlite, deleted: BTreeSet::new(), by_index: 0 };
        for table in pair.schema.tables.values() {
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
            pair.sqlite.execute_batch(&create).unwrap();
            for create in index_of_sqlite(table) {
                pair.sqlite.execute_batch(&create).unwrap();
            }
        }
        pair.change(rng, 60).await;
        drop(pair.replica);
        pair.replica = Self::open(&pair.dir, pair.schema.clone());
        pair.replica.indexed().await.unwrap();
        pair
    }

    fn open(dir: &tempfile::TempDir, schema: Schema) -> Replica {
        Replica::builder(dir.path().join("rows.redb")).schema(schema).open().unwrap()
    }

    /// Writes rows of each table anew, deletes some, and brings some back.
    pub(crate) async fn change(&mut self, rng: &mut Rng, rows: usize) {
        let mut drafts = Vec::new();
        for table in self.schema.tables.values() {
            let mut ids: Vec<_> = (0..rows).map(|_| id(rng, table.id.as_str())).collect();
            ids.sort_unstable();
            ids.dedup();
            for record in ids {
                let is_there = self.replica.get(&table.id, record).unwrap().is_some();
                let was_there = self.deleted.remove(&(table.id.clone(), record));
                let delete = format!("delete from {} where id = ?", table.id);
                self.sqlite.execute(&delete, [record.as_bytes()]).unwrap();
                let draft = |intent| Draft { table: table.id.clone(), record, intent };
                if was_there {
                    drafts.push(draft(Intent::Undelete));
                    continue;
                }
                if is_there && rng.chance(30) {
                    self.deleted.insert((table.id.clone(), record));
                    drafts.push(draft(Intent::Delete));
                    continue;
                }
                let mut columns = row(rng, table);
                if is_there {
                    // All are set, so that it holds what SQLite holds.
                    for column in &table.columns {
                        if !columns.contains_key(&column.id) && !column.column_type.merges() {
                            columns.insert(column.id.clone(), Value::Null);
                        }
                    }
                }
                drafts.push(draft(if is_there {
                    Intent::Set(columns)
                } else {
                    Intent::Create { owner: None, columns }
                }));
            }
        }
        let places: Vec<_> = drafts.iter().map(|it| (it.table.clone(), it.record)).collect();
        self.replica.commit(drafts).await.unwrap();
        for (table, record) in places {
            let Some(row) = self.replica.get(&table, record).unwrap() else { continue };
            let names = row.columns.iter().map(|(name, _)| name.as_str());
            let names: Vec<_> = std::iter::once("id").chain(names).collect();
            let places = vec!["?"; names.len()].join(", ");
            let insert = format!("insert into {table} ({}) values ({places})", names.join(", "));
            let own = rusqlite::types::Value::Blob(record.as_bytes().to_vec());
            let values = std::iter::once(own).chain(row.columns.iter().map(|(_, it)| held(it)));
            self.sqlite.execute(&insert, params_from_iter(values)).unwrap();
        }
    }

    fn ids_of_sqlite(&self, sql: &str) -> Vec<RecordId> {
        let mut statement =
            self.sqlite.prepare_cached(sql).unwrap_or_else(|it| panic!("{it}: {sql}"));
        let ids = statement.query_map([], |row| row.get::<_, [u8; 16]>(0)).unwrap();
        ids.map(|id| RecordId::from_bytes(id.unwrap())).collect()
    }

    /// A query, and what to ask SQLite.
    pub(crate) fn query(&self, rng: &mut Rng) -> (RowQuery, String) {
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
        (query, sql)
    }

    /// One query, whole and in pages; and how many rows it had.
    fn compare(&mut self, rng: &mut Rng) -> usize {
        let (query, sql) = self.query(rng);
        let expected = self.ids_of_sqlite(&sql);
        let what = || format!("{query:?}\n{sql}");
        let whole = query.rows().unwrap_or_else(|error| panic!("{error}\n{}", what()));
        assert_eq!(ids(&whole), expected, "{}", what());
        assert_eq!(query.count().unwrap(), expected.len() as u64, "{}", what());
        let limit = 1 + rng.below(20);
        let plan = query.clone().limit(limit).plan().unwrap();
        self.by_index += usize::from(plan.to_string().contains("index"));
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
    let (mut asked, mut with_rows, mut by_index) = (0, 0, 0);
    for seed in 0.. {
        let mut rng = Rng::new(seed);
        let mut pair = Pair::new(&mut rng).await;
        for number in 0..QUERIES_OF_A_SCHEMA.min(wanted - asked) {
            with_rows += usize::from(pair.compare(&mut rng) > 0);
            asked += 1;
            if (number + 1) % (QUERIES_OF_A_SCHEMA / CHANGES_OF_A_SCHEMA) == 0 {
                pair.change(&mut rng, 4).await;
            }
        }
        by_index += pair.by_index;
        let findings = pair.replica.verify().unwrap();
        assert!(findings.is_sound(), "{findings:?}");
        if asked >= wanted {
            break;
        }
    }
    println!("{asked} queries, {with_rows} of which gave rows, {by_index} used an index");
    assert!(by_index > asked / 20, "{by_index} of {asked} used an index");
    assert!(with_rows > asked / 3, "{with_rows} of {asked} gave rows");
}
