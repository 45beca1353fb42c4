//! The file that keeps a device's key.

use std::fs;

use tidegate::replica::{FileKeyStore, KeyStore, KeyStoreError};

use crate::common::key;

#[test]
fn a_key_is_there_after_it_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileKeyStore::new(folder.path().join("device.key"));
    assert!(store.load().unwrap().is_none());
    for number in [1, 2] {
        store.save(&key(number)).unwrap();
        assert_eq!(store.load().unwrap().unwrap().public(), key(number).public());
    }
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "nothing temporary is left");
}

#[cfg(unix)]
#[test]
fn others_cannot_read_the_file_and_one_that_they_can_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let store = FileKeyStore::new(folder.path().join("device.key"));
    store.save(&key(1)).unwrap();
    let mode = || fs::metadata(store.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    for exposed in [0o640, 0o604, 0o660] {
        fs::set_permissions(store.path(), fs::Permissions::from_mode(exposed)).unwrap();
        let error = store.load().unwrap_err();
        assert!(matches!(error, KeyStoreError::Exposed { mode, .. } if mode == exposed), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    store.save(&key(1)).unwrap();
    assert_eq!(mode(), 0o600, "saving again mends it");
}

#[test]
fn a_file_that_is_something_else_is_named_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileKeyStore::new(folder.path().join("device.key"));
    store.save(&key(1)).unwrap();
    let right = fs::read(store.path()).unwrap();
    println!("a key file has {} bytes", right.len());

    let mut damaged: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"hello".to_vec(),
        vec![0xff; 50],
        vec![b'a'; 10_000],
        b"tidegate-key-2 aaaa\n".to_vec(),
        right[..right.len() / 2].to_vec(),
        [&right[..], b"more"].concat(),
    ];
    for at in 0..right.len() - 1 {
        let mut changed = right.clone();
        changed[at] = if changed[at] == b'a' { b'c' } else { b'a' };
        damaged.push(changed);
    }
    for bytes in damaged {
        // Written in place, so that the mode stays.
        fs::write(store.path(), &bytes).unwrap();
        let error = store.load().unwrap_err();
        assert!(matches!(error, KeyStoreError::Malformed { .. }), "{error}: {bytes:?}");
        assert!(error.to_string().contains("device.key"), "{error}");
        assert_eq!(fs::read(store.path()).unwrap(), bytes);
    }
}

#[test]
fn a_missing_folder_and_a_folder_in_its_place_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileKeyStore::new(folder.path().join("none/device.key"));
    let error = store.save(&key(1)).unwrap_err();
    assert!(matches!(error, KeyStoreError::Io { action: "create", .. }), "{error}");
    let error = FileKeyStore::new(folder.path()).load().unwrap_err();
    assert!(error.to_string().contains("key file"), "{error}");
}
