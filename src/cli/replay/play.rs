//! A trace played: each commit on its author's device, as of what the commit says that its author had
//! seen.

use serde_json::Value as Json;

use super::plan::{Plan, Task};
use super::trace::{Commit, Step, Trace};
use super::world::{NAME, TABLE, TEXT, VALUE, World};
use crate::cli::CliError;
use crate::model::{self, ColumnName, Op, RecordId, Seen, TableName, Text, Value};
use crate::replica::{Draft, Intent, Receipt, Replica};

/// A record, as the server's log has it.
struct Record {
    id: RecordId,
    state: State,
    /// The commit that made, deleted or brought it back last.
    since: usize,
    /// Of each of its tasks, what its author saw afterwards, and the commit.
    seen: Vec<(usize, Seen)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Never,
    Active,
    Deleted,
}

/// What the steps of a task come to.
enum Outcome {
    /// The record is made, and holds this.
    Create(Json),
    /// It is made, and is this text.
    Begin(String),
    /// It is there and was edited.
    Edit(Vec<Op>),
    Delete,
}

pub(super) struct Player<'a> {
    trace: &'a Trace,
    plan: &'a Plan,
    world: World,
    table: TableName,
    value: ColumnName,
    text: ColumnName,
    records: Vec<Record>,
    /// How many commits were played when each author's device was synced last.
    synced: Vec<usize>,
}

impl<'a> Player<'a> {
    pub(super) fn new(trace: &'a Trace, plan: &'a Plan, world: World) -> Result<Self, CliError> {
        let table: TableName = TABLE.parse().map_err(CliError::run)?;
        let record = |name: &String| Record {
            id: RecordId::from_key(&table, &[name_of(name)]),
            state: State::Never,
            since: 0,
            seen: Vec::new(),
        };
        let records = trace.records.iter().map(record).collect();
        let value = VALUE.parse().map_err(CliError::run)?;
        let text = TEXT.parse().map_err(CliError::run)?;
        let synced = vec![0; trace.authors];
        Ok(Self { trace, plan, world, table, value, text, records, synced })
    }

    /// Plays all commits, and tells after each how many.
    pub(super) async fn play(&mut self, mut done: impl FnMut(usize)) -> Result<(), CliError> {
        for (number, (commit, tasks)) in self.trace.commits.iter().zip(&self.plan.tasks).enumerate()
        {
            if !tasks.is_empty() {
                self.commit(number, commit, tasks).await.map_err(|error| {
                    CliError::Run(format!("line {}, commit {}: {error}", commit.line, commit.id))
                })?;
            }
            done(number + 1);
        }
        Ok(())
    }

    pub(super) fn into_world(self) -> World {
        self.world
    }

    async fn commit(
        &mut self,
        number: usize,
        commit: &Commit,
        tasks: &[Task],
    ) -> Result<(), CliError> {
        if self.needs(tasks) > self.synced.get(commit.author).copied().unwrap_or_default() {
            self.world.sync(commit.author).await?;
        }
        let replica = self.world.device(commit.author)?;
        let (mut drafts, mut made) = (Vec::new(), Vec::new());
        for (task, (_, steps)) in tasks.iter().zip(&commit.work) {
            made.push(self.draft(number, task, steps, &mut drafts)?);
        }
        let receipt = replica.commit(drafts).await.map_err(CliError::run)?;
        for (task, before) in tasks.iter().zip(made) {
            let after = self.after(&replica, &receipt, task, before)?;
            self.record(task)?.seen.push((number, after));
        }
        self.world.sync(commit.author).await?;
        if let Some(synced) = self.synced.get_mut(commit.author) {
            *synced = number + 1;
        }
        Ok(())
    }

    /// How many commits a device must have that makes these tasks.
    fn needs(&self, tasks: &[Task]) -> usize {
        let needed = |task: &Task| {
            let record = self.records.get(task.record)?;
            let on = task.on.iter().filter_map(|task| record.seen.get(*task));
            let header = if record.state == State::Never { 0 } else { record.since + 1 };
            on.map(|(commit, _)| commit + 1).max().max(Some(header))
        };
        tasks.iter().filter_map(needed).max().unwrap_or_default()
    }

    fn record(&mut self, task: &Task) -> Result<&mut Record, CliError> {
        let none = || CliError::Run(format!("there is no record {}", task.record));
        self.records.get_mut(task.record).ok_or_else(none)
    }

    /// Adds what a task does, and returns what its author saw before; `None`: no record.
    fn draft(
        &mut self,
        commit: usize,
        task: &Task,
        steps: &[Step],
        drafts: &mut Vec<Draft>,
    ) -> Result<Option<Seen>, CliError> {
        let (table, value, text) = (self.table.clone(), self.value.clone(), self.text.clone());
        let name = self.trace.records.get(task.record).map(|name| name_of(name));
        let record = self.record(task)?;
        let id = record.id;
        let nothing = Seen::nothing(table.clone(), id);
        let mut add = |intent| drafts.push(Draft { table: table.clone(), record: id, intent });
        let seen = task.on.iter().filter_map(|task| record.seen.get(*task));
        let seen = seen.fold(nothing, |all, (_, seen)| all.together(seen));
        let outcome = outcome(record.state, steps, (&value, &text))?;
        let begins = match &outcome {
            Outcome::Create(json) => {
                Some((value, Value::Json(model::Json::new(json).map_err(CliError::run)?)))
            }
            Outcome::Begin(content) => Some((text, Value::RichText(content.clone()))),
            Outcome::Edit(_) | Outcome::Delete => None,
        };
        if let Some(begins) = begins {
            let name = (NAME.parse().map_err(CliError::run)?, name.unwrap_or_default());
            add(Intent::Create { owner: None, columns: [name, begins].into() });
            (record.state, record.since) = (State::Active, commit);
            return Ok(None);
        }
        match outcome {
            Outcome::Edit(ops) => {
                if record.state == State::Deleted {
                    // Whoever edits it beside its deletion has it there.
                    add(Intent::Undelete);
                    (record.state, record.since) = (State::Active, commit);
                }
                add(Intent::OpsOn(seen.clone(), ops));
            }
            Outcome::Delete if record.state == State::Active => {
                add(Intent::Delete);
                (record.state, record.since) = (State::Deleted, commit);
            }
            Outcome::Create(_) | Outcome::Begin(_) | Outcome::Delete => {}
        }
        Ok(Some(seen))
    }

    /// What the author of a task saw afterwards.
    fn after(
        &mut self,
        replica: &Replica,
        receipt: &Receipt,
        task: &Task,
        before: Option<Seen>,
    ) -> Result<Seen, CliError> {
        let table = self.table.clone();
        let id = self.record(task)?.id;
        if let Some(before) = before {
            return Ok(receipt.seen(id).cloned().unwrap_or(before));
        }
        let made = replica.see(&table, id).map_err(CliError::run)?;
        let gone = || CliError::Run(format!("record {id} is not there after it was made"));
        made.map(|(_, seen)| seen).ok_or_else(gone)
    }
}

fn name_of(name: &str) -> Value {
    Value::Text(Text::from(name))
}

/// What steps come to on a record that the log has in this state.
fn outcome(
    state: State,
    steps: &[Step],
    (column, text): (&ColumnName, &ColumnName),
) -> Result<Outcome, CliError> {
    let mut outcome = Outcome::Edit(Vec::new());
    for step in steps {
        let path = match step {
            Step::Delete => {
                outcome = Outcome::Delete;
                continue;
            }
            Step::Begin(content) => {
                outcome = Outcome::Begin(content.clone());
                continue;
            }
            Step::Splice { at, delete, insert } => {
                if let Outcome::Edit(ops) = &mut outcome {
                    let (column, insert) = (text.clone(), insert.clone());
                    ops.push(Op::Splice { column, at: *at, delete: *delete, insert });
                }
                continue;
            }
            Step::Create(value) => {
                if state == State::Never {
                    outcome = Outcome::Create(value.clone());
                    continue;
                }
                // It is one that was there, or that another makes too.
                outcome = Outcome::Edit(Vec::new());
                ""
            }
            Step::Put(path, _) | Step::Remove(path) => path,
        };
        let value = match step {
            Step::Create(value) | Step::Put(_, value) => Some(value),
            _ => None,
        };
        match &mut outcome {
            Outcome::Create(whole) => {
                let held = model::Json::new(whole).map_err(CliError::run)?;
                *whole = match value {
                    Some(value) => held.with(path, value).map_err(CliError::run)?.to_value(),
                    None => held.without(path).to_value(),
                };
            }
            Outcome::Edit(ops) => {
                let (column, path) = (column.clone(), path.to_owned());
                ops.push(match value {
                    Some(value) => Op::JsonPut { column, path, leaf: value.to_string() },
                    None => Op::JsonRemove { column, path },
                });
            }
            // It is not there: the plan let nothing of the kind through.
            Outcome::Delete | Outcome::Begin(_) => {}
        }
    }
    Ok(outcome)
}
