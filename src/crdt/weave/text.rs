//! A text that several wrote side by side.
//!
//! A character is put where Automerge puts it: behind the one that its author saw before it, and of
//! those that several put there, the later one first.

use super::{Id, Seen, knows};
use crate::model::{CHARS, ChangeRef, ColumnName, Op, Value, check_splice, index};

/// A text with all that was written since, deleted or not.
#[derive(Debug)]
pub(super) struct Text {
    /// All characters, in the order in which they came.
    chars: Vec<char>,
    /// Where they are in the text.
    runs: Vec<Run>,
}

/// Characters that one operation put in.
#[derive(Debug, Clone)]
struct Run {
    /// Where they begin in `chars`.
    from: usize,
    length: usize,
    /// The number of the first, and who wrote it; `None`: it was there at first.
    id: Option<Id>,
    /// Changes that deleted them.
    deleted: Vec<ChangeRef>,
}

impl Run {
    fn is_visible(&self, seen: &Seen) -> bool {
        self.id.is_none_or(|(_, change)| knows(seen, change))
            && !self.deleted.iter().any(|change| knows(seen, *change))
    }

    /// The part from `at` on, cut off.
    fn split_off(&mut self, at: usize) -> Self {
        let mut rest = self.clone();
        rest.from += at;
        rest.length -= at;
        rest.id = self.id.map(|(number, change)| (number + as_number(at), change));
        self.length = at;
        rest
    }
}

impl Text {
    /// `None`: the column holds something else.
    pub(super) fn new(value: Option<&Value>) -> Option<Self> {
        let chars: Vec<char> = match value {
            Some(Value::RichText(text)) => text.chars().collect(),
            None => Vec::new(),
            Some(_) => return None,
        };
        let run = Run { from: 0, length: chars.len(), id: None, deleted: Vec::new() };
        Some(Self { chars, runs: vec![run] })
    }

    fn length(&self, seen: &Seen) -> usize {
        self.runs.iter().filter(|run| run.is_visible(seen)).map(|run| run.length).sum()
    }

    /// Carries out one operation as the author of `change` saw the text, where it fits. Returns the number
    /// of the last of Automerge's operations that it takes: one for each character.
    pub(super) fn write(
        &mut self,
        column: &ColumnName,
        op: &Op,
        (change, seen, last_op): (ChangeRef, &Seen, u64),
    ) -> Option<u64> {
        let Op::Splice { at, delete, insert, .. } = op else { return None };
        let insert: Vec<char> = insert.chars().collect();
        check_splice(column, self.length(seen), (*at, *delete, insert.len()), CHARS).ok()?;
        Some(self.splice((change, seen, last_op), (index(*at), index(*delete), &insert)))
    }

    fn splice(
        &mut self,
        (change, seen, last_op): (ChangeRef, &Seen, u64),
        (at, delete, insert): (usize, usize, &[char]),
    ) -> u64 {
        let mut place = self.behind(at, seen);
        if !insert.is_empty() {
            let id = (last_op + 1, change);
            let is_later = |run: &Run| {
                run.id.is_some_and(|(number, by)| (number, by.actor) > (id.0, id.1.actor))
            };
            while self.runs.get(place).is_some_and(is_later) {
                place += 1;
            }
            let (from, length) = (self.chars.len(), insert.len());
            self.chars.extend_from_slice(insert);
            self.runs.insert(place, Run { from, length, id: Some(id), deleted: Vec::new() });
            place += 1;
        }
        let mut left = delete;
        while let Some(run) = self.runs.get_mut(place).filter(|_| left > 0) {
            if run.is_visible(seen) {
                if run.length > left {
                    let rest = run.split_off(left);
                    self.runs.insert(place + 1, rest);
                }
                if let Some(run) = self.runs.get_mut(place) {
                    run.deleted.push(change);
                    left -= run.length;
                }
            }
            place += 1;
        }
        last_op + as_number(insert.len() + delete - left)
    }

    /// The place directly behind so many characters that the author sees.
    fn behind(&mut self, at: usize, seen: &Seen) -> usize {
        let mut left = at;
        for place in 0..self.runs.len() {
            if left == 0 {
                return place;
            }
            let Some(run) = self.runs.get_mut(place).filter(|run| run.is_visible(seen)) else {
                continue;
            };
            if run.length > left {
                let rest = run.split_off(left);
                self.runs.insert(place + 1, rest);
                return place + 1;
            }
            left -= run.length;
        }
        self.runs.len()
    }

    pub(super) fn shown(&self) -> Value {
        let shown = self.runs.iter().filter(|run| run.deleted.is_empty());
        let chars = shown.filter_map(|run| self.chars.get(run.from..run.from + run.length));
        Value::RichText(chars.flatten().collect())
    }
}

fn as_number(length: usize) -> u64 {
    length as u64
}
