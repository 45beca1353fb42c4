//! Every bound of Tidegate, in one place.
//!
//! Input over a bound is refused with an error that names the bound; nothing is cut silently.

/// Bytes in a name of a table, column, user, team, role and so on.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes in a policy, schema or organization document.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Tables in a schema.
pub const TABLES_MAX: usize = 1_000;
/// Columns in a table.
pub const COLUMNS_MAX: usize = 1_000;
/// Choices of a choice column.
pub const CHOICES_MAX: usize = 10_000;
/// Records that are named of those that a schema does not fit, for each column.
pub const SCHEMA_MISFITS_SHOWN_MAX: usize = 3;
/// Bytes in a text value.
pub const TEXT_BYTES_MAX: usize = 512 << 10;
/// Bytes in a bytes value.
pub const BYTES_MAX: usize = 512 << 10;
/// Characters (Unicode scalar values) that a rich text holds when an edit adds to it.
pub const RICH_TEXT_CHARS_MAX: usize = 1 << 20;
/// Items that a list holds when an edit adds to it.
pub const LIST_ITEMS_MAX: usize = 16_384;
/// Entries that a map holds when an edit adds to it.
pub const MAP_ENTRIES_MAX: usize = 16_384;
/// Bytes in a key of a map.
pub const MAP_KEY_BYTES_MAX: usize = 1 << 10;
/// Bytes of a text or bytes value in a list or map.
pub const ITEM_BYTES_MAX: usize = 64 << 10;
/// Objects and lists in each other in a JSON column.
pub const JSON_DEPTH_MAX: usize = 32;
/// The most that one increment adds to a counter, or takes from it. Eight million of them stay
/// within 64 bits, beside the largest value set.
pub const COUNTER_STEP_MAX: u64 = 1 << 40;
/// The largest value that a counter is set to, and the largest below zero.
pub const COUNTER_SET_MAX: u64 = 1 << 62;
/// Bytes of all values in one edit, roughly: it must fit into a change set.
pub const EDIT_BYTES_MAX: usize = 768 << 10;
/// Shares on one record, those of columns among them.
pub const SHARES_MAX: usize = 1_000;
/// Bytes of a message between device and server.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Bytes of a change set: it fits into a frame beside its signature.
pub const CHANGE_SET_BYTES_MAX: usize = 1 << 20;
/// Edits (of one record each) in a change set.
pub const CHANGE_SET_EDITS_MAX: usize = 1_024;
/// Changes in the history of a section of columns, before the server begins a new generation of it.
pub const GENERATION_CHANGES: usize = 512;
/// So many days the history of a section goes back, before the server begins a new generation of it
/// with the next edit of its record.
pub const GENERATION_DAYS: u32 = 365;
/// A section in which values stand side by side may have so many times the changes of another, so
/// that one of the values can be chosen.
pub const CONFLICTS_KEPT_TIMES: usize = 4;
/// Records of which sections begin anew in one step of the server, before devices that could not read
/// them get them; and what the last one in the step needs beside.
pub const BEGUN_AT_ONCE_MAX: usize = 256;
/// Operations in one change of a section.
pub const CHANGE_OPS_MAX: usize = 10_000;
/// Characters and items that one change puts into texts and lists or takes out of them. Each is an
/// operation of its own when the change is carried out, which then takes some 300 bytes.
pub const CHANGE_PLACES_MAX: usize = 131_072;
/// Operations in a change set, and with them each value that one puts into a list: a device keeps
/// far below it, and a reader need not hold more.
pub const CHANGE_SET_OPS_MAX: usize = 100_000;
/// Distinct names in a change set: of tables, columns and people.
pub const CHANGE_SET_NAMES_MAX: usize = 65_536;
/// Distinct actors in a change set, those that its changes build on among them.
pub const CHANGE_SET_ACTORS_MAX: usize = 65_536;
/// Words of a text, or items of a list, that a device compares with those of another state of it, to
/// find where its pending edits belong: some tenths of a second at the worst.
pub const COMPARED_WORDS_MAX: usize = 4_096;
/// Changes that a server replays to rebuild one change set (some 5 us each). A device that edits on
/// what it has makes one or two states necessary for each section.
pub const REPLAYED_CHANGES_MAX: usize = 1_000_000;
/// By so many bits more than tell most of its own records apart a device names them to the server, at first. Where
/// the server has many others that the user may read, some begin as one of these: then all is sent once more,
pub const STEM_BITS_MORE: u8 = 3;
/// and the next time so many more bits are told, as the device has a part only of what its user may read;
pub const STEM_BITS_STEP: u8 = 8;
/// but not over so many.
pub const STEM_BITS_MORE_MAX: u8 = 59;
/// Among fewer edits no record is named by the first bits of its id: a digest of the ids takes what that saves.
pub const STEMS_FROM_EDITS: usize = 4;
/// Bytes of memory that a reader fills with columns of edits, for each byte of them: a writer sends
/// rows where that would be more.
pub const COLUMNS_DECODED_TIMES: usize = 512;
/// So many bytes it fills in any case.
pub const COLUMNS_DECODED_BYTES_MIN: usize = 256 << 10;
/// And not more than so many, whatever the columns are.
pub const COLUMNS_DECODED_BYTES_MAX: usize = 64 << 20;
/// And of edits as streams, of which each bit takes longer, not more than so many.
pub const STREAMS_DECODED_BYTES_MAX: usize = 4 << 20;
/// Sections that one edit may touch.
pub const EDIT_SECTIONS_MAX: usize = 64;
/// Dependencies of one change: more concurrent heads than this are not built upon.
pub const CHANGE_DEPS_MAX: usize = 256;
/// Heads of a section, before the server begins a new generation of it: there is room for those that
/// one round of judging adds, and a device's own, before a change on them has too many dependencies.
pub const GENERATION_HEADS: usize = 64;
/// Edits and whole records in one page from the server.
pub const PAGE_EDITS_MAX: usize = 16_384;
/// Edits that one message asks about or answers, and owners that one names.
pub const ANSWERS_MAX: usize = 262_144;
/// Of these a server answers so many at a time, so that other devices are served in between.
pub const ASKED_AT_ONCE_MAX: usize = 1_024;
/// Bytes of an address (`host:port`).
pub const ADDRESS_BYTES_MAX: usize = 255;
/// How long a device waits at least, in one session, between two purges: each writes its file anew.
pub const PURGE_PAUSE: std::time::Duration = std::time::Duration::from_secs(60);
/// Bytes of what a device states of a purge.
pub const PURGE_RECEIPT_BYTES_MAX: usize = 256;
/// Addresses in an enrolment code.
pub const ENROLL_CODE_ADDRESSES_MAX: usize = 4;
/// Bytes of an enrolment code as a device presents it.
pub const ENROLL_CODE_BYTES_MAX: usize = 1 << 11;
/// Bytes of an enrolment code as a person types it, spaces and dashes included.
pub const ENROLL_CODE_TEXT_BYTES_MAX: usize = 1 << 13;
/// Network addresses that are tried for one host name.
pub const RESOLVED_ADDRESSES_MAX: usize = 8;
/// Bytes of frames that wait to be sent on one stream.
pub const SEND_QUEUE_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// Streams that a peer may have open on one connection: an early one and its replacement.
pub const STREAMS_MAX: u32 = 2;
/// Bytes in flight towards us on one connection that the session has not read.
pub const RECEIVE_WINDOW_BYTES: u32 = 1 << 20;
/// Handshakes that a server has under way before it ignores new ones.
pub const HANDSHAKES_MAX: usize = 1_024;
/// Bytes of a reason given when a connection is closed; a longer one is cut.
pub const CLOSE_REASON_BYTES_MAX: usize = 256;
/// Sessions that a server remembers so that a device may resume one (some 300 bytes each).
pub const RESUMABLE_SESSIONS_MAX: usize = 10_000;
/// Pending edits that a device sends before it waits for their verdicts.
pub const PUSH_WINDOW_EDITS: usize = 4_096;
/// Times in a row that a device writes edits anew in one session before it leaves the rest to the
/// next.
pub const SESSION_RETRIES_MAX: u32 = 32;
/// Refused edits that a device tries again by itself before it waits for the verdicts on them, but
/// for those that count together with the last.
pub const RECONSIDERED_AT_ONCE_MAX: usize = 1_024;
/// Edits of which a device remembers that they were refused, until it is opened again: receipts ask.
pub const REFUSED_KNOWN_MAX: usize = 4_096;
/// How long others may rely on a grant: 30 days, in milliseconds.
pub const GRANT_LASTS_MILLIS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Entries of the log, or records of a scan, that are looked at in one go, and entries of the first page of
/// a session.
pub const PAGE_LOOKS_MAX: usize = 512;
/// How often so many are looked at without filling a page, before other devices have their turn.
pub const PAGE_ROUNDS_MAX: usize = 32;
/// Entries of a page, where one device is connected: several share them.
pub const PAGE_ENTRIES_MAX: usize = 8_192;
/// Bytes of edits as rows that a page aims at, in the same way; one more edit may exceed it.
pub const PAGE_BYTES_TARGET: u64 = 1 << 20;
/// The same of the first page of a session.
pub const PAGE_BYTES_FIRST: u64 = 256 << 10;
/// So many times what came in a session before is the next page at most.
pub const PAGE_GROWTH: usize = 4;
/// Pages of a scan that a server sends before it hears that the first of them is written: so much comes
/// again after a crash.
pub const SCAN_PAGES_AHEAD_MAX: usize = 8;
/// Entries of such pages, before it waits: one more page may exceed it.
pub const SCAN_ENTRIES_AHEAD_MAX: usize = 4_096;
/// Records of a range of which a recheck compares one digest first.
pub const COMPARED_GRAIN_MAX: usize = 1_024;
/// A range that differs is compared again in so many parts, until its parts are single records.
pub const COMPARED_FAN_OUT: usize = 32;
/// Stretches of records about which a device asks in one question of a recheck.
pub const COMPARED_STRETCHES_MAX: usize = 32;
/// Ranges of which one answer tells digests.
pub const COMPARED_RANGES_MAX: usize = 1_024;
/// Records of which these are, all together: a device looks at as many of its own in one step.
pub const COMPARED_RECORDS_MAX: usize = 8_192;
/// Bytes in a line of a case file given to `tidegate gate check`.
pub const CASE_BYTES_MAX: usize = 1 << 20;
/// Refused edits that an administrator is told in one answer.
pub const ADMIN_DENIALS_MAX: usize = 1_000;
/// Messages that wait for one device before it counts as too slow.
pub const OUTBOUND_MESSAGES_MAX: usize = 4_096;
/// Bytes of messages that wait for one device; one more may exceed it. What the device asks for waits
/// from a quarter of it on, so that only what it is told unasked can fill it.
pub const OUTBOUND_BYTES_MAX: usize = 8 << 20;
/// Bytes of messages of one connection that wait for a server's engine, before no more of it are read.
pub const INBOX_BYTES_MAX: usize = 2 << 20;
/// The same of all connections together.
pub const INBOX_BYTES_TOTAL_MAX: usize = 64 << 20;
/// What a message that waits counts for at least, in bytes.
pub const INBOX_MESSAGE_BYTES_MIN: usize = 512;
/// Messages that a server's engine takes before it judges and writes what was pushed.
pub const ROUND_MESSAGES_MAX: usize = 1_024;
/// The share of one connection in these, where others wait.
pub const ROUND_SHARE_MESSAGES: usize = 64;
/// The same in bytes; one more message may exceed it.
pub const ROUND_SHARE_BYTES: usize = 32 << 10;
/// Bytes of the first message of a connection, by which nobody knows yet who it is.
pub const GREETING_BYTES_MAX: usize = 64 << 10;
/// How long a server waits for that message.
pub const GREETING_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// For how many seconds a server waits for a device that has begun to send a message, or that it has
/// something for, where its configuration does not say otherwise.
pub const PATIENCE_SECONDS_DEFAULT: u32 = 60;
/// Bytes that must go one way meanwhile.
pub const PATIENCE_BYTES_MIN: usize = 1 << 10;
/// How long a server waits until a device that it sends away has heard why.
pub const GOODBYE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// Connections of one device: a new one while the old ones are taken for alive. One more ends the
/// oldest.
pub const CONNECTIONS_PER_DEVICE_MAX: usize = 4;
/// Handshakes that a network address may make in a second, where the server's configuration does not
/// say otherwise.
pub const HANDSHAKES_PER_ADDRESS_DEFAULT: u32 = 32;
/// So many times as many it may make at once, after it was quiet.
pub const HANDSHAKES_AT_ONCE_TIMES: u32 = 16;
/// Network addresses of which a server remembers that they made handshakes.
pub const KNOCKS_KEPT_MAX: usize = 4_096;
/// Time of a server's engine that a device may take before others go first.
pub const WORK_CREDIT: std::time::Duration = std::time::Duration::from_secs(5);
/// One part in so many of the passing time a device gets back of it.
pub const WORK_CREDIT_PART: u32 = 20;
/// Devices that have used it up get together one part in so many of the engine's time, while others
/// are at work.
pub const WORK_LATE_PART: u32 = 10;
/// How long others count as at work after a message.
pub const AT_WORK: std::time::Duration = std::time::Duration::from_secs(1);
/// Edits of one device that a server refuses before its messages wait.
pub const REFUSED_CREDIT: u32 = 16_384;
/// So many a second it is given back.
pub const REFUSED_CREDIT_PER_SECOND: u32 = 10;
/// Devices of which a server remembers what they used up.
pub const CREDITS_KEPT_MAX: usize = 16_384;
/// How long a device that broke the protocol is turned away for the first time; each further time
/// twice as long.
pub const OFFENCE_MIN: std::time::Duration = std::time::Duration::from_secs(5);
/// The longest such time.
pub const OFFENCE_MAX: std::time::Duration = std::time::Duration::from_secs(600);
/// Devices of which a server remembers that they broke the protocol.
pub const OFFENDERS_KEPT_MAX: usize = 4_096;
/// Changed records that a live result notes before it is asked afresh.
pub const WATCHED_CHANGES_MAX: usize = 10_000;
/// Rows that a live result with a limit keeps behind it, to follow where one of it goes: half as many as
/// it shows, and no more than these.
pub const WATCH_SPARE_ROWS_MAX: usize = 64;
/// A live result that goes by `now()` is asked afresh so often.
pub const WATCH_CLOCK: std::time::Duration = std::time::Duration::from_secs(30);
/// Events that are kept for a listener that does not keep up.
pub const EVENTS_KEPT_MAX: usize = 4_096;
/// The first wait before a device tries again to reach its server.
pub const BACKOFF_MIN: std::time::Duration = std::time::Duration::from_millis(500);
/// The longest such wait.
pub const BACKOFF_MAX: std::time::Duration = std::time::Duration::from_secs(60);
/// Bytes of a CSV file that `tidegate bench` takes: all of it is in memory.
pub const BENCH_FILE_BYTES_MAX: u64 = 256 << 20;
/// Bytes in a line of JSON that is imported.
pub const IMPORT_LINE_BYTES_MAX: usize = 4 << 20;
/// Bad lines that an import reports one by one; all are counted.
pub const IMPORT_BAD_LINES_MAX: usize = 1_000;
/// How long the first enrolment code of a new server is good: 7 days, in milliseconds.
pub const ENROLL_CODE_LASTS_MILLIS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Parts of an atomic commit: they travel in one change set.
pub const ATOMIC_PARTS_MAX: usize = 1_000;
/// What is kept of a replica's file in memory, at the most.
pub const REPLICA_CACHE_BYTES: usize = 32 << 20;
/// The same of a server's file, where `cache_mebibytes` does not say otherwise.
pub const SERVER_CACHE_BYTES: usize = 256 << 20;
/// A record that takes so many bytes in a file is kept in memory once it is read or written: shorter ones are
/// read again in less than a millisecond.
pub const LATELY_BYTES_MIN: usize = 8 << 10;
/// Such records take so many bytes in the file together, but for the last one; in memory some times as many.
pub const LATELY_BYTES_MAX: usize = 4 << 20;
/// Pages above each other in the catalog of a file's tables; one or two, as we write it.
pub const CATALOG_DEPTH_MAX: usize = 8;
/// Findings of a verification that are told one by one; all are counted.
pub const FINDINGS_MAX: usize = 1_000;
/// Numbers that a restored server leaves to devices that enrolled after the backup was made.
pub const RESTORED_DEVICES_LEAP: u32 = 1_000;
/// A restored server leaves out at most so many times those numbers, drawn anew each time: two that
/// were restored from the same backup, one after the other, hardly ever give the same.
pub const RESTORED_DEVICES_LEAPS_MAX: u64 = 4_096;
/// Own edits that a device keeps until the server states a backup that holds them.
pub const KEPT_EDITS_MAX: u64 = 65_536;
/// Bytes of these, roughly.
pub const KEPT_BYTES_MAX: u64 = 64 << 20;
/// Records that are pinned on a device: it names them whenever it greets, within the bytes of a first message.
pub const PINS_MAX: usize = 256;
/// Connections that a server takes at a time, where its configuration does not say otherwise.
pub const CONNECTIONS_DEFAULT: u32 = 10_000;
/// Days for which a server keeps a refused edit, where its configuration does not say otherwise.
pub const REFUSED_DAYS_DEFAULT: u32 = 365;
/// Days for which a server keeps an entry of the log, where its configuration does not say otherwise.
pub const LOG_DAYS_DEFAULT: u32 = 365;
/// Entries of the log that a server keeps at least, unless they are too old, where its configuration
/// does not say otherwise.
pub const LOG_ENTRIES_DEFAULT: u32 = 10_000;
/// Entries of the log that a server keeps for each record that it has: a whole record is several
/// times as large as an entry, so that a device which missed more is served sooner by a scan.
pub const LOG_ENTRIES_PER_RECORD: u64 = 4;
/// Entries of the log that a server drops in one step.
pub const DROPPED_AT_ONCE_MAX: usize = 512;
/// Refused edits that a server removes in one step when they are too old.
pub const FORGOTTEN_AT_ONCE_MAX: usize = 256;
/// Bytes in the text of a filter.
pub const FILTER_BYTES_MAX: usize = 64 << 10;
/// Parentheses in each other in a filter.
pub const FILTER_DEPTH_MAX: usize = 24;
/// Words and operators in a filter; what is listed behind `in` are mostly neither.
pub const FILTER_WORDS_MAX: usize = 2_048;
/// Values that a filter lists behind one `in`.
pub const FILTER_LIST_MAX: usize = 4_096;
/// Lookups that one query follows, all its columns taken together.
pub const FILTER_LOOKUPS_MAX: usize = 32;
/// Indexes of a table.
pub const INDEXES_MAX: usize = 64;
/// Columns of an index.
pub const INDEX_COLUMNS_MAX: usize = 8;
/// Lookups that a column of an index is behind.
pub const INDEX_LOOKUPS_MAX: usize = 4;
/// Ranges of an index that a query looks into.
pub const INDEX_RANGES_MAX: usize = 4_096;
/// Ids in one block of an index: as many rows with the same values.
pub const INDEX_BLOCK_IDS_MAX: usize = 64;
/// Rows that are put into an index, and entries taken out of one, in one step.
pub const INDEX_STEP_ROWS_MAX: usize = 2_048;
/// Columns that a query orders by.
pub const ORDER_COLUMNS_MAX: usize = 8;
/// Views in a schema.
pub const VIEWS_MAX: usize = 1_000;
/// Columns that a view shows.
pub const VIEW_COLUMNS_MAX: usize = 256;
/// Offline profiles in a document.
pub const PROFILES_MAX: usize = 1_000;
/// Versions of offline profiles that were in force before, which a server keeps to roll back to.
pub const PROFILE_VERSIONS_MAX: usize = 8;
/// Records that a running server looks at to say how much profiles take, and that it looks at before
/// profiles with budgets are published, where an operator does not say otherwise: devices wait meanwhile.
pub const ESTIMATE_RECORDS_DEFAULT: u32 = 200_000;
/// Users of one estimate.
pub const ESTIMATE_USERS_MAX: usize = 1_000;
/// Users, teams and roles of a pilot group.
pub const PILOT_GROUP_MAX: usize = 1_000;
/// Groups of users that one profile is for.
pub const PROFILE_AUDIENCES_MAX: usize = 1_000;
/// Rounds of relationships that a profile follows.
pub const PROFILE_DEPTH_MAX: u32 = 8;
/// Relationships of one table of a profile.
pub const PROFILE_RELATED_MAX: usize = 32;
/// Differences between server and device that a comparison of a profile lists.
pub const COMPARE_DIFFERENCES_MAX: usize = 1_000;
/// Records that a suggested profile takes of a table by one rule; of a larger table it takes fewer.
pub const SUGGEST_ROWS_MAX: u64 = 2_000;
/// Users of a group whose privileges and records are looked at to suggest a profile for it.
pub const SUGGEST_USERS_MAX: usize = 100;
/// The last places of the log that are looked at to say which tables a group edits.
pub const SUGGEST_ENTRIES_MAX: u64 = 100_000;
/// Minutes between two syncs of a table.
pub const SYNC_MINUTES_MAX: u32 = 1_440;
/// The priority of what comes last.
pub const PRIORITY_MAX: u32 = 1_000_000;
/// Bytes of a bookmark as text.
pub const BOOKMARK_BYTES_MAX: usize = 8 << 20;
/// Looked-up rows that a query remembers of each table, so that rows which look up the same one read it once.
pub const LOOKED_UP_KEPT_MAX: usize = 4_096;
/// Devices of a merge-fuzzing kit.
pub const KIT_DEVICES_MAX: usize = 32;
/// Steps of a run of a merge-fuzzing kit.
pub const KIT_STEPS_MAX: usize = 10_000;
/// Durable steps that an action in a merge-fuzzing kit makes before it counts as one without end.
pub const KIT_DURABLE_STEPS_MAX: usize = 1_000;
/// Rounds in which devices of a merge-fuzzing kit answer each other before that counts as restless.
pub const KIT_ROUNDS_MAX: usize = 64;
/// Runs that a merge-fuzzing kit makes in order to leave steps out of one that fails.
pub const KIT_SHRINK_RUNS_MAX: usize = 400;
/// Rows of each device that a merge-fuzzing kit tells.
pub const KIT_ROWS_TOLD_MAX: usize = 50;
/// Bytes in a line of an edit history that is replayed: all that one commit did.
pub const REPLAY_LINE_BYTES_MAX: usize = 64 << 20;
/// Commits of an edit history that is replayed.
pub const REPLAY_COMMITS_MAX: usize = 1_000_000;
/// Keystrokes of a text that is replayed.
pub const REPLAY_EDITS_MAX: usize = 1_000_000;
/// Authors of an edit history that is replayed: each has a device, and a user of one organization.
pub const REPLAY_AUTHORS_MAX: usize = 20_000;
/// Replicas that a replay has open at a time.
pub const REPLAY_OPEN_MAX: usize = 16;
/// Replicas that are brought up to date at once in the end of a replay.
pub const REPLAY_AT_ONCE: usize = 4;
