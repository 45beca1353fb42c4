//! Two devices and a server as machines, with anything on the wire between them.

use crate::mutant::mutant;
use crate::network::Network;
use crate::replicas::{Rng, TYPES, random_op};
use crate::steps;

/// Bytes that someone sends in place of a message are not longer than this.
const INJECTED_MAX: usize = 200;

/// Whatever arrives in whatever order, no machine panics, and the honest device ends with what the
/// server has: the other one, and the wire on both sides of it, mean harm.
pub fn sessions(bytes: &[u8]) {
    let mut net = Network::new(2);
    net.let_harm_in();
    net.set_page(5);
    net.set_generation_changes(7);
    for (number, seed) in steps(bytes).enumerate() {
        let rest = bytes.get(4 * (number + 1)..).unwrap_or_default();
        step(&mut net, &mut Rng(seed), &rest[..rest.len().min(INJECTED_MAX)]);
    }
    (0..2).for_each(|at| net.part(at));
    net.connect(0);
    net.settle();
    let (here, there) = (net.on_device(0), net.on_server());
    assert_eq!(here.columns(), there.columns());
    assert_eq!(here.document_heads().unwrap(), there.document_heads().unwrap());
}

/// One step; `bytes` are what may be said in place of a message.
fn step(net: &mut Network, rng: &mut Rng, bytes: &[u8]) {
    let at = rng.below(2);
    let harmful = at == 1;
    let up = rng.below(2) == 0;
    match rng.below(10) {
        0 if net.is_connected(at) => net.part(at),
        0 | 1 if !net.is_connected(at) => net.connect(at),
        2 | 3 => net.deliver_up(at),
        4 | 5 => drop(net.deliver_down(at)),
        6 if harmful && net.is_connected(at) => net.on_the_way(at, up).push_back(bytes.to_vec()),
        7 if harmful => {
            if let Some(message) = net.on_the_way(at, up).front_mut() {
                *message = mutant(rng, message);
            }
        }
        8 if harmful => drop(net.on_the_way(at, up).pop_back()),
        9 if harmful => {
            let again = net.on_the_way(at, up).front().cloned();
            net.on_the_way(at, up).extend(again);
        }
        _ => {
            let (name, column_type) = TYPES[rng.below(TYPES.len())];
            let columns = net.columns(at);
            let op = random_op(rng, &crate::replicas::column(name), column_type, &columns);
            net.write(at, vec![op]);
        }
    }
}
