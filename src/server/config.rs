//! `tidegate.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HomeError;

/// `tidegate.toml`. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Where devices find it; enrolment codes carry these.
    pub addresses: Vec<String>,
    /// The schema document, from the folder.
    pub schema: PathBuf,
    /// The policy document, from the folder.
    pub policy: PathBuf,
    /// Files of the organization, where the policy document does not declare it.
    pub organization: Option<OrganizationFiles>,
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

impl Config {
    /// Reads the text of the file at `path`; the error names line and key.
    pub(super) fn read(text: &str, path: &Path) -> Result<Self, HomeError> {
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
}
