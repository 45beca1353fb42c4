//! The keys in a server's folder, and the certificate that ties them to the organization.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::HomeError;
use super::home::{CERTIFICATE, ORGANIZATION, ORGANIZATION_KEY, SERVER_KEY, TLS_KEY, io};
use crate::codec::{PublicKey, SecretKey, ServerCertificate};
use crate::net::{FileKeyStore, KeyStore as _, system};

/// Who a server is.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) organization: PublicKey,
    pub(super) server: SecretKey,
    pub(super) tls: SecretKey,
    pub(super) certificate: ServerCertificate,
}

impl Keys {
    /// New keys for a server, for which this organization vouches.
    pub(super) fn fresh(
        organization: &SecretKey,
        serial: u64,
        dir: &Path,
    ) -> Result<Self, HomeError> {
        let (server, tls) = (fresh_key(dir)?, fresh_key(dir)?);
        let (public, now) = (organization.public(), system::now());
        let certificate =
            ServerCertificate::issue(organization, server.public(), tls.public(), serial, now);
        Ok(Self { organization: public, server, tls, certificate })
    }

    /// Reads all, and checks that they belong together.
    pub(super) fn load(dir: &Path) -> Result<Self, HomeError> {
        let organization = organization(dir)?;
        let (server, tls) = (load_key(dir, SERVER_KEY)?, load_key(dir, TLS_KEY)?);
        let certificate = load_certificate(dir, &organization)?;
        let named = (certificate.server_key(), certificate.tls_key());
        if named != (server.public(), tls.public()) {
            return Err(HomeError::OtherKeys(dir.join(CERTIFICATE)));
        }
        Ok(Self { organization, server, tls, certificate })
    }

    /// Writes the server's keys and certificate; those that are there are replaced.
    pub(super) fn save(&self, dir: &Path) -> Result<(), HomeError> {
        FileKeyStore::new(dir.join(SERVER_KEY)).save(&self.server)?;
        FileKeyStore::new(dir.join(TLS_KEY)).save(&self.tls)?;
        // Under another name first, so that a power cut leaves the old one or the new one.
        let (path, new) = (dir.join(CERTIFICATE), dir.join(format!("{CERTIFICATE}.new")));
        let written = fs::File::create(&new).and_then(|mut file| {
            file.write_all(&self.certificate.to_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&new, &path)).map_err(io(&path))
    }
}

/// A key out of the system's randomness.
pub(super) fn fresh_key(dir: &Path) -> Result<SecretKey, HomeError> {
    system::seed().map(SecretKey::from_seed).map_err(io(dir))
}

/// A key that must be there.
pub(super) fn load_key(dir: &Path, name: &str) -> Result<SecretKey, HomeError> {
    let path = dir.join(name);
    FileKeyStore::new(&path).load()?.ok_or(HomeError::Gone(path))
}

/// The public half of the organization's key. The secret half need not be in the folder.
pub(super) fn organization(dir: &Path) -> Result<PublicKey, HomeError> {
    let (path, key_path) = (dir.join(ORGANIZATION), dir.join(ORGANIZATION_KEY));
    let public = match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<PublicKey>() {
            Ok(key) => Some(key),
            Err(error) => {
                return Err(HomeError::OrganizationKey { path, problem: error.to_string() });
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io(&path)(error)),
    };
    let secret = FileKeyStore::new(&key_path).load()?.map(|key| key.public());
    match (public, secret) {
        (Some(public), Some(secret)) if public != secret => {
            let problem = format!("it is not the public half of {ORGANIZATION_KEY}");
            Err(HomeError::OrganizationKey { path, problem })
        }
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) => Err(HomeError::Gone(path)),
    }
}

/// The certificate, if this organization issued it.
pub(super) fn load_certificate(
    dir: &Path,
    organization: &PublicKey,
) -> Result<ServerCertificate, HomeError> {
    let path = dir.join(CERTIFICATE);
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => HomeError::Gone(path.clone()),
        _ => io(&path)(error),
    })?;
    ServerCertificate::from_bytes(&bytes)
        .and_then(|it| it.verify(organization).map(|()| it))
        .map_err(|error| HomeError::Certificate { path, error })
}
