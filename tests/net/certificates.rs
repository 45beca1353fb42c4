//! Server certificates.

use proptest::prelude::*;
use tidegate::codec::{CertificateError, ServerCertificate};
use tidegate::model::Timestamp;

use crate::common::key;

fn certificate() -> ServerCertificate {
    let from = Timestamp::from_millis(1_790_000_000_123).unwrap();
    ServerCertificate::issue(&key(1), key(2).public(), key(3).public(), 7, from)
}

#[test]
fn a_certificate_survives_its_bytes() {
    let bytes = certificate().to_bytes();
    assert_eq!(bytes.len(), ServerCertificate::BYTES);
    let read = ServerCertificate::from_bytes(&bytes).unwrap();
    assert_eq!(read, certificate());
    read.verify(&key(1).public()).unwrap();
    assert_eq!(read.serial(), 7);
    assert_eq!(read.valid_from().as_millis(), 1_790_000_000_123);
    assert_eq!(read.server_key(), key(2).public());
    assert_eq!(read.tls_key(), key(3).public());
}

#[test]
fn another_organization_did_not_issue_it() {
    let error = certificate().verify(&key(9).public()).unwrap_err();
    assert_eq!(error, CertificateError::NotSigned { organization: key(9).public() });
}

#[test]
fn no_bit_can_be_changed() {
    let bytes = certificate().to_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1 << bit;
            let read = ServerCertificate::from_bytes(&wrong);
            let outcome = read.and_then(|it| it.verify(&key(1).public()));
            assert!(outcome.is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn length_and_version_are_named() {
    let bytes = certificate().to_bytes();
    for length in 0..bytes.len() {
        let error = ServerCertificate::from_bytes(&bytes[..length]).unwrap_err();
        assert_eq!(error, CertificateError::Length { found: length });
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = ServerCertificate::from_bytes(&longer).unwrap_err();
    assert_eq!(error, CertificateError::Length { found: bytes.len() + 1 });
    // A newer one may have any length.
    let error = ServerCertificate::from_bytes(&[2, 0, 0]).unwrap_err();
    assert_eq!(error, CertificateError::Version { found: 2 });
    let mut endless = bytes;
    endless[9..17].copy_from_slice(&i64::MAX.to_le_bytes());
    let error = ServerCertificate::from_bytes(&endless).unwrap_err();
    assert_eq!(error, CertificateError::Time { millis: i64::MAX });
}

proptest! {
    #[test]
    fn no_bytes_are_trouble(mut bytes in prop::collection::vec(any::<u8>(), 0..200), exact: bool) {
        if exact {
            bytes.resize(ServerCertificate::BYTES, 0);
            bytes[0] = 1;
        }
        if let Ok(read) = ServerCertificate::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
            read.verify(&key(1).public()).unwrap_err();
        }
    }
}
