//! A SQL proxy (Cloud SQL Auth Proxy) that this process starts, waits for and stops.
//!
//! It is never left behind: it is stopped when [`SqlProxy`] is dropped, and on Linux the kernel kills it
//! with this process, also when nothing of this process runs any more.

mod address;
mod child;
mod error;
mod listener;

pub use error::{Proxied, SqlProxyError};

use std::ffi::OsStr;
use std::process::Command;
use std::time::{Duration, Instant};

use address::{Address, OwnFolder};
use child::Child;
use listener::Owner;

use crate::shutdown::Shutdown;

/// How long it may take until the proxy takes connections. It asks an API about the instance before.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// How long it may take to end after SIGTERM.
const STOPS_WITHIN: Duration = Duration::from_secs(3);

/// How long to wait for the last lines of a proxy whose connections have just broken.
const LAST_LINES: Duration = Duration::from_millis(500);

const POLL: Duration = Duration::from_millis(50);

/// Variables of the Cloud SQL Auth Proxy that would say again where it listens.
const OVERRIDES: [&str; 3] = ["CSQL_PROXY_ADDRESS", "CSQL_PROXY_PORT", "CSQL_PROXY_UNIX_SOCKET"];

/// A proxy that takes connections. Dropping it stops it.
pub struct SqlProxy {
    program: String,
    address: Address,
    // Dropped in this order: the program ends before its folder is removed.
    child: Child,
    _folder: Option<OwnFolder>,
}

impl SqlProxy {
    /// Starts the program and waits until it takes connections. `instance` is
    /// `project:region:instance`; `proxy` is where it listens, `host:port` or a folder of sockets.
    /// Without one, it listens on a socket in a folder that only this user can open, or, where the
    /// socket's path would be too long, on a port of this machine.
    pub async fn start(
        program: &OsStr,
        instance: &str,
        proxy: Option<&str>,
        shutdown: &Shutdown,
    ) -> Result<Self, SqlProxyError> {
        let (address, folder) = match proxy {
            Some(proxy) => (Address::parse(proxy)?, None),
            None => match OwnFolder::create(instance)? {
                Some(folder) => (Address::socket(folder.path().join(instance))?, Some(folder)),
                None => (Address::any_port()?, None),
            },
        };
        address.make_free()?;
        let mut command = Command::new(program);
        command.args(address.arguments()).arg(instance);
        for variable in OVERRIDES {
            command.env_remove(variable);
        }
        let program = program.to_string_lossy().into_owned();
        let child = Child::start(command)
            .map_err(|source| SqlProxyError::Start { program: program.clone(), source })?;
        tracing::info!(program, pid = child.pid(), %address, instance, "starting the sql proxy");
        // From here on, an error or a cancelled run stops it.
        let proxy = Self { program, address, child, _folder: folder };
        proxy.ready(shutdown).await?;
        tracing::info!(address = %proxy.address, "the sql proxy takes connections");
        Ok(proxy)
    }

    async fn ready(&self, shutdown: &Shutdown) -> Result<(), SqlProxyError> {
        let began = Instant::now();
        loop {
            let connected = tokio::time::timeout(POLL * 10, self.address.connect()).await;
            if self.child.has_ended() {
                return Err(SqlProxyError::Ended { said: self.said() });
            }
            if matches!(connected, Ok(Ok(()))) {
                match self.address.owner(self.child.pid()) {
                    Owner::Ours | Owner::Unknown => return Ok(()),
                    Owner::Other => {
                        return Err(SqlProxyError::Taken { address: self.address.to_string() });
                    }
                }
            }
            if began.elapsed() > STARTS_WITHIN {
                let seconds = STARTS_WITHIN.as_secs();
                return Err(SqlProxyError::NotReady { seconds, said: self.said() });
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = shutdown.wait() => return Err(SqlProxyError::Interrupted),
            }
        }
    }

    /// Where it takes connections: `host:port`, or a folder of sockets.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// An error of a connection through it, with what the proxy itself said: it closes connections
    /// that it cannot serve, and the reason is in its output.
    pub fn explain<E>(&self, error: E) -> Proxied<E> {
        Proxied { said: self.said(), source: error }
    }

    /// Whether it still runs, and its last lines.
    pub fn said(&self) -> String {
        let (ended, lines) = self.child.last_lines(LAST_LINES);
        let program = &self.program;
        let state = match ended {
            Some(status) => format!("the SQL proxy {program} has ended ({status})"),
            None => format!("the SQL proxy {program} runs"),
        };
        match lines.is_empty() {
            true => format!("{state}; it said nothing"),
            false => format!("{state}; its last lines:\n    {}", lines.join("\n    ")),
        }
    }
}

impl Drop for SqlProxy {
    fn drop(&mut self) {
        if !self.child.has_ended() {
            let stopped = self.child.stop(STOPS_WITHIN);
            tracing::info!(gracefully = stopped, "the sql proxy is stopped");
        }
    }
}
