//! Traces of real typing, from device to device through a server: machines on both ends, each
//! message as its bytes.
//!
//! A device commits bursts, as an app does: what its author typed until they saw something new, or
//! until someone else saw it, is one commit, and of a text that only one writes a thousand edits.

use std::collections::BTreeMap;
use std::time::Instant;

use tidegate::codec::encode_rows;
use tidegate::crdt::Record;
use tidegate::model::{ChangeRef, Op, Section};
use tidegate::sync::{ReplicaStore as _, Turn};

use crate::network::Network;
use crate::replicas::{Replica, Rng, replayed};
use crate::traces::{Trace, Txn, part, splices, text, trace};

/// Edits in one commit of a text that only one writes.
const BURST: usize = 1_000;

fn report(net: &Network, start: Instant, commits: usize) {
    let record = net.on_server();
    let stored = encode_rows(&[record.to_edit()]).unwrap().len();
    println!(
        "{commits} commits in {:?}: {} characters, record of {stored} bytes, wire {} up, {} down",
        start.elapsed(),
        text(&record).chars().count(),
        net.wire.0,
        net.wire.1
    );
}

/// All show the same text, and hold the same changes.
fn agree(net: &Network) {
    let server = net.on_server();
    for at in 0..2 {
        assert!(net.shown(at) == text(&server), "device {at} shows another text");
        let record = net.on_device(at);
        assert_eq!(record.heads(&Section::Main), server.heads(&Section::Main));
        assert_eq!(record.columns(), server.columns());
        assert!(net.devices[at].store.quarantine.is_empty());
    }
}

fn type_alone(patches: &[(u32, u32, String)], burst: usize) -> Network {
    let start = Instant::now();
    let mut net = Network::new(2);
    net.connect(0);
    net.connect(1);
    net.settle();
    for patches in patches.chunks(burst) {
        net.write(0, splices(patches));
        net.settle();
    }
    report(&net, start, patches.len().div_ceil(burst));
    agree(&net);
    net
}

#[test]
fn a_paper_typed_on_one_device_arrives_on_another() {
    let Some(trace) = trace("automerge-paper.json.gz") else { return };
    let patches: Vec<_> = trace.txns.into_iter().flat_map(|txn| txn.patches).collect();
    let net = type_alone(&patches, BURST);
    assert!(net.shown(1) == trace.end);
}

/// What one device did in one commit.
struct Burst {
    agent: usize,
    ops: Vec<Op>,
    /// Bursts of others that it builds on directly.
    sees: Vec<usize>,
    /// Whether someone else builds on it.
    is_seen: bool,
}

/// A trace as commits: edits of one agent one after the other that saw nothing new, up to one that
/// someone else saw.
fn bursts(txns: &[Txn]) -> Vec<Burst> {
    let agent = |txn: &Txn| usize::try_from(txn.agent).unwrap();
    let mut noticed = vec![false; txns.len()];
    for txn in txns {
        for parent in txn.parents.iter().filter(|it| txns[**it].agent != txn.agent) {
            noticed[*parent] = true;
        }
    }
    let mut bursts: Vec<Burst> = Vec::new();
    let mut burst_of = Vec::new();
    let mut last: BTreeMap<u32, usize> = BTreeMap::new();
    for (at, txn) in txns.iter().enumerate() {
        let own = last.insert(txn.agent, at);
        let goes_on = own.filter(|own| txn.parents == [*own] && !noticed[*own]);
        let burst = goes_on.map_or(bursts.len(), |own| burst_of[own]);
        if burst == bursts.len() {
            let others = txn.parents.iter().filter(|it| txns[**it].agent != txn.agent);
            let sees = others.map(|it| burst_of[*it]).collect();
            bursts.push(Burst { agent: agent(txn), ops: Vec::new(), sees, is_seen: false });
        }
        bursts[burst].ops.extend(splices(&txn.patches));
        bursts[burst].is_seen |= noticed[at];
        burst_of.push(burst);
    }
    bursts
}

/// Each agent is a device. It writes on exactly what its author saw: it takes from the server what
/// they merged, up to there, and sends what someone else merges. (The log can be taken up to any
/// place: with two authors that is exactly what the other one had written by then.)
fn write_together(txns: &[Txn]) -> Network {
    let start = Instant::now();
    let bursts = bursts(txns);
    let mut net = Network::new(2);
    net.set_page(1);
    let mut changes: Vec<ChangeRef> = Vec::new();
    for burst in &bursts {
        for seen in &burst.sees {
            let seen = changes[*seen];
            net.pull(burst.agent, |net| net.on_device(burst.agent).holds(&Section::Main, seen));
        }
        net.write(burst.agent, burst.ops.clone());
        let pending = net.devices[burst.agent].store.pending_after(Turn::default(), usize::MAX);
        let pending = pending.unwrap();
        changes.push(pending.last().unwrap().edit.changes[0].id);
        if burst.is_seen {
            net.push(burst.agent);
        }
    }
    net.set_page(512);
    for _ in 0..2 {
        for at in 0..2 {
            net.connect(at);
            net.settle();
            net.part(at);
        }
    }
    report(&net, start, bursts.len());
    agree(&net);
    net
}

#[test]
fn friends_who_write_on_two_devices_end_with_one_text() {
    let Some(trace) = trace("friendsforever.json.gz") else { return };
    let txns = &trace.txns[..trace.txns.len().min(part(1_500))];
    let net = write_together(txns);
    if part(0) > 0 {
        assert!(net.shown(0) == trace.end);
    }
}

/// A trace of people who type in one text and now and then see what the others typed.
fn generated(seed: u64, agents: u32, length: usize) -> Trace {
    let rng = &mut Rng(seed);
    let mut records: Vec<_> = (1..=agents).map(Replica::new).collect();
    let mut txns: Vec<Txn> = Vec::new();
    for _ in 0..length {
        let agent = rng.below(records.len());
        let mut parents = Vec::new();
        if rng.below(6) == 0 {
            let other = rng.below(records.len());
            let theirs = records[other].clone();
            records[agent].merge(&theirs);
        }
        let ids: BTreeMap<ChangeRef, usize> =
            txns.iter().enumerate().map(|(at, txn)| (txn.id.unwrap(), at)).collect();
        parents.extend(records[agent].record.heads(&Section::Main).iter().map(|it| ids[it]));
        let op = records[agent].random_op(rng, Some("notes"));
        let Op::Splice { at, delete, insert, .. } = &op else { panic!("{op:?}") };
        let patches = vec![(*at, *delete, insert.clone())];
        let change = records[agent].write(vec![op]).remove(0);
        let agent_number = u32::try_from(agent).unwrap();
        txns.push(Txn { parents, agent: agent_number, patches, id: Some(change.id) });
    }
    let mut all = records[0].clone();
    records[1..].iter().for_each(|it| all.merge(it));
    let columns = replayed(&all.record);
    assert_eq!(columns, *all.record.columns(), "seed {seed}: not what Automerge says");
    Trace { end: text(&all.record).to_owned(), txns }
}

#[test]
fn generated_typing_ends_with_one_text_everywhere() {
    for seed in 1..=4 {
        println!("seed {seed}");
        let trace = generated(seed, 2, 100);
        let net = write_together(&trace.txns);
        assert_eq!(net.shown(0), trace.end, "seed {seed}");
        let record: Record = net.on_server();
        assert_eq!(replayed(&record), *record.columns(), "seed {seed}");
    }
    let trace = generated(99, 1, 400);
    let patches: Vec<_> = trace.txns.into_iter().flat_map(|txn| txn.patches).collect();
    assert_eq!(type_alone(&patches, 30).shown(1), trace.end);
}
