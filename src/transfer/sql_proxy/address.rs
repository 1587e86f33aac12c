//! Where a SQL proxy listens.

use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tokio::net::{TcpStream, UnixStream};

use super::error::SqlProxyError;
use super::listener::{self, Owner};

/// The name of PostgreSQL's socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// The most bytes of a socket's path.
const LONGEST_PATH: usize = 107;

pub enum Address {
    Port(SocketAddr),
    /// The folder with the socket, whose last part is the instance.
    Folder(PathBuf),
}

impl Address {
    /// `127.0.0.1:5433`, `localhost:5433` or a folder.
    pub fn parse(proxy: &str) -> Result<Self, SqlProxyError> {
        if proxy.starts_with('/') {
            return Self::socket(PathBuf::from(proxy));
        }
        let wrong = |problem| SqlProxyError::NoPlace { address: proxy.to_owned(), problem };
        let (host, port) = proxy.rsplit_once(':').ok_or(wrong("it has no port"))?;
        let port: u16 = port.parse().map_err(|_| wrong("its port is no number up to 65535"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => host.parse().map_err(|_| wrong("its host is no IP address"))?,
        };
        match port {
            0 => Err(wrong("its port is 0")),
            _ => Ok(Self::Port(SocketAddr::new(host, port))),
        }
    }

    /// A port of this machine that nobody has at the moment.
    pub fn any_port() -> Result<Self, SqlProxyError> {
        let asked = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let found = TcpListener::bind(asked).and_then(|listener| listener.local_addr());
        let failed = |source| SqlProxyError::Address { address: asked.to_string(), source };
        found.map(Self::Port).map_err(failed)
    }

    pub fn socket(folder: PathBuf) -> Result<Self, SqlProxyError> {
        match fits(&folder) {
            true => Ok(Self::Folder(folder)),
            false => Err(SqlProxyError::NoPlace {
                address: folder.display().to_string(),
                problem: "the path of a socket has at most 107 bytes; use host:port",
            }),
        }
    }

    /// The arguments that say it to the proxy.
    pub fn arguments(&self) -> Vec<String> {
        match self {
            Self::Port(at) => {
                vec![format!("--address={}", at.ip()), format!("--port={}", at.port())]
            }
            // The proxy adds a folder for each instance.
            Self::Folder(folder) => vec![format!("--unix-socket={}", around(folder).display())],
        }
    }

    /// Checks that nobody listens there, and removes the socket of a proxy that was killed.
    pub fn make_free(&self) -> Result<(), SqlProxyError> {
        let taken = || SqlProxyError::Taken { address: self.to_string() };
        let failed = |source| SqlProxyError::Address { address: self.to_string(), source };
        match self {
            Self::Port(at) => match TcpListener::bind(at) {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(taken()),
                Err(error) => Err(failed(error)),
            },
            Self::Folder(folder) => {
                if !around(folder).is_dir() {
                    return Err(SqlProxyError::NoPlace {
                        address: folder.display().to_string(),
                        problem: "the folder around it does not exist",
                    });
                }
                let socket = folder.join(SOCKET);
                match std::os::unix::net::UnixStream::connect(&socket) {
                    Ok(_) => Err(taken()),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        std::fs::remove_file(&socket).map_err(failed)
                    }
                    Err(error) => Err(failed(error)),
                }
            }
        }
    }

    /// Connects once.
    pub async fn connect(&self) -> io::Result<()> {
        match self {
            Self::Port(at) => TcpStream::connect(at).await.map(drop),
            Self::Folder(folder) => UnixStream::connect(folder.join(SOCKET)).await.map(drop),
        }
    }

    /// Whether the process group `group` listens there.
    pub fn owner(&self, group: u32) -> Owner {
        match self {
            Self::Port(at) => listener::owner_of_port(at.port(), group),
            Self::Folder(folder) => listener::owner_of_socket(&folder.join(SOCKET), group),
        }
    }
}

/// Whether the path of a socket in this folder is short enough.
fn fits(folder: &Path) -> bool {
    folder.as_os_str().len() + 1 + SOCKET.len() <= LONGEST_PATH
}

/// The folder of all instances.
fn around(folder: &Path) -> &Path {
    folder.parent().unwrap_or(Path::new("/"))
}

/// As the transfer's `proxy` has it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(at) => write!(f, "{}:{}", at.ip(), at.port()),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

/// A folder that only this user can open. Dropping it removes it.
pub struct OwnFolder(PathBuf);

impl OwnFolder {
    /// For the socket of an instance. `None`: its path would be too long, in a deep folder for temporary
    /// files or with a long name of the instance.
    pub fn create(instance: &str) -> Result<Option<Self>, SqlProxyError> {
        let name = format!("generic-consumer-{:08x}", rand::random::<u32>());
        let path = std::env::temp_dir().join(name);
        if !fits(&path.join(instance)) {
            return Ok(None);
        }
        let made = DirBuilder::new().mode(0o700).create(&path);
        let address = path.display().to_string();
        made.map_err(|source| SqlProxyError::Address { address, source })?;
        Ok(Some(Self(path)))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(proxy: &str) -> Result<String, String> {
        Address::parse(proxy).map(|at| at.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_proxy_listens_on_an_address_of_this_machine_or_in_a_folder() {
        assert_eq!(shown("localhost:5433"), Ok("127.0.0.1:5433".to_owned()));
        assert_eq!(shown("[::1]:5433"), Ok("::1:5433".to_owned()));
        assert_eq!(shown("/cloudsql/p:r:i"), Ok("/cloudsql/p:r:i".to_owned()));
        for (wrong, problem) in [
            ("localhost", "no port"),
            ("localhost:0", "port is 0"),
            ("localhost:65536", "65535"),
            ("db.example.com:5432", "no IP address"),
        ] {
            assert!(shown(wrong).is_err_and(|error| error.contains(problem)), "{wrong}");
        }
        let long = format!("/{}", "a".repeat(LONGEST_PATH));
        assert!(shown(&long).is_err_and(|error| error.contains("107 bytes")));
    }

    #[test]
    fn the_socket_of_a_proxy_that_was_killed_is_removed_and_that_of_a_live_one_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = folder.path().join("p:r:i");
        std::fs::create_dir(&instance).expect("a folder");
        let address = Address::socket(instance.clone()).expect("a place");
        let socket = instance.join(SOCKET);
        let listening = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        assert!(matches!(address.make_free(), Err(SqlProxyError::Taken { .. })));
        drop(listening);
        assert!(socket.exists() && address.make_free().is_ok() && !socket.exists());
    }
}
