//! Documents and cases that are wrong in every way: an error, never a panic.

use tidegate::policy::{Format, read_policy_as, read_schema_as};

use crate::compare::{judge_of, setting};
use crate::random::{Random, World};
use crate::twins::policy;

/// Changes some bytes, or repeats or cuts out a piece.
fn scramble(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let (a, b) = (random.below(bytes.len()), random.below(bytes.len()));
        let (from, to) = (a.min(b), a.max(b));
        match random.below(4) {
            0 => bytes[a] = b"\"[]{}=.,:\n0ux\\"[random.below(14)],
            1 => bytes[a] = u8::try_from(random.below(256)).unwrap(),
            2 => drop(bytes.drain(from..to.min(from + 40))),
            _ => {
                let piece = bytes[from..to.min(from + 40)].to_vec();
                bytes.splice(b..b, piece);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn scrambled_documents_and_cases_never_panic() {
    let mut random = Random(setting("TIDEGATE_SEED", 5));
    let json = policy().to_string();
    let toml = toml::to_string(&policy()).unwrap();
    for _ in 0..600 {
        for (format, text) in [(Format::Json, &json), (Format::Toml, &toml)] {
            let bytes = scramble(&mut random, text);
            let text = String::from_utf8_lossy(&bytes);
            let _ = read_policy_as(format, &text, "p", None, None);
            let _ = read_schema_as(format, &text, "p");
        }
    }
    let world = World::new(&mut random);
    let mut judge = judge_of(&world.policy);
    for _ in 0..10_000 {
        let case = world.case(&mut random).to_string();
        let _ = judge.answer(&scramble(&mut random, &case));
    }
}

#[test]
fn deep_documents_are_refused() {
    let deep = 200_000;
    let documents = [
        (Format::Json, "[".repeat(deep)),
        (Format::Json, "{\"a\":".repeat(deep)),
        (Format::Toml, format!("a = {}", "[".repeat(deep))),
        (Format::Toml, format!("a = {}", "{a = ".repeat(deep))),
        (Format::Toml, format!("{}a = 1", "a.".repeat(deep))),
        (Format::Toml, format!("[{}a]", "a.".repeat(deep))),
        (Format::Toml, format!("[[{}a]]", "a.".repeat(deep))),
        (Format::Toml, "[[a]]\n".repeat(deep)),
    ];
    for (format, text) in documents {
        assert!(read_policy_as(format, &text, "p", None, None).is_err(), "{text:.20}");
    }
}
