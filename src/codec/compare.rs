//! Digests by which a device and the server find out whether they hold the same records, without
//! sending them.

use serde::{Deserialize, Serialize};

use super::{DecodeError, Digest, ScanPlace, encode_rows};
use crate::model::{Change, Edit};

/// Records one after the other in the order of [`ScanPlace`], about which a device asks.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stretch {
    /// They begin behind this place; `None`: with the first.
    pub after: Option<ScanPlace>,
    /// They end with this place, whether there is a record or not; `None`: with the last.
    pub end: Option<ScanPlace>,
}

/// A range of records, behind the range before or from where the stretch begins, and its digest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RangeDigest {
    /// Its last record, which is there; `None`: it is the last range of its stretch, up to the end of that.
    pub end: Option<ScanPlace>,
    /// Over its records, as [`RangeSum`] says.
    pub digest: Digest,
}

/// What goes into the digest of a range: its records in their order, each with its digest.
#[derive(Clone, Debug, Default)]
pub struct RangeSum {
    bytes: Vec<u8>,
    records: usize,
}

impl RangeSum {
    /// Adds the next record.
    pub fn add(&mut self, place: &ScanPlace, digest: Digest) {
        // A name has at most 128 bytes.
        let table = place.table.as_str();
        self.bytes.push(u8::try_from(table.len()).unwrap_or(u8::MAX));
        self.bytes.extend_from_slice(table.as_bytes());
        self.bytes.extend_from_slice(place.record.as_bytes());
        self.bytes.extend_from_slice(&digest.0);
        self.records += 1;
    }

    /// How many records are in it.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of("range", &self.bytes)
    }
}

/// Digest of a whole record, or of what somebody may read of it: of its changes in the order of sections,
/// actors and numbers, in whatever order they came.
///
/// # Errors
/// As [`super::encode_rows`].
pub fn record_digest(whole: &Edit) -> Result<Digest, DecodeError> {
    let order = |a: &Change, b: &Change| (&a.section, a.id).cmp(&(&b.section, b.id));
    let digest =
        |record: &Edit| Ok(Digest::of("record", &encode_rows(std::slice::from_ref(record))?));
    if whole.changes.is_sorted_by(|a, b| order(a, b).is_lt()) {
        return digest(whole);
    }
    let mut sorted = whole.clone();
    sorted.changes.sort_by(|a, b| order(a, b));
    digest(&sorted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        ActorId, Change, ChangeRef, DeviceNumber, EditId, Op, RecordId, Section, TableName,
        Timestamp, Value,
    };

    fn change(section: Section, actor: u64, seq: u64, value: &str) -> Arc<Change> {
        let actor = ActorId { device: DeviceNumber(3), incarnation: actor };
        let put = Op::Put { column: "title".parse().unwrap(), value: Value::Text(value.into()) };
        let (id, time) = (ChangeRef { actor, seq }, Timestamp::default());
        Arc::new(Change { section, id, time, deps: Vec::new(), ops: vec![put] })
    }

    fn record(changes: &[Arc<Change>]) -> Edit {
        Edit {
            id: EditId { device: DeviceNumber(0), counter: 0, part: 0 },
            table: TableName::new("order").unwrap(),
            record: RecordId::from_bytes([1; 16]),
            atomic: 0,
            changes: changes.to_vec(),
        }
    }

    #[test]
    fn a_record_has_one_digest_in_whatever_order_its_changes_came() {
        let secured = Section::Secured("price".parse().unwrap());
        let (one, two) = (change(Section::Main, 1, 1, "a"), change(Section::Main, 2, 1, "b"));
        let three = change(secured, 1, 1, "c");
        let digest = |changes: &[Arc<Change>]| record_digest(&record(changes)).unwrap();
        let all = digest(&[one.clone(), two.clone(), three.clone()]);
        assert_eq!(digest(&[two.clone(), one.clone(), three.clone()]), all);
        assert_ne!(digest(&[one.clone(), two.clone()]), all, "a section is missing");
        let other = change(Section::Main, 2, 1, "B");
        assert_ne!(digest(&[one, other, three]), all, "a value is another");
    }

    #[test]
    fn a_range_depends_on_each_of_its_records_and_their_order() {
        let place = |table: &str, id: u8| ScanPlace {
            table: table.parse().unwrap(),
            record: RecordId::from_bytes([id; 16]),
        };
        let sum = |records: &[(ScanPlace, u8)]| {
            let mut sum = RangeSum::default();
            for (place, digest) in records {
                sum.add(place, Digest([*digest; 16]));
            }
            sum.digest()
        };
        let (a, b) = ((place("a", 1), 1), (place("b", 1), 2));
        let both = sum(&[a.clone(), b.clone()]);
        assert_eq!(sum(&[a.clone(), b.clone()]), both);
        for other in [vec![a.clone()], vec![b.clone(), a.clone()], vec![a, (place("b", 2), 2)]] {
            assert_ne!(sum(&other), both);
        }
        assert_eq!(RangeSum::default().digest(), sum(&[]));
    }
}
