//! The table as a picture: for each case a bar for each system, its length the logarithm of its bytes an edit.

use svg::Document;
use svg::node::element::{Line as Stroke, Rectangle, Text};

use crate::table::{Case, FLOOR, Line, Table};

const WIDTH: f64 = 980.0;
/// Where bars begin, and how much room is left for the figures behind them.
const LEFT: f64 = 230.0;
const RIGHT: f64 = 130.0;
const BAR: f64 = 15.0;
const GAP: f64 = 4.0;
/// Above the bars of a case: its name.
const HEAD: f64 = 34.0;
const TOP: f64 = 64.0;

fn words(text: String, (x, y): (f64, f64), (size, anchor): (f64, &str)) -> Text {
    Text::new(text)
        .set("x", x)
        .set("y", y)
        .set("font-size", size)
        .set("text-anchor", anchor)
        .set("font-family", "sans-serif")
        .set("fill", "#222222")
}

fn color(system: &str) -> &'static str {
    match system {
        FLOOR => "#9a9a9a",
        it if it.starts_with("tidegate") => "#00707a",
        it if it.starts_with("automerge") => "#c8782a",
        it if it.starts_with("yrs") => "#7a5aa6",
        it if it.starts_with("loro") => "#a64d79",
        _ => "#5f7d95",
    }
}

/// A figure with as many digits as matter.
fn figure(bytes: f64) -> String {
    match bytes {
        it if it < 10.0 => format!("{it:.2}"),
        it if it < 100.0 => format!("{it:.1}"),
        it => format!("{it:.0}"),
    }
}

/// From where to where the axis goes, in powers of ten.
fn decades(table: &Table) -> (i32, i32) {
    let all = || table.cases.iter().flat_map(|case| &case.lines).map(|line| line.bytes_per_edit);
    let power = |bytes: f64| (-6..12).find(|power| 10.0_f64.powi(*power) >= bytes).unwrap_or(12);
    let least = all().filter(|it| *it > 0.0).fold(1.0, f64::min);
    (power(least) - 1, power(all().fold(1.0, f64::max)))
}

/// The picture.
pub(crate) fn draw(table: &Table) -> Document {
    let (low, high) = decades(table);
    let place = |bytes: f64| {
        let part = (bytes.log10() - f64::from(low)) / f64::from(high - low);
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    };
    let height = |case: &Case| case.lines.iter().fold(HEAD, |height, _| height + BAR + GAP);
    let all: f64 = table.cases.iter().map(height).sum::<f64>() + TOP + 20.0;
    let ground = Rectangle::new().set("width", WIDTH).set("height", all).set("fill", "#ffffff");
    let title = "Bytes an edit on the wire (logarithmic); floor: the entropy of the edits";
    let mut picture = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, all))
        .set("width", WIDTH)
        .set("height", all)
        .add(ground)
        .add(words(title.to_owned(), (WIDTH / 2.0, 24.0), (16.0, "middle")));
    for power in low..=high {
        let x = place(10.0_f64.powi(power));
        let line = Stroke::new().set("x1", x).set("x2", x).set("y1", TOP - 8.0);
        let line = line.set("y2", all - 12.0).set("stroke", "#dddddd");
        let label = if power < 0 {
            figure(10.0_f64.powi(power))
        } else {
            format!("1{}", "0".repeat(power.unsigned_abs() as usize))
        };
        picture = picture.add(line).add(words(label, (x, TOP - 14.0), (11.0, "middle")));
    }
    let mut y = TOP;
    for case in &table.cases {
        picture = picture.add(words(case.name.clone(), (10.0, y + HEAD - 10.0), (14.0, "start")));
        y += HEAD;
        for Line { system, bytes_per_edit, ratio_to_floor, .. } in &case.lines {
            let end = place(*bytes_per_edit);
            let bar = Rectangle::new().set("x", LEFT).set("y", y).set("height", BAR);
            let bar = bar.set("width", (end - LEFT).max(1.0)).set("fill", color(system));
            let ratio = ratio_to_floor.filter(|_| *system != FLOOR);
            let ratio = ratio.map_or(String::new(), |ratio| format!("  ({} x)", figure(ratio)));
            let told = format!("{}{ratio}", figure(*bytes_per_edit));
            picture = picture
                .add(bar)
                .add(words((*system).to_owned(), (LEFT - 8.0, y + BAR - 3.0), (12.0, "end")))
                .add(words(told, (end + 6.0, y + BAR - 3.0), (12.0, "start")));
            y += BAR + GAP;
        }
    }
    picture
}
