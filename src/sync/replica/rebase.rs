use std::collections::{BTreeMap, BTreeSet};

use super::desk::{Folder, not_there, outside, stands};
use crate::crdt::{Fate, Rebase, Record, Translated};
use crate::gate::is_misplaced;
use crate::limits::CHANGE_OPS_MAX;
use crate::model::{
    ActorId, Change, ChangeRef, Columns, Denial, Edit, EditId, Op, RecordId, Rule, Schema, Section,
    Table, TableName, Timestamp,
};
use crate::sync::Pending;

/// What came of writing pending edits anew.
#[derive(Default)]
pub(super) struct Rebased {
    /// Written anew, to be sent again.
    pub(super) again: Vec<EditId>,
    /// They have no meaning on what is confirmed now.
    pub(super) impossible: Vec<(Edit, Denial)>,
    /// Operations that have none, of edits that have one without them.
    pub(super) parts: Vec<(Edit, Vec<Op>, Denial)>,
    /// They have no effect on what is confirmed now.
    pub(super) void: Vec<EditId>,
    /// They build on what the user may not read any more, and may count all the same.
    pub(super) open: Vec<EditId>,
}

/// What becomes of one edit.
enum Anew {
    Written(Edit),
    Void,
    Impossible(Denial),
}

impl Folder {
    /// Whether something pending builds on what its user may not read any more.
    pub(super) fn builds_on_hidden(&self, table: &TableName, id: RecordId) -> bool {
        let mut record = self.base(table, id);
        let mut pending = self.pending.iter().map(|it| &it.edit);
        pending
            .any(|edit| !stands(&mut record, edit) && builds_on_hidden(&record, edit, &self.past))
    }

    /// Writes anew, under their edit ids, the pending edits that do not stand on what is
    /// confirmed, and those that the server `asked` for. The others stay as they are: the server may
    /// have admitted them already. So do those that build on what may not be read any more, unless
    /// it has `answered` all that was sent.
    pub(super) fn rebase(
        &mut self,
        (name, id): (&TableName, RecordId),
        schema: &Schema,
        actor: ActorId,
        asked: &BTreeSet<EditId>,
        answered: bool,
    ) -> Rebased {
        let mut record = self.base(name, id);
        let mut rebased = Rebased::default();
        self.touch();
        let Some(table) = schema.table(name.as_str()) else {
            self.leave_table(name, asked, answered, &mut rebased);
            return rebased;
        };
        let replaced = std::mem::take(&mut self.replaced);
        let mut places = Places::new(&self.past, &self.pending, &replaced, &record, actor);
        // Sections into which earlier edits have moved, with their columns: later ones follow.
        let mut entered = BTreeSet::new();
        for Pending { turn, edit } in std::mem::take(&mut self.pending) {
            let follows = edit.changes.iter().any(|change| entered.contains(&change.section));
            if !asked.contains(&edit.id) && !follows && stands(&mut record, &edit) {
                places.stay(&edit);
                self.pending.push(Pending { turn, edit });
                continue;
            }
            // What was made later must know what was made before.
            let waits = !rebased.open.is_empty();
            if !answered && (waits || builds_on_hidden(&record, &edit, &self.past)) {
                rebased.open.push(edit.id);
                self.pending.push(Pending { turn, edit });
                continue;
            }
            self.unwritten.note_edit(&edit);
            let is_new = edit.is_create() && !record.exists() && !is_misplaced(table, &edit);
            if answered && asked.contains(&edit.id) && is_new {
                // It stands on nothing, and there is no other way to write it.
                rebased.impossible.push((edit, outside()));
                continue;
            }
            match places.write_anew(&mut record, table, &edit, &mut rebased.parts) {
                Anew::Written(anew) => {
                    let sections = anew.changes.iter().map(|change| &change.section);
                    let new = sections.filter(|section| edit.change(section).is_none());
                    entered.extend(new.cloned());
                    rebased.again.push(anew.id);
                    self.pending.push(Pending { turn, edit: anew });
                }
                Anew::Void => rebased.void.push(edit.id),
                Anew::Impossible(denial) => rebased.impossible.push((edit, denial)),
            }
        }
        // Of a record on which something is open only what is confirmed is shown.
        self.visible = rebased.open.is_empty().then_some(record);
        if rebased.open.is_empty() {
            self.past.clear();
        }
        rebased
    }
}

impl Folder {
    /// What is pending on a record whose table is not there any more, or not for this user. The server
    /// may have admitted it before: it stays as it is until that is answered.
    fn leave_table(
        &mut self,
        name: &TableName,
        asked: &BTreeSet<EditId>,
        answered: bool,
        rebased: &mut Rebased,
    ) {
        let detail = "the user holds nothing on it, or it is not there any more";
        let denial = || Denial {
            table: Some(name.clone()),
            detail: Some(format!("table `{name}`: {detail}")),
            ..Denial::of(Rule::NoPrivilege)
        };
        let (refused, open): (Vec<_>, Vec<_>) =
            self.pending.drain(..).partition(|it| answered || asked.contains(&it.edit.id));
        for Pending { edit, .. } in refused {
            self.unwritten.note_edit(&edit);
            rebased.impossible.push((edit, denial()));
        }
        rebased.open = open.iter().map(|it| it.edit.id).collect();
        self.pending = open;
    }
}

/// Whether an edit builds on something in a section that is not here: its user may not read it any
/// more. (On what is past, of the user's own, the server admits nothing.)
fn builds_on_hidden(record: &Record, edit: &Edit, past: &[Edit]) -> bool {
    let is_past = |dep: &ChangeRef| past.iter().flat_map(|it| &it.changes).any(|it| it.id == *dep);
    let mut hidden = edit.changes.iter().filter(|change| is_hidden(record, change));
    hidden.any(|change| !change.deps.iter().any(is_past))
}

/// The section of an operation that is written anew. What is done to a column that is not there any more
/// stays where it was: it is for the server to refuse.
fn place(table: &Table, change: &Change, op: &Op) -> Section {
    match op.column() {
        Some(column) if table.column(column.as_str()).is_none() => change.section.clone(),
        _ => op.section(table),
    }
}

fn is_hidden(record: &Record, change: &Change) -> bool {
    let is_secured = matches!(change.section, Section::Secured(_));
    let builds = !change.deps.is_empty() && !change.ops.is_empty();
    is_secured && builds && record.section(&change.section).is_none()
}

/// What a change of a section that is hidden now can still say.
fn without_places(change: &Change) -> Translated {
    let why = "what it was written on may not be read any more";
    let (lost, ops): (Vec<_>, _) = change.ops.iter().cloned().partition(Op::is_positional);
    Translated { ops, impossible: lost.into_iter().map(|op| (op, why.to_owned())).collect() }
}

/// Keeps the places that edits of texts and lists meant, where what they were written on is known.
struct Places<'a> {
    /// What was pending, and is not any more or not as it was.
    past: &'a [Edit],
    pending: BTreeSet<EditId>,
    actor: ActorId,
    /// The sections in which places matter.
    sections: BTreeMap<Section, Rebase>,
}

impl<'a> Places<'a> {
    fn new(
        past: &'a [Edit],
        pending: &[Pending],
        replaced: &[(Record, Record)],
        base: &Record,
        actor: ActorId,
    ) -> Self {
        let changes =
            past.iter().chain(pending.iter().map(|it| &it.edit)).flat_map(|it| &it.changes);
        let placed = changes.filter(|change| change.ops.iter().any(Op::is_positional));
        let sections: BTreeSet<_> = placed.map(|change| &change.section).collect();
        let rebase = |section: &Section| {
            let document = base.document(section).ok()?;
            let goes_on = |(old, new): &&(Record, Record)| {
                old.heads(section).iter().all(|head| new.holds(section, *head))
            };
            let rebase = match replaced.iter().rfind(|it| !goes_on(it)) {
                Some((old, new)) => {
                    let (old, new) = (old.document(section).ok()?, new.document(section).ok()?);
                    Rebase::across(old, &new, document)
                }
                None => Rebase::new(document),
            };
            Some((section.clone(), rebase))
        };
        let sections = sections.into_iter().filter_map(rebase).collect();
        let pending = pending.iter().map(|pending| pending.edit.id).collect();
        Self { past, pending, actor, sections }
    }

    /// An edit stays as it is.
    fn stay(&mut self, edit: &Edit) {
        for change in &edit.changes {
            if let Some(rebase) = self.sections.get_mut(&change.section)
                && rebase.stay(change).is_err()
            {
                self.sections.remove(&change.section);
            }
        }
    }

    fn write_anew(
        &mut self,
        record: &mut Record,
        table: &Table,
        edit: &Edit,
        parts: &mut Vec<(Edit, Vec<Op>, Denial)>,
    ) -> Anew {
        let is_new = edit.is_create();
        // Someone else created the record of this key: what was set here is set there.
        let joins = is_new && record.exists();
        if !is_new && !record.exists() {
            return Anew::Impossible(not_there());
        }
        let mut ops = Vec::new();
        let mut lost = Vec::new();
        for change in edit.changes.iter().filter(|it| !(joins && it.section == Section::Header)) {
            let now = joins.then_some(record.columns());
            let translated = self.translate(edit.id, change, now, is_hidden(record, change));
            ops.extend(translated.ops.into_iter().map(|op| (place(table, change, &op), op)));
            lost.extend(translated.impossible);
        }
        let denial = lost.first().map(|(_, why)| Denial::malformed(why.clone()));
        let lost: Vec<_> = lost.into_iter().map(|(op, _)| op).collect();
        if ops.is_empty() || (edit.atomic > 0 && denial.is_some()) {
            return denial.map_or(Anew::Void, Anew::Impossible);
        }
        let time = edit.changes.first().map_or_else(Timestamp::default, |change| change.time);
        let anew = record.author_in(edit.id, |_| self.actor, time, ops);
        let anew = Edit { atomic: edit.atomic, ..anew };
        if anew.changes.iter().any(|change| change.ops.len() > CHANGE_OPS_MAX) {
            self.sections.clear();
            return Anew::Impossible(Denial::malformed("it falls into too many parts"));
        }
        if let Err(error) = record.merge(&anew) {
            // What was thought to be there is not.
            self.sections.clear();
            return Anew::Impossible(Denial::malformed(error.to_string()));
        }
        parts.extend(denial.map(|denial| (edit.clone(), lost, denial)));
        Anew::Written(anew)
    }

    /// The operations of a change on the state as it is now. Where what it was written on cannot be
    /// told any more, they are taken as they are.
    fn translate(
        &mut self,
        edit: EditId,
        change: &Change,
        joins: Option<&Columns>,
        hidden: bool,
    ) -> Translated {
        let as_it_is = || Translated { ops: change.ops.clone(), ..Translated::default() };
        let Some(rebase) = self.sections.get_mut(&change.section) else { return as_it_is() };
        let in_section = |past: &'a Edit| past.change(&change.section);
        // A column that was refused is out of the change, and was in it when later ones were
        // written.
        let mut originals = self.past.iter().filter(|past| past.id == edit);
        let original = originals.find_map(in_section).unwrap_or(change);
        let mut gone: Vec<_> = self
            .past
            .iter()
            .filter(|past| !self.pending.contains(&past.id))
            .filter_map(in_section)
            .collect();
        while let Some(at) = gone.iter().position(|gone| rebase.can_follow(gone)) {
            if rebase.drop(gone.swap_remove(at)).is_err() {
                break;
            }
        }
        if !rebase.can_follow(original) {
            return if hidden { without_places(change) } else { as_it_is() };
        }
        let columns: BTreeSet<_> = change.ops.iter().map(Op::column).collect();
        let fate =
            |op: &Op| if columns.contains(&op.column()) { Fate::Kept } else { Fate::Dropped };
        let translated = match joins {
            Some(now) => rebase.set(original, now, fate),
            None => rebase.translate(original, fate),
        };
        translated.unwrap_or_else(|_| as_it_is())
    }
}
