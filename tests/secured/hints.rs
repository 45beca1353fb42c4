//! Who may not read a column gets the same messages whether or not it is edited.

use tidegate::codec::{Entry, ToDevice, decode_message, encode_message};
use tidegate::limits::PAGE_LOOKS_MAX;
use tidegate::model::Value;
use tidegate::sync::replica::{Draft, Intent};

use crate::cases::{Case, adventure_works, generated, record, secret};
use crate::net::{Net, columns, text, unnumbered};

/// More than a server looks at for a page; and so much more than is in a page of few that others have
/// their turn in between.
const MANY: usize = 600;
const FEW: usize = 8;

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

fn run(hidden: bool, page: usize) -> Story {
    let mut story = Story { case: generated(5), hidden, edits: 0 };
    story.net().set_page(page);
    // Of short histories, with short pages.
    story.net().set_generation_changes(page);
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

/// Asserts that two devices were told, and said, the same.
fn assert_same(at: usize, without: &Net, with: &Net) {
    let (without, with) = (&without.devices[at], &with.devices[at]);
    let sizes = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(&without.sent), sizes(&with.sent), "sent by device {at}");
    assert_eq!(without.received.len(), with.received.len(), "received by device {at}");
    // All but the numbers of the log is the same.
    for (without, with) in without.received.iter().zip(&with.received) {
        let (without, with) = (unnumbered(without), unnumbered(with));
        assert_eq!(without, with);
        assert_eq!(encode_message(&without).unwrap(), encode_message(&with).unwrap());
    }
    println!("device {at}: {} messages each", with.received.len());
}

#[test]
fn messages_are_the_same_whether_or_not_a_hidden_column_is_edited() {
    for page in [PAGE_LOOKS_MAX, FEW] {
        let (without, with) = (run(false, page), run(true, page));
        assert!(with.edits > 2 * MANY - 100, "{}", with.edits);
        let last = without.case.net.devices.len() - 1;
        for at in [without.case.other, last] {
            assert_same(at, &without.case.net, &with.case.net);
        }
        // Who may read it hears of each.
        let heard = |story: &Story| story.case.net.devices[story.case.writer].received.len();
        assert!(heard(&with) > heard(&without) + 60, "{} {}", heard(&with), heard(&without));
    }
}

/// Story: an edit of a hidden column began a new generation of what everybody reads, for that was old.
#[test]
fn a_hidden_edit_of_an_old_record_causes_no_message() {
    let run = |hidden| {
        let mut story = Story { case: generated(5), hidden, edits: 0 };
        for round in 0..10 {
            story.see(round % 5, &format!("note {round}"));
        }
        story.net().pass_days(1_000);
        story.hide(5);
        story
    };
    let (without, with) = (run(false), run(true));
    assert_same(without.case.other, &without.case.net, &with.case.net);
    // The twin: what is read is written anew with its next edit.
    let mut story = with;
    let at = story.case.other;
    let before = story.case.net.devices[at].received.len();
    story.see(0, "new");
    let received = &story.case.net.devices[at].received[before..];
    let begins = |bytes: &Vec<u8>| match decode_message(bytes).unwrap() {
        ToDevice::Page(page) => page.entries.iter().any(|entry| match entry {
            Entry::Edit { edit, .. } => edit.changes.iter().any(|it| it.begins_generation()),
            _ => false,
        }),
        _ => false,
    };
    assert!(received.iter().any(begins), "{} messages", received.len());
}

/// People get a raise, and their birth dates are put right; or they do not.
fn run_real(hidden: bool) -> Option<Case> {
    let mut case = adventure_works()?;
    let Case { net, table, records, writer, other, .. } = &mut case;
    let raise = |net: &mut Net, number: usize| {
        // Long after anyone's real birth.
        let days = 100_000 + i32::try_from(number).unwrap();
        let record = records[number % records.len()];
        let values = [
            ("pay_rate_usd_per_hour", Value::Decimal(days.into())),
            ("birth_date", Value::Date(days.try_into().unwrap())),
        ];
        for (column, value) in values.into_iter().filter(|_| hidden) {
            net.set(*writer, table, record, columns([(column, value)]));
        }
    };
    let promote = |net: &mut Net, number: usize| {
        let values = columns([("job_title", text(&format!("title {number}")))]);
        net.set(*writer, table, records[number % records.len()], values);
    };
    for number in 0..20 {
        promote(net, number);
        raise(net, number + 3);
        net.settle();
    }
    net.part(*other);
    (23..MANY).for_each(|number| raise(net, number));
    promote(net, 20);
    net.settle();
    net.connect(*other);
    net.settle();
    net.enroll("ken0");
    Some(case)
}

#[test]
fn messages_are_the_same_whether_or_not_the_pay_of_real_people_changes() {
    let (Some(without), Some(with)) = (run_real(false), run_real(true)) else { return };
    let last = without.net.devices.len() - 1;
    for at in [without.other, last] {
        assert_same(at, &without.net, &with.net);
    }
    let bytes = |case: &Case| case.net.devices[case.reader].received.concat().len();
    assert!(bytes(&with) > bytes(&without), "the reader hears of it");
}
