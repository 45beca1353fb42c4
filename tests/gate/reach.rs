//! Where a user's records are, against what the gate lets read.

use std::sync::Arc;

use tidegate::gate::{Reach, RecordFacts, Roster, Standing, can_read};
use tidegate::model::{Header, Op, Right, Rights, TableName, UserId};
use tidegate::policy::{Format, read_policy_as};

use crate::compare::setting;
use crate::random::{Random, World};

#[derive(Debug, Default)]
struct Found {
    all: u64,
    nothing: u64,
    in_buckets: u64,
    /// Neither readable nor within reach, though the user may read some of the table.
    left_out: u64,
    /// Within reach, and not readable: what a scan looks at in vain.
    in_vain: u64,
}

#[test]
fn what_may_be_read_is_within_reach() {
    let records = setting("TIDEGATE_JUDGMENTS", 100_000) / 2;
    let seed = setting("TIDEGATE_SEED", 20_261_122);
    let mut found = Found::default();
    for round in 0..records.div_ceil(500) {
        let seed = seed.wrapping_add(round);
        let mut random = Random(seed);
        let world = World::new(&mut random);
        let read = read_policy_as(Format::Json, &world.policy.to_string(), "p.json", None, None);
        let document = read.unwrap();
        let roster =
            Roster::new(Arc::new(document.policy), Arc::new(document.organization.unwrap()));
        for _ in 0..500 {
            let user: UserId = random.one(&world.users).parse().unwrap();
            let table: TableName = random.one(&world.tables).parse().unwrap();
            let Ok(standing) = Standing::resolve(&roster, &user) else { continue };
            let header = header(&world, &table, &mut random);
            let can = can_read(&standing, &table, &RecordFacts::of_header(&header));
            let reach = standing.reach(&table);
            let is_taken = reach.takes(&header);
            assert!(
                is_taken || !can,
                "seed {seed}: {user} reads {table} {header:?} not in {reach:?}"
            );
            match reach {
                Reach::All => found.all += 1,
                Reach::Nothing => found.nothing += 1,
                Reach::Buckets(_) if can => found.in_buckets += 1,
                Reach::Buckets(_) if is_taken => found.in_vain += 1,
                Reach::Buckets(_) => found.left_out += 1,
            }
        }
    }
    println!("{found:?}");
    let Found { all, nothing, in_buckets, left_out, in_vain } = found;
    assert!(all.min(nothing).min(in_buckets).min(left_out) > records / 50);
    assert!(in_vain < in_buckets / 2);
}

fn header(world: &World, table: &TableName, random: &mut Random) -> Header {
    let mut header = Header::default();
    if world.is_owned(table.as_str()) {
        let (owner, unit) = world.owner_and_unit(random);
        let (owner, business_unit) = (owner.parse().unwrap(), unit.parse().unwrap());
        header.apply(&Op::Own { owner, business_unit }).unwrap();
        for _ in 0..random.below(3) {
            let to = world.principal(random).parse().unwrap();
            let rights = Rights::from_iter([Right::Read, Right::Write]);
            header.apply(&Op::Share { to, rights }).unwrap();
        }
    }
    header
}
