//! Texts that several wrote side by side, merged without a document.
//!
//! What was written on top of one state of a text needs that state only as plain characters: all
//! that came before it is older than anything that it is merged with. So a weave begins with plain
//! texts and holds what was written since, deleted or not. It puts a character where Automerge
//! puts it: behind the one that its author saw before it, and of those that several put there, the
//! later one first.

use std::collections::BTreeMap;

use crate::model::{
    ActorId, CHARS, Change, ChangeRef, ColumnName, Columns, Op, Value, check_splice, index,
};

/// Texts of one section, with what was written since.
#[derive(Debug, Default)]
pub(super) struct Weave {
    texts: BTreeMap<ColumnName, Text>,
    changes: BTreeMap<ChangeRef, Written>,
}

/// What a change saw: the last change of each actor.
type Seen = BTreeMap<ActorId, u64>;

#[derive(Debug)]
struct Written {
    seen: Seen,
    /// The number of the last operation that it made or saw.
    last_op: u64,
}

#[derive(Debug)]
struct Text {
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
    id: Option<(u64, ChangeRef)>,
    /// Changes that deleted them.
    deleted: Vec<ChangeRef>,
}

impl Run {
    fn is_visible(&self, seen: &Seen) -> bool {
        let knows =
            |change: &ChangeRef| seen.get(&change.actor).is_some_and(|at| *at >= change.seq);
        self.id.as_ref().is_none_or(|(_, change)| knows(change)) && !self.deleted.iter().any(knows)
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

impl Weave {
    /// Writes a change of texts whose columns first held `base`. `held` says whether a change is
    /// known: where it is not in the weave, it led to `base`. `None`: it does not fit, or is not for
    /// a weave.
    pub(super) fn write(
        &mut self,
        change: &Change,
        base: &Columns,
        held: impl Fn(ChangeRef) -> bool,
    ) -> Option<()> {
        let is_before = |dep| held(dep) && !self.changes.contains_key(&dep);
        let mut seen = Seen::new();
        let mut last_op = 0;
        for dep in &change.deps {
            match self.changes.get(dep) {
                Some(written) => {
                    last_op = last_op.max(written.last_op);
                    for (actor, seq) in &written.seen {
                        let at = seen.entry(*actor).or_default();
                        *at = (*at).max(*seq);
                    }
                }
                None if is_before(*dep) => {}
                None => return None,
            }
        }
        let ChangeRef { actor, seq } = change.id;
        let own = ChangeRef { actor, seq: seq.checked_sub(1)? };
        // An actor is one line of history.
        if own.seq > 0 && seen.get(&actor) != Some(&own.seq) && !is_before(own) {
            return None;
        }
        seen.insert(actor, seq);
        for op in &change.ops {
            let Op::Splice { column, at, delete, insert } = op else { return None };
            if !self.texts.contains_key(column) {
                self.texts.insert(column.clone(), Text::new(base.get(column))?);
            }
            let text = self.texts.get_mut(column)?;
            let insert: Vec<char> = insert.chars().collect();
            let splice = (*at, *delete, insert.len());
            check_splice(column, text.length(&seen), splice, CHARS).ok()?;
            last_op = text.splice(change.id, &seen, last_op, (index(*at), index(*delete), &insert));
        }
        self.changes.insert(change.id, Written { seen, last_op });
        Some(())
    }

    /// What the texts hold with all that was written.
    pub(super) fn finish(self) -> Columns {
        let text = |(column, text): (ColumnName, Text)| (column, Value::RichText(text.shown()));
        self.texts.into_iter().map(text).collect()
    }
}

impl Text {
    fn new(value: Option<&Value>) -> Option<Self> {
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

    /// Carries out one operation as the author of `change` saw the text. Returns the number of the
    /// last of Automerge's operations that it takes: one for each character.
    fn splice(
        &mut self,
        change: ChangeRef,
        seen: &Seen,
        last_op: u64,
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

    fn shown(&self) -> String {
        let shown = self.runs.iter().filter(|run| run.deleted.is_empty());
        let chars = shown.filter_map(|run| self.chars.get(run.from..run.from + run.length));
        chars.flatten().collect()
    }
}

fn as_number(length: usize) -> u64 {
    length as u64
}
