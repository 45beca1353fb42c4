//! Tables of mistakes: what is typed, how it ends, and what must be said.

use crate::world::World;

/// What is done wrong; the arguments; the exit code; words that the complaint must have.
pub(crate) type Mistake<'a> = (&'a str, &'a [&'a str], i32, &'a [&'a str]);

/// Makes each mistake in turn. All that is wrong with the answers is told at once.
#[track_caller]
pub(crate) fn check(world: &World, mistakes: &[Mistake<'_>]) {
    let mut problems = Vec::new();
    for (what, args, code, words) in mistakes {
        // For the reader of a failure, also of one within the call.
        println!("{what}: {args:?}");
        let outcome = world.run(args);
        let said = &outcome.stderr;
        if outcome.code != Some(*code) {
            problems.push(format!("{what}: exit code {:?}, not {code}: {said}", outcome.code));
        }
        let absent: Vec<_> = words.iter().filter(|word| !said.contains(**word)).collect();
        if !absent.is_empty() {
            problems.push(format!("{what}: does not say {absent:?}: {said}"));
        }
        // A panic or a debug form is never an answer.
        for bad in ["panicked", "Error {", "Some(", "RUST_BACKTRACE"] {
            if said.contains(bad) {
                problems.push(format!("{what}: says `{bad}`: {said}"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
