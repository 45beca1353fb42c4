//! A server in a temporary folder, so that an example runs by itself.

use tempfile::TempDir;
use tidegate::Replica;
use tidegate::server::{Home, InitOptions, Server};

pub(crate) struct Office {
    pub(crate) dir: TempDir,
    pub(crate) home: Home,
    pub(crate) server: Server,
}

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

impl Office {
    /// Starts a server with these documents on a free port.
    pub(crate) fn open(schema: &str, policy: &str) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).map(|()| path)
        };
        let options = InitOptions {
            listen: Some("127.0.0.1:0".parse()?),
            schema: Some(write("schema.toml", schema)?),
            policy: Some(write("policy.toml", policy)?),
            ..InitOptions::default()
        };
        let home = Home::init(&dir.path().join("server"), &options)?;
        let server = home.serve(home.rules()?)?;
        Ok(Self { dir, home, server })
    }

    /// A new device of a user.
    pub(crate) async fn device(&self, name: &str, user: &str) -> Outcome<Replica> {
        let address = self.server.local_addr()?.to_string();
        let code = self.home.enroll_code_at(vec![address], &user.parse()?, 60_000)?;
        let replica = Replica::builder(self.dir.path().join(format!("{name}.redb"))).open()?;
        replica.enroll(&code, name).await?;
        Ok(replica)
    }
}
