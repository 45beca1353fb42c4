//! Who may not read a column gets the same messages whether or not it is edited.

use tidegate::sync::replica::{Draft, Intent};

use crate::cases::{Case, generated, record, secret};
use crate::net::{Net, columns, text, unnumbered};

/// More than a server looks at for a page.
const MANY: usize = 600;

struct Story {
    case: Case,
    /// Whether hidden columns are edited, too.
    hidden: bool,
    edits: usize,
}

impl Story {
    fn net(&mut self) -> &mut Net {
        &mut self.case.net
    }

    fn see(&mut self, number: usize, note: &str) {
        let (reader, table) = (self.case.reader, self.case.table.clone());
        self.net().set(reader, &table, record(number), columns([("note", text(note))]));
        self.net().settle();
    }

    fn hide(&mut self, count: usize) {
        let (reader, table) = (self.case.reader, self.case.table.clone());
        for _ in 0..if self.hidden { count } else { 0 } {
            self.edits += 1;
            let (id, pay) = (record(self.edits % 5), secret(1_000 + self.edits));
            self.net().set(reader, &table, id, columns([("pay", text(&pay))]));
        }
        self.net().settle();
    }

    fn draft(&self, number: usize, values: tidegate::Columns) -> Draft {
        let (table, record) = (self.case.table.clone(), record(number));
        Draft { table, record, intent: Intent::Set(values) }
    }
}

fn run(hidden: bool) -> Story {
    let mut story = Story { case: generated(5), hidden, edits: 0 };
    let Case { reader, other, .. } = story.case;
    // Live.
    for round in 0..20 {
        story.see(round % 5, &format!("note {round}"));
        story.hide(3);
    }
    // One edit of both kinds of columns, and one commit that counts as a whole.
    let mut values = columns([("note", text("both"))]);
    if hidden {
        values.insert("pay".parse().unwrap(), text(&secret(5_000)));
    }
    let both = story.draft(1, values);
    story.net().commit(reader, vec![both], false);
    story.net().settle();
    for atomic in [false, true] {
        let mut drafts = vec![story.draft(2, columns([("note", text(&format!("two {atomic}")))]))];
        if hidden {
            drafts.push(story.draft(3, columns([("bonus", text(&secret(6_000)))])));
        }
        drafts.push(story.draft(4, columns([("grade", text(&format!("three {atomic}")))])));
        story.net().commit(reader, drafts, atomic);
        story.net().settle();
    }
    // While the other is away: pages of what happened, and what is asked on the way.
    story.net().part(other);
    for round in 0..8 {
        story.see(round % 5, &format!("away {round}"));
        story.hide(MANY / 8);
    }
    story.net().connect(other);
    story.net().settle();
    let (table, id) = (story.case.table.clone(), record(0));
    story.net().set(other, &table, id, columns([("grade", text("mine"))]));
    story.net().settle();
    story.hide(5);
    // Nothing but hidden edits while it is away, and no edit at all.
    story.net().part(other);
    story.hide(MANY);
    story.net().connect(other);
    story.net().settle();
    // A device that sees all of this for the first time.
    story.net().enroll("ben");
    story
}

#[test]
fn messages_are_the_same_whether_or_not_a_hidden_column_is_edited() {
    let (without, with) = (run(false), run(true));
    assert!(with.edits > 2 * MANY - 100, "{}", with.edits);
    let last = without.case.net.devices.len() - 1;
    for at in [without.case.other, last] {
        let (without, with) = (&without.case.net.devices[at], &with.case.net.devices[at]);
        let sizes = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&without.received), sizes(&with.received), "received by device {at}");
        assert_eq!(sizes(&without.sent), sizes(&with.sent), "sent by device {at}");
        // All but the numbers of the log is the same, too.
        for (without, with) in without.received.iter().zip(&with.received) {
            assert_eq!(unnumbered(without), unnumbered(with));
        }
        println!("device {at}: {} messages each", with.received.len());
    }
    // Who may read it hears of each.
    let heard = |story: &Story| story.case.net.devices[story.case.writer].received.len();
    assert!(heard(&with) > heard(&without) + 60, "{} {}", heard(&with), heard(&without));
}
