//! Bugs put between a server and its devices: a comparison that finds nothing here would prove nothing of
//! what is right.

use std::collections::BTreeSet;

use tidegate::codec::{Entry, Page};
use tidegate::model::Section;
use tidegate::sync::EntryKind;

use super::devices;
use super::machines::{Device, Server};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The minute is not among the terms under which rows are sent.
    ForgetsTheMinute,
    /// A row that is taken for the sake of another one is not sent when that one changes.
    ForgetsTheRelated,
    /// A row that leaves is not purged.
    KeepsWhatLeaves,
    /// A column group that the profile leaves out is sent.
    SendsAllGroups,
}

impl Planted {
    const ALL: [Self; 4] = [
        Self::ForgetsTheMinute,
        Self::ForgetsTheRelated,
        Self::KeepsWhatLeaves,
        Self::SendsAllGroups,
    ];

    /// What a page to a device becomes. What the device asked for comes as it is: it would ask again.
    pub(crate) fn spoil(self, server: &Server, device: &Device, mut page: Page) -> Page {
        let meta = device.machine.meta();
        let mut known: BTreeSet<_> = meta.wanted.iter().map(|(_, record)| *record).collect();
        match self {
            Self::ForgetsTheMinute => {}
            // A scan sends all whole.
            Self::ForgetsTheRelated if meta.scope.target.is_some() || page.scope.is_some() => {}
            Self::ForgetsTheRelated => {
                for entry in server.log_after(meta.watermark) {
                    match entry.kind {
                        EntryKind::Edit { edit, .. } => {
                            known.insert(edit.record);
                        }
                        EntryKind::Move(moved) => {
                            let followers = moved.legs.into_iter().flat_map(|leg| leg.followers);
                            known.extend(followers.map(|it| it.record));
                        }
                    }
                }
                page.entries.retain(|entry| {
                    !matches!(entry, Entry::Whole { record, .. } if !known.contains(&record.record))
                });
            }
            Self::KeepsWhatLeaves => page.entries.retain(
                |entry| !matches!(entry, Entry::Gone { record, .. } if !known.contains(record)),
            ),
            Self::SendsAllGroups => {
                let is_group = |section: &Section| matches!(section, Section::Group(_));
                for entry in &mut page.entries {
                    let Entry::Whole { record, .. } = entry else { continue };
                    let all = server.record(record.record).to_edit().changes;
                    record.changes.retain(|change| !is_group(&change.section));
                    record.changes.extend(all.into_iter().filter(|it| is_group(&it.section)));
                }
            }
        }
        page
    }
}

/// In how many worlds each is found at the latest.
const CASES: u64 = 60;

#[test]
fn each_planted_bug_is_found() {
    for planted in Planted::ALL {
        let finds = |seed: &u64| devices::run(*seed, Some(planted)).is_err();
        let found = (0..CASES).find(finds);
        println!("{planted:?}: {found:?}");
        assert!(found.is_some(), "{planted:?}");
    }
}
