//! What is written is read.

use tidegate::codec::{
    Form, decode_records_up_to, decode_rows_up_to, encode_edits, encode_edits_in, encode_rows,
};
use tidegate::model::Edit;

use crate::alone;
use crate::drawn::edits;
use crate::replicas::Rng;

const CASES: u64 = 500;

/// As text: what is no number equals nothing, and 0 equals -0.
fn assert_same(found: &[Edit], wanted: &[Edit], seed: u64) {
    assert_eq!(format!("{found:?}"), format!("{wanted:?}"), "seed {seed}");
}

#[test]
fn any_edits_are_read_as_they_were_written() {
    let _turn = alone();
    let mut shortest = [0; 3];
    for seed in 0..CASES {
        let mut rng = Rng(seed);
        let count = [0, 1, 3, 10, 60, 200, 900][rng.below(7)];
        let wild = rng.below(2) == 0;
        let edits = edits(&mut rng, count, wild);
        let bytes = encode_edits(&edits).unwrap();
        assert_same(&decode_records_up_to(&bytes, count).unwrap(), &edits, seed);
        assert!(count == 0 || decode_records_up_to(&bytes, count - 1).is_err());
        shortest[usize::from(bytes[0])] += 1;
        for form in [Form::Rows, Form::Columns, Form::Streams] {
            let Some(other) = encode_edits_in(form, &edits).unwrap() else { continue };
            assert_same(&decode_records_up_to(&other, count).unwrap(), &edits, seed);
            assert!(other.len() >= bytes.len() || count > 60, "seed {seed}: {form:?}");
        }
        let rows = encode_rows(&edits).unwrap();
        assert_same(&decode_rows_up_to(&rows, count).unwrap(), &edits, seed);
        assert!(bytes.len() <= rows.len() + 1 || count > 60, "seed {seed}");
    }
    // What is drawn at random is hardly ever shorter as rows.
    let [_, columns, streams] = shortest;
    assert!(columns > CASES / 10 && streams > CASES / 5, "{shortest:?} of {CASES}");
}

/// Story: what is made of few bytes is bounded, and a writer must know: a text of a million equal
/// letters, and as many edits that are all the same, go as rows.
#[test]
fn what_a_reader_would_refuse_as_columns_is_written_as_rows() {
    let _turn = alone();
    let mut rng = Rng(5);
    let one = edits(&mut rng, 40, false).into_iter().find(|edit| edit.ops().count() > 0).unwrap();
    for count in [1, 10, 100, 1_000, 16_000] {
        let edits = vec![one.clone(); count];
        let bytes = encode_edits(&edits).unwrap();
        assert!(decode_records_up_to(&bytes, count).unwrap() == edits, "{count}");
    }
    for letters in [1_000, 100_000, 2_000_000] {
        let mut edits = edits(&mut rng, 10, false);
        for edit in &mut edits {
            for change in &mut edit.changes {
                let ops = &mut std::sync::Arc::make_mut(change).ops;
                ops.push(tidegate::model::Op::Put {
                    column: "name".parse().unwrap(),
                    value: tidegate::model::Value::Text("x".repeat(letters).into()),
                });
            }
        }
        let bytes = encode_edits(&edits).unwrap();
        assert!(decode_records_up_to(&bytes, 10).is_ok(), "{letters}");
    }
}
