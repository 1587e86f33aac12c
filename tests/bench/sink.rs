//! Starts the counting server as a separate process, and reads its counts.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::support::bigquery::Urls;
use crate::support::process::{Process, Start};
use crate::support::until::until_true;
use crate::support::{folder, http, ports, tls};

pub struct Sink {
    folder: PathBuf,
    rest: u16,
    grpc: u16,
    tls: u16,
    _process: Process,
}

/// The row counts of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    pub appended: u64,
    pub visible: u64,
}

impl Sink {
    pub fn start() -> Self {
        let folder = folder::fresh("sink");
        tls::certificate(&folder);
        let (rest, grpc, tls) = (ports::free(), ports::free(), ports::free());
        let mut arguments = vec!["serve".into()];
        for (name, port) in [("--rest", rest), ("--grpc", grpc), ("--tls", tls)] {
            arguments.extend([name.into(), format!("127.0.0.1:{port}").into()]);
        }
        arguments.extend(["--cert", "cert.pem", "--key", "key.pem"].map(Into::into));
        let process = Process::start(&Start {
            name: "the counting server",
            log: &folder.join("sink.log"),
            program: std::env::current_exe().expect("this program").as_os_str(),
            arguments,
            variables: Vec::new(),
            folder: Some(&folder),
            input: None,
        });
        until_true("the counting server answers", Duration::from_secs(30), || {
            http::get(rest, "/counts").is_some()
        });
        let sink = Self { folder, rest, grpc, tls, _process: process };
        std::fs::write(sink.credentials(), sink.federated()).expect("written");
        sink
    }

    pub fn urls(&self) -> Urls {
        let url = |port| format!("http://127.0.0.1:{port}");
        Urls { rest: url(self.rest), storage: url(self.grpc) }
    }

    /// Host and port of the gRPC service without TLS.
    pub fn grpc(&self) -> String {
        format!("127.0.0.1:{}", self.grpc)
    }

    pub fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.tls)
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// A credentials file whose token URL is this server's.
    pub fn credentials(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    pub fn counts(&self) -> Value {
        let (_, page) = http::get(self.rest, "/counts").expect("the counting server answers");
        serde_json::from_str(&page).expect("counts")
    }

    pub fn rows(&self, table: &str) -> Rows {
        let counts = &self.counts()["tables"][table];
        let number = |name: &str| counts[name].as_u64().unwrap_or_default();
        Rows { appended: number("rows"), visible: number("visible") }
    }

    pub fn reset(&self) {
        http::get(self.rest, "/reset").expect("the counting server answers");
    }

    /// Sets how long every response takes from now on.
    pub fn latency(&self, latency: Duration) {
        let path = format!("/latency/{}", latency.as_millis());
        http::get(self.rest, &path).expect("the counting server answers");
    }

    /// Writes a subject token and returns the contents of the credentials file that refers to it.
    fn federated(&self) -> String {
        let subject = self.folder.join("subject");
        std::fs::write(&subject, "subject").expect("written");
        serde_json::json!({
            "type": "external_account",
            "audience": "bench",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/token", self.urls().rest),
            "credential_source": { "file": subject },
        })
        .to_string()
    }
}
