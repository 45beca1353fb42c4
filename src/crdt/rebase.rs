//! Edits written anew on another state, with the places in texts and lists that they meant.
//!
//! A place is told by the element before it. Each operation is carried out on the names of the
//! elements in the state that it was written on, which tells the elements meant; these are then
//! looked up among the names of those in the new state. Elements that Automerge knows are named by
//! the operation that put them in, which is the same in every document.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::Key;
use automerge::{Automerge, ReadDoc as _};

use super::compare::{Part, in_both};
use super::container::Container;
use super::view::{Element, Names, View};
use super::{CrdtError, Document};
use crate::model::{Change, ChangeRef, ColumnEdit, Columns, Op};

/// What is to become of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is written anew.
    Kept,
    /// It is not: only what it did to the places of others counts.
    Dropped,
}

/// A change written anew.
#[derive(Debug, Default)]
pub struct Translated {
    /// Its operations.
    pub ops: Vec<Op>,
    /// Those that have no meaning any more, and why.
    pub impossible: Vec<(Op, String)>,
}

/// Writes the changes of one section anew, one after another.
#[derive(Debug)]
pub struct Rebase {
    /// The new state, before any change was written anew.
    base: Document,
    /// That, and all changes followed so far.
    old: Document,
    views: BTreeMap<Container, View>,
    /// The change after which the views show the state that edits were written on.
    at: Option<ChangeRef>,
    names: Names,
    /// Names of elements by the operations that Automerge knows them by: the one that put them in,
    /// and those that replaced their values.
    known: BTreeMap<String, Element>,
}

impl Rebase {
    /// From states that build on `base`, the section as it is confirmed now, to `base` itself.
    #[must_use]
    pub fn new(base: Document) -> Self {
        let mut rebase = Self {
            old: base.clone(),
            base,
            views: BTreeMap::new(),
            at: None,
            names: Names::default(),
            known: BTreeMap::new(),
        };
        rebase.know_replaced();
        rebase
    }

    /// From states that build on `old`, which `new` took the place of (both as they were then), to
    /// `base`, which builds on `new`: the elements that a comparison of the two finds in both are the
    /// same.
    #[must_use]
    pub fn across(old: Document, new: &Document, base: Document) -> Self {
        let mut rebase = Self { old, ..Self::new(base) };
        rebase.know_replaced();
        for container in rebase.old.containers() {
            let (before, after) =
                (parts(rebase.old.automerge(), &container), parts(new.automerge(), &container));
            for (old, new) in in_both(&before, &after) {
                let element = match rebase.known.get(&old.0) {
                    Some(element) => *element,
                    None => rebase.names.one(),
                };
                rebase.known.insert(old.0.clone(), element);
                rebase.known.insert(new.0.clone(), element);
            }
        }
        rebase
    }

    /// Whether a change can be followed: what it builds on is known here, and it is not.
    #[must_use]
    pub fn can_follow(&self, change: &Change) -> bool {
        !self.old.holds(change.id) && change.deps.iter().all(|dep| self.old.holds(*dep))
    }

    /// A change stays as it is, in the new state too.
    ///
    /// # Errors
    /// It does not fit what it builds on.
    pub fn stay(&mut self, change: &Change) -> Result<(), CrdtError> {
        if let Some(dep) = self.at {
            // The new state holds something beside what is confirmed already.
            return Err(CrdtError::MissingDependency { change: change.id, dep });
        }
        for document in [&mut self.base, &mut self.old] {
            if !document.holds(change.id) {
                document.apply(change)?;
            }
        }
        // They show a state without it.
        self.views.clear();
        self.know_replaced();
        Ok(())
    }

    /// Follows a change that is not written anew: later ones were written on it.
    ///
    /// # Errors
    /// It does not fit what it builds on.
    pub fn drop(&mut self, change: &Change) -> Result<(), CrdtError> {
        self.translate(change, |_| Fate::Dropped).map(drop)
    }

    /// The operations that do to the new state what `change` did to the one it was written on.
    ///
    /// # Errors
    /// It does not fit what it builds on.
    pub fn translate(
        &mut self,
        change: &Change,
        fate: impl Fn(&Op) -> Fate,
    ) -> Result<Translated, CrdtError> {
        self.show(change)?;
        let mut translated = Translated::default();
        for op in &change.ops {
            let kept = fate(op) == Fate::Kept;
            match view_of(&mut self.views, op) {
                Some(view) => view.carry_out(op, kept, &mut self.names, &mut translated)?,
                None if kept => translated.ops.push(op.clone()),
                None => {}
            }
        }
        self.follow(change)?;
        Ok(translated)
    }

    /// The operations after which each text and list that `change` writes holds, in a record whose
    /// columns hold `now`, what it holds after `change` alone: for a record that turned out to
    /// exist already.
    ///
    /// # Errors
    /// It does not fit what it builds on.
    pub fn set(
        &mut self,
        change: &Change,
        now: &Columns,
        fate: impl Fn(&Op) -> Fate,
    ) -> Result<Translated, CrdtError> {
        self.show(change)?;
        let nothing = Columns::new();
        let mut alone = ColumnEdit::new(&nothing);
        change.ops.iter().try_for_each(|op| alone.apply(op))?;
        let mut translated = Translated::default();
        let mut seen = BTreeSet::new();
        for op in change.ops.iter().filter(|op| fate(op) == Fate::Kept) {
            let (Some(column), Some(view)) = (op.column(), view_of(&mut self.views, op)) else {
                translated.ops.push(op.clone());
                continue;
            };
            if seen.insert(column) {
                let held = now.get(column).cloned().unwrap_or_default();
                let ops = Op::difference(column, &held, &alone.value(column));
                view.become_same(&ops, &mut self.names);
                translated.ops.extend(ops);
            }
        }
        self.follow(change)?;
        Ok(translated)
    }

    /// Brings what is to be edited to the state that `change` was written on.
    fn show(&mut self, change: &Change) -> Result<(), CrdtError> {
        let placed = change.ops.iter().filter(|op| op.is_positional());
        let containers: BTreeSet<_> = placed.filter_map(Container::of).collect();
        let goes_on = self.at.is_some_and(|at| change.deps == [at]);
        let missing: Vec<_> =
            containers.into_iter().filter(|it| !self.views.contains_key(it)).collect();
        if goes_on && missing.is_empty() {
            return Ok(());
        }
        let state = self.old.state_at(&change.deps)?;
        let mut views = std::mem::take(&mut self.views);
        if !goes_on {
            for (container, view) in &mut views {
                view.show(self.elements(&state, container));
            }
        }
        let base = self.base.automerge().clone();
        for container in missing {
            let old = self.elements(&state, &container);
            let new = self.elements(&base, &container);
            views.insert(container, View::new(old, new));
        }
        self.views = views;
        Ok(())
    }

    /// Adds a change that was carried out to the states that others were written on.
    fn follow(&mut self, change: &Change) -> Result<(), CrdtError> {
        self.old.apply(change)?;
        self.at = Some(change.id);
        let state = self.old.state_at(&[change.id])?;
        for (container, view) in &mut self.views {
            for (at, element) in view.take_touched() {
                self.known.extend(name(&state, container, at).map(|name| (name, element)));
            }
        }
        Ok(())
    }

    /// The elements that a document shows.
    fn elements(&mut self, doc: &Automerge, container: &Container) -> Vec<Element> {
        let mut elements = Vec::new();
        for name in names(doc, container) {
            let element = match self.known.get(&name) {
                Some(element) => *element,
                None => self.names.one(),
            };
            self.known.insert(name, element);
            elements.push(element);
        }
        elements
    }

    /// Learns which values replaced which in the lists that are confirmed.
    fn know_replaced(&mut self) {
        let mut changes = self.base.automerge().get_changes(&[]);
        changes.extend(self.old.automerge().get_changes(&[]));
        for change in changes {
            let change = change.decode();
            for (number, op) in (change.start_op.get()..).zip(&change.operations) {
                if let (Key::Seq(key), false) = (&op.key, op.insert)
                    && let Some(replaced) = key.as_opid()
                {
                    let name = || replaced.to_string();
                    let element = *self.known.entry(name()).or_insert_with(|| self.names.one());
                    self.known.insert(format!("{number}@{}", change.actor_id), element);
                }
            }
        }
    }
}

fn view_of<'a>(views: &'a mut BTreeMap<Container, View>, op: &Op) -> Option<&'a mut View> {
    if op.is_positional() { views.get_mut(&Container::of(op)?) } else { None }
}

/// What Automerge calls the elements of a text or list: by the operation that wrote the value.
fn names(doc: &Automerge, container: &Container) -> impl Iterator<Item = String> {
    let object = container.object(doc).ok();
    let length = object.as_ref().map_or(0, |object| doc.length(object));
    (0..length)
        .map_while(move |at| Some(doc.get_cursor(object.as_ref()?, at, None).ok()?.to_string()))
}

/// The elements with their names and what they hold.
fn parts(doc: &Automerge, container: &Container) -> Vec<Part> {
    let values = container.parts(doc).unwrap_or_default();
    names(doc, container).zip(values).collect()
}

fn name(doc: &Automerge, container: &Container, at: usize) -> Option<String> {
    let object = container.object(doc).ok()?;
    Some(doc.get_cursor(&object, at, None).ok()?.to_string())
}
