//! What was measured: a line for each system of each case.

use std::fmt::Write as _;

use crate::ours::Cost;
use crate::rivals::Taken;

/// The systems that are Tidegate.
pub(crate) const DOWNLINK: &str = "tidegate downlink";
pub(crate) const UPLINK: &str = "tidegate uplink";
const HANDSHAKE: &str = "tidegate handshake";
pub(crate) const FLOOR: &str = "floor";

/// What a system put on the wire.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) system: &'static str,
    pub(crate) bytes: u64,
    pub(crate) bytes_per_edit: f64,
    /// `None`: there is no floor, or it is no edit that is counted.
    pub(crate) ratio_to_floor: Option<f64>,
}

/// The same work by all systems.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) edits: u64,
    pub(crate) lines: Vec<Line>,
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes are far below 2^52, and a floor is positive"
)]
impl Case {
    pub(crate) fn new(
        name: &str,
        edits: u64,
        cost: Cost,
        taken: Vec<Taken>,
        floor: Option<f64>,
    ) -> Self {
        let line = |(system, bytes): Taken| Line {
            system,
            bytes,
            bytes_per_edit: bytes as f64 / edits as f64,
            ratio_to_floor: floor.map(|floor| bytes as f64 / floor),
        };
        let mut lines = vec![line((DOWNLINK, cost.downlink))];
        if cost.uplink > 0 {
            lines.push(line((UPLINK, cost.uplink)));
        }
        if let Some(bytes) = cost.handshake {
            lines.push(Line { ratio_to_floor: None, ..line((HANDSHAKE, bytes)) });
        }
        lines.extend(taken.into_iter().map(line));
        if let Some(floor) = floor {
            let (bytes, per_edit) = (floor.ceil() as u64, floor / edits as f64);
            lines.push(Line {
                system: FLOOR,
                bytes,
                bytes_per_edit: per_edit,
                ratio_to_floor: Some(1.0),
            });
        }
        Self { name: name.to_owned(), edits, lines }
    }

    pub(crate) fn line(&self, system: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.system == system)
    }
}

/// All cases.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) cases: Vec<Case>,
}

impl Table {
    /// Adds a case, and prints it: others may take long.
    pub(crate) fn add(&mut self, case: Case) {
        let Case { name, edits, lines } = &case;
        println!("\n{name} ({edits} edits)");
        println!("  {:<28} {:>12} {:>14} {:>10}", "", "bytes", "bytes an edit", "to floor");
        for Line { system, bytes, bytes_per_edit, ratio_to_floor } in lines {
            let ratio = ratio_to_floor.map_or(String::new(), |ratio| format!("{ratio:.2}"));
            println!("  {system:<28} {bytes:>12} {bytes_per_edit:>14.2} {ratio:>10}");
        }
        self.cases.push(case);
    }

    pub(crate) fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }

    pub(crate) fn csv(&self) -> String {
        let mut text = "case,system,bytes,bytes_per_edit,ratio_to_floor\n".to_owned();
        for Case { name, lines, .. } in &self.cases {
            for Line { system, bytes, bytes_per_edit, ratio_to_floor } in lines {
                let ratio = ratio_to_floor.map_or(String::new(), |ratio| format!("{ratio:.3}"));
                let _ = writeln!(text, "{name},{system},{bytes},{bytes_per_edit:.3},{ratio}");
            }
        }
        text
    }
}
