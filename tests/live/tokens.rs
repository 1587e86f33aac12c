//! Where access tokens go, and whom the clients trust.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, TABLE};
use crate::support::events::{Fate, Publisher, count};
use crate::support::kafka::shared;
use crate::support::tls::TlsFront;

const WITHIN: Duration = Duration::from_secs(90);
const REST: &str = "WRITE__LIVE__ENDPOINT__REST";
const STORAGE: &str = "WRITE__LIVE__ENDPOINT__STORAGE";
const TOKEN: &str = "a-token-of-the-cluster";

/// Grants the same token to whoever asks.
struct TokenService {
    port: u16,
    granted: Arc<AtomicUsize>,
}

impl TokenService {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let granted = Arc::new(AtomicUsize::new(0));
        let count = granted.clone();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let _ = client.set_read_timeout(Some(Duration::from_secs(1)));
                let _ = client.read(&mut [0; 4096]);
                let body = json!({ "access_token": TOKEN, "expires_in": 3600 }).to_string();
                count.fetch_add(1, Ordering::Relaxed);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                let _ = write!(client, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            }
        });
        Self { port, granted }
    }

    /// A person's credentials, whose tokens come from here.
    fn credentials(&self, domain: &Domain) -> PathBuf {
        let credentials = json!({
            "type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c",
            "token_uri": format!("http://127.0.0.1:{}/token", self.port),
        });
        domain.file("credentials.json", &credentials.to_string())
    }
}

struct Scene {
    bigquery: EmbeddedBigQuery,
    rest: TlsFront,
    storage: TlsFront,
    domain: Domain,
    tokens: TokenService,
    rows: usize,
}

impl Scene {
    /// A domain with events, and a BigQuery behind TLS.
    fn new(name: &str) -> Self {
        let kafka = shared();
        let bigquery = EmbeddedBigQuery::start(name, "", 1);
        let rest = TlsFront::start(&format!("{name}-rest"), &bigquery.urls().rest);
        let storage = TlsFront::start(&format!("{name}-storage"), &bigquery.urls().storage);
        let domain = Domain::new(name, kafka, &bigquery.urls());
        let mut publisher = Publisher::new(kafka, &domain, 1);
        publisher.publish(100);
        let rows = count(&publisher.flush(), Fate::is_row);
        Self { bigquery, rest, storage, domain, tokens: TokenService::start(), rows }
    }

    /// A file with the certificates of both.
    fn trusted(&self) -> String {
        let read = |front: &TlsFront| std::fs::read_to_string(front.certificate()).expect("there");
        let both = read(&self.rest) + &read(&self.storage);
        self.domain.file("trusted.pem", &both).to_str().expect("UTF-8").to_owned()
    }

    fn visible(&self) -> usize {
        self.bigquery.rows(TABLE).iter().filter(|row| row.visible).count()
    }
}

#[test]
fn both_clients_trust_the_certificates_in_ssl_cert_file() {
    let scene = Scene::new("ssl-cert-file");
    let (rest, storage, trusted) = (scene.rest.url(), scene.storage.url(), scene.trusted());
    let credentials = scene.tokens.credentials(&scene.domain);
    let credentials = credentials.to_str().expect("UTF-8");
    let variables = [
        (REST, rest.as_str()),
        (STORAGE, storage.as_str()),
        ("GOOGLE_APPLICATION_CREDENTIALS", credentials),
        ("SSL_CERT_FILE", trusted.as_str()),
    ];
    let mut run = scene.domain.run(&["DELIVERY", "--until-caught-up"], &variables);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    assert_eq!(scene.visible(), scene.rows);
    // Addresses that the environment of the process names get the token.
    let sent = scene.rest.authorizations();
    assert!(!sent.is_empty() && sent.iter().all(|header| header.contains(TOKEN)), "{sent:?}");
}

/// An instance's `.env` that named an address of BigQuery was sent the cluster's access tokens.
#[test]
fn an_address_that_the_env_file_names_gets_no_token() {
    let scene = Scene::new("exfiltration");
    // Without the addresses in the domain's file, so that the `.env` names the only ones.
    let environments = scene.domain.file("config/environments.toml", "");
    let (rest, storage, trusted) = (scene.rest.url(), scene.storage.url(), scene.trusted());
    let bootstrap = shared().bootstrap();
    let consume = format!("[consume.live]\nbootstrap_servers = \"{bootstrap}\"\n");
    let write = "[write.live]\nproject = \"a-project\"\ndataset = \"a_dataset\"\n";
    std::fs::write(environments, consume + write).expect("written");
    scene.domain.set(REST, &rest).set(STORAGE, &storage);
    let credentials = scene.tokens.credentials(&scene.domain);
    let credentials = credentials.to_str().expect("UTF-8");
    let variables =
        [("GOOGLE_APPLICATION_CREDENTIALS", credentials), ("SSL_CERT_FILE", trusted.as_str())];
    let mut run = scene.domain.run(&["DELIVERY", "--until-caught-up"], &variables);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    assert!(run.output().contains("no access token is sent"), "{}", run.output());
    assert!(!run.output().contains(TOKEN), "{}", run.output());
    assert_eq!(scene.rest.authorizations(), Vec::<String>::new());
    assert_eq!(scene.tokens.granted.load(Ordering::Relaxed), 0, "no token was asked for");

    // In a cluster it does not even start.
    scene.domain.set("WRITE_ENV", "live");
    let cluster = [("CLUSTER", "gke-prod")];
    let mut run = scene.domain.run(&["DELIVERY", "--until-caught-up"], &cluster);
    assert_eq!(run.wait(WITHIN).code(), Some(1), "{}", run.output());
    for key in [REST, STORAGE, "WRITE_ENV"] {
        assert!(run.output().contains(key), "{key}: {}", run.output());
    }
}
