//! What a kit needs in order to run, and how much it takes.

use tidegate::Replica;
use tidegate::kit::{Chance, Kit, KitError, Outcome, Problem};
use tidegate::limits::{KIT_DEVICES_MAX, KIT_DURABLE_STEPS_MAX, KIT_ROWS_TOLD_MAX, KIT_STEPS_MAX};

use crate::office::{POLICY, SCHEMA, add, failure, office, open_order};

fn setup(kit: &Kit) -> String {
    match kit.run(0..1) {
        Err(KitError::Setup(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_kit_says_what_it_lacks() {
    let kit = || Kit::of_documents(SCHEMA, POLICY).unwrap().steps(1);
    assert!(setup(&kit().action("add", 1, add)).contains("0 devices"));
    assert!(setup(&kit().devices("ann", 1)).contains("does nothing"));
    assert!(setup(&kit().devices("ann", 1).action("add", 0, add)).contains("does nothing"));
    let of_nobody = kit().devices("zoe", 1).action("add", 1, add);
    assert!(setup(&of_nobody).contains("no user `zoe`"));
    let without = kit().devices("ann", 1).action_of("ben", "add", 1, add);
    assert!(setup(&without).contains("`ben` has no device"));
    let no_name = kit().devices("", 1).action("add", 1, add);
    assert!(setup(&no_name).contains("`` is no user"));
    assert!(kit().devices("ann", 1).action("add", 1, add).run(0..1).is_ok());
}

#[test]
fn devices_and_steps_have_bounds() {
    let kit = || Kit::of_documents(SCHEMA, POLICY).unwrap().action("add", 1, add);
    assert!(kit().steps(1).devices("ann", KIT_DEVICES_MAX).run(0..1).is_ok());
    let devices = setup(&kit().steps(1).devices("ann", KIT_DEVICES_MAX + 1));
    assert!(devices.contains("33 devices"), "{devices}");
    assert!(kit().steps(KIT_STEPS_MAX).devices("ann", 1).run(0..0).is_ok());
    let steps = setup(&kit().steps(KIT_STEPS_MAX + 1).devices("ann", 1));
    assert!(steps.contains("10001 steps"), "{steps}");
}

#[test]
fn a_failure_tells_so_many_rows_and_no_more() {
    async fn open(app: &Replica, count: usize) -> Outcome {
        for _ in 0..count {
            open_order(app, &mut Chance::new(0)).await?;
        }
        Ok(())
    }
    async fn fail(_: &Replica, _: &mut Chance) -> Outcome {
        Err("always".into())
    }
    let rows = |count| {
        let kit = Kit::of_documents(SCHEMA, POLICY).unwrap().steps(4).devices("ann", 1);
        let kit = kit.first("ann", async move |app, _| open(app, count).await);
        failure(&kit.action("fail", 1, fail), 0..4).rows
    };
    assert_eq!(rows(KIT_ROWS_TOLD_MAX).len(), KIT_ROWS_TOLD_MAX);
    let told = rows(KIT_ROWS_TOLD_MAX + 1);
    assert_eq!((told.len(), told[KIT_ROWS_TOLD_MAX].as_str()), (KIT_ROWS_TOLD_MAX + 1, "and more"));
}

/// Makes so many durable steps: what is discarded that is not there is one, too.
async fn durable_steps(app: &Replica, count: usize) -> Outcome {
    let nothing = tidegate::model::EditId { device: app.device().unwrap(), counter: 0, part: 0 };
    for _ in 0..count {
        app.discard(nothing).await?;
    }
    Ok(())
}

#[test]
fn an_action_makes_so_many_durable_steps_and_no_more() {
    let kit = |count| {
        let kit = Kit::of_documents(SCHEMA, POLICY).unwrap().steps(1).devices("ann", 1);
        kit.first("ann", async move |app, _| durable_steps(app, count).await).action("add", 1, add)
    };
    // Its end is asked for, too.
    assert!(kit(KIT_DURABLE_STEPS_MAX - 1).run(0..1).is_ok());
    let failure = failure(&kit(KIT_DURABLE_STEPS_MAX), 0..1);
    assert_eq!(failure.problem, Problem::Endless { action: "what is done first".into() });
    // It failed before the first step.
    assert!(failure.steps.is_empty() && office().run(0..0).is_err());
}
