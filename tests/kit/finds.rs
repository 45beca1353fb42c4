//! What the kit finds in an app.

use tidegate::kit::{Chance, Outcome, Problem};
use tidegate::{Event, Replica};

use crate::office::{
    Order, add, add_to_what_is_shown, failure, office, open_order, orders, parts_are_those_added,
};

#[test]
fn an_addition_that_is_lost_in_a_merge_is_found_and_told_in_two_steps() {
    let kit = office()
        .action("add a part", 1, add_to_what_is_shown)
        .invariant("parts are those added", parts_are_those_added);
    let failure = failure(&kit, 0..20);
    let Problem::Broken { invariant, why } = &failure.problem else { panic!("{failure}") };
    assert_eq!(invariant, "parts are those added");
    assert_eq!(why, "order#1 has 1 parts, and 2 were added");
    // One on each device, and no sync between them: that comes by itself in the end.
    assert_eq!((failure.drawn, failure.steps.len()), (24, 2), "{failure}");
    for user in ["ann", "ben"] {
        let theirs = failure.steps.iter().find(|step| step.contains(user)).unwrap();
        assert!(theirs.contains("add a part") && theirs.contains("order#1: "), "{failure}");
        assert!(theirs.contains("parts = 1") && theirs.contains("added: +1"), "{failure}");
    }
    assert_eq!(failure.rows, ["order#1: added = 2, parts = 1"], "{failure}");
}

#[test]
fn an_app_whose_own_merge_is_right_holds() {
    async fn add_both(app: &Replica, _: &mut Chance) -> Outcome {
        for (id, _) in orders(app).rows()? {
            orders(app).edit(id).increment("added", 1).commit().await?;
        }
        Ok(())
    }
    /// The app's own merge: the number is worked out from what merges by itself.
    async fn count(app: &Replica, _: &[Event]) -> Outcome {
        for (id, order) in orders(app).rows()? {
            if order.parts != order.added {
                orders(app).edit(id).set("parts", order.added).commit().await?;
            }
        }
        Ok(())
    }
    let kit = office()
        .action("add a part", 1, add_both)
        .after_sync("count parts", count)
        .invariant("parts are those added", parts_are_those_added);
    let report = kit.run(0..12).unwrap();
    assert_eq!(report.runs, 12);
    assert!(report.actions > 40 && report.reactions > 40, "{report}");
    assert!(report.admitted > 40 && report.messages > 200, "{report}");
    assert!(report.cuts > 0 && report.restarts > 0 && report.millis > 0, "{report}");
    // On each of the two devices, at the end of each run.
    assert_eq!(report.checks, 24, "{report}");
}

#[test]
fn a_failure_is_the_same_again_from_its_seed() {
    let kit = office()
        .action("add a part", 1, add_to_what_is_shown)
        .invariant("parts are those added", parts_are_those_added);
    let first = failure(&kit, 3..20);
    assert_eq!(failure(&kit, first.seed..first.seed + 1), first);
    // And it is that seed's own: another one tells another story.
    let other = failure(&kit, first.seed + 1..20);
    assert_ne!(other.seed, first.seed);
}

#[test]
fn runs_of_the_same_seeds_count_the_same() {
    let kit = office().action("add a part", 3, add).action("open an order", 1, open_order);
    let report = kit.run(0..3).unwrap();
    assert_eq!(kit.run(0..3).unwrap(), report);
    assert_ne!(kit.run(3..6).unwrap(), report);
}

async fn close_in_two_steps(app: &Replica, _: &mut Chance) -> Outcome {
    for (id, _) in orders(app).rows()? {
        orders(app).edit(id).set("status", "closed").commit().await?;
        orders(app).edit(id).set("closed_on", "2026-03-01").commit().await?;
    }
    Ok(())
}

async fn close(app: &Replica, _: &mut Chance) -> Outcome {
    for (id, _) in orders(app).rows()? {
        let edit = orders(app).edit(id).set("status", "closed");
        edit.set("closed_on", "2026-03-01").commit().await?;
    }
    Ok(())
}

fn closed_ones_have_a_date(app: &Replica) -> Outcome {
    let is_odd = |it: &Order| it.status.is_some() && it.closed_on.is_none();
    match orders(app).rows()?.iter().find(|(_, order)| is_odd(order)) {
        Some((id, _)) => Err(format!("{id} has none").into()),
        None => Ok(()),
    }
}

#[test]
fn a_process_that_ends_between_two_edits_is_found() {
    let name = "closed orders have a date";
    let kit = office().action("close", 1, close_in_two_steps).always(name, closed_ones_have_a_date);
    let failure = failure(&kit, 0..40);
    assert_eq!(failure.steps.len(), 1, "{failure}");
    assert!(failure.steps[0].contains("its process ends after 1 durable step"), "{failure}");
    assert!(failure.rows[0].ends_with("(pending)"), "{failure}");

    let kit = office().action("close", 1, close).always(name, closed_ones_have_a_date);
    let report = kit.run(0..12).unwrap();
    assert!(report.interrupted > 0 && report.checks > report.actions, "{report}");
}

#[test]
fn devices_that_answer_each_other_without_end_are_found() {
    /// Each device wants to be the last that wrote.
    async fn mark(app: &Replica, events: &[Event]) -> Outcome {
        let user = app.user().map(|user| user.to_string());
        let mine = if user.as_deref() == Some("ann") { "open" } else { "closed" };
        for (id, order) in orders(app).rows()? {
            if events.iter().any(|event| matches!(event, Event::Changed { .. }))
                && order.status.as_deref() != Some(mine)
            {
                orders(app).edit(id).set("status", mine).commit().await?;
            }
        }
        Ok(())
    }
    let kit = office().steps(4).action("add a part", 1, add).after_sync("mark", mark);
    let failure = failure(&kit, 0..4);
    assert_eq!(failure.problem, Problem::Restless);
}

#[test]
fn an_error_that_is_no_refusal_is_found() {
    async fn read_nothing(app: &Replica, _: &mut Chance) -> Outcome {
        app.table::<Order>("orders")?;
        Ok(())
    }
    let failure = failure(&office().action("read", 1, read_nothing), 0..1);
    let Problem::Failed { action, error } = &failure.problem else { panic!("{failure}") };
    assert_eq!(action, "read");
    assert!(error.contains("no table `orders`"), "{error}");
    assert_eq!(failure.steps.len(), 1, "{failure}");
}

#[test]
fn an_edit_that_makes_no_sense_counts() {
    async fn set(app: &Replica, status: &str) -> Outcome {
        for (id, _) in orders(app).rows()? {
            orders(app).edit(id).set("status", status).commit().await?;
        }
        Ok(())
    }
    let report = |status| {
        let set = async move |app: &Replica, _: &mut Chance| set(app, status).await;
        office().action("set", 1, set).run(0..2).unwrap()
    };
    let (nonsense, sense) = (report("lost"), report("open"));
    assert_eq!(nonsense.malformed, nonsense.actions, "{nonsense}");
    assert_eq!(nonsense.malformed, nonsense.refused, "{nonsense}");
    assert_eq!(sense.malformed, 0, "{sense}");
}

#[test]
fn an_action_that_waits_for_a_verdict_is_found() {
    async fn wait(app: &Replica, _: &mut Chance) -> Outcome {
        orders(app).insert(&Order::default()).await?.settled().await?;
        Ok(())
    }
    let waits = failure(&office().action("wait", 1, wait), 0..4);
    assert_eq!(waits.problem, Problem::Waits { action: "wait".into() });
}

#[test]
fn a_sync_within_an_action_finds_no_network() {
    async fn sync(app: &Replica, _: &mut Chance) -> Outcome {
        match app.sync().await {
            Ok(_) => Err("there is a network".into()),
            Err(error) if error.is_passing() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
    let report = office().action("sync", 1, sync).run(0..2).unwrap();
    assert!(report.actions > 0, "{report}");
}
