//! Enrolment codes: typed, mistyped, forged and expired.

use proptest::prelude::*;
use tidegate::codec::{EnrollCode, EnrollCodeError, EnrollTerms, MintError};
use tidegate::limits::{ENROLL_CODE_BYTES_MAX, ENROLL_CODE_TEXT_BYTES_MAX};
use tidegate::model::{Timestamp, UserId};

use crate::common::key;

fn terms() -> EnrollTerms {
    EnrollTerms {
        addresses: vec!["sync.example.org:4433".into(), "10.0.0.7:4433".into()],
        organization: key(5).public(),
        user: UserId::new("ana").unwrap(),
        nonce: [1, 2, 3, 4, 5, 6, 7, 8],
        expires: Timestamp::from_millis(1_790_000_000_000).unwrap(),
    }
}

fn code() -> EnrollCode {
    EnrollCode::mint(&key(1), terms()).unwrap()
}

#[test]
fn a_code_survives_the_way_over_paper() {
    let code = code();
    let text = code.to_string();
    println!("{} characters: {text}\n{code:#}", text.len());
    let spoken = format!("{code:#}");
    let word_processor = spoken.replace('-', " \u{2013}\u{a0}").to_uppercase();
    let misread = text["tide1-".len()..].replace('o', "0").replace('l', "1").replace('b', "8");
    let misread = format!("TIDEl-{misread}");
    for typed in [&text, &spoken, &word_processor, &misread, &format!("  {text}\n")] {
        let read: EnrollCode = typed.parse().unwrap_or_else(|e| panic!("{typed}: {e}"));
        assert_eq!(read, code);
        assert!(read.check_mac(&key(1)));
        assert_eq!(read.addresses(), terms().addresses);
        assert_eq!(read.organization(), key(5).public());
        assert_eq!(read.user().as_str(), "ana");
        assert_eq!(read.nonce(), terms().nonce);
        assert_eq!(read.expires(), terms().expires);
    }
    assert_eq!(EnrollCode::from_bytes(&code.to_bytes()).unwrap(), code);
}

/// The character that a typed one stands for.
fn meant(typed: char) -> char {
    match typed {
        '0' => 'o',
        '1' => 'l',
        '8' => 'b',
        other => other,
    }
}

#[test]
fn every_wrong_character_is_found_on_the_device() {
    let text = code().to_string();
    for (at, right) in text.char_indices() {
        for wrong in "abcdefghijklmnopqrstuvwxyz0123456789-!".chars() {
            let same_version = at == 4 && "1li".contains(wrong);
            if meant(wrong) == meant(right) || same_version || right == '-' {
                continue;
            }
            let typed = format!("{}{wrong}{}", &text[..at], &text[at + 1..]);
            match typed.parse::<EnrollCode>() {
                Err(EnrollCodeError::Typo) => {}
                Err(EnrollCodeError::NotACode) if at < 5 => {}
                other => panic!("{wrong} at {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn swapped_left_out_and_doubled_characters_are_found() {
    let text = code().to_string();
    for at in 6..text.len() - 1 {
        let (a, b) = (&text[at..=at], &text[at + 1..at + 2]);
        if a != b {
            let swapped = format!("{}{b}{a}{}", &text[..at], &text[at + 2..]);
            assert_eq!(swapped.parse::<EnrollCode>(), Err(EnrollCodeError::Typo), "swap at {at}");
        }
        let short = format!("{}{}", &text[..at], &text[at + 1..]);
        assert_eq!(short.parse::<EnrollCode>(), Err(EnrollCodeError::Typo), "without {at}");
        let long = format!("{}{a}{}", &text[..at], &text[at..]);
        assert_eq!(long.parse::<EnrollCode>(), Err(EnrollCodeError::Typo), "doubled {at}");
        assert_eq!(text[..at].parse::<EnrollCode>(), Err(EnrollCodeError::Typo), "cut at {at}");
    }
}

#[test]
fn only_the_server_that_minted_a_code_takes_it() {
    assert!(!code().check_mac(&key(2)));
    let bytes = code().to_bytes();
    for at in 1..bytes.len() {
        for bit in 0..8 {
            let mut forged = bytes.clone();
            forged[at] ^= 1 << bit;
            if let Ok(forged) = EnrollCode::from_bytes(&forged) {
                assert!(!forged.check_mac(&key(1)), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn a_code_expires_at_its_time() {
    let millis = |it| Timestamp::from_millis(it).unwrap();
    assert!(!code().is_expired(millis(1_789_999_999_999)));
    assert!(code().is_expired(millis(1_790_000_000_000)));
    let cut = EnrollTerms { expires: millis(1_790_000_000_999), ..terms() };
    let cut = EnrollCode::mint(&key(1), cut).unwrap();
    assert_eq!(cut.expires(), millis(1_790_000_000_000));
    assert!(cut.check_mac(&key(1)));
    for never in [Timestamp::MIN, millis(-1), millis(4_294_967_296_000), Timestamp::MAX] {
        let error = EnrollCode::mint(&key(1), EnrollTerms { expires: never, ..terms() });
        assert_eq!(error, Err(MintError::Expiry(never)));
    }
}

#[test]
fn what_cannot_be_minted_is_named() {
    for count in [0, 5] {
        let addresses = vec!["a:1".to_owned(); count];
        let error = EnrollCode::mint(&key(1), EnrollTerms { addresses, ..terms() });
        assert_eq!(error, Err(MintError::AddressCount(count)));
    }
    let (most, more) = (format!("{}:1", "a".repeat(253)), format!("{}:1", "a".repeat(254)));
    for bad in ["", "host", ":1", "host:0", "host:65536", "ho st:1", "host\n:1", more.as_str()] {
        let addresses = vec![bad.to_owned()];
        let error = EnrollCode::mint(&key(1), EnrollTerms { addresses, ..terms() });
        assert_eq!(error, Err(MintError::Address(bad.to_owned())));
    }
    // The largest there is passes and stays within its bounds.
    let largest = EnrollTerms {
        addresses: vec![most; 4],
        user: UserId::new("u".repeat(128)).unwrap(),
        ..terms()
    };
    let largest = EnrollCode::mint(&key(1), largest).unwrap();
    assert!(largest.to_bytes().len() <= ENROLL_CODE_BYTES_MAX);
    assert_eq!(format!("{largest:#}").parse(), Ok(largest));
}

#[test]
fn what_is_no_code_is_told_from_a_newer_one() {
    for text in ["", "tide", "tide0-aaaa", "hello", "https://example.org", "tied1-aaaaaaaa"] {
        assert_eq!(text.parse::<EnrollCode>(), Err(EnrollCodeError::NotACode), "{text}");
    }
    let endless = format!("tide1-{}", "a".repeat(ENROLL_CODE_TEXT_BYTES_MAX));
    assert!(matches!(endless.parse::<EnrollCode>(), Err(EnrollCodeError::TooLong { .. })));
    let mut bytes = code().to_bytes();
    bytes[0] = 2;
    let newer = Err(EnrollCodeError::NewerVersion { found: 2 });
    assert_eq!(EnrollCode::from_bytes(&bytes), newer);

    // `hello` as a code of version 2: the check is the same in every version.
    let body = [&b"hello"[..], &crc24(b"\x02hello")].concat();
    let body = data_encoding::BASE32_NOPAD.encode(&body);
    assert_eq!(format!("tide2-{body}").parse::<EnrollCode>(), newer);
    // The same under version 1 is a mistake, and so is a code of version 1 under version 2.
    assert_eq!(format!("tide1-{body}").parse::<EnrollCode>(), Err(EnrollCodeError::Typo));
    let wrong = code().to_string().replace("tide1", "tide2");
    assert_eq!(wrong.parse::<EnrollCode>(), Err(EnrollCodeError::Typo));
}

/// CRC-24 as in RFC 9580, written once more.
fn crc24(bytes: &[u8]) -> [u8; 3] {
    let mut crc = 0xb7_04ce_u32;
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1))) {
        let carry = crc >> 23 ^ bit;
        crc = (crc << 1 & 0xff_ffff) ^ (carry * 0x86_4cfb);
    }
    assert_eq!(crc >> 24, 0);
    let [_, a, b, c] = crc.to_be_bytes();
    [a, b, c]
}

#[test]
fn debug_output_does_not_give_a_code_away() {
    let shown = format!("{:?}", code());
    let text = code().to_string();
    assert!(!shown.contains(&text[6..20]) && !shown.contains("mac"), "{shown}");
    assert!(shown.contains("ana"), "{shown}");
}

proptest! {
    #[test]
    fn any_terms_survive_and_any_typo_is_found(
        user in "[a-zA-Z0-9 äöü.@_-]{1,40}",
        hosts in prop::collection::vec("[a-z0-9.-]{1,40}", 1..=4),
        port in 1..=u16::MAX,
        nonce in any::<[u8; 8]>(),
        seconds in any::<u32>(),
        at in any::<prop::sample::Index>(),
        wrong in "[a-z2-7]",
    ) {
        let terms = EnrollTerms {
            addresses: hosts.iter().map(|it| format!("{it}:{port}")).collect(),
            organization: key(5).public(),
            user: UserId::new(&user).unwrap(),
            nonce,
            expires: Timestamp::from_millis(i64::from(seconds) * 1_000).unwrap(),
        };
        let code = EnrollCode::mint(&key(1), terms).unwrap();
        let text = code.to_string();
        prop_assert_eq!(text.parse::<EnrollCode>(), Ok(code));
        let at = 6 + at.index(text.len() - 6);
        if text[at..=at] != wrong {
            let typed = format!("{}{wrong}{}", &text[..at], &text[at + 1..]);
            prop_assert_eq!(typed.parse::<EnrollCode>(), Err(EnrollCodeError::Typo));
        }
    }

    #[test]
    fn no_bytes_and_no_text_are_trouble(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in "(tide1-)?\\PC{0,100}",
    ) {
        bytes.insert(0, 1);
        if let Ok(code) = EnrollCode::from_bytes(&bytes) {
            prop_assert_eq!(code.to_bytes(), bytes);
        }
        if let Ok(code) = text.parse::<EnrollCode>() {
            prop_assert!(!code.check_mac(&key(1)));
        }
    }
}
