//! What a server goes by: versions of offline profiles, for pilots and for all others.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate::codec::{Digest, SecretKey, ServerCertificate};
use tidegate::gate::Roster;
use tidegate::model::{
    Audience, DocumentText, Profiles, PublishedProfiles, Schema, Timestamp, UserId,
};
use tidegate::policy::{read_policy, read_profiles};
use tidegate::store::RedbServer;
use tidegate::sync::ServerStore as _;
use tidegate::sync::server::{Identity, Rules, RulesError, ServerMachine};

use super::documents::schema;
use super::users::RULES;

const NOW: Timestamp = Timestamp::MIN;

/// A profile of each kind of seller takes a table.
fn document(id: &str, whom: &str, table: &str) -> String {
    format!(
        "[[profile]]\nid = \"{id}\"\nfor = [\"{whom}\"]\n[[profile.table]]\nid = \"{table}\"\n\
         rows = [\"all\"]\n"
    )
}

struct Server {
    store: RedbServer,
    machine: ServerMachine,
}

fn rules(schema: Schema, text: &str) -> Rules {
    let read = read_policy(text, "policy.toml", Some(&schema), None).unwrap();
    let roster = Roster::new(Arc::new(read.policy), Arc::new(read.organization.unwrap()));
    Rules::new(schema, roster).unwrap()
}

fn open(store: &mut RedbServer, rules: Rules) -> Result<ServerMachine, RulesError> {
    let [organization, own, tls] = [1, 2, 3].map(|number| SecretKey::from_seed([number; 32]));
    let certificate = ServerCertificate::issue(&organization, own.public(), tls.public(), 1, NOW);
    let (organization, certificate) = (organization.public(), certificate.to_bytes());
    let identity = Identity { organization, key: own, certificate };
    ServerMachine::open(store, identity, rules, NOW, [4; 32])
}

impl Server {
    fn new() -> Self {
        let mut store = RedbServer::in_memory().unwrap();
        let machine = open(&mut store, rules(Schema::clone(&schema()), RULES)).unwrap();
        Self { store, machine }
    }

    /// What the server was told last is forgotten, but for its file.
    fn reopen(&mut self) {
        let rules = rules(self.machine.rules().schema().clone(), RULES);
        self.machine = open(&mut self.store, rules).unwrap();
    }

    fn draft(&mut self, text: &str) -> Result<(), RulesError> {
        let document = DocumentText { file: "profiles.toml".into(), text: text.into() };
        let read = match text {
            "" => Profiles::default(),
            _ => read_profiles(text, "profiles.toml", &schema(), None, None).unwrap(),
        };
        self.change(|published| {
            published.draft(document, read, None, NOW);
        })
    }

    fn change(&mut self, with: impl FnOnce(&mut PublishedProfiles)) -> Result<(), RulesError> {
        let mut published = self.machine.rules().profiles().clone();
        with(&mut published);
        self.machine.set_profiles(&mut self.store, NOW, published)
    }

    fn publish(&mut self, pilots: Option<&[&str]>) -> Result<(), RulesError> {
        let group = pilots.map(|pilots| pilots.iter().map(|it| it.parse().unwrap()).collect());
        self.change(|published| {
            let _: u32 = published.publish(group).unwrap();
        })
    }

    /// What ann, ben and dan go by: the name of it, or nothing where they take all.
    fn of(&mut self) -> [Option<String>; 3] {
        ["ann", "ben", "dan"].map(|user| {
            let found = self.machine.profile_of(&user.parse().unwrap(), None).unwrap()?;
            let profile = found.profile.profile();
            let tables = profile.tables.iter().map(|it| it.table.as_str());
            Some(format!("{}: {}", profile.id, tables.collect::<Vec<_>>().join(" ")))
        })
    }

    fn digest(&mut self, user: &str) -> Digest {
        let user: UserId = user.parse().unwrap();
        self.machine.profile_of(&user, None).unwrap().unwrap().digest
    }
}

fn texts(texts: [&str; 3]) -> [Option<String>; 3] {
    texts.map(|text| Some(text.to_owned()))
}

const ALL: [Option<String>; 3] = [None, None, None];

#[test]
fn published_profiles_are_in_force_and_stay_so_when_the_server_opens_again() {
    let mut server = Server::new();
    assert_eq!(server.of(), ALL);
    server.draft(&document("sales", "role:seller", "customer")).unwrap();
    assert_eq!(server.of(), ALL);
    server.publish(None).unwrap();
    let by = texts(["sales: customer", "sales: customer", "nothing: "]);
    assert_eq!(server.of(), by);
    let (digest, kept) = (server.digest("ann"), server.machine.rules().profiles().clone());
    server.reopen();
    assert_eq!(server.of(), by);
    assert_eq!(server.digest("ann"), digest);
    assert_ne!(server.digest("dan"), digest);
    assert_eq!(*server.machine.rules().profiles(), kept);
    assert_eq!(server.store.profiles().unwrap(), kept);
    server.store.check().unwrap();
}

#[test]
fn a_document_without_profiles_has_everyone_take_all_again() {
    let mut server = Server::new();
    server.draft(&document("sales", "organization", "customer")).unwrap();
    server.publish(None).unwrap();
    assert_eq!(server.of(), texts(["sales: customer"; 3]));
    server.draft("").unwrap();
    server.publish(None).unwrap();
    assert_eq!(server.of(), ALL);
}

#[test]
fn a_pilot_group_alone_goes_by_the_new_version_until_it_is_promoted() {
    let mut server = Server::new();
    server.draft(&document("old", "organization", "customer")).unwrap();
    server.publish(None).unwrap();
    let before = server.digest("ben");
    server.draft(&document("new", "organization", "product")).unwrap();
    server.publish(Some(&["team:pilot", "user:dan"])).unwrap();
    let mixed = texts(["new: product", "old: customer", "new: product"]);
    assert_eq!(server.of(), mixed);
    assert_eq!(server.digest("ben"), before);
    assert_ne!(server.digest("ann"), before);
    server.reopen();
    assert_eq!(server.of(), mixed);
    server.change(|it| assert_eq!(it.promote(), Ok(2))).unwrap();
    assert_eq!(server.of(), texts(["new: product"; 3]));
    server.change(|it| assert_eq!(it.roll_back(), Ok(Some(2)))).unwrap();
    assert_eq!(server.of(), texts(["old: customer"; 3]));
    assert_eq!(server.digest("ann"), before);
}

#[test]
fn a_role_that_comes_with_a_pilot_group_counts_by_the_rules_of_now() {
    let mut server = Server::new();
    server.draft(&document("new", "organization", "product")).unwrap();
    server.publish(Some(&["role:seller"])).unwrap();
    let new = || Some("new: product".to_owned());
    assert_eq!(server.of(), [new(), new(), None]);
    // Whoever is no seller any more takes all again; and other rules leave profiles as they are.
    let text = RULES.replacen("roles = [\"seller\"]", "roles = []", 1);
    let other = rules(Schema::clone(&schema()), &text);
    server.machine.set_rules(&mut server.store, NOW, other).unwrap();
    assert_eq!(server.of(), [None, new(), None]);
}

#[test]
fn what_counts_must_fit_the_schema_and_a_draft_need_not() {
    let mut server = Server::new();
    let without = |table: &str| {
        let mut schema = Schema::clone(&schema());
        schema.tables.retain(|id, _| id.as_str() != table);
        rules(schema, RULES)
    };
    server.draft(&document("sales", "organization", "product")).unwrap();
    server.machine.set_rules(&mut server.store, NOW, without("product")).unwrap();
    assert!(server.machine.rules().schema().table("product").is_none());
    // It does not fit any more: nothing is published.
    let kept = server.machine.rules().profiles().clone();
    let refused = server.publish(None).unwrap_err().to_string();
    let why = "version 1 of the offline profiles does not fit: profile `sales`: table `product`: \
               `id`: there is no table `product`: declare it or correct the name";
    assert_eq!(refused, why);
    assert_eq!(*server.machine.rules().profiles(), kept);
    assert_eq!(server.store.profiles().unwrap(), kept);
    assert_eq!(server.of(), ALL);
    // With its table it is, and the table stays.
    let whole = || rules(Schema::clone(&schema()), RULES);
    server.machine.set_rules(&mut server.store, NOW, whole()).unwrap();
    server.publish(Some(&["user:ann"])).unwrap();
    for refused in [
        server.machine.try_rules(&server.store, NOW, without("product")),
        server.machine.set_rules(&mut server.store, NOW, without("product")),
        open(&mut server.store, without("product")).map(drop),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), why);
    }
    assert!(server.machine.rules().schema().table("product").is_some());
    server.machine.try_rules(&server.store, NOW, whole()).unwrap();
}

#[test]
fn a_draft_is_no_new_policy_epoch_and_neither_is_a_profile() {
    let mut server = Server::new();
    let epoch = server.machine.meta().policy_epoch;
    server.draft(&document("sales", "organization", "product")).unwrap();
    server.publish(None).unwrap();
    server.reopen();
    assert_eq!(server.machine.meta().policy_epoch, epoch);
    let group = BTreeSet::from([Audience::Organization]);
    server.draft(&document("new", "organization", "customer")).unwrap();
    server.change(|it| assert!(it.publish(Some(group)).is_err())).unwrap();
    assert_eq!(server.of(), texts(["sales: product"; 3]));
}
