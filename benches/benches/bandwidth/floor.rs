//! The least that a case's edits take: the entropy of their columns and values, and which records they are.
//! How it is computed is written in `docs/testing.md`, "What edits cost on the wire".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::Outcome;
use crate::trace::Typing;
use crate::work::{Put, Work};

/// A column whose values are at most so many is one of whole values.
const VOCABULARY_MAX: usize = 256;
/// And each of them comes so often on average.
const REPEATED_MIN: usize = 4;

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

/// How often things come.
#[derive(Debug, Clone)]
struct Counts<T> {
    of: BTreeMap<T, u64>,
    all: u64,
}

impl<T: Ord> Counts<T> {
    fn new(things: impl IntoIterator<Item = T>) -> Self {
        let mut counts = Self { of: BTreeMap::new(), all: 0 };
        for thing in things {
            *counts.of.entry(thing).or_default() += 1;
            counts.all += 1;
        }
        counts
    }

    /// The bits of one of them. What was never counted is as rare as one of all and one more.
    fn bits(&self, thing: &T) -> f64 {
        match self.of.get(thing) {
            Some(count) => (float(self.all) / float(*count)).log2(),
            None => float(self.all + 1).log2(),
        }
    }
}

/// What the values of a column are like.
#[derive(Debug, Clone)]
enum Values {
    /// Few: each is a symbol.
    Whole(Counts<String>),
    /// Whole numbers, hundredths or days: any between the least and the largest.
    Range(f64),
    /// Texts: their lengths, and their characters one by one.
    Texts(Counts<usize>, Counts<char>),
}

impl Values {
    fn learn(values: &[Option<&Json>]) -> Self {
        let texts: Vec<_> = values.iter().map(|value| text(*value)).collect();
        let distinct: BTreeSet<_> = texts.iter().collect();
        if distinct.len() <= VOCABULARY_MAX && distinct.len() * REPEATED_MIN <= texts.len() {
            return Self::Whole(Counts::new(texts));
        }
        let numbers: Option<Vec<i64>> = values.iter().map(|value| number((*value)?)).collect();
        if let Some(numbers) = numbers
            && let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max())
        {
            return Self::Range(float(most.abs_diff(*least) + 1).log2());
        }
        let lengths = texts.iter().map(|text| text.chars().count());
        Self::Texts(Counts::new(lengths), Counts::new(texts.iter().flat_map(|text| text.chars())))
    }

    fn bits(&self, value: Option<&Json>) -> f64 {
        match self {
            Self::Whole(counts) => counts.bits(&text(value)),
            Self::Range(bits) => *bits,
            Self::Texts(lengths, chars) => {
                let text = text(value);
                let each: f64 = text.chars().map(|it| chars.bits(&it)).sum();
                lengths.bits(&text.chars().count()) + each
            }
        }
    }
}

/// A value as a text; what is taken away is none that a value has.
fn text(value: Option<&Json>) -> String {
    match value {
        None => "\0".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A value as a whole number: an integer, hundredths, or days of months of 31.
fn number(value: &Json) -> Option<i64> {
    let Json::String(text) = value else { return value.as_i64() };
    if let Some((whole, part)) = text.split_once('.') {
        let digits = part.len() == 2 && part.bytes().all(|it| it.is_ascii_digit());
        return digits
            .then(|| Some(whole.parse::<i64>().ok()? * 100 + part.parse::<i64>().ok()?))?;
    }
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let day = (parts.next()??, parts.next()??, parts.next()??);
    let is_day = text.len() == 10 && parts.next().is_none();
    is_day.then_some((day.0 * 12 + day.1) * 31 + day.2)
}

/// How edits are distributed: which columns, and which values in them.
#[derive(Debug)]
pub(crate) struct Model {
    columns: Counts<usize>,
    values: BTreeMap<usize, Values>,
}

impl Model {
    /// Counts these edits.
    pub(crate) fn learn(work: &Work) -> Self {
        let puts = || work.edits.iter().flat_map(|edit| &edit.puts);
        let mut values: BTreeMap<usize, Vec<Option<&Json>>> = BTreeMap::new();
        for Put { column, value } in puts() {
            values.entry(*column).or_default().push(value.as_ref());
        }
        let values = values.into_iter().map(|(column, all)| (column, Values::learn(&all)));
        Self { columns: Counts::new(puts().map(|put| put.column)), values: values.collect() }
    }

    /// The bits of a case's columns and values.
    fn bits(&self, work: &Work) -> f64 {
        let bits = |put: &Put| {
            let values = self.values.get(&put.column);
            let value = values.map_or(0.0, |values| values.bits(put.value.as_ref()));
            self.columns.bits(&put.column) + value
        };
        work.edits.iter().flat_map(|edit| &edit.puts).map(bits).sum()
    }

    /// The bytes of a case whose edits are of different records out of so many that both ends know.
    pub(crate) fn bytes(&self, work: &Work, known: u64) -> f64 {
        (self.bits(work) + choice_bits(known, work.edits.len() as u64)) / 8.0
    }

    /// The bytes of a case in which each step edits some records out of those there are then.
    pub(crate) fn bytes_of_steps(&self, work: &Work, steps: &[(u64, u64)]) -> f64 {
        let references: f64 =
            steps.iter().map(|(known, edited)| choice_bits(*known, *edited)).sum();
        (self.bits(work) + references) / 8.0
    }
}

/// The bits that say which `count` of `all`: log2 of the binomial coefficient.
pub(crate) fn choice_bits(all: u64, count: u64) -> f64 {
    let count = count.min(all);
    (0..count).map(|at| (float(all - at) / float(count - at)).log2()).sum()
}

/// What a keystroke does beside what it types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stroke {
    /// Goes on where the last one ended.
    On,
    /// Takes out what stands before that.
    Back,
    /// Begins elsewhere.
    Elsewhere,
}

/// The bytes of a typed text: what keystrokes do, how many characters they take out and put in, where
/// they begin elsewhere, and the characters.
pub(crate) fn typed_bytes(typing: &Typing) -> f64 {
    let (mut strokes, mut sizes, mut chars) = (Vec::new(), Vec::new(), Vec::new());
    let (mut cursor, mut length, mut places) = (0, 0, 0.0);
    for (at, out, put) in &typing.patches {
        let count = put.chars().count();
        let stroke = match *at {
            at if at == cursor => Stroke::On,
            at if at + out == cursor => Stroke::Back,
            _ => Stroke::Elsewhere,
        };
        if stroke == Stroke::Elsewhere {
            places += float(length as u64 + 1).log2();
        }
        strokes.push(stroke);
        sizes.push((*out, count));
        chars.extend(put.chars());
        (cursor, length) = (at + count, (length + count).saturating_sub(*out));
    }
    (order_0(&strokes) + order_0(&sizes) + order_0(&chars) + places) / 8.0
}

/// The bits of all of these, counted on themselves.
fn order_0<T: Ord + Clone>(things: &[T]) -> f64 {
    let counts = Counts::new(things.iter().cloned());
    things.iter().map(|thing| counts.bits(thing)).sum()
}

/// Small cases whose floor is known: a floor that is wrong would make all ratios wrong.
pub(crate) fn check() -> Outcome<()> {
    let same = |what: &str, found: f64, right: f64| {
        let is_right = (found - right).abs() < 1e-9;
        if is_right { Ok(()) } else { Err(format!("floor: {what} is {found}, not {right}")) }
    };
    same("2 of 4", choice_bits(4, 2), 6.0_f64.log2())?;
    same("all of 9", choice_bits(9, 9), 0.0)?;
    same("1 of 100,000", choice_bits(100_000, 1), 100_000_f64.log2())?;
    same("a, a, b, c", order_0(&['a', 'a', 'b', 'c']), 6.0)?;
    let put = |column, value: Json| Put { column, value: Some(value) };
    let edit = |(record, put)| crate::work::Edit { author: 0, record, puts: vec![put] };
    let work = |puts: Vec<Put>| Work {
        columns: Vec::new(),
        ids: Vec::new(),
        known: Vec::new(),
        edits: puts.into_iter().enumerate().map(edit).collect(),
        is_live: false,
    };
    // Two columns equally often, a bit each; in each two values equally often, a bit each; all records.
    let few = work((0..16).map(|n| put(n % 2, (n / 2 % 2).into())).collect());
    same("whole values", Model::learn(&few).bytes(&few, 16), 4.0)?;
    // One column; any of 0 to 1,023.
    let numbers = work((0..512).map(|n| put(0, (n * 1_023 / 511).into())).collect());
    same("a range", Model::learn(&numbers).bytes(&numbers, 512), 640.0)?;
    let days = ["2024-01-31", "2024-02-01"].map(|day| number(&day.into()));
    same("days", f64::from(u8::from(days[0] < days[1])), 1.0)?;
    // Four texts of two letters, each letter one of eight.
    let texts = work(["ab", "cd", "ef", "gh"].map(|it| put(0, it.into())).into());
    same("texts", Model::learn(&texts).bytes(&texts, 4), 3.0)?;
    // On, on, back: three strokes of two kinds, and two characters, each a bit.
    let typing =
        Typing { patches: vec![(0, 0, "a".into()), (1, 0, "b".into()), (1, 1, String::new())] };
    let strokes = 2.0 * (1.5_f64.log2()) + 3.0_f64.log2();
    Ok(same("typing", typed_bytes(&typing), (2.0 * strokes + 2.0) / 8.0)?)
}
