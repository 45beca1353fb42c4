//! How many bits a trace's edits are, whoever says them: an estimate to compare bytes with.

use std::collections::{BTreeMap, BTreeSet};

use super::trace::{Step, Trace};
use crate::model::Json;

/// Counts of symbols, of which each occurrence then costs the logarithm of its share.
#[derive(Default)]
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, symbol: String) {
        *self.0.entry(symbol).or_default() += 1;
    }

    fn bits(&self) -> f64 {
        bits(self.0.values().copied())
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate of counts far below 2^52")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// The empirical entropy of symbols that come so often each, times their number.
fn bits(counts: impl Iterator<Item = u64> + Clone) -> f64 {
    let all = float(counts.clone().sum());
    counts.filter(|it| *it > 0).map(float).map(|count| count * (all / count).log2()).sum()
}

/// The bits that it takes to say which `chosen` of `all` are meant.
fn choice(all: u64, chosen: u64) -> f64 {
    let chosen = chosen.min(all);
    (0..chosen).map(|at| (float(all - at) / float(chosen - at)).log2()).sum()
}

/// What all edits of a trace are, in bytes, each said once: which records a commit edits; what is done
/// at which place, by how often that comes; the value, by how often it comes at that place; and each
/// value's text, once, by how often its bytes come in all of them. Nothing is counted for who, when and
/// on what. Of a text: how far each place is from the last, how much goes there, and each character by how often its
/// bytes come.
pub(super) fn bytes(trace: &Trace) -> f64 {
    let (mut places, mut values) = (Counts::default(), BTreeMap::<String, Counts>::new());
    let (mut texts, mut typed, mut cursor) = (BTreeSet::new(), String::new(), 0);
    let mut write = |place: String, leaf: Option<&str>| {
        places.add(place.clone());
        if let Some(leaf) = leaf {
            values.entry(place).or_default().add(leaf.to_owned());
            texts.insert(leaf.to_owned());
        }
    };
    let (mut known, mut chosen) = (BTreeSet::new(), 0.0);
    for commit in &trace.commits {
        known.extend(commit.work.iter().map(|(record, _)| *record));
        chosen += choice(known.len() as u64, commit.work.len() as u64);
        for step in commit.work.iter().flat_map(|(_, steps)| steps) {
            match step {
                Step::Delete => write("delete".into(), None),
                Step::Remove(path) => write(format!("remove {path}"), None),
                Step::Create(value) => leaves("", value, &mut write),
                Step::Put(path, value) => leaves(path, value, &mut write),
                Step::Begin(text) => typed.push_str(text),
                Step::Splice { at, delete, insert } => {
                    let (length, from) = (insert.chars().count(), i64::from(*at) - cursor);
                    write(format!("splice {from} {delete} {length}"), None);
                    cursor = i64::from(*at).saturating_add_unsigned(length as u64);
                    typed.push_str(insert);
                }
            }
        }
    }
    let mut counts = [0_u64; 256];
    for byte in texts.iter().chain([&typed]).flat_map(String::as_bytes) {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let values: f64 = values.values().map(Counts::bits).sum();
    (chosen + places.bits() + values + bits(counts.into_iter())) / 8.0
}

fn leaves(path: &str, value: &serde_json::Value, write: &mut impl FnMut(String, Option<&str>)) {
    // What is no value was refused before.
    let json = Json::default().with(path, value).unwrap_or_default();
    for (path, leaf) in json.leaves() {
        write(format!("put {path}"), Some(leaf));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }

    #[test]
    fn symbols_cost_what_their_shares_say_and_choices_what_there_is_to_choose_from() {
        assert_close(bits([4, 4, 0].into_iter()), 8.0);
        assert_close(bits([9].into_iter()), 0.0);
        assert_close(bits([1, 1, 2].into_iter()), 6.0);
        assert_close(choice(8, 1), 3.0);
        assert_close(choice(4, 2), 6_f64.log2());
        assert_close(choice(5, 5), 0.0);
        assert_close(choice(3, 7), 0.0);
    }
}
