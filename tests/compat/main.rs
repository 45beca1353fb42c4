//! Bytes that were written once are read for good: `tests/compat/*.bin` hold what each version wrote.
//!
//! With `TIDEGATE_WRITE_GOLDEN` set they are written anew: for a new version of a format only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod by_hand;
mod edits;

use std::path::Path;

use tidegate::codec::{
    ChangeSet, DecodeError, Entry, Form, HashesDigest, IdsDigest, Page, SecretKey, SignedChangeSet,
    Stem, ToDevice, decode_message, decode_records_up_to, decode_rows_up_to, encode_edits_in,
    encode_message, encode_rows,
};
use tidegate::model::{DeviceNumber, Edit, Sequence};

/// The bytes of a file; `written`: what is written now, if the file is to be made.
fn golden(name: &str, written: &[u8]) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat").join(name);
    if std::env::var_os("TIDEGATE_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, written).unwrap();
    }
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn rows_are_what_they_were() {
    let edits = edits::of_every_kind();
    let written = encode_rows(&edits).unwrap();
    let kept = golden("rows.bin", &written);
    assert_eq!(decode_rows_up_to(&kept, edits.len()).unwrap(), edits);
    // Digests are made of them.
    assert!(written == kept, "other bytes are written");
}

#[test]
fn columns_and_streams_are_what_they_were() {
    for (name, form, edits) in [
        ("columns-every-kind.bin", Form::Columns, edits::of_every_kind()),
        ("columns-short.bin", Form::Columns, edits::alike(8)),
        ("columns-long.bin", Form::Columns, edits::alike(600)),
        ("streams-every-kind.bin", Form::Streams, edits::of_every_kind()),
        ("streams-short.bin", Form::Streams, edits::alike(8)),
        ("streams-long.bin", Form::Streams, edits::alike(600)),
    ] {
        let written = encode_edits_in(form, &edits).unwrap().unwrap();
        let kept = golden(name, &written);
        let told = if form == Form::Columns { 1 } else { 2 };
        assert_eq!(kept[0], told, "{name}");
        assert!(decode_records_up_to(&kept, edits.len()).unwrap() == edits, "{name}");
        // What zstd makes smaller may be other bytes with another version of it: then these are to be
        // looked at, and written anew.
        assert!(written == kept, "{name}: other bytes are written");
    }
}

#[test]
fn a_change_set_is_what_it_was() {
    let key = SecretKey::from_seed([7; 32]);
    let set =
        ChangeSet { device: DeviceNumber(3), edits: edits::alike(2), hashes: HashesDigest([9; 8]) };
    let organization = SecretKey::from_seed([1; 32]).public();
    let written = postcard::to_stdvec(&set.sign(&key, &organization).unwrap()).unwrap();
    let kept = golden("change-set.bin", &written);
    let signed: SignedChangeSet = postcard::from_bytes(&kept).unwrap();
    assert_eq!(signed.open(&key.public(), &organization).unwrap(), set);
    assert!(written == kept, "other bytes are written");
}

#[test]
fn a_page_is_what_it_was() {
    let place = |(at, edit): (u64, Edit)| match at % 2 {
        0 => {
            Entry::Edit { sequence: Sequence(1_000 + at), edit, bits: Stem::WHOLE, of_owner: false }
        }
        _ => Entry::Whole { version: Sequence(1_000 + at), record: edit },
    };
    let entries = (0..).zip(edits::alike(5)).map(place).collect();
    let page = ToDevice::Page(Page { entries, watermark: Sequence(1_005), ..Page::default() });
    let written = encode_message(&page).unwrap();
    let kept = golden("page.bin", &written);
    assert_eq!(decode_message::<ToDevice>(&kept).unwrap(), page);
    assert!(written == kept, "other bytes are written");
    names_by_stems(&page);
    let old = [&[1], &kept[1..]].concat();
    let error = decode_message::<ToDevice>(&old).unwrap_err();
    assert!(matches!(error, DecodeError::Version { found: 1, known: 5, .. }), "{error}");
}

/// A page whose edits name their records by the first 20 bits of their ids.
fn names_by_stems(page: &ToDevice) {
    let ToDevice::Page(page) = page.clone() else { return };
    let mut page = Page { ids: Some(IdsDigest([7; 4])), ..page };
    for entry in &mut page.entries {
        if let Entry::Edit { bits, .. } = entry {
            *bits = 20;
        }
    }
    let written = encode_message(&ToDevice::Page(page.clone())).unwrap();
    let kept = golden("page-stems.bin", &written);
    assert!(written == kept, "other bytes are written");
    for entry in &mut page.entries {
        if let Entry::Edit { edit, bits, .. } = entry {
            edit.record = Stem::of(edit.record, *bits).first();
        }
    }
    assert_eq!(decode_message::<ToDevice>(&kept).unwrap(), ToDevice::Page(page));
}
