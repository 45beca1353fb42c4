//! A merge-fuzzing kit: many runs of an app's own schema, rules and logic, on devices that are offline,
//! crash and come back, in memory and on virtual time. Each run is drawn from a seed, and is the same
//! again with it.
//!
//! The app is the one that is shipped: its functions get a [`Replica`], on a store in memory, and the
//! server and the gate are the real ones. The kit is told what the app does ([`Kit::action`]), what it
//! does by itself after a sync ([`Kit::after_sync`]), and what must hold ([`Kit::invariant`]). A run
//! that fails is made as short as possible, and told step by step.
//!
//! ```
//! use tidegate::kit::{Chance, Kit, Outcome};
//! use tidegate::{RecordId, Replica};
//!
//! # const SCHEMA: &str = r#"
//! # [[table]]
//! # id = "account"
//! # ownership = "user_owned"
//! # columns = [{ id = "balance", type = "counter" }, { id = "booked", type = "integer" }]
//! # "#;
//! # const POLICY: &str = r#"
//! # [[business_unit]]
//! # id = "all"
//! # [[user]]
//! # id = "ann"
//! # business_unit = "all"
//! # roles = ["clerk"]
//! # [[role]]
//! # id = "clerk"
//! # [role.rights.account]
//! # create = "organization"
//! # read = "organization"
//! # write = "organization"
//! # "#;
//! async fn open(app: &Replica, _: &mut Chance) -> Outcome {
//!     let accounts = app.table::<serde_json::Value>("account")?;
//!     accounts.insert(&serde_json::json!({ "balance": 0, "booked": 0 })).await?;
//!     Ok(())
//! }
//!
//! /// Reads what is there, and writes what shall be.
//! async fn book_wrongly(app: &Replica, chance: &mut Chance) -> Outcome {
//!     let accounts = app.table::<serde_json::Value>("account")?;
//!     let rows = accounts.rows()?;
//!     let Some((id, row)) = chance.pick(&rows) else { return Ok(()) };
//!     let booked = row["booked"].as_i64().unwrap_or_default() + 1;
//!     accounts.edit(*id).increment("balance", 1).set("booked", booked).commit().await?;
//!     Ok(())
//! }
//!
//! let kit = Kit::of_documents(SCHEMA, POLICY)?
//!     .devices("ann", 2)
//!     .first("ann", open)
//!     .action("book", 1, book_wrongly)
//!     .invariant("all that was booked is in the balance", |app| {
//!         let rows = app.table::<serde_json::Value>("account")?.rows()?;
//!         match rows.iter().find(|(_, row)| row["booked"] != row["balance"]) {
//!             Some((_, row)) => Err(format!("{} is not {}", row["booked"], row["balance"]).into()),
//!             None => Ok(()),
//!         }
//!     });
//! let error = kit.run(0..20).unwrap_err();
//! let failure = error.failure().ok_or("it runs")?;
//! assert!(failure.steps.len() <= 3, "two of them book side by side: {failure}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/merge-fuzzing.md` says what happens in a run and what the kit does not find;
//! `examples/merge_fuzz.rs` is a whole app.

mod chance;
mod device;
mod drive;
mod failure;
mod report;
mod run;
mod server;
mod shrink;
mod step;
mod story;
mod wire;
mod world;

use std::fmt;

use crate::model::{Organization, Policy, Schema, UserId};
use crate::policy::{DocumentError, read_policy, read_schema};
use crate::replica::{Event, Replica};

pub use chance::Chance;
pub use failure::{Failure, KitError, Problem};
pub use report::Report;

use drive::{Driven, drive};

/// What something that the app does, or an invariant, ends with. An
/// [`EditError`](crate::EditError) by which the gate refuses, or which says that a record is not there,
/// is no failure: the app tells its user, and the report counts it. Every other error is one.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

type Act = Box<dyn Fn(&Replica, &mut Chance, Option<usize>) -> Driven>;
type React = Box<dyn Fn(&Replica, &[Event]) -> Driven>;
type Check = Box<dyn Fn(&Replica) -> Outcome>;

/// Something that the app does for its user.
struct Action {
    name: String,
    weight: u32,
    /// Whose devices do it; `None`: everyone's.
    only: Option<UserId>,
    act: Act,
}

/// Something that must hold.
struct Invariant {
    name: String,
    /// At any time, and not only when all has settled.
    always: bool,
    check: Check,
}

/// By what the server may judge.
struct NamedRules {
    name: String,
    policy: Policy,
    organization: Organization,
}

/// What is run: an app's schema and rules, its devices, what it does, and what must hold.
pub struct Kit {
    schema: Schema,
    /// Those at the beginning, and others.
    rules: Vec<NamedRules>,
    /// Their users.
    devices: Vec<UserId>,
    /// What is done before anything goes wrong.
    first: Vec<(UserId, Act)>,
    actions: Vec<Action>,
    reactions: Vec<(String, React)>,
    invariants: Vec<Invariant>,
    steps: usize,
    /// A name that is none, which the builder was given.
    mistake: Option<String>,
}

impl fmt::Debug for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("devices", &self.devices).finish_non_exhaustive()
    }
}

/// So many steps a run has, unless it is told otherwise.
const STEPS: usize = 60;

impl Kit {
    /// A kit for these tables and rules.
    #[must_use]
    pub fn new(schema: Schema, policy: Policy, organization: Organization) -> Self {
        let name = "those of the beginning".to_owned();
        Self {
            schema,
            rules: vec![NamedRules { name, policy, organization }],
            devices: Vec::new(),
            first: Vec::new(),
            actions: Vec::new(),
            reactions: Vec::new(),
            invariants: Vec::new(),
            steps: STEPS,
            mistake: None,
        }
    }

    /// As [`Self::new`], of a schema and a policy document in TOML; the policy declares the
    /// organization.
    ///
    /// # Errors
    /// The first thing wrong with them.
    pub fn of_documents(schema: &str, policy: &str) -> Result<Self, DocumentError> {
        let schema = read_schema(schema, "schema.toml")?;
        let read = read_policy(policy, "policy.toml", Some(&schema), None)?;
        Ok(Self::new(schema, read.policy, read.organization.unwrap_or_default()))
    }

    /// So many devices of a user.
    #[must_use]
    pub fn devices(mut self, user: &str, count: usize) -> Self {
        if let Some(user) = self.user(user) {
            self.devices.extend(std::iter::repeat_n(user, count));
        }
        self
    }

    /// What a user's first device does before anything goes wrong; all devices have it when a run
    /// begins.
    #[must_use]
    pub fn first<F>(mut self, user: &str, act: F) -> Self
    where
        F: AsyncFn(&Replica, &mut Chance) -> Outcome + 'static,
    {
        if let Some(user) = self.user(user) {
            self.first.push((user, boxed(act)));
        }
        self
    }

    /// Something that the app does for any user, as often as it weighs beside the rest. It is one
    /// step: reads, edits and retries, with what it chooses drawn from the [`Chance`].
    ///
    /// It gets the device's replica. What it stores is durable at once; it may be left at each such
    /// moment, when its process ends. There is no network in it and no async runtime: a sync fails,
    /// and nothing that it waits for beside its own edits comes.
    #[must_use]
    pub fn action<F>(self, name: &str, weight: u32, act: F) -> Self
    where
        F: AsyncFn(&Replica, &mut Chance) -> Outcome + 'static,
    {
        self.with_action(name, weight, None, boxed(act))
    }

    /// As [`Self::action`], on the devices of one user only.
    #[must_use]
    pub fn action_of<F>(mut self, user: &str, name: &str, weight: u32, act: F) -> Self
    where
        F: AsyncFn(&Replica, &mut Chance) -> Outcome + 'static,
    {
        match self.user(user) {
            Some(user) => self.with_action(name, weight, Some(user), boxed(act)),
            None => self,
        }
    }

    fn with_action(mut self, name: &str, weight: u32, only: Option<UserId>, act: Act) -> Self {
        self.actions.push(Action { name: name.to_owned(), weight, only, act });
        self
    }

    /// What the app does by itself when a sync brought something: its own way to merge, such as to
    /// settle conflicts, to work out a total again, or to deal with what was refused. It is told the
    /// events of the sync, not those of its own edits.
    #[must_use]
    pub fn after_sync<F>(mut self, name: &str, react: F) -> Self
    where
        F: AsyncFn(&Replica, &[Event]) -> Outcome + 'static,
    {
        let react: React = Box::new(move |replica, events| drive(react(replica, events), None));
        self.reactions.push((name.to_owned(), react));
        self
    }

    /// What must hold on every device when all has settled: everyone is connected, all is judged, and
    /// the app has done what it does after a sync.
    #[must_use]
    pub fn invariant(self, name: &str, check: impl Fn(&Replica) -> Outcome + 'static) -> Self {
        self.with_invariant(name, false, Box::new(check))
    }

    /// What must hold on every device at any time: after each thing that the app does, and after each
    /// sync, however far it came.
    #[must_use]
    pub fn always(self, name: &str, check: impl Fn(&Replica) -> Outcome + 'static) -> Self {
        self.with_invariant(name, true, Box::new(check))
    }

    fn with_invariant(mut self, name: &str, always: bool, check: Check) -> Self {
        self.invariants.push(Invariant { name: name.to_owned(), always, check });
        self
    }

    /// Other rules, which may come into force at any time, and go again.
    #[must_use]
    pub fn rules(mut self, name: &str, policy: Policy, organization: Organization) -> Self {
        self.rules.push(NamedRules { name: name.to_owned(), policy, organization });
        self
    }

    /// As [`Self::rules`], of a policy document in TOML.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn rules_of_document(self, name: &str, policy: &str) -> Result<Self, DocumentError> {
        let read = read_policy(policy, "policy.toml", Some(&self.schema), None)?;
        Ok(self.rules(name, read.policy, read.organization.unwrap_or_default()))
    }

    /// How many steps a run has, at most [`KIT_STEPS_MAX`](crate::limits::KIT_STEPS_MAX); otherwise
    /// 60.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    fn user(&mut self, name: &str) -> Option<UserId> {
        match name.parse() {
            Ok(user) => Some(user),
            Err(error) => {
                self.mistake = Some(format!("`{name}` is no user: {error}"));
                None
            }
        }
    }
}

fn boxed<F>(act: F) -> Act
where
    F: AsyncFn(&Replica, &mut Chance) -> Outcome + 'static,
{
    Box::new(move |replica, chance, ends_after| drive(act(replica, chance), ends_after))
}
