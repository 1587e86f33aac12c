//! Buckets: moto, which serves S3, and fake-gcs-server, which serves Google Cloud Storage. Both are
//! other people's, and neither knows this program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use reqwest::{Method, StatusCode};

use super::process::{Process, Start};
use super::until::until_true;
use super::{folder, http, ports};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A server of buckets on loopback. It keeps everything in memory.
pub struct Buckets {
    kind: Kind,
    port: u16,
    runtime: tokio::runtime::Runtime,
    _process: Process,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    S3,
    Gcs,
}

impl Buckets {
    /// moto. `variables` are its own.
    pub fn s3(name: &str, variables: &[(&str, &str)]) -> Self {
        let port = ports::free();
        let python = programs().python.as_path();
        let arguments = ["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()];
        Self::start(Kind::S3, name, port, python, &arguments, variables)
    }

    /// fake-gcs-server.
    pub fn gcs(name: &str) -> Self {
        let port = ports::free();
        let program = programs().fake_gcs.as_path();
        let url = format!("http://127.0.0.1:{port}");
        let port_text = port.to_string();
        let arguments = [
            "-backend",
            "memory",
            "-scheme",
            "http",
            "-host",
            "127.0.0.1",
            "-port",
            &port_text,
            "-external-url",
            &url,
            "-public-host",
            &format!("127.0.0.1:{port}"),
        ];
        Self::start(Kind::Gcs, name, port, program, &arguments, &[])
    }

    fn start(
        kind: Kind,
        name: &str,
        port: u16,
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = folder::fresh(&format!("buckets-{name}"));
        let mut process = Process::start(&Start {
            name: "the server of buckets",
            log: &folder.join("buckets.log"),
            program: program.as_os_str(),
            arguments: arguments.iter().map(Into::into).collect(),
            variables: variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            folder: Some(&folder),
            input: None,
        });
        until_true("the server of buckets answers", STARTS_WITHIN, || {
            assert!(process.ended().is_none(), "it has ended:\n{}", process.output());
            http::get(port, "/").is_some()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { kind, port, runtime: runtime.expect("a runtime"), _process: process }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The variables by which the program finds these buckets.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        match self.kind {
            Kind::S3 => vec![
                ("AWS_ENDPOINT_URL", self.url()),
                ("AWS_ACCESS_KEY_ID", "a-key".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "a-secret-key".to_owned()),
            ],
            Kind::Gcs => vec![("STORAGE_EMULATOR_HOST", self.url())],
        }
    }

    /// The location of an object.
    pub fn location(&self, bucket: &str, key: &str) -> String {
        match self.kind {
            Kind::S3 => format!("s3://{bucket}/{key}"),
            Kind::Gcs => format!("gs://{bucket}/{key}"),
        }
    }

    pub fn make_bucket(&self, bucket: &str) {
        match self.kind {
            Kind::S3 => self.call(Method::PUT, &format!("/{bucket}"), ""),
            Kind::Gcs => {
                let body = format!(r#"{{"name":"{bucket}"}}"#);
                self.call(Method::POST, "/storage/v1/b?project=p-live", body)
            }
        }
    }

    /// Keeps old versions of the objects from now on.
    pub fn keep_versions(&self, bucket: &str) {
        assert_eq!(self.kind, Kind::S3, "Google's objects always have a generation");
        let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.call(Method::PUT, &format!("/{bucket}?versioning"), body);
    }

    pub fn put(&self, bucket: &str, key: &str, body: impl Into<reqwest::Body>) {
        match self.kind {
            Kind::S3 => self.call(Method::PUT, &format!("/{bucket}/{key}"), body),
            Kind::Gcs => {
                let path = format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name={key}");
                self.call(Method::POST, &path, body)
            }
        }
    }

    fn call(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) {
        let url = format!("{}{path}", self.url());
        // moto takes the region and the service from the signature.
        let signature = "AWS4-HMAC-SHA256 Credential=a-key/20261128/us-east-1/s3/aws4_request, \
                         SignedHeaders=host, Signature=0";
        let answer = async {
            let request = reqwest::Client::new().request(method, &url).body(body);
            let answer = request.header("authorization", signature).send().await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.text().await?))
        };
        let (status, text) = self.runtime.block_on(answer).expect("an answer");
        assert!(status == StatusCode::OK, "{url}: {status}: {text}");
    }
}

struct Programs {
    python: PathBuf,
    fake_gcs: PathBuf,
}

/// The programs, which are installed if they are missing.
fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    PROGRAMS.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stores/install.sh");
        let done = Command::new(script).arg(folder::target().join("tools")).output();
        let done = done.expect("install.sh runs");
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "moto and fake-gcs-server cannot be installed:\n{errors}");
        let paths = String::from_utf8_lossy(&done.stdout);
        let mut paths = paths.lines().map(PathBuf::from);
        let mut next = || paths.next().expect("install.sh prints two paths");
        Programs { python: next(), fake_gcs: next() }
    })
}
