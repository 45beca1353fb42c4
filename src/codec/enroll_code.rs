//! The one-time code that a person carries from the server to a new device.
//!
//! The text is `tide`, the version, a dash, and base32 (lower case, no padding) of:
//!
//! ```text
//! bytes
//!    32  organization key, pinned by the device
//!     8  nonce: the server remembers the used ones
//!     4  expiry, seconds since 1970, little-endian
//!   1+n  user: length and UTF-8
//!     1  number of addresses, 1 to 4
//!   1+n  each address: length and UTF-8, `host:port`
//!    16  MAC: keyed BLAKE3 over the version byte and all of the above, cut to 16 bytes
//!     3  CRC-24 over the version byte and all of the above
//! ```
//!
//! The MAC key is derived from the server's secret, so that a server mints codes without opening
//! its database and stores nothing until one is used. The CRC tells a typing mistake apart from
//! a forged code, on the device, with no connection: it finds every error within 24 bits in a row,
//! thus every wrong character and every two neighbours swapped.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;

use super::take;
use super::{PublicKey, SecretKey};
use crate::limits::{
    ADDRESS_BYTES_MAX, ENROLL_CODE_ADDRESSES_MAX, ENROLL_CODE_BYTES_MAX, ENROLL_CODE_TEXT_BYTES_MAX,
};
use crate::model::{Timestamp, UserId};

const VERSION: u8 = 1;
const PREFIX: &str = "tide";
const MAC_BYTES: usize = 16;
const MAC_LABEL: &str = "tidegate 2026 mac of enrolment codes";

/// What a code says; [`EnrollCode::mint`] seals it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollTerms {
    /// Where the server answers: one to four of `host:port`, best first.
    pub addresses: Vec<String>,
    /// The key that the device will pin.
    pub organization: PublicKey,
    /// Who will be the user of the device.
    pub user: UserId,
    /// Random; makes the code good for one use.
    pub nonce: [u8; 8],
    /// From when on the server refuses the code; cut to the second.
    pub expires: Timestamp,
}

/// A sealed enrolment code. Whoever has it can enrol a device: `Debug` does not show it, and the
/// whole of it is what the device presents to the server.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrollCode {
    terms: EnrollTerms,
    mac: [u8; MAC_BYTES],
}

/// Why a code cannot be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// No address, or too many.
    #[error("an enrolment code has 1 to {ENROLL_CODE_ADDRESSES_MAX} addresses, not {0}")]
    AddressCount(usize),
    /// An address that is not `host:port`.
    #[error(
        "`{0}` is no address: expected HOST:PORT of at most {ADDRESS_BYTES_MAX} bytes, such as \
         sync.example.org:4433"
    )]
    Address(String),
    /// The expiry is before 1970 or after 2106.
    #[error("an enrolment code cannot expire at {0}: expected a time from 1970 to 2106")]
    Expiry(Timestamp),
}

/// Why a text or bytes are no enrolment code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnrollCodeError {
    /// It does not begin like one.
    #[error("this is no enrolment code: one begins with `{PREFIX}{VERSION}-`")]
    NotACode,
    /// It is longer than any code.
    #[error("this is no enrolment code: one has at most {bound} bytes, this has {found}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        bound: usize,
    },
    /// Characters are wrong, missing or too many.
    #[error("the enrolment code has a typing mistake, or a part of it is missing")]
    Typo,
    /// A later program made it.
    #[error(
        "the enrolment code is of version {found}; this program reads version {VERSION}: update it"
    )]
    NewerVersion {
        /// The version found.
        found: u8,
    },
    /// It was typed as it was made, and yet a field makes no sense.
    #[error("the enrolment code is malformed: {0}")]
    Malformed(&'static str),
}

impl EnrollCode {
    /// Makes the code that the server with this key accepts.
    ///
    /// # Errors
    /// The addresses or the expiry do not fit into a code.
    pub fn mint(server_key: &SecretKey, terms: EnrollTerms) -> Result<Self, MintError> {
        let count = terms.addresses.len();
        if count == 0 || count > ENROLL_CODE_ADDRESSES_MAX {
            return Err(MintError::AddressCount(count));
        }
        if let Some(bad) = terms.addresses.iter().find(|it| !is_address(it)) {
            return Err(MintError::Address(bad.clone()));
        }
        let seconds = seconds(terms.expires).ok_or(MintError::Expiry(terms.expires))?;
        let expires = Timestamp::from_millis(i64::from(seconds) * 1_000)
            .ok_or(MintError::Expiry(terms.expires))?;
        let terms = EnrollTerms { expires, ..terms };
        let mac = mac(server_key, &terms);
        Ok(Self { terms, mac })
    }

    /// Whether the server with this key minted it. The server checks the nonce and the expiry
    /// besides.
    #[must_use]
    pub fn check_mac(&self, server_key: &SecretKey) -> bool {
        // blake3's comparison takes the same time wherever the difference is.
        let padded = |mac: [u8; MAC_BYTES]| {
            let mut bytes = [0; 32];
            bytes.split_at_mut(MAC_BYTES).0.copy_from_slice(&mac);
            blake3::Hash::from_bytes(bytes)
        };
        padded(mac(server_key, &self.terms)) == padded(self.mac)
    }

    /// Whether it has expired. A device only warns: the server's clock counts.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.terms.expires
    }

    /// From when on the server refuses it.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.terms.expires
    }

    /// Where the server answers, best first: one to four of `host:port`.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.terms.addresses
    }

    /// The key to pin.
    #[must_use]
    pub fn organization(&self) -> PublicKey {
        self.terms.organization
    }

    /// Who will be the user of the device.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.terms.user
    }

    /// What the server remembers so that the code works once.
    #[must_use]
    pub fn nonce(&self) -> [u8; 8] {
        self.terms.nonce
    }

    /// What the device presents to the server: the version byte and everything but the CRC.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = content(&self.terms);
        bytes.extend_from_slice(&self.mac);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// Says what is wrong with the bytes; a forged code is only found by [`Self::check_mac`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnrollCodeError> {
        bounded(bytes.len(), ENROLL_CODE_BYTES_MAX)?;
        let Some((&version, mut rest)) = bytes.split_first() else {
            return Err(EnrollCodeError::NotACode);
        };
        match version {
            VERSION => {}
            0 => return Err(EnrollCodeError::NotACode),
            found => return Err(EnrollCodeError::NewerVersion { found }),
        }
        let terms = read_terms(&mut rest)?;
        let mac = rest.try_into().map_err(|_| EnrollCodeError::Malformed("its length"))?;
        Ok(Self { terms, mac })
    }
}

/// `tide1-` and base32; `{:#}` sets dashes between groups of five, for reading it out.
impl fmt::Display for EnrollCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.to_bytes();
        bytes.extend_from_slice(&crc24(&bytes));
        let body = bytes.split_first().map_or(&[][..], |(_version, body)| body);
        let text = BASE32_NOPAD.encode(body).to_ascii_lowercase();
        write!(f, "{PREFIX}{VERSION}")?;
        if !f.alternate() {
            return write!(f, "-{text}");
        }
        for (at, character) in text.chars().enumerate() {
            if at % 5 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for EnrollCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrollCode")
            .field("user", &self.terms.user)
            .field("addresses", &self.terms.addresses)
            .field("expires", &self.terms.expires)
            .finish_non_exhaustive()
    }
}

/// Lenient about case, spaces and dashes, and about 0, 1 and 8 typed for o, l and b.
impl FromStr for EnrollCode {
    type Err = EnrollCodeError;
    fn from_str(text: &str) -> Result<Self, EnrollCodeError> {
        bounded(text.len(), ENROLL_CODE_TEXT_BYTES_MAX)?;
        let typed: String =
            text.chars().filter(|it| !is_filler(*it)).map(|it| it.to_ascii_lowercase()).collect();
        let mut characters = typed.strip_prefix(PREFIX).ok_or(EnrollCodeError::NotACode)?.chars();
        let version = match characters.next() {
            Some('1' | 'l' | 'i') => 1,
            Some(digit @ '2'..='9') => u8::try_from(digit).unwrap_or_default() - b'0',
            _ => return Err(EnrollCodeError::NotACode),
        };
        let body: String = characters
            .map(|it| match it {
                '0' => 'O',
                '1' => 'L',
                '8' => 'B',
                other => other.to_ascii_uppercase(),
            })
            .collect();
        let body = BASE32_NOPAD.decode(body.as_bytes()).map_err(|_| EnrollCodeError::Typo)?;

        let mut bytes = vec![version];
        bytes.extend_from_slice(&body);
        // Before the version: a wrong digit is a typing mistake, not a newer program.
        let (content, crc) = bytes.split_last_chunk::<3>().ok_or(EnrollCodeError::Typo)?;
        if crc24(content) != *crc {
            return Err(EnrollCodeError::Typo);
        }
        Self::from_bytes(content)
    }
}

fn bounded(found: usize, bound: usize) -> Result<(), EnrollCodeError> {
    if found > bound { Err(EnrollCodeError::TooLong { found, bound }) } else { Ok(()) }
}

/// What people and their programs put between characters: spaces and every kind of dash.
fn is_filler(it: char) -> bool {
    it.is_whitespace()
        || matches!(it, '-' | '_' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}')
}

/// Whether a text is `host:port` with a port that can be reached.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    text.len() <= ADDRESS_BYTES_MAX
        && !host.is_empty()
        && !text.chars().any(|it| it.is_control() || it.is_whitespace())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn seconds(time: Timestamp) -> Option<u32> {
    u32::try_from(time.as_millis().div_euclid(1_000)).ok()
}

fn content(terms: &EnrollTerms) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&terms.organization.0);
    bytes.extend_from_slice(&terms.nonce);
    bytes.extend_from_slice(&seconds(terms.expires).unwrap_or(u32::MAX).to_le_bytes());
    push_short_text(&mut bytes, terms.user.as_str());
    bytes.push(u8::try_from(terms.addresses.len()).unwrap_or(u8::MAX));
    for address in &terms.addresses {
        push_short_text(&mut bytes, address);
    }
    bytes
}

fn push_short_text(bytes: &mut Vec<u8>, text: &str) {
    // Names and addresses are bounded to less than 256 bytes when they are made.
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(text.as_bytes());
}

fn read_terms(rest: &mut &[u8]) -> Result<EnrollTerms, EnrollCodeError> {
    let short = EnrollCodeError::Malformed("its length");
    let organization = PublicKey(take::array(rest).ok_or(short.clone())?);
    let nonce = take::array(rest).ok_or(short.clone())?;
    let seconds = u32::from_le_bytes(take::array(rest).ok_or(short.clone())?);
    let expires = Timestamp::from_millis(i64::from(seconds) * 1_000)
        .ok_or(EnrollCodeError::Malformed("the expiry"))?;
    let user = take::short_text(rest)
        .and_then(|it| UserId::new(it).ok())
        .ok_or(EnrollCodeError::Malformed("the user"))?;
    let [count] = take::array(rest).ok_or(short)?;
    if count == 0 || usize::from(count) > ENROLL_CODE_ADDRESSES_MAX {
        return Err(EnrollCodeError::Malformed("the number of addresses"));
    }
    let addresses = (0..count)
        .map(|_| take::short_text(rest).filter(|it| is_address(it)).map(str::to_owned))
        .collect::<Option<Vec<_>>>()
        .ok_or(EnrollCodeError::Malformed("an address"))?;
    Ok(EnrollTerms { addresses, organization, user, nonce, expires })
}

fn mac(server_key: &SecretKey, terms: &EnrollTerms) -> [u8; MAC_BYTES] {
    let whole = blake3::keyed_hash(&server_key.derive(MAC_LABEL), &content(terms));
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(whole.as_bytes().split_at(MAC_BYTES).0);
    mac
}

/// The CRC-24 of OpenPGP (RFC 9580, section 6.1).
fn crc24(bytes: &[u8]) -> [u8; 3] {
    let mut crc: u32 = 0x00b7_04ce;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    let [_, high, middle, low] = crc.to_be_bytes();
    [high, middle, low]
}
