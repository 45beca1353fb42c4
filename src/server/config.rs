//! `tidegate.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::HomeError;
use super::documents::Document;
use super::home::{CONFIG, DATA};
use crate::limits::{
    CONNECTIONS_DEFAULT, ESTIMATE_RECORDS_DEFAULT, GENERATION_CHANGES, GENERATION_DAYS,
    HANDSHAKES_PER_ADDRESS_DEFAULT, LOG_DAYS_DEFAULT, LOG_ENTRIES_DEFAULT, OUTBOUND_MESSAGES_MAX,
    PAGE_BYTES_TARGET, PATIENCE_SECONDS_DEFAULT, REFUSED_DAYS_DEFAULT, SERVER_CACHE_BYTES,
};
use crate::sync::server::HistoryBounds;

/// `tidegate.toml`. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Where devices find it; enrolment codes carry these.
    pub addresses: Vec<String>,
    /// The data file, from the folder.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// The schema document, from the folder.
    pub schema: PathBuf,
    /// The policy document, from the folder.
    pub policy: PathBuf,
    /// The document of offline profiles, from the folder.
    pub profiles: Option<PathBuf>,
    /// Files of the organization, where the policy document does not declare it.
    pub organization: Option<OrganizationFiles>,
    /// What is granted to devices at most.
    #[serde(default)]
    pub limits: Limits,
    /// How long things are kept.
    #[serde(default)]
    pub retention: Retention,
    /// What is logged.
    #[serde(default)]
    pub log: Log,
}

/// Where the organization is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationFiles {
    /// A CSV file with the columns `id` and `parent`.
    pub business_units: PathBuf,
    /// A CSV file with the columns `login`, `business_unit`, `manager` and `roles`.
    pub users: PathBuf,
}

/// What devices are granted, and what the server takes, at most. The bounds of `limits.rs` hold besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time, handshakes included; further devices are told to try later.
    #[serde(deserialize_with = "in_range::<_, 1, 1_000_000>")]
    pub connections: u32,
    /// Handshakes that one network address may make in a second, and 16 times as many at once;
    /// further devices there are told to try later.
    #[serde(deserialize_with = "in_range::<_, 1, 1_000_000>")]
    pub handshakes_per_address: u32,
    /// For how many seconds the server waits for a device that has begun to send a message, or does
    /// not read what it is sent.
    #[serde(deserialize_with = "in_range::<_, 1, 3_600>")]
    pub patience_seconds: u32,
    /// Messages that wait for one device before it counts as too slow and is sent away.
    #[serde(deserialize_with = "in_range::<_, 16, 1_000_000>")]
    pub outbound_messages: u32,
    /// Bytes of edits as rows that the largest page to a device aims at: the first ones of a session are
    /// smaller, and several devices share them. One more edit may exceed it.
    #[serde(deserialize_with = "in_range::<_, 1_024, 1_048_576>")]
    pub page_bytes: u32,
    /// Changes that the history of a section keeps, before it begins anew.
    #[serde(deserialize_with = "in_range::<_, 2, 100_000>")]
    pub history_changes: u32,
    /// Days that such a history goes back, before it begins anew with the next edit; 0: that does
    /// not matter.
    #[serde(deserialize_with = "in_range::<_, 0, 36_500>")]
    pub history_days: u32,
    /// Records that a running server looks at to say how much profiles take; devices wait meanwhile.
    #[serde(deserialize_with = "in_range::<_, 0, 1_000_000_000>")]
    pub estimate_records: u32,
    /// MiB of the data file that are kept in memory.
    #[serde(deserialize_with = "in_range::<_, 1, 1_048_576>")]
    pub cache_mebibytes: u32,
}

impl Limits {
    /// How long the server waits for a device that does not go on.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_seconds.into())
    }

    /// Bytes of the data file that are kept in memory.
    #[must_use]
    pub fn cache_bytes(&self) -> usize {
        usize::try_from(u64::from(self.cache_mebibytes) << 20).unwrap_or(usize::MAX)
    }

    /// How much history sections keep.
    #[must_use]
    pub fn history(&self) -> HistoryBounds {
        let days = if self.history_days == 0 { u64::MAX } else { self.history_days.into() };
        HistoryBounds {
            changes: usize::try_from(self.history_changes).unwrap_or(usize::MAX),
            age: Duration::from_secs(days.saturating_mul(24 * 60 * 60)),
            ..HistoryBounds::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_DEFAULT,
            handshakes_per_address: HANDSHAKES_PER_ADDRESS_DEFAULT,
            patience_seconds: PATIENCE_SECONDS_DEFAULT,
            outbound_messages: u32::try_from(OUTBOUND_MESSAGES_MAX).unwrap_or(u32::MAX),
            page_bytes: u32::try_from(PAGE_BYTES_TARGET).unwrap_or(u32::MAX),
            history_changes: u32::try_from(GENERATION_CHANGES).unwrap_or(u32::MAX),
            history_days: GENERATION_DAYS,
            estimate_records: ESTIMATE_RECORDS_DEFAULT,
            cache_mebibytes: u32::try_from(SERVER_CACHE_BYTES >> 20).unwrap_or(u32::MAX),
        }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// For how many days the server keeps a refused edit; 0: for good.
    #[serde(deserialize_with = "in_range::<_, 0, 36_500>")]
    pub refused_days: u32,
    /// For how many days it keeps an entry of the log; 0: that does not matter.
    #[serde(deserialize_with = "in_range::<_, 0, 36_500>")]
    pub log_days: u32,
    /// How many entries of the log it keeps at least, unless they are older than that; four for
    /// each record where that is more.
    #[serde(deserialize_with = "in_range::<_, 1_000, 1_000_000_000>")]
    pub log_entries: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            refused_days: REFUSED_DAYS_DEFAULT,
            log_days: LOG_DAYS_DEFAULT,
            log_entries: LOG_ENTRIES_DEFAULT,
        }
    }
}

/// What `serve` logs, where the environment does not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// How much is logged: this and what is graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What needs somebody.
    Error,
    /// What somebody should know.
    #[default]
    Warn,
    /// Start, stop, backups; who comes, goes and is refused.
    Info,
    /// Each commit, and ends of connections.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

fn default_data() -> PathBuf {
    DATA.into()
}

/// A whole number within bounds; the error names them.
fn in_range<'de, D: Deserializer<'de>, const MIN: u32, const MAX: u32>(
    source: D,
) -> Result<u32, D::Error> {
    let found = i64::deserialize(source)?;
    let number = u32::try_from(found).ok().filter(|it| (MIN..=MAX).contains(it));
    number.ok_or_else(|| de::Error::custom(format!("must be from {MIN} to {MAX}, not {found}")))
}

impl Config {
    /// The configuration of the server in this folder.
    ///
    /// # Errors
    /// There is none; or it has a mistake, which is named with file, line and key.
    pub fn of(dir: &Path) -> Result<Self, HomeError> {
        let path = dir.join(CONFIG);
        if !path.exists() {
            return Err(HomeError::Missing(dir.to_owned()));
        }
        Self::read(&Document::read(&path)?.text, &path)
    }

    /// Reads the text of the file at `path`; the error names line and key.
    fn read(text: &str, path: &Path) -> Result<Self, HomeError> {
        let failed = |key: Option<&str>, error: &toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
            let message = error.message();
            // An unknown or missing key is in the message already.
            let problem = match key {
                Some(key) if !message.contains(&format!("`{key}`")) => {
                    format!("`{key}`: {message}")
                }
                _ => message.to_owned(),
            };
            HomeError::Config { path: path.to_owned(), line, problem }
        };
        let source = toml::Deserializer::parse(text).map_err(|error| failed(None, &error))?;
        serde_path_to_error::deserialize(source).map_err(|error| {
            let key = error.path().to_string();
            let key = (key != "." && !key.contains('?')).then_some(key);
            failed(key.as_deref(), error.inner())
        })
    }

    /// The text of a file that says this, with a word on each key.
    pub(super) fn to_text(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let path = |path: &Path| quoted(&path.to_string_lossy());
        let addresses: Vec<_> = self.addresses.iter().map(|it| quoted(it)).collect();
        let organization = self.organization.as_ref().map_or(String::new(), |files| {
            let (units, users) = (path(&files.business_units), path(&files.users));
            format!("\n[organization]\nbusiness_units = {units}\nusers = {users}\n")
        });
        let profiles = self.profiles.as_ref();
        let profiles = profiles.map_or(String::new(), |it| format!("profiles = {}\n", path(it)));
        let Limits { connections, outbound_messages, page_bytes, .. } = self.limits;
        let Limits { history_changes, history_days, estimate_records, cache_mebibytes, .. } =
            self.limits;
        let Limits { handshakes_per_address, patience_seconds, .. } = self.limits;
        let log = self.log;
        let level = format!("{:?}", log.level).to_lowercase();
        let format = format!("{:?}", log.format).to_lowercase();
        format!(
            "\
# A Tidegate server. `tidegate serve DIR` reads this file when it starts, and
# `tidegate serve --check-config DIR` says whether all is well, also beside a server that runs.

# The UDP address of the server's socket.
listen = {listen}
# Where devices find it, as host:port; enrolment codes carry these.
addresses = [{addresses}]
# The data file, from this folder. Move the file, too, if you change this.
data = {data}
# What is judged by.
schema = {schema}
policy = {policy}
{profiles}{organization}
[limits]
# Connections at a time; further devices are told to try later.
connections = {connections}
# Handshakes a second from one network address, and 16 times as many at once. Raise it where very many
# devices come from one address.
handshakes_per_address = {handshakes_per_address}
# Seconds that a device may take to go on with a message that it has begun, or to read on.
patience_seconds = {patience_seconds}
# Messages that wait for one device before it counts as too slow.
outbound_messages = {outbound_messages}
# Bytes of edits, as rows, in a page to a device, roughly: the most, where few devices are connected.
page_bytes = {page_bytes}
# Changes that the history of a record's columns keeps, and days that it goes back, before it begins
# anew with what they hold; 0 days: they do not matter.
history_changes = {history_changes}
history_days = {history_days}
# Records that are looked at, while devices wait, to say how much offline profiles take.
estimate_records = {estimate_records}
# MiB of the data file that are kept in memory. Much less than what devices ask for again and again makes
# the server slower.
cache_mebibytes = {cache_mebibytes}

[retention]
# For how many days a refused edit is kept here; 0: for good.
refused_days = {refused_days}
# For how many days an entry of the log is kept, 0: that does not matter; and how many entries at
# least, or four for each record. A device that was away for longer starts anew.
log_days = {log_days}
log_entries = {log_entries}

[log]
# error, warn, info, debug or trace. TIDEGATE_LOG, where it is set, counts instead.
level = \"{level}\"
# text or json.
format = \"{format}\"
",
            listen = quoted(&self.listen.to_string()),
            addresses = addresses.join(", "),
            data = path(&self.data),
            schema = path(&self.schema),
            policy = path(&self.policy),
            refused_days = self.retention.refused_days,
            log_days = self.retention.log_days,
            log_entries = self.retention.log_entries,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 4747)),
            addresses: vec!["a.example:1".into(), "[::1]:2".into()],
            data: "da\"ta/server.redb".into(),
            schema: "schema.toml".into(),
            policy: "policy.json".into(),
            profiles: Some("profiles.toml".into()),
            organization: Some(OrganizationFiles {
                business_units: "business_unit.csv".into(),
                users: "user.csv".into(),
            }),
            limits: Limits { connections: 5, ..Limits::default() },
            retention: Retention { refused_days: 0, log_days: 7, log_entries: 8_000 },
            log: Log { level: LogLevel::Debug, format: LogFormat::Json },
        };
        let read = |text: &str| Config::read(text, Path::new("tidegate.toml")).unwrap();
        assert_eq!(read(&config.to_text()), config);
        let bare = Config { organization: None, profiles: None, ..config };
        assert_eq!(read(&bare.to_text()), bare);
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let least = "listen = \"127.0.0.1:1\"\naddresses = []\nschema = \"s\"\npolicy = \"p\"\n";
        let config = Config::read(least, Path::new("tidegate.toml")).unwrap();
        assert_eq!(config.data, Path::new("server.redb"));
        assert_eq!((config.limits, config.log), (Limits::default(), Log::default()));
        assert_eq!(
            config.retention,
            Retention { refused_days: 365, log_days: 365, log_entries: 10_000 }
        );
    }
}
