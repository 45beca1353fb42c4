//! Writes down all that the judge asks and finds.

use super::{Finding, Guide, Requirement, Step, Way};
use crate::gate::access::WayIn;
use crate::gate::requirement::{Asked, AskedRight, Checked, Found, Listener, Purpose};
use crate::gate::{RecordFacts, Target};
use crate::model::{Denial, Principal, TableFacts};

/// Listens to the end, whatever is broken.
pub(super) struct Recorder<'a> {
    pub(super) guide: &'a Guide<'a>,
    pub(super) table: &'a TableFacts,
    pub(super) facts: &'a RecordFacts<'a>,
    pub(super) steps: Vec<Step>,
}

impl Listener for Recorder<'_> {
    fn hear(&mut self, asked: Asked<'_>, found: Found<'_>) -> Checked {
        let finding = match found {
            Found::Way(way) => Finding::Met { way: self.way(&asked, way) },
            Found::Yes => Finding::Met { way: self.column_way(&asked) },
            Found::Unknown => Finding::Unknown,
            Found::Broken(denial) => self.broken(&asked, *denial),
        };
        self.steps.push(Step { requirement: requirement(&asked), finding });
        Ok(())
    }
}

fn requirement(asked: &Asked<'_>) -> Requirement {
    match *asked {
        Asked::Right(AskedRight { right, table, record, purpose, .. }) => {
            let owned = match record {
                Target::Record(facts) => facts.owner,
                Target::Nothing | Target::Missing | Target::Unknown => None,
            };
            Requirement::Right {
                right,
                table: table.clone(),
                owner: owned.map(|(owner, _)| owner.clone()),
                business_unit: owned.map(|(_, unit)| unit.clone()),
                lookup: match purpose {
                    Purpose::LookUp(column) => Some(column.clone()),
                    Purpose::Edit | Purpose::Give => None,
                },
                give: matches!(purpose, Purpose::Give),
            }
        }
        Asked::Column { column, permission, give } => {
            Requirement::Column { column: column.clone(), permission, give }
        }
        Asked::Owned => Requirement::Owned,
        Asked::BusinessUnit { owner, unit } => {
            Requirement::BusinessUnit { owner: owner.clone(), business_unit: unit.clone() }
        }
        Asked::OwnerCanRead(owner) => Requirement::OwnerCanRead { owner: owner.clone() },
    }
}

impl Recorder<'_> {
    fn way(&self, asked: &Asked<'_>, way: WayIn<'_>) -> Option<Way> {
        let Asked::Right(AskedRight { right, table, record, .. }) = *asked else { return None };
        let owner = match record {
            Target::Record(facts) => facts.owner.map(|(owner, _)| owner),
            Target::Nothing | Target::Missing | Target::Unknown => None,
        };
        let guide = self.guide;
        Some(match way {
            WayIn::Administrator => Way::Administrator { holder: guide.administrator() },
            WayIn::Ownership(holding) => Way::Ownership {
                held: guide.owning(table, right, holding, owner)?,
                owner: owner.cloned(),
            },
            WayIn::Depth(holding) => Way::Depth { held: guide.reaching(table, right, holding)? },
            WayIn::Share(to) => Way::Share { to: to.clone() },
            WayIn::BelowOwns(owner, levels) => {
                let below = Principal::from(owner.clone());
                Way::Hierarchy { chain: guide.chain(&below, levels), below, shared: false, levels }
            }
            WayIn::BelowHasShare(to, levels) => {
                let below = to.clone();
                Way::Hierarchy { chain: guide.chain(&below, levels), below, shared: true, levels }
            }
        })
    }

    fn column_way(&self, asked: &Asked<'_>) -> Option<Way> {
        let Asked::Column { column, permission, .. } = *asked else { return None };
        self.guide.column_way(&self.table.id, column, permission, self.facts)
    }

    fn broken(&self, asked: &Asked<'_>, denial: Denial) -> Finding {
        let guide = self.guide;
        let (held, nearest) = match *asked {
            Asked::Right(asked) => {
                let held = guide.holdings(asked.table, asked.right);
                let held =
                    held.iter().filter_map(|it| guide.reaching(asked.table, asked.right, *it));
                (held.collect(), guide.nearest_right(&asked))
            }
            Asked::Column { column, permission, .. } => {
                let table = &self.table.id;
                (Vec::new(), guide.nearest_column(table, column, permission, self.facts))
            }
            Asked::Owned => (Vec::new(), Vec::new()),
            Asked::BusinessUnit { owner, .. } => (Vec::new(), guide.nearest_unit(owner)),
            Asked::OwnerCanRead(owner) => (Vec::new(), guide.nearest_owner(&self.table.id, owner)),
        };
        Finding::Broken { denial, held, nearest }
    }
}
