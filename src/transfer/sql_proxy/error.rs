//! Why there is no connection through a SQL proxy.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum SqlProxyError {
    #[error("start the SQL proxy {program}")]
    Start { program: String, source: io::Error },
    #[error("{address} is taken: another process listens there")]
    Taken { address: String },
    #[error("listen on {address}")]
    Address { address: String, source: io::Error },
    #[error("{address} is no place for the SQL proxy to listen: {problem}")]
    NoPlace { address: String, problem: &'static str },
    #[error("{said}")]
    Ended { said: String },
    #[error("it takes no connections after {seconds} s; {said}")]
    NotReady { seconds: u64, said: String },
    #[error("stopped by a signal")]
    Interrupted,
}

impl SqlProxyError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "it is not on the PATH: install it, or name another program with --sql-proxy=PROGRAM"
            }
            Self::Start { .. } => "--sql-proxy=PROGRAM names the program",
            Self::Taken { .. } => {
                "stop what listens there, choose another `proxy` in the source, or leave `proxy` out: \
                 then the socket is in a folder of this run's own; a proxy that runs already needs no \
                 --sql-proxy"
            }
            Self::Address { .. } | Self::NoPlace { .. } => {
                "`proxy` of the source says where the SQL proxy listens: an address of this machine, \
                 127.0.0.1:5433, or FOLDER/project:region:instance; without it, the socket is in a \
                 folder of this run's own"
            }
            Self::Ended { .. } | Self::NotReady { .. } => {
                "its lines are in the log; `instance` of the source names the instance, and the \
                 proxy's own variables (CSQL_PROXY_CREDENTIALS_FILE, CSQL_PROXY_PRIVATE_IP, …) say how \
                 it reaches it"
            }
            Self::Interrupted => "run it again",
        }
    }
}

/// An error of a connection, behind what the proxy said.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct Proxied<E> {
    pub said: String,
    pub source: E,
}
