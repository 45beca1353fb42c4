//! What issue 9 asks of the wire, beside what was measured.

use crate::table::{Case, DOWNLINK, FLOOR, Line, Table, UPLINK};

/// A system's bytes are at most so many times another's (or at most so many, without another).
struct Bound {
    what: &'static str,
    case: &'static str,
    system: &'static str,
    other: Option<&'static str>,
    most: f64,
}

const EDITS: &str = "edits-10000-authors-50";

const BOUNDS: [Bound; 8] = [
    Bound {
        what: "catch-up of 10,000 edits, to the floor",
        case: EDITS,
        system: DOWNLINK,
        other: Some(FLOOR),
        most: 1.35,
    },
    Bound {
        what: "the same, to automerge's changes",
        case: EDITS,
        system: DOWNLINK,
        other: Some("automerge changes"),
        most: 1.0 / 12.0,
    },
    Bound {
        what: "the same, to automerge's sync::State",
        case: EDITS,
        system: DOWNLINK,
        other: Some("automerge sync::State"),
        most: 1.0 / 80.0,
    },
    Bound {
        what: "the same, to json and zstd",
        case: EDITS,
        system: DOWNLINK,
        other: Some("json rows + zstd -19"),
        most: 1.0 / 3.0,
    },
    Bound {
        what: "200 edits of one author sent, to the floor",
        case: "edits-200-author-1",
        system: UPLINK,
        other: Some(FLOOR),
        most: 1.6,
    },
    Bound {
        what: "one edit on a live connection, with its verdict",
        case: "one-edit",
        system: UPLINK,
        other: None,
        most: 300.0,
    },
    Bound {
        what: "first sync, to csv and zstd",
        case: "first-sync",
        system: DOWNLINK,
        other: Some("csv + zstd -19"),
        most: 0.9,
    },
    Bound {
        what: "countries, to automerge's changes",
        case: "countries",
        system: DOWNLINK,
        other: Some("automerge changes"),
        most: 0.25,
    },
];

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn measured(case: &Case, bound: &Bound) -> Option<f64> {
    // The floor is no whole number of bytes.
    let per_edit = |line: &Line| line.bytes_per_edit;
    let ours = case.line(bound.system)?;
    Some(match bound.other {
        None => ours.bytes as f64,
        Some(other) => per_edit(ours) / per_edit(case.line(other)?),
    })
}

/// Prints the bounds of all cases that were run, and returns whether they hold.
pub(crate) fn print(table: &Table) -> bool {
    let mut all_hold = true;
    for bound in &BOUNDS {
        let Some(found) = table.case(bound.case).and_then(|case| measured(case, bound)) else {
            continue;
        };
        let holds = found <= bound.most;
        all_hold &= holds;
        let verdict = if holds { "within" } else { "OVER" };
        println!("{:<48} {found:>9.4}  {verdict} {:.4}", bound.what, bound.most);
    }
    all_hold
}
