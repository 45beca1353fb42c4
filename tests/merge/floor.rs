//! The log loses its beginning: who has that goes on, and who was away for too long starts anew.

use tidegate::model::{Op, Value};

use crate::network::Network;
use crate::rebase::splice;
use crate::replicas::column;

fn visit() -> Vec<Op> {
    vec![Op::Increment { column: column("visits"), by: 1 }]
}

/// A session from beginning to end.
fn sync(net: &mut Network, at: usize) {
    net.connect(at);
    net.settle();
    net.part(at);
}

#[test]
fn so_many_entries_stay_and_four_for_each_record() {
    let mut net = Network::new(1);
    (0..20).for_each(|_| net.write(0, visit()));
    sync(&mut net, 0);
    assert_eq!(net.log(), (0, 21));
    net.trim_log(21);
    assert_eq!(net.log(), (0, 21));
    net.trim_log(20);
    assert_eq!(net.log(), (1, 21));
    // There is one record.
    net.trim_log(1);
    assert_eq!(net.log(), (17, 21));
    // Those that are too old go in any case.
    net.trim_log(0);
    assert_eq!(net.log(), (21, 21));
}

#[test]
fn a_device_that_has_what_is_dropped_goes_on_and_one_that_has_not_starts_anew() {
    for missed in [0, 1] {
        let mut net = Network::new(2);
        sync(&mut net, 1);
        (0..missed).for_each(|_| net.write(0, visit()));
        sync(&mut net, 0);
        net.trim_log(0);
        net.write(0, visit());
        sync(&mut net, 0);
        let (floor, head) = net.log();
        assert_eq!((floor, head), (1 + missed, 2 + missed));
        net.wire = (0, 0);
        net.connect(1);
        net.pull_welcome(1);
        // Whoever starts anew holds nothing for a moment.
        assert_eq!(net.holds_record(1), missed == 0);
        net.settle();
        // Whoever starts anew may be new: what was written over is not sent.
        assert_eq!(net.log().1 - head, missed);
        assert_eq!(net.watermark(1), net.log().1);
        assert_eq!(
            net.value(1, "visits"),
            Some(Value::Counter(1 + i64::try_from(missed).unwrap()))
        );
    }
}

#[test]
fn what_a_connected_device_was_not_told_stays() {
    let mut net = Network::new(2);
    net.set_page(1);
    (0..9).for_each(|_| net.write(0, visit()));
    net.connect(1);
    net.settle();
    let told = net.watermark(1);
    // Pages are on their way to it, and no more than one.
    net.push(0);
    net.trim_log(0);
    let (floor, head) = net.log();
    assert!(floor <= told + 1 && floor < head, "{told}: {floor} of {head}");
    net.settle();
    net.trim_log(0);
    assert_eq!(net.log(), (head, head));
    assert_eq!(net.value(1, "visits"), Some(Value::Counter(9)));
}

#[test]
fn an_edit_that_was_admitted_below_the_floor_counts_once() {
    let mut net = Network::new(2);
    net.write(1, visit());
    // The server has it, and the device does not know.
    net.push(1);
    for _ in 0..3 {
        net.write(0, visit());
        sync(&mut net, 0);
    }
    net.trim_log(0);
    assert_eq!(net.log().0, net.log().1);
    // One that never came.
    net.write(1, visit());
    sync(&mut net, 1);
    assert_eq!(net.value(1, "visits"), Some(Value::Counter(5)));
    // It, and the generation from which the device starts anew.
    assert_eq!(net.log().1 - net.log().0, 2);
    assert!(net.devices[1].store.pending.is_empty());
}

#[test]
fn a_text_written_while_away_below_the_floor_keeps_its_place() {
    let mut net = Network::new(2);
    net.set_generation_changes(1);
    net.write(0, vec![splice(0, 0, "one two three".into())]);
    sync(&mut net, 0);
    sync(&mut net, 1);
    net.write(1, vec![splice(8, 0, "and ".into())]);
    net.write(1, vec![splice(17, 0, " four".into())]);
    net.write(0, vec![splice(0, 0, "zero, or ".into())]);
    sync(&mut net, 0);
    net.trim_log(0);
    sync(&mut net, 1);
    sync(&mut net, 0);
    assert_eq!(net.shown(0), "zero, or one two and three four");
    assert_eq!(net.shown(1), net.shown(0));
}

/// Others wrote at both ends of a text while a device was away that took a word out of its middle, and
/// all that could tell which letters were meant is gone from the log.
#[test]
fn what_was_taken_out_between_edits_of_others_is_out_where_all_else_is_new() {
    let mut net = Network::new(2);
    sync(&mut net, 1);
    net.write(0, vec![splice(0, 0, "one two three".into())]);
    sync(&mut net, 0);
    sync(&mut net, 1);
    net.write(1, vec![splice(4, 4, String::new())]);
    net.write(1, vec![splice(4, 0, "more ".into())]);
    assert_eq!(net.shown(1), "one more three");
    net.write(0, vec![splice(13, 0, " four".into())]);
    net.write(0, vec![splice(0, 0, "zero ".into())]);
    sync(&mut net, 0);
    net.trim_log(0);
    for at in [1, 0] {
        sync(&mut net, at);
    }
    for at in [0, 1] {
        assert_eq!(net.shown(at), "zero one more three four");
    }
}
