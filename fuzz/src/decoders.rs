//! Any bytes for every decoder: an error, or what is written again as something that reads the same.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate::codec::{
    AdminAnswer, AdminRequest, Digest, EnrollCode, Lexicon, SecretKey, ServerCertificate,
    SignedChangeSet, SignedPurgeReceipt, Stem, ToDevice, ToServer, decode_edits, decode_message,
    decode_records_up_to, encode_edits, encode_message,
};
use tidegate::gate::{CaseJudge, Roster};
use tidegate::model::{Edit, Schema};
use tidegate::policy::{Format, read_policy_as};
use tidegate::query::Bookmark;
use tidegate::read_schema;
use tidegate::sync::Grant;

use crate::filters::filter;

/// The first byte chooses the decoder.
pub fn decode(bytes: &[u8]) {
    let Some((decoder, bytes)) = bytes.split_first() else { return };
    match decoder % 18 {
        0 => edits(decode_edits(bytes)),
        1 => edits(decode_records_up_to(bytes, 100)),
        2 => message::<ToServer>(bytes),
        3 => message::<ToDevice>(bytes),
        4 => change_set(bytes),
        5 => certificate(bytes),
        6 => code(bytes),
        7 => grant(bytes),
        8 => plain::<AdminRequest>(bytes),
        9 => plain::<AdminAnswer>(bytes),
        10 => plain::<Schema>(bytes),
        11 => receipt(bytes),
        12 => text(bytes, |text| drop(text.parse::<EnrollCode>())),
        13 => text(bytes, |text| drop(read_schema(text, "schema.toml"))),
        14 => text(bytes, policy),
        15 => case(bytes),
        16 => text(bytes, filter),
        _ => text(bytes, bookmark),
    }
}

/// A key with which nothing in any input was signed.
fn nobody() -> SecretKey {
    SecretKey::from_seed([9; 32])
}

fn edits<E>(decoded: Result<Vec<Edit>, E>) {
    let Ok(edits) = decoded else { return };
    let bytes = encode_edits(&edits).unwrap();
    let again = decode_records_up_to(&bytes, edits.len()).unwrap();
    assert_same(&again, &edits);
}

fn message<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    let Ok(message) = decode_message::<T>(bytes) else { return };
    let bytes = encode_message(&message).unwrap();
    assert_same(&decode_message::<T>(&bytes).unwrap(), &message);
}

/// As text: a float that is no number equals nothing, itself included.
fn assert_same<T: Debug>(again: &T, first: &T) {
    assert_eq!(format!("{again:?}"), format!("{first:?}"));
}

fn plain<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    let Ok(thing) = postcard::from_bytes::<T>(bytes) else { return };
    let bytes = postcard::to_stdvec(&thing).unwrap();
    assert_same(&postcard::from_bytes::<T>(&bytes).unwrap(), &thing);
}

fn change_set(bytes: &[u8]) {
    let key = nobody();
    let public = key.public();
    if let Ok(set) = postcard::from_bytes::<SignedChangeSet>(bytes) {
        let _ = set.claimed_device();
        assert!(set.open(&public, &public).is_err(), "nobody signed this");
    }
    // As what was signed.
    let signed = crate::server::signed(&key, &public, bytes.to_vec());
    let _ = signed.claimed_device();
    let first = |_: &Edit, stem: Stem| Some(stem.first());
    let lexicon = Arc::new(Lexicon::of(&crate::server::schema(), Digest([1; 16])));
    let names = |_| Some(Arc::clone(&lexicon));
    if let Ok(set) = signed.open_in_short(&public, &public, names, first) {
        let again = set.sign(&key, &public).unwrap().open(&public, &public).unwrap();
        assert_same(&again, &set);
    }
    // As the edits in it.
    let signed =
        crate::server::signed(&key, &public, crate::server::body_of(bytes, lexicon.mark()));
    let _ = signed.open_in_short(&public, &public, names, first);
}

fn certificate(bytes: &[u8]) {
    let Ok(certificate) = ServerCertificate::from_bytes(bytes) else { return };
    assert!(certificate.verify(&nobody().public()).is_err(), "nobody signed this");
    let again = ServerCertificate::from_bytes(&certificate.to_bytes()).unwrap();
    assert_same(&again, &certificate);
}

fn code(bytes: &[u8]) {
    let Ok(code) = EnrollCode::from_bytes(bytes) else { return };
    assert!(!code.check_mac(&nobody()), "nobody minted this");
    assert_same(&EnrollCode::from_bytes(&code.to_bytes()).unwrap(), &code);
    assert_same(&code.to_string().parse::<EnrollCode>().unwrap(), &code);
}

fn grant(bytes: &[u8]) {
    let key = nobody();
    assert!(Grant::open(bytes, &key.public()).is_err(), "nobody signed this");
    let Ok(grant) = Grant::from_store(bytes) else { return };
    let again = Grant::open(&grant.sign(&key).unwrap(), &key.public()).unwrap();
    assert_same(&again, &grant);
}

fn receipt(bytes: &[u8]) {
    let Ok(receipt) = postcard::from_bytes::<SignedPurgeReceipt>(bytes) else { return };
    assert!(receipt.open(&nobody().public()).is_err(), "nobody signed this");
}

fn text(bytes: &[u8], read: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
    }
}

fn policy(text: &str) {
    for format in [Format::Json, Format::Toml] {
        let _ = read_policy_as(format, text, "policy", None, None);
    }
}

fn case(line: &[u8]) {
    let policy = r#"{"table":[{"id":"t","ownership":"user_owned"}],"business_unit":[{"id":"b"}],
        "user":[{"id":"u","business_unit":"b"}]}"#;
    let document = read_policy_as(Format::Json, policy, "p.json", None, None).unwrap();
    let roster = Roster::new(document.policy.into(), document.organization.unwrap().into());
    let _ = CaseJudge::new(roster, document.tables).answer(line);
}

fn bookmark(text: &str) {
    let Ok(bookmark) = text.parse::<Bookmark>() else { return };
    assert_same(&bookmark.to_string().parse::<Bookmark>().unwrap(), &bookmark);
}
