//! Each type, with any interleaving of edits and merges on three replicas.

use tidegate::codec::{decode_edits_up_to, encode_edits};
use tidegate::crdt::Record;
use tidegate::model::{Op, Value};

use crate::replicas::{Replica, Rng, TYPES, column, replayed};

/// Random edits and merges; then all replicas merge with all.
fn run(seed: u64, steps: usize, only: Option<&str>) -> [Replica; 3] {
    let mut rng = Rng(seed);
    let mut replicas = [1, 2, 3].map(Replica::new);
    for _ in 0..steps {
        let at = rng.below(3);
        if rng.below(3) == 0 {
            let other = replicas[rng.below(3)].clone();
            replicas[at].merge(&other);
        } else {
            let mut ops = Vec::new();
            let mut scratch = replicas[at].clone();
            for _ in 0..=rng.below(3) {
                let op = scratch.random_op(&mut rng, only);
                scratch.write(vec![op.clone()]);
                ops.push(op);
            }
            replicas[at].write(ops);
        }
        assert_eq!(*replicas[at].record.columns(), replayed(&replicas[at].record), "seed {seed}");
    }
    for (to, from) in [(0, 1), (0, 2), (1, 0), (2, 1)] {
        let other = replicas[from].clone();
        replicas[to].merge(&other);
    }
    replicas
}

fn converges(only: Option<&str>, seeds: u64, steps: usize) {
    for seed in 0..seeds {
        let [a, b, c] = run(seed, steps, only);
        let heads = a.record.document_heads().unwrap();
        for other in [&b, &c] {
            assert_eq!(a.record.columns(), other.record.columns(), "seed {seed}");
            assert_eq!(heads, other.record.document_heads().unwrap(), "seed {seed}");
        }
        let whole = a.record.to_edit();
        let bytes = encode_edits(std::slice::from_ref(&whole)).unwrap();
        let decoded = decode_edits_up_to(&bytes, 1);
        // A whole record may have more sections' changes than an edit; it is read without bounds.
        let decoded =
            decoded.or_else(|_| tidegate::codec::decode_records_up_to(&bytes, 1)).unwrap();
        assert_eq!(decoded, std::slice::from_ref(&whole), "seed {seed}");
        let rebuilt = Record::from_edit(&whole).unwrap();
        assert_eq!(rebuilt.columns(), a.record.columns(), "seed {seed}");
        assert_eq!(rebuilt.document_heads().unwrap(), heads, "seed {seed}");
    }
}

#[test]
fn each_type_converges_in_any_interleaving() {
    for (name, _) in TYPES {
        converges(Some(name), 60, 24);
    }
}

#[test]
fn all_types_together_converge() {
    converges(None, 100, 40);
}

fn both(a: &mut Replica, b: &mut Replica) {
    let old = a.clone();
    a.merge(b);
    b.merge(&old);
    assert_eq!(a.record.columns(), b.record.columns());
}

#[test]
fn a_column_first_written_by_two_at_once_keeps_what_both_wrote() {
    let (mut a, mut b) = (Replica::new(1), Replica::new(2));
    let splice = |insert: &str| Op::Splice {
        column: column("notes"),
        at: 0,
        delete: 0,
        insert: insert.into(),
    };
    let insert = |text: &str| Op::ListInsert {
        column: column("tags"),
        at: 0,
        values: vec![Value::Text(text.into())],
    };
    let put = |key: &str| Op::MapPut {
        column: column("sizes"),
        key: key.into(),
        value: Value::Integer(1),
    };
    let increment = |by| Op::Increment { column: column("visits"), by };
    a.write(vec![splice("from a "), insert("a"), put("a"), increment(2)]);
    b.write(vec![splice("from b "), insert("b"), put("b"), increment(3)]);
    both(&mut a, &mut b);
    let columns = a.record.columns();
    let Value::RichText(text) = &columns[&column("notes")] else { panic!() };
    assert!(text.contains("from a ") && text.contains("from b "), "{text}");
    let Value::List(items) = &columns[&column("tags")] else { panic!() };
    assert_eq!(items.len(), 2);
    let Value::Map(entries) = &columns[&column("sizes")] else { panic!() };
    assert_eq!(entries.len(), 2);
    assert_eq!(columns[&column("visits")], Value::Counter(5));
}
