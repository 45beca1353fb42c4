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

/// The value that counts is put again: that takes the others away, and is no new value. Who writes
/// beside it on all of them replaces all of them.
#[test]
fn putting_the_value_that_counts_takes_the_others_away() {
    for again in [Value::Null, Value::Text("v".into())] {
        let (mut a, mut b, mut c) = (Replica::new(1), Replica::new(2), Replica::new(3));
        let conflicts =
            |replica: &Replica| replica.record.conflicts(&table(), &column("name")).unwrap().len();
        c.write(vec![put("name", Value::Text("first".into()))]);
        a.merge(&c);
        b.merge(&c);
        b.write(vec![put("name", Value::Text("other".into()))]);
        c.write(vec![put("name", again.clone())]);
        c.merge(&b);
        a.merge(&c);
        assert_eq!(
            (c.record.columns()[&column("name")].clone(), conflicts(&c)),
            (again.clone(), 2)
        );
        c.write(vec![put("name", again.clone())]);
        assert_eq!((c.record.columns()[&column("name")].clone(), conflicts(&c)), (again, 0));
        a.write(vec![put("name", Value::Text("late".into()))]);
        a.merge(&c);
        c.merge(&a);
        for replica in [&a, &c] {
            assert_eq!(replica.record.columns()[&column("name")], Value::Text("late".into()));
            assert_eq!(*replica.record.columns(), replayed(&replica.record));
            assert_eq!(conflicts(replica), 0);
        }
    }
}
