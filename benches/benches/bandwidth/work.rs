//! What is done in the cases that edit rows, the same for all systems: records of twenty fields, and edits
//! of one of them each. Everything is drawn from a seed.

use serde_json::{Value as Json, json};

/// Fields of a record: what they are called, and what is drawn for them.
const FIELDS: [(&str, Kind); 20] = [
    ("code", Kind::Letters(10, 10)),
    ("serial", Kind::Letters(10, 10)),
    ("batch", Kind::Letters(10, 10)),
    ("reference", Kind::Letters(10, 10)),
    ("part", Kind::Letters(10, 10)),
    ("shelf", Kind::Letters(10, 10)),
    ("barcode", Kind::Letters(10, 10)),
    ("contract", Kind::Letters(10, 10)),
    ("invoice", Kind::Letters(10, 10)),
    ("note", Kind::Letters(10, 30)),
    ("remark", Kind::Letters(10, 30)),
    ("address", Kind::Letters(10, 30)),
    ("city", Kind::OneOf("city", 40)),
    ("status", Kind::OneOf("status", 4)),
    ("priority", Kind::OneOf("priority", 3)),
    ("urgent", Kind::Truth),
    ("quantity", Kind::Number(1_000)),
    ("meter", Kind::Number(100_000)),
    ("price", Kind::Cents(100_000)),
    ("due", Kind::Day(1_000)),
];

/// One more field, empty in all records: one of five values is put into it in bulk.
pub(crate) const STAGE: &str = "stage";
const STAGES: Kind = Kind::OneOf(STAGE, 5);

/// Edits of each author.
pub(crate) const EACH: usize = 200;

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Random letters and digits, from so many to so many.
    Letters(u64, u64),
    /// One of so many texts, each equally often.
    OneOf(&'static str, u64),
    Truth,
    /// Below this.
    Number(u64),
    /// So many hundredths at most.
    Cents(u64),
    /// One of so many days.
    Day(u64),
}

impl Kind {
    fn draw(self, dice: &mut Dice) -> Json {
        match self {
            Self::Letters(from, to) => {
                const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
                let length = from + dice.below(to - from + 1);
                let letter = |_| char::from(*dice.pick(ALPHABET));
                (0..length).map(letter).collect::<String>().into()
            }
            Self::OneOf(what, count) => format!("{what}-{}", dice.below(count)).into(),
            Self::Truth => (dice.below(2) == 1).into(),
            Self::Number(below) => dice.below(below).into(),
            Self::Cents(below) => {
                let cents = dice.below(below);
                format!("{}.{:02}", cents / 100, cents % 100).into()
            }
            Self::Day(count) => {
                // Years of 336 days are as good as others, and all of them exist.
                let day = dice.below(count);
                format!("{}-{:02}-{:02}", 2024 + day / 336, 1 + day / 28 % 12, 1 + day % 28).into()
            }
        }
    }

    fn column(self, name: &str) -> String {
        let rest = match self {
            Self::Letters(..) => "type = \"text\"".to_owned(),
            Self::OneOf(what, count) => {
                let choices: Vec<_> = (0..count).map(|n| format!("\"{what}-{n}\"")).collect();
                format!("type = \"choice\", choices = [{}]", choices.join(", "))
            }
            Self::Truth => "type = \"boolean\"".to_owned(),
            Self::Number(_) => "type = \"integer\"".to_owned(),
            Self::Cents(_) => "type = \"decimal\"".to_owned(),
            Self::Day(_) => "type = \"date\"".to_owned(),
        };
        format!("  {{ id = \"{name}\", {rest} }},\n")
    }
}

/// The columns of the table, as a schema has them.
pub(crate) fn schema_columns() -> String {
    let fields = FIELDS.iter().map(|(name, kind)| kind.column(name));
    fields.chain([STAGES.column(STAGE)]).collect()
}

/// A small generator (splitmix64): the same numbers from the same seed, everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// One for this purpose.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(seed ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03));
        dice.next();
        dice
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below this number, which is small beside 2^64.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(from.len() as u64);
        let at = usize::try_from(at).unwrap_or_default();
        from.get(at).unwrap_or_else(|| unreachable!("it is below the length"))
    }

    /// So many different ones of these, in any order.
    fn sample<T: Copy>(&mut self, from: &[T], count: usize) -> Vec<T> {
        let mut left = from.to_vec();
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count && !left.is_empty() {
            let at = usize::try_from(self.below(left.len() as u64)).unwrap_or_default();
            taken.push(left.swap_remove(at));
        }
        taken
    }
}

/// What an edit does to a column; `None`: it takes the value away.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) column: usize,
    pub(crate) value: Option<Json>,
}

/// An edit of one record by one author.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) author: usize,
    pub(crate) record: usize,
    pub(crate) puts: Vec<Put>,
}

/// What all systems do in a case.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) columns: Vec<String>,
    pub(crate) ids: Vec<[u8; 16]>,
    /// What both ends know of each record before; nothing: its first edit makes it.
    pub(crate) known: Vec<Vec<Json>>,
    pub(crate) edits: Vec<Edit>,
    /// Whether each edit travels alone, as it is made.
    pub(crate) is_live: bool,
}

impl Work {
    /// Assignments of one value: what "an edit" is counted by.
    pub(crate) fn puts(&self) -> u64 {
        self.edits.iter().map(|edit| edit.puts.len() as u64).sum()
    }

    pub(crate) fn column(&self, at: usize) -> &str {
        self.columns.get(at).map_or("", String::as_str)
    }

    pub(crate) fn id(&self, record: usize) -> [u8; 16] {
        self.ids.get(record).copied().unwrap_or_default()
    }

    pub(crate) fn known(&self, record: usize) -> &[Json] {
        self.known.get(record).map_or(&[], Vec::as_slice)
    }
}

/// The records that the cases edit.
pub(crate) struct Records {
    seed: u64,
    pub(crate) ids: Vec<[u8; 16]>,
    pub(crate) values: Vec<Vec<Json>>,
}

impl Records {
    pub(crate) fn draw(seed: u64, count: usize) -> Self {
        let mut dice = Dice::new(seed, 1);
        let id = |dice: &mut Dice| {
            let mut id = (u128::from(dice.next()) << 64 | u128::from(dice.next())).to_be_bytes();
            // A UUID of version 4.
            id[6] = id[6] & 0x0F | 0x40;
            id[8] = id[8] & 0x3F | 0x80;
            id
        };
        let ids = (0..count).map(|_| id(&mut dice)).collect();
        let row = |_| FIELDS.iter().map(|(_, kind)| kind.draw(&mut dice)).collect();
        let values = (0..count).map(row).collect();
        Self { seed, ids, values }
    }

    /// The names of the drawn fields.
    pub(crate) fn names() -> Vec<String> {
        FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    /// To whom a record belongs, of so many authors.
    pub(crate) const fn owner(record: usize, authors: usize) -> usize {
        record % authors
    }

    /// Edits of one field each: so many records of these, and an author for each.
    fn edits(
        &self,
        purpose: u64,
        (from, count): (&[usize], usize),
        author: impl Fn(usize) -> usize,
    ) -> Vec<Edit> {
        let mut dice = Dice::new(self.seed, purpose);
        let records = dice.sample(from, count);
        let edit = |record: usize| {
            let at = usize::try_from(dice.below(FIELDS.len() as u64)).unwrap_or_default();
            let old = self.values.get(record).and_then(|row| row.get(at));
            let kind = FIELDS.get(at).map_or(Kind::Truth, |(_, kind)| *kind);
            // What changes nothing is no edit.
            let value = loop {
                let value = kind.draw(&mut dice);
                if Some(&value) != old {
                    break value;
                }
            };
            let puts = vec![Put { column: at, value: Some(value) }];
            Edit { author: author(record), record, puts }
        };
        records.into_iter().map(edit).collect()
    }

    fn work(&self, edits: Vec<Edit>, is_live: bool) -> Work {
        let mut columns = Self::names();
        columns.push(STAGE.to_owned());
        Work { columns, ids: self.ids.clone(), known: self.values.clone(), edits, is_live }
    }

    /// One after the other, each alone.
    pub(crate) fn singly(&self, count: usize) -> Work {
        let all: Vec<_> = (0..self.ids.len()).collect();
        self.work(self.edits(2, (&all, count), |_| 0), true)
    }

    /// So many edits by one author.
    pub(crate) fn by_one(&self, count: usize) -> Work {
        let all: Vec<_> = (0..self.ids.len()).collect();
        self.work(self.edits(3, (&all, count), |_| 0), false)
    }

    /// Edits of one author of many, who has a part of the records.
    pub(crate) fn by_one_of(&self, authors: usize) -> Work {
        let own: Vec<_> = (0..self.ids.len()).step_by(authors).collect();
        self.work(self.edits(4, (&own, EACH), |_| 0), false)
    }

    /// Each of the authors edits records of its own.
    pub(crate) fn by_authors(&self, authors: usize) -> Work {
        let of = |author: usize| {
            let own: Vec<_> = (author..self.ids.len()).step_by(authors).collect();
            self.edits(100 + author as u64, (&own, EACH), |_| author)
        };
        self.work((0..authors).flat_map(of).collect(), false)
    }

    /// One author puts one of few values into one column of many records.
    pub(crate) fn patch(&self, count: usize) -> Work {
        let all: Vec<_> = (0..self.ids.len()).collect();
        let mut dice = Dice::new(self.seed, 5);
        let records = dice.sample(&all, count);
        let edit = |record| {
            let value = Some(STAGES.draw(&mut dice));
            Edit { author: 0, record, puts: vec![Put { column: FIELDS.len(), value }] }
        };
        let edits = records.into_iter().map(edit).collect();
        self.work(edits, false)
    }

    /// The records as CSV, with ids and owners.
    pub(crate) fn csv(&self, owner: impl Fn(usize) -> String) -> Vec<u8> {
        let mut text = format!("id,owner,{}\n", Self::names().join(","));
        for (record, (id, values)) in self.ids.iter().zip(&self.values).enumerate() {
            text += &id_text(*id);
            text.push(',');
            text += &owner(record);
            for value in values {
                text.push(',');
                match value {
                    Json::String(value) => text.push_str(value),
                    value => text.push_str(&value.to_string()),
                }
            }
            text.push('\n');
        }
        text.into_bytes()
    }
}

/// A UUID as people write it.
pub(crate) fn id_text(id: [u8; 16]) -> String {
    tidegate::RecordId::from_bytes(id).to_string()
}

/// A row operation, as an app would write one that knows nothing of others.
pub(crate) fn row_operation(work: &Work, edit: &Edit, at_millis: u64) -> Json {
    let put =
        |put: &Put| (work.column(put.column).to_owned(), put.value.clone().unwrap_or_default());
    json!({
        "table": "order",
        "id": id_text(work.id(edit.record)),
        "by": format!("a{:02}", edit.author),
        "at": at_millis,
        "set": edit.puts.iter().map(put).collect::<serde_json::Map<_, _>>(),
    })
}
