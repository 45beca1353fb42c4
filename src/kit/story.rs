//! What happens in a run, as people read it.

use std::collections::BTreeMap;

use super::Kit;
use super::step::Deed;
use crate::limits::KIT_ROWS_TOLD_MAX;
use crate::model::{Op, RecordId, RecordState, TableName};
use crate::replica::{Replica, Row};
use crate::sync::Pending;

/// Steps, in which records have short names.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) steps: Vec<String>,
    names: BTreeMap<RecordId, String>,
    counts: BTreeMap<TableName, usize>,
}

impl Story {
    /// Notes a step, and the edits that came of it.
    pub(super) fn tell(&mut self, mut text: String, made: &[Pending], said: Option<&str>) {
        for Pending { edit, .. } in made {
            let name = self.name(&edit.table, edit.record);
            let is_there = Op::State(RecordState::Active);
            let ops = edit.ops().filter(|op| **op != is_there);
            let ops = ops.map(ToString::to_string).collect::<Vec<_>>().join(", ");
            text.extend(["\n       ", name.as_str(), ": ", ops.as_str()]);
        }
        text.extend(said.into_iter().flat_map(|said| ["\n       ", said]));
        self.steps.push(text);
    }

    fn name(&mut self, table: &TableName, record: RecordId) -> String {
        let named = self.names.entry(record).or_insert_with(|| {
            let count = self.counts.entry(table.clone()).or_default();
            *count += 1;
            format!("{table}#{count}")
        });
        named.clone()
    }

    /// What an app reads in its replica.
    pub(super) fn rows(&mut self, replica: &Replica) -> Vec<String> {
        let mut rows = Vec::new();
        for table in replica.schema().tables.keys() {
            match replica.list(table, None, KIT_ROWS_TOLD_MAX + 1) {
                Ok(found) => {
                    rows.extend(found.iter().map(|row| row_text(&self.name(table, row.id), row)));
                }
                Err(error) => rows.push(format!("{table} cannot be read: {error}")),
            }
        }
        if rows.len() > KIT_ROWS_TOLD_MAX {
            rows.truncate(KIT_ROWS_TOLD_MAX);
            rows.push("and more".into());
        }
        rows.iter().map(|text| self.named(text)).collect()
    }

    /// The text with names in the place of ids.
    pub(super) fn named(&self, text: &str) -> String {
        let ids = self.names.iter();
        ids.fold(text.to_owned(), |text, (id, name)| text.replace(&id.to_string(), name))
    }
}

fn row_text(name: &str, row: &Row) -> String {
    let columns = row.columns.iter().map(|(column, value)| format!("{column} = {value}"));
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!("{name}: {columns}{}", if row.pending { " (pending)" } else { "" })
}

impl Kit {
    pub(super) fn describe(&self, deed: &Deed) -> String {
        let named = |device: usize| {
            let user = self.devices.get(device).map(ToString::to_string);
            format!("device {device} ({})", user.unwrap_or_default())
        };
        match deed {
            Deed::Act { device, action, ends_after } => {
                let name = self.actions.get(*action).map_or("", |it| it.name.as_str());
                let end = match ends_after {
                    Some(1) => "; its process ends after 1 durable step, and begins anew".into(),
                    Some(made) => {
                        format!("; its process ends after {made} durable steps, and begins anew")
                    }
                    None => String::new(),
                };
                format!("{}: {name}{end}", named(*device))
            }
            Deed::Sync { device, messages: None } => format!("{} syncs", named(*device)),
            Deed::Sync { device, messages: Some(messages) } => {
                format!("{} syncs; {messages} messages arrive", named(*device))
            }
            Deed::Cut { device } => format!("the connection of {} is cut", named(*device)),
            Deed::Restart { device } => {
                format!("the process of {} ends, and begins anew", named(*device))
            }
            Deed::RestartServer => "the server's process ends, and begins anew".into(),
            Deed::Change { rules } => {
                let name = self.rules.get(*rules).map_or("", |it| it.name.as_str());
                format!("the rules become: {name}")
            }
        }
    }
}
