//! Several values at once: visible with their authors, and settled by an ordinary put.

use tidegate::model::{Op, Value};

use crate::replicas::{Replica, column, replayed, table};

fn put(name: &str, value: Value) -> Op {
    Op::Put { column: column(name), value }
}

#[test]
fn values_written_side_by_side_are_shown_with_their_authors_until_one_is_put() {
    for (name, value) in [
        ("name", (|text: &str| Value::Text(text.into())) as fn(&str) -> Value),
        ("photo", |text| Value::Bytes(text.into())),
        ("visits", |text| Value::Counter(i64::try_from(text.len()).unwrap())),
    ] {
        let conflicts =
            |replica: &Replica| replica.record.conflicts(&table(), &column(name)).unwrap();
        let (mut a, mut b) = (Replica::new(1), Replica::new(2));
        a.write(vec![put(name, value("before"))]);
        b.merge(&a);
        assert!(conflicts(&b).is_empty());
        let from_a = a.write(vec![put(name, value("a"))])[0].id;
        let from_b = b.write(vec![put(name, value("bb"))])[0].id;
        a.merge(&b);
        b.merge(&a);
        let shown = conflicts(&a);
        assert_eq!(shown, conflicts(&b));
        assert_eq!(shown[0].value, a.record.columns()[&column(name)]);
        let mut found: Vec<_> = shown.iter().map(|it| (it.value.clone(), it.change)).collect();
        found.sort_by_key(|(_, change)| *change);
        assert_eq!(found, [(value("a"), from_a), (value("bb"), from_b)]);
        b.write(vec![put(name, value("a"))]);
        a.merge(&b);
        assert!(conflicts(&a).is_empty());
        assert_eq!(a.record.columns()[&column(name)], value("a"));
        assert_eq!(*a.record.columns(), replayed(&a.record));
    }
}

#[test]
fn increments_beside_each_other_are_no_conflict() {
    let (mut a, mut b) = (Replica::new(1), Replica::new(2));
    let increment = |by| Op::Increment { column: column("visits"), by };
    a.write(vec![increment(1)]);
    b.write(vec![increment(2)]);
    a.merge(&b);
    assert!(a.record.conflicts(&table(), &column("visits")).unwrap().is_empty());
    assert_eq!(a.record.columns()[&column("visits")], Value::Counter(3));
}
