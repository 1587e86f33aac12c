//! TLS on loopback: a certificate, and a process that ends TLS in front of a plaintext server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Process, Start};
use super::until::until_true;
use super::{folder, ports};

/// Ends TLS on a port of its own and passes everything on to a server on this machine.
pub struct TlsFront {
    folder: PathBuf,
    port: u16,
    process: Process,
}

impl TlsFront {
    /// `upstream` is the server's URL: `http://127.0.0.1:9050`.
    pub fn start(name: &str, upstream: &str) -> Self {
        let folder = folder::fresh(&format!("tls-{name}"));
        certificate(&folder);
        let port = ports::free();
        let (_, upstream) = upstream.rsplit_once(':').expect("a port");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls_front.py");
        let port_text = port.to_string();
        let arguments = [script, "cert.pem", "key.pem", &port_text, upstream];
        let process = Process::start(&Start {
            name: "the TLS front",
            log: &folder.join("front.log"),
            program: "python3".as_ref(),
            arguments: arguments.map(Into::into).to_vec(),
            variables: Vec::new(),
            folder: Some(&folder),
            input: None,
        });
        until_true("the TLS front is ready", Duration::from_secs(30), || {
            process.output().contains("ready")
        });
        Self { folder, port, process }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// The `authorization` headers that its clients sent, if they speak HTTP/1.
    pub fn authorizations(&self) -> Vec<String> {
        let output = self.process.output();
        let headers =
            output.lines().filter(|line| line.to_lowercase().starts_with("authorization:"));
        headers.map(str::to_owned).collect()
    }
}

/// Writes a self-signed certificate for localhost, `cert.pem`, and its key, `key.pem`.
pub fn certificate(folder: &Path) {
    certificate_for(folder, "DNS:localhost,IP:127.0.0.1");
}

/// The same for other names, which are written as OpenSSL takes a `subjectAltName`.
pub fn certificate_for(folder: &Path, names: &str) {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"])
        // rustls rejects a server's certificate that is a CA's.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", &format!("subjectAltName={names}")])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
