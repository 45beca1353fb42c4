//! Names and choices that writer and reader have with the schema are told by their numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate::codec::{
    ChangeSet, ChangeSetError, Digest, HashesDigest, Lexicon, PublicKey, SchemaMark, SecretKey,
    SignedChangeSet,
};
use tidegate::model::{
    ActorId, Change, ChangeRef, Column, ColumnName, ColumnType, DeviceNumber, Edit, EditId, Op,
    Ownership, RecordId, Schema, Section, Table, TableName, Timestamp, Value,
};

use crate::alone;
use crate::drawn::edits;
use crate::replicas::Rng;

const CASES: u64 = 400;
const STATES: [&str; 3] = ["entirely open", "waiting for parts", "done and paid"];

fn key() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

fn organization() -> PublicKey {
    SecretKey::from_seed([1; 32]).public()
}

fn signed(edits: &[Edit], lexicon: &Lexicon) -> SignedChangeSet {
    let (device, edits, hashes) = (DeviceNumber(3), edits.to_vec(), HashesDigest([9; 8]));
    let set = ChangeSet { device, edits, hashes };
    set.sign_in_short(&key(), &organization(), &[], lexicon).unwrap()
}

/// What a reader makes of it who has the names of this schema, and of no other.
fn opened(signed: &SignedChangeSet, lexicon: &Arc<Lexicon>) -> Result<Vec<Edit>, ChangeSetError> {
    let names = |mark: SchemaMark| (lexicon.mark() == Some(mark)).then(|| Arc::clone(lexicon));
    let set = signed.open_in_short(&key().public(), &organization(), names, |_, _| None)?;
    Ok(set.edits)
}

fn schema(tables: &[(&TableName, Vec<Column>)]) -> Schema {
    let table = |(id, columns): &(&TableName, Vec<Column>)| {
        let table = Table {
            id: (*id).clone(),
            name: None,
            ownership: Ownership::UserOwned,
            columns: columns.clone(),
            open: false,
            key: Vec::new(),
            indexes: Vec::new(),
        };
        ((*id).clone(), table)
    };
    Schema { tables: tables.iter().map(table).collect(), ..Schema::default() }
}

fn choice(id: &str, choices: &[&str]) -> Column {
    let choices = choices.iter().map(|it| (*it).to_owned()).collect();
    Column { choices, ..Column::new(id.parse().unwrap(), ColumnType::Choice) }
}

/// Edits of a choice each.
fn choosing(count: u64, table: &str, choices: &[&str]) -> Vec<Edit> {
    let actor = ActorId { device: DeviceNumber(3), incarnation: 0x1234_5678_9abc_def0 };
    let edit = |number: u64| {
        let chosen = choices[usize::try_from(number).unwrap() % choices.len()];
        let change = Change {
            section: Section::Main,
            id: ChangeRef { actor, seq: 1 },
            time: Timestamp::default(),
            deps: Vec::new(),
            ops: vec![Op::Put {
                column: "condition".parse().unwrap(),
                value: Value::Choice(chosen.into()),
            }],
        };
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Edit {
            id: EditId { device: DeviceNumber(3), counter: number + 1, part: 0 },
            table: table.parse().unwrap(),
            record: RecordId::from_bytes(id),
            atomic: 0,
            changes: vec![Arc::new(change)],
        }
    };
    (0..count).map(edit).collect()
}

fn says(signed: &SignedChangeSet, text: &str) -> bool {
    let bytes = postcard::to_stdvec(signed).unwrap();
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

#[test]
fn what_the_reader_has_with_the_schema_is_not_told() {
    let _turn = alone();
    let order: TableName = "purchase_order".parse().unwrap();
    let schema = schema(&[(&order, vec![choice("condition", &STATES)])]);
    let lexicon = Arc::new(Lexicon::of(&schema, Digest([5; 16])));
    let other = Arc::new(Lexicon::of(&schema, Digest([6; 16])));
    for count in [1, 2, 8, 600] {
        let edits = choosing(count, order.as_str(), &STATES);
        let (long, short) = (signed(&edits, &Lexicon::default()), signed(&edits, &lexicon));
        assert!(!says(&short, order.as_str()) && !says(&short, "condition"), "{count}");
        // Names of so many letters take more than a third of them.
        let names = order.as_str().len() + "condition".len() + STATES.concat().len() / 3;
        let (told, spared) = (long.len(), long.len().saturating_sub(short.len()));
        assert!(spared > names / 3, "{count}: {spared} of {told}");
        assert_eq!(opened(&short, &lexicon).unwrap(), edits);
        // Who has another schema cannot tell, and says so; what is said whole anybody reads.
        assert_eq!(opened(&short, &other), Err(ChangeSetError::Unclear));
        let whole = short.open(&key().public(), &organization());
        assert_eq!(whole, Err(ChangeSetError::Unclear));
        assert_eq!(opened(&long, &other).unwrap(), edits);
    }
    // Of so many each choice is a third of all: less than two bits, and of each edit its id.
    let many = choosing(600, order.as_str(), &STATES);
    assert!(signed(&many, &lexicon).len() < 600 * 17 + 200);
}

#[test]
fn a_choice_that_the_schema_does_not_have_is_told() {
    let _turn = alone();
    let names = ["purchase_order", "note"].map(|name| name.parse::<TableName>().unwrap());
    let declared = [
        (&names[0], vec![choice("condition", &STATES[..2])]),
        (&names[1], vec![choice("condition", &["new", "old"])]),
    ];
    let schema = schema(&declared);
    let lexicon = Arc::new(Lexicon::of(&schema, Digest([5; 16])));
    // One is not declared any more, or not yet; and in the other table the numbers mean other things.
    let mut edits = choosing(40, "purchase_order", &STATES);
    edits.extend(choosing(40, "note", &["new", "old", STATES[1]]));
    let short = signed(&edits, &lexicon);
    assert_eq!(opened(&short, &lexicon).unwrap(), edits);
}

/// Whoever has fewer choices under the same mark misreads nothing: there is no such number.
#[test]
fn a_number_of_no_choice_is_refused() {
    let _turn = alone();
    let order: TableName = "purchase_order".parse().unwrap();
    let lexicon = |choices: &[&str]| {
        let schema = schema(&[(&order, vec![choice("condition", choices)])]);
        Arc::new(Lexicon::of(&schema, Digest([5; 16])))
    };
    let short = signed(&choosing(40, order.as_str(), &STATES), &lexicon(&STATES));
    for choices in [&STATES[..2], &[]] {
        let error = opened(&short, &lexicon(choices)).unwrap_err().to_string();
        assert!(error.contains("choice"), "{error}");
    }
    assert!(opened(&short, &lexicon(&STATES)).is_ok());
}

/// Some of the names and choices that occur in these edits, as a schema.
fn some_of(rng: &mut Rng, edits: &[Edit]) -> Schema {
    let mut tables: BTreeMap<TableName, BTreeMap<ColumnName, BTreeSet<String>>> = BTreeMap::new();
    for edit in edits.iter().filter(|_| rng.below(3) > 0) {
        let columns = tables.entry(edit.table.clone()).or_default();
        for op in edit.ops() {
            let Some(name) = op.column() else { continue };
            let choices = columns.entry(name.clone()).or_default();
            if let Op::Put { value: Value::Choice(text), .. } = op {
                choices.insert(text.as_str().to_owned());
            }
        }
    }
    let column = |(id, choices): (&ColumnName, &BTreeSet<String>)| Column {
        choices: choices.iter().cloned().collect(),
        ..Column::new(id.clone(), ColumnType::Choice)
    };
    let tables: Vec<_> =
        tables.iter().map(|(id, columns)| (id, columns.iter().map(column).collect())).collect();
    schema(&tables)
}

#[test]
fn any_edits_are_read_by_who_has_some_of_their_names() {
    let _turn = alone();
    let mut read = 0;
    for seed in 0..CASES {
        let mut rng = Rng(seed);
        let count = [1, 3, 10, 60][rng.below(4)];
        let edits = edits(&mut rng, count, false);
        let schema = some_of(&mut rng, &edits);
        let lexicon = Arc::new(Lexicon::of(&schema, Digest([5; 16])));
        let long = signed(&edits, &Lexicon::default());
        // Some are more than a device may send.
        let Ok(all) = opened(&long, &lexicon) else { continue };
        let found = opened(&signed(&edits, &lexicon), &lexicon).unwrap();
        // As text: what is no number equals nothing.
        assert_eq!(format!("{found:?}"), format!("{all:?}"), "seed {seed}");
        read += 1;
    }
    assert!(read > CASES / 4, "{read} of {CASES}");
}
