//! New keys for a server, under the same organization.

use std::fs;
use std::path::{Path, PathBuf};

use super::home::{CERTIFICATE, Home, HomeError, SERVER_KEY, TLS_KEY, io};
use super::keys::{Keys, load_key};
use super::{ORGANIZATION_KEY, ServerError};
use crate::net::{FileKeyStore, KeyStore as _, system};
use crate::store::{OpenError, RedbServer};

/// Keys that were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateReport {
    /// The serial of the new certificate.
    pub serial: u64,
    /// Where the old keys and the old certificate are now.
    pub retired: Vec<PathBuf>,
}

impl Home {
    /// Gives a server that is not running a new server key and a new TLS key, and a certificate
    /// with a higher serial. The organization's key signs it: the one in the folder, or the one in
    /// the file `organization_key`, where it is kept elsewhere. Devices that are enrolled accept
    /// the new certificate, and refuse the old one from then on; enrolment codes that were made
    /// with the old key are worth nothing any more.
    ///
    /// The serial is higher than that of the certificate in the folder, than `above`, and than
    /// that of any earlier rotation by a clock that was right: so also where the folder was
    /// restored from an old backup.
    ///
    /// # Errors
    /// The server is running, or the organization's key is missing or another one; nothing is
    /// changed then. Or a file cannot be written: the old ones are kept.
    pub fn rotate_keys(
        &mut self,
        organization_key: Option<&Path>,
        above: u64,
    ) -> Result<RotateReport, ServerError> {
        let home_error = |error: HomeError| ServerError::Home(Box::new(error));
        let organization = match organization_key {
            Some(path) => {
                let store = FileKeyStore::new(path);
                let loaded = store.load().map_err(|error| home_error(error.into()))?;
                loaded.ok_or_else(|| home_error(HomeError::NoKeyFile(path.to_owned())))?
            }
            None => load_key(self.dir(), ORGANIZATION_KEY).map_err(|error| match error {
                HomeError::Gone(path) => home_error(HomeError::NoKeyFile(path)),
                error => home_error(error),
            })?,
        };
        if organization.public() != self.organization() {
            let (found, wanted) = (organization.public(), self.organization());
            return Err(home_error(HomeError::OtherOrganization { found, wanted }));
        }
        // Held to the end: no server starts with half of the keys.
        let _held = match RedbServer::open(self.data_file()) {
            Ok(store) => Some(store),
            Err(OpenError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let old = self.serial();
        let seconds = u64::try_from(system::now().as_millis() / 1_000).unwrap_or(0);
        let serial = seconds.max(old.saturating_add(1)).max(above.saturating_add(1));
        let fresh = Keys::fresh(&organization, serial, self.dir()).map_err(home_error)?;
        let retired = retire(self.dir(), old).map_err(home_error)?;
        fresh.save(self.dir()).map_err(home_error)?;
        self.set_keys(fresh);
        tracing::info!(serial, "the server's keys are replaced");
        Ok(RotateReport { serial, retired })
    }
}

/// Copies the keys and the certificate aside, under a name that tells their serial.
fn retire(dir: &Path, serial: u64) -> Result<Vec<PathBuf>, HomeError> {
    let mut retired = Vec::new();
    for name in [SERVER_KEY, TLS_KEY, CERTIFICATE] {
        let (from, to) = (dir.join(name), dir.join(format!("{name}.retired-{serial}")));
        // A copy takes the file's permissions with it.
        fs::copy(&from, &to).map_err(io(&from))?;
        fs::File::open(&to).and_then(|file| file.sync_all()).map_err(io(&to))?;
        retired.push(to);
    }
    Ok(retired)
}
