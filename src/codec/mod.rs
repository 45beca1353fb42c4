//! Bytes to model and back: keys and signatures, certificates, enrolment codes.

mod certificate;
mod enroll_code;
mod key;
mod take;

pub use certificate::{CertificateError, ServerCertificate};
pub use enroll_code::{EnrollCode, EnrollCodeError, EnrollTerms, MintError};
pub use key::{Context, KeyTextError, PublicKey, SecretKey, Signature, SignatureError};
