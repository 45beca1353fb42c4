//! What opening and creating refuse, and what they say.

use std::fs;
use std::io;
use std::path::Path;

use redb::{Database, TableDefinition};
use tidegate::store::{FileKind, OpenError, RedbReplica, RedbServer};
use tidegate::sync::{ReplicaBatch, ReplicaStore};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::data::{Rng, batch};
use crate::disk::Disk;
use crate::memory::MemoryReplica;

fn text(error: &OpenError, path: &Path) -> String {
    error.to_string().replace(&path.display().to_string(), "FILE")
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn creating_leaves_the_file_and_nothing_else() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    drop(RedbReplica::create(&path).unwrap());
    assert_eq!(folder.names(), ["a.redb"]);
    assert_eq!(RedbReplica::open(&path).unwrap().meta().unwrap().counter, 0);
}

#[test]
fn a_relative_path_is_one_too() {
    // No folder in it: it is the current one, where nothing must be created here.
    let error = RedbReplica::open("no-such-file.redb").unwrap_err();
    assert_eq!(error.to_string(), "no-such-file.redb is not there");
}

#[test]
fn open_or_create_does_what_is_needed() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    let mut store = RedbReplica::open_or_create(&path).unwrap();
    let mut rng = Rng(1);
    let mut made = batch(&mut rng, &MemoryReplica::default());
    made.meta = Some(crate::data::replica_meta(&mut rng, store.meta().unwrap()));
    store.commit(made).unwrap();
    drop(store);
    assert_eq!(RedbReplica::open_or_create(&path).unwrap().meta().unwrap().counter, 1);
}

#[test]
fn a_file_that_is_only_read_stays_as_it_is() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    drop(RedbReplica::create(&path).unwrap());
    let before = fs::read(&path).unwrap();
    let mut store = RedbReplica::open(&path).unwrap();
    assert_eq!(store.meta().unwrap().counter, 0);
    assert_eq!(fs::read(&path).unwrap(), before);
    // It is taken all the same.
    let second = RedbReplica::open(&path).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second}");
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), before);

    store = RedbReplica::open(&path).unwrap();
    let mut rng = Rng(1);
    let meta = crate::data::replica_meta(&mut rng, store.meta().unwrap());
    store.commit(ReplicaBatch { meta: Some(meta), ..ReplicaBatch::default() }).unwrap();
    // From now on it says of itself that it is open.
    let open = fs::read(&path).unwrap();
    drop(store);
    assert_ne!(open, before);
    assert_ne!(fs::read(&path).unwrap(), open);
    assert_eq!(RedbReplica::open(&path).unwrap().meta().unwrap().counter, 1);
}

#[test]
fn a_file_that_is_not_there() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    let error = RedbReplica::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::NotFound(_)));
    assert_eq!(text(&error, &path), "FILE is not there");
    assert!(folder.names().is_empty());
}

#[test]
fn a_file_that_is_there_is_not_created_over() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    fs::write(&path, "precious").unwrap();
    let error = RedbReplica::create(&path).unwrap_err();
    assert!(matches!(error, OpenError::Exists(_)));
    assert_eq!(text(&error, &path), "FILE is there already; choose another name, or open it");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(folder.names(), ["a.redb"]);
}

#[test]
fn a_folder_that_is_not_there() {
    let folder = Folder::new();
    let path = folder.file("b/a.redb");
    for error in
        [RedbReplica::create(&path).unwrap_err(), RedbReplica::open_or_create(&path).unwrap_err()]
    {
        assert!(matches!(error, OpenError::NoFolder(_)));
        assert_eq!(text(&error, &path), "the folder of FILE is not there; create it first");
    }
}

#[test]
fn a_folder_in_place_of_the_file() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    fs::create_dir(&path).unwrap();
    let error = RedbReplica::open_or_create(&path).unwrap_err();
    assert_eq!(text(&error, &path), "FILE is no Tidegate file: it is a folder");
}

#[test]
fn a_second_opener_is_told_that_another_has_it() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    let first = RedbServer::create(&path).unwrap();
    let reader = first.reader();
    let error = RedbServer::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)));
    assert_eq!(
        text(&error, &path),
        "another process has FILE open; close it there (a file belongs to one process at a time)"
    );
    // A reader is a handle, too.
    drop(first);
    assert!(matches!(RedbServer::open(&path), Err(OpenError::InUse(_))));
    drop(reader);
    RedbServer::open(&path).unwrap();
}

#[test]
fn the_file_of_another_role() {
    let folder = Folder::new();
    let (replica, server) = (folder.file("replica"), folder.file("server"));
    drop(RedbReplica::create(&replica).unwrap());
    drop(RedbServer::create(&server).unwrap());
    let error = RedbReplica::open_or_create(&server).unwrap_err();
    assert!(matches!(error, OpenError::WrongKind { found: FileKind::Server, .. }));
    assert_eq!(text(&error, &server), "FILE is the file of a server, not of a replica");
    let error = RedbServer::open(&replica).unwrap_err();
    assert_eq!(text(&error, &replica), "FILE is the file of a replica, not of a server");
}

#[test]
fn files_that_are_none_of_ours() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    let begins = "FILE is no Tidegate file: it does not begin as one does";
    for (content, expected) in [
        (&b""[..], "FILE is no Tidegate file: it is empty"),
        (b"re", begins),
        (b"SQLite format 3\0 and so on", begins),
        (&[0; 8_192], begins),
    ] {
        fs::write(&path, content).unwrap();
        let error = RedbReplica::open_or_create(&path).unwrap_err();
        assert_eq!(text(&error, &path), expected);
        assert_eq!(fs::read(&path).unwrap(), content, "it is left as it is");
    }
}

#[test]
fn a_redb_file_of_another_program() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    let other = Database::create(&path).unwrap();
    let tx = other.begin_write().unwrap();
    tx.open_table(TableDefinition::<&str, u64>::new("other")).unwrap().insert("a", 1).unwrap();
    tx.commit().unwrap();
    drop(other);
    let error = RedbReplica::open(&path).unwrap_err();
    assert_eq!(
        text(&error, &path),
        "FILE is no Tidegate file: it is a redb file of another program"
    );
}

/// Writes a value as `docs/format.md` says, by nothing but that page.
fn write_value(path: &Path, table: &str, key: &[u8], payload: &[u8]) {
    let seed = xxh3_64_with_seed(key, xxh3_64(table.as_bytes()));
    let checksum = xxh3_64_with_seed(payload, seed).to_le_bytes();
    let value = [&checksum[..4], payload].concat();
    let file = Database::open(path).unwrap();
    let tx = file.begin_write().unwrap();
    let definition = TableDefinition::<&[u8], &[u8]>::new(table);
    tx.open_table(definition).unwrap().insert(key, value.as_slice()).unwrap();
    tx.commit().unwrap();
}

#[test]
fn the_file_of_another_version() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    drop(RedbReplica::create(&path).unwrap());
    write_value(&path, "tidegate", b"format", &[18]);
    let error = RedbReplica::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 18, known: 17, .. }));
    assert_eq!(
        text(&error, &path),
        "FILE has format 18, and this build knows up to 17: update Tidegate"
    );
    write_value(&path, "tidegate", b"format", &[1]);
    let error = RedbReplica::open(&path).unwrap_err();
    assert_eq!(text(&error, &path), "FILE has format 1, which this build cannot read any more");
    write_value(&path, "tidegate", b"format", &[17]);
    write_value(&path, "tidegate", b"kind", &[9]);
    let error = RedbReplica::open(&path).unwrap_err();
    assert_eq!(text(&error, &path), "FILE is no Tidegate file: it is of an unknown kind (9)");
    write_value(&path, "tidegate", b"kind", &[1]);
    RedbReplica::open(&path).unwrap();
}

#[test]
fn a_file_cut_short() {
    let folder = Folder::new();
    let path = folder.file("a.redb");
    drop(RedbReplica::create(&path).unwrap());
    let whole = fs::read(&path).unwrap();
    for length in [9, 100, 4_096, 10_000, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = RedbReplica::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{length}: {error}");
        assert!(text(&error, &path).starts_with("FILE is damaged: "), "{length}: {error}");
        assert_eq!(error.to_string().matches("restore it").count(), 1, "{length}: {error}");
    }
}

/// The story behind: redb repairs what it opens, so that a server's file that was cut short was
/// written to before it was refused, and a backup of the evidence was not one any more.
#[test]
fn what_is_refused_is_not_changed_by_a_byte() {
    let folder = Folder::new();
    let (replica, server) = (folder.file("replica"), folder.file("server"));
    let (mut rng, mut store) = (Rng(3), RedbReplica::create(&replica).unwrap());
    store.commit(batch(&mut rng, &MemoryReplica::default())).unwrap();
    // Copied while it is open: as a kill leaves it.
    let killed = fs::read(&replica).unwrap();
    drop(store);
    drop(RedbServer::create(&server).unwrap());
    let (closed, other) = (fs::read(&replica).unwrap(), fs::read(&server).unwrap());
    let path = folder.file("a.redb");
    for content in [&killed, &closed, &other] {
        for cut in 1..24 {
            let cut = &content[..content.len() - content.len() * cut / 24];
            fs::write(&path, cut).unwrap();
            for error in [RedbReplica::open(&path).err(), RedbServer::open(&path).err()] {
                assert!(error.is_some(), "{} bytes", cut.len());
                assert!(fs::read(&path).unwrap() == cut, "{} bytes: {error:?}", cut.len());
            }
        }
    }
    for (content, is_server) in [(&killed, false), (&closed, false), (&other, true)] {
        fs::write(&path, content).unwrap();
        let error = if is_server {
            RedbReplica::open(&path).unwrap_err()
        } else {
            RedbServer::open(&path).unwrap_err()
        };
        assert!(matches!(error, OpenError::WrongKind { .. }), "{error}");
        assert!(fs::read(&path).unwrap() == *content);
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_this_user_may_not_have() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let path = folder.file("a.redb");
    drop(RedbServer::create(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    match RedbServer::open(&path) {
        Err(error) => assert!(matches!(error, OpenError::Denied { .. }), "{error}"),
        // The superuser may have anything.
        Ok(_) => assert!(fs::OpenOptions::new().write(true).open(&path).is_ok()),
    }
}

#[test]
fn what_the_system_says_becomes_what_to_do() {
    let failing = |kind: io::ErrorKind| {
        let error = RedbServer::on_backend(move || Err::<Disk, _>(kind.into())).unwrap_err();
        error.to_string()
    };
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
        assert_eq!(
            failing(kind),
            format!(
                "(memory) may not be read and written by this user: check its permissions and \
                 those of its folder ({kind})"
            )
        );
    }
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        assert_eq!(failing(kind), "the disk of (memory) is full: free some space and try again");
    }
    assert_eq!(failing(io::ErrorKind::TimedOut), "(memory): cannot open it: timed out");
}
