//! A text or list as names of its elements, before and after edits are written anew.

use std::collections::BTreeSet;

use super::rebase::Translated;
use crate::model::{ColumnName, MisfitOpError, Op, check_splice, index};

/// Names an element in every state that it occurs in.
pub(super) type Element = u64;

/// The elements that are there in the state that an edit was written on, and in the new one.
#[derive(Debug)]
pub(super) struct View {
    old: Vec<Element>,
    new: Vec<Element>,
    in_new: BTreeSet<Element>,
    /// Where the last element was found: the next one mostly is a neighbour.
    hint: usize,
    /// What the change at hand put in, or gave another value.
    touched: BTreeSet<Element>,
}

impl View {
    pub(super) fn new(old: Vec<Element>, new: Vec<Element>) -> Self {
        let in_new = new.iter().copied().collect();
        Self { old, new, in_new, hint: 0, touched: BTreeSet::new() }
    }

    /// The same new state, and another one that edits were written on.
    pub(super) fn show(&mut self, old: Vec<Element>) {
        self.old = old;
    }

    /// What the change at hand put in, or gave another value, and where it is.
    pub(super) fn take_touched(&mut self) -> Vec<(usize, Element)> {
        let touched = std::mem::take(&mut self.touched);
        if touched.is_empty() {
            return Vec::new();
        }
        let all = self.old.iter().copied().enumerate();
        all.filter(|(_, element)| touched.contains(element)).collect()
    }

    /// Carries an operation out on the state that it was written on, and, where it is kept, what
    /// it becomes on the new one.
    pub(super) fn carry_out(
        &mut self,
        op: &Op,
        kept: bool,
        names: &mut Names,
        translated: &mut Translated,
    ) -> Result<(), MisfitOpError> {
        let Some((column, at, delete, insert)) = extent(op) else { return Ok(()) };
        let bound = ("places", usize::MAX);
        check_splice(column, self.old.len(), (at, delete, insert), bound)?;
        if matches!(op, Op::ListSet { .. }) {
            self.touched.extend(self.old.get(index(at)));
            if kept {
                self.set(op, index(at), translated);
            }
            return Ok(());
        }
        let put_in = names.fresh(insert);
        self.touched.extend(&put_in);
        let range = index(at)..index(at) + index(delete);
        if kept {
            let place = self.place(range.start);
            let gone = self.old.get(range.clone()).unwrap_or_default().to_vec();
            let ops = replace(op, &self.runs(&gone), place);
            self.follow(&ops, &put_in);
            translated.ops.extend(ops);
        }
        self.old.splice(range, put_in);
        Ok(())
    }

    /// Carries out, on the new state, what makes it hold the same as the old one, whose elements
    /// it has from then on.
    pub(super) fn become_same(&mut self, ops: &[Op], names: &mut Names) {
        for op in ops {
            let count = extent(op).map_or(0, |(_, _, _, insert)| insert);
            let put_in = names.fresh(count);
            self.follow(std::slice::from_ref(op), &put_in);
        }
        self.old.clone_from(&self.new);
        self.touched.extend(&self.old);
    }

    fn set(&mut self, op: &Op, at: usize, translated: &mut Translated) {
        let place = self.old.get(at).copied().and_then(|element| self.find(element));
        if let (Some(place), Op::ListSet { column, value, .. }) = (place, op) {
            let (column, value) = (column.clone(), value.clone());
            translated.ops.push(Op::ListSet { column, at: to_place(place), value });
        } else {
            let why = "the item that it replaces was taken out";
            translated.impossible.push((op.clone(), why.into()));
        }
    }

    /// Where an element is in the new state.
    fn find(&mut self, element: Element) -> Option<usize> {
        if !self.in_new.contains(&element) {
            return None;
        }
        let hint = self.hint.min(self.new.len());
        let (before, behind) = self.new.split_at(hint);
        let mut behind = (hint..).zip(behind);
        let mut before = (0..hint).zip(before).rev();
        loop {
            let (next, last) = (behind.next(), before.next());
            let found = [next, last].into_iter().flatten().find(|(_, it)| **it == element);
            if let Some((at, _)) = found {
                self.hint = at;
                return Some(at);
            }
            next.or(last)?;
        }
    }

    /// The place in the new state behind the nearest element before `at` that is there.
    fn place(&mut self, at: usize) -> usize {
        let before = self.old.get(..at).unwrap_or_default();
        let anchor = before.iter().rev().find(|element| self.in_new.contains(element)).copied();
        anchor.and_then(|element| self.find(element)).map_or(0, |at| at + 1)
    }

    /// Where those of these elements that are there are now: runs of neighbours, rising.
    fn runs(&mut self, elements: &[Element]) -> Vec<(u32, u32)> {
        let mut places: Vec<_> =
            elements.iter().filter_map(|element| self.find(*element)).map(to_place).collect();
        places.sort_unstable();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for place in places {
            match runs.last_mut() {
                Some((from, count)) if *from + *count == place => *count += 1,
                _ => runs.push((place, 1)),
            }
        }
        runs
    }

    /// Carries operations out on the new state; the last one puts these in.
    fn follow(&mut self, ops: &[Op], put_in: &[Element]) {
        for op in ops {
            let Some((_, at, delete, insert)) = extent(op) else { continue };
            let put_in = if insert == 0 { &[] } else { put_in };
            let range = index(at)..(index(at) + index(delete)).min(self.new.len());
            for gone in self.new.splice(range, put_in.iter().copied()) {
                self.in_new.remove(&gone);
            }
            self.in_new.extend(put_in);
        }
    }
}

/// Gives names to elements.
#[derive(Debug, Default)]
pub(super) struct Names(Element);

impl Names {
    pub(super) fn one(&mut self) -> Element {
        self.0 += 1;
        self.0
    }

    pub(super) fn fresh(&mut self, count: usize) -> Vec<Element> {
        let from = self.0 + 1;
        self.0 += u64::try_from(count).unwrap_or(u64::MAX);
        (from..=self.0).collect()
    }
}

/// Where an operation on a text or list takes how many out and puts how many in. What replaces an
/// item does neither, and names one.
fn extent(op: &Op) -> Option<(&ColumnName, u32, u32, usize)> {
    match op {
        Op::Splice { column, at, delete, insert } => {
            Some((column, *at, *delete, insert.chars().count()))
        }
        Op::ListInsert { column, at, values } => Some((column, *at, 0, values.len())),
        Op::ListRemove { column, at, count } => Some((column, *at, *count, 0)),
        Op::ListSet { column, at, .. } => Some((column, *at, 1, 0)),
        _ => None,
    }
}

/// Places are bounded far below.
fn to_place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The operations that take these runs out, the last one first, and put in at `place` what `op`
/// puts in.
fn replace(op: &Op, runs: &[(u32, u32)], place: usize) -> Vec<Op> {
    let place = to_place(place);
    let before: u32 = runs.iter().filter(|(at, _)| *at < place).map(|(_, count)| count).sum();
    let place = place.saturating_sub(before);
    let mut ops: Vec<Op> = Vec::new();
    for &(at, count) in runs.iter().rev() {
        match op {
            Op::Splice { column, .. } => {
                let (column, insert) = (column.clone(), String::new());
                ops.push(Op::Splice { column, at, delete: count, insert });
            }
            Op::ListRemove { column, .. } => {
                ops.push(Op::ListRemove { column: column.clone(), at, count });
            }
            _ => {}
        }
    }
    match (op, ops.last_mut()) {
        (Op::Splice { insert, .. }, _) if insert.is_empty() => {}
        // What is replaced stays one operation.
        (Op::Splice { insert, .. }, Some(Op::Splice { at, insert: none, .. })) if *at == place => {
            none.clone_from(insert);
        }
        (Op::Splice { column, insert, .. }, _) => {
            let (column, insert) = (column.clone(), insert.clone());
            ops.push(Op::Splice { column, at: place, delete: 0, insert });
        }
        (Op::ListInsert { column, values, .. }, _) => {
            let (column, values) = (column.clone(), values.clone());
            ops.push(Op::ListInsert { column, at: place, values });
        }
        _ => {}
    }
    ops
}
