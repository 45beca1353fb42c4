//! The merge-fuzzing kit: it finds what is wrong with an app's own logic, says it shortly, and says
//! nothing where nothing is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod bounds;
mod finds;
mod live;
mod office;
mod rich;
mod rules;
