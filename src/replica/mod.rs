//! The handle that an app embeds.

mod key_store;

pub use key_store::{FileKeyStore, KeyStore, KeyStoreError};
