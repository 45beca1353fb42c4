//! Pure judgments on one core, by a policy like that of AdventureWorks.

use std::hint::black_box;
use std::sync::Arc;

use tidegate::gate::{Action, LookupChange, RecordFacts, Roster, Standing, Target, explain, judge};
use tidegate::model::{BusinessUnitId, ColumnName, Owner, UserId};
use tidegate::policy::read_policy;

use crate::{Outcome, timed};

const POLICY: &str = include_str!("../../../tests/gate/adventure_works.toml");
const JUDGMENTS: u32 = 4_000_000;
const EXPLANATIONS: u32 = 40_000;

/// Each user does each of these to records of each owner.
pub(crate) fn run() -> Outcome<()> {
    let document = read_policy(POLICY, "adventure_works.toml", None, None)?;
    let organization = Arc::new(document.organization.ok_or("it has people")?);
    let roster = Roster::new(Arc::new(document.policy), Arc::clone(&organization));
    let users = organization.users.keys();
    let standings: Vec<Standing> = users
        .map(|user| Standing::resolve(&roster, user).map_err(|it| it.to_string()))
        .collect::<Result<_, _>>()?;
    let owned = |(user, it): (&UserId, &tidegate::model::User)| {
        (Owner::User(user.clone()), it.business_unit.clone())
    };
    let owners: Vec<(Owner, BusinessUnitId)> = organization.users.iter().map(owned).collect();
    let orders = document.tables.get("purchase_order").ok_or("a table")?;
    let employees = document.tables.get("employee").ok_or("a table")?;
    let (vendor, pay): (ColumnName, ColumnName) =
        ("vendor".parse()?, "pay_rate_usd_per_hour".parse()?);
    let table = orders.lookups.get(&vendor).ok_or("a lookup")?;
    let new = Target::Record(RecordFacts::ORGANIZATION_OWNED);
    let lookups = [LookupChange { column: &vendor, table, old: Target::Nothing, new }];
    let (first, _) = owners.first().ok_or("an owner")?;
    let all = [
        (orders, Action::Read),
        (orders, Action::Write { columns: &[], lookups: &[] }),
        (orders, Action::Write { columns: &[], lookups: &lookups }),
        (orders, Action::Create { columns: &[], lookups: &lookups }),
        (orders, Action::Delete),
        (orders, Action::Assign { to: first }),
        (employees, Action::ReadColumn { column: &pay }),
    ];
    let mut cases = Vec::new();
    for standing in &standings {
        for (owner, unit) in &owners {
            let facts = RecordFacts::owned(owner, unit);
            cases.extend(all.iter().map(|(table, action)| (standing, *table, action, facts)));
        }
    }
    let judged = |it: &(&Standing, _, _, _)| judge(it.0, &roster, it.1, it.2, &it.3).is_allowed();
    let (allowed, denied): (Vec<_>, Vec<_>) = cases.iter().copied().partition(judged);
    println!("pure judgments on one core, {} of {} cases allowed", allowed.len(), cases.len());
    for (what, cases) in [("all", &cases), ("allowed", &allowed), ("denied", &denied)] {
        let (seconds, ()) = timed(|| {
            for case in cases.iter().cycle().take(JUDGMENTS as usize) {
                black_box(judged(black_box(case)));
            }
            Ok(())
        })?;
        println!("  {what:<10} {:>12.0} judgments/s", f64::from(JUDGMENTS) / seconds);
    }
    let (seconds, ()) = timed(|| {
        for (standing, table, action, facts) in cases.iter().cycle().take(EXPLANATIONS as usize) {
            black_box(explain(standing, &roster, table, action, facts));
        }
        Ok(())
    })?;
    println!("  {:<10} {:>12.0} explanations/s", "all", f64::from(EXPLANATIONS) / seconds);
    Ok(())
}
