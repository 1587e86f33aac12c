//! The counting server as a process of its own, and its two plain clients.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::bigquery::Urls;
use crate::support::process::{Process, Start};
use crate::support::until::until_true;
use crate::support::{folder, http, ports};

pub struct Sink {
    folder: PathBuf,
    rest: u16,
    grpc: u16,
    tls: u16,
    _process: Process,
}

/// Rows of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    pub appended: u64,
    pub visible: u64,
}

impl Sink {
    pub fn start() -> Self {
        let folder = folder::fresh("sink");
        certificate(&folder);
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

    /// Host and port of the plain gRPC.
    pub fn grpc(&self) -> String {
        format!("127.0.0.1:{}", self.grpc)
    }

    pub fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.tls)
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// A credentials file whose tokens the server gives out itself.
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

    /// How long every answer takes from here on.
    pub fn latency(&self, latency: Duration) {
        let path = format!("/latency/{}", latency.as_millis());
        http::get(self.rest, &path).expect("the counting server answers");
    }

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

/// A throw-away certificate for localhost.
fn certificate(folder: &std::path::Path) {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"])
        // As rustls wants it: a server's, no authority's.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
