//! Denials, and rules that change meanwhile.

use tidegate::Replica;
use tidegate::kit::{Chance, Outcome};
use tidegate::model::Right;

use crate::office::{add, office, orders, policy_with_ben_as};

#[test]
fn what_rules_deny_counts_and_is_no_failure() {
    let kit = office().action("add a part", 1, add);
    let report = kit.run(0..12).unwrap();
    assert_eq!((report.changes, report.denied, report.refused), (0, 0, 0), "{report}");

    let kit = office().action("add a part", 1, add);
    let kit = kit.rules_of_document("Ben may only read", &policy_with_ben_as("reader")).unwrap();
    let report = kit.run(0..12).unwrap();
    // On the server, as long as his device does not know; and on the device.
    assert!(report.changes > 0 && report.denied > 0 && report.refused > 0, "{report}");
}

#[test]
fn who_may_read_nothing_for_a_while_has_all_in_the_end() {
    fn is_there_unless_a_guest(app: &Replica) -> Outcome {
        let rows = orders(app).rows()?.len();
        match (rows, app.standing().is_some_and(|standing| standing.holds_anywhere(Right::Read))) {
            (0, true) => Err("a clerk sees none".into()),
            (1.., false) => Err(format!("a guest sees {rows}").into()),
            _ => Ok(()),
        }
    }
    let kit = office().action("add a part", 1, add);
    let kit = kit.rules_of_document("Ben is a guest", &policy_with_ben_as("guest")).unwrap();
    let report = kit.invariant("rows are there", is_there_unless_a_guest).run(0..12).unwrap();
    assert!(report.changes > 0, "{report}");
}

#[test]
fn an_action_of_one_user_is_done_on_their_devices_only() {
    async fn only_ann(app: &Replica, _: &mut Chance) -> Outcome {
        match app.user() {
            Some(user) if user.as_str() == "ann" => Ok(()),
            other => Err(format!("done by {other:?}").into()),
        }
    }
    let report = office().action_of("ann", "check", 1, only_ann).run(0..3).unwrap();
    assert!(report.actions > 0, "{report}");
}

#[test]
fn what_was_refused_can_be_dealt_with_by_the_app() {
    async fn discard(app: &Replica, _: &mut Chance) -> Outcome {
        for refused in app.quarantine()? {
            app.discard(refused.edit).await?;
        }
        Ok(())
    }
    fn nothing_is_refused(app: &Replica) -> Outcome {
        match app.quarantine()?.len() {
            0 => Ok(()),
            some => Err(format!("{some} edits").into()),
        }
    }
    let rules = policy_with_ben_as("reader");
    let kit = office().action("add a part", 1, add).action("discard", 1, discard);
    let kit = kit.rules_of_document("Ben may only read", &rules).unwrap();
    let kept = kit.invariant("quarantine is empty", nothing_is_refused).run(0..12);
    assert!(kept.is_err(), "what nobody dealt with yet is kept");

    let kit = office().action("add a part", 1, add);
    let kit = kit.rules_of_document("Ben may only read", &rules).unwrap();
    let kit = kit.after_sync("discard", async |app, _| discard(app, &mut Chance::new(0)).await);
    let report = kit.invariant("quarantine is empty", nothing_is_refused).run(0..12).unwrap();
    assert!(report.denied > 0, "{report}");
}
