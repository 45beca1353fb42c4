//! Keys and signatures.

use tidegate::codec::{Context, PublicKey, SecretKey, Signature};

use crate::common::key;

const CONTEXTS: [Context; 6] = [
    Context::ServerCertificate,
    Context::Grant,
    Context::ChangeSet,
    Context::Denial,
    Context::Page,
    Context::Purge,
];

#[test]
fn the_public_key_is_that_of_rfc_8032() {
    let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
    let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    let key = SecretKey::from_seed(seed.try_into().unwrap());
    assert_eq!(key.public().as_bytes().to_vec(), public);
}

#[test]
fn a_signature_holds_for_its_key_purpose_and_bytes_only() {
    for context in CONTEXTS {
        let signature = key(1).sign(context, b"bytes");
        key(1).public().verify(context, b"bytes", &signature).unwrap();
        key(2).public().verify(context, b"bytes", &signature).unwrap_err();
        key(1).public().verify(context, b"bytez", &signature).unwrap_err();
        for other in CONTEXTS.into_iter().filter(|it| *it != context) {
            key(1).public().verify(other, b"bytes", &signature).unwrap_err();
        }
        for at in 0..64 {
            let mut wrong = signature;
            wrong.0[at] ^= 1;
            key(1).public().verify(context, b"bytes", &wrong).unwrap_err();
        }
    }
}

#[test]
fn signatures_never_change() {
    // What is signed is a format: a change here makes every stored signature invalid.
    let starts = CONTEXTS.map(|context| {
        let signature = key(1).sign(context, b"golden");
        data_encoding::HEXLOWER.encode(&signature.as_bytes()[..8])
    });
    assert_eq!(
        starts,
        [
            "3896f8654b2e0c7a",
            "95c487be577870b8",
            "d019a6b06551e857",
            "a807d8641f82f28c",
            "8929047fca9231c4",
            "814e94b8afe78997"
        ]
    );
}

#[test]
fn keys_and_signatures_have_a_text_and_a_compact_form() {
    let public = key(1).public();
    let text = public.to_string();
    assert_eq!(text.len(), 52);
    assert_eq!(text.parse::<PublicKey>().unwrap(), public);
    assert_eq!(text.to_uppercase().parse::<PublicKey>().unwrap(), public);
    for wrong in ["", "abc", &text[1..], &format!("{text}a"), &text.replace(&text[..1], "1")] {
        wrong.parse::<PublicKey>().unwrap_err();
    }
    let json = serde_json::to_string(&public).unwrap();
    assert_eq!(json, format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), public);

    let compact = postcard::to_stdvec(&public).unwrap();
    assert_eq!(compact, public.as_bytes());
    assert_eq!(postcard::from_bytes::<PublicKey>(&compact).unwrap(), public);
    let signature = key(1).sign(Context::Grant, b"");
    let compact = postcard::to_stdvec(&signature).unwrap();
    assert_eq!(compact, signature.as_bytes());
    assert_eq!(postcard::from_bytes::<Signature>(&compact).unwrap(), signature);
}

#[test]
fn a_secret_key_does_not_show_its_secret() {
    let shown = format!("{:?}", SecretKey::from_seed([0xab; 32]));
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
}
