//! The `.env`, configuration files and contracts from buckets and from HTTPS, against moto,
//! fake-gcs-server and a front that ends TLS.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, TABLE, program};
use crate::support::events::{Fate, Publisher, count};
use crate::support::kafka::shared;
use crate::support::process::{Process, Start};
use crate::support::stores::Buckets;
use crate::support::tls::TlsFront;
use crate::support::until::until_true;
use crate::support::{folder, http, ports};

const WITHIN: Duration = Duration::from_secs(90);
const BUCKET: &str = "a-bucket";

/// Uploads every file below a folder, under the prefix.
fn upload(buckets: &Buckets, folder: &Path, prefix: &str) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let name = format!("{prefix}/{}", entry.file_name().to_str().expect("UTF-8"));
        if entry.path().is_dir() {
            upload(buckets, &entry.path(), &name);
        } else {
            buckets.put(BUCKET, &name, std::fs::read(entry.path()).expect("a file"));
        }
    }
}

/// A run in a cluster whose whole configuration is in a bucket. The machine has none of it.
fn whole_run(name: &str, buckets: &Buckets) -> String {
    let kafka = shared();
    let bigquery = EmbeddedBigQuery::start(name, "", 1);
    let domain = Domain::new(name, kafka, &bigquery.urls());
    let mut publisher = Publisher::new(kafka, &domain, 1);
    publisher.publish(100);
    let rows = count(&publisher.flush(), Fate::is_row);
    // In a cluster this key is not the instance's.
    domain.unset("WRITE_ENV");
    buckets.put(BUCKET, "config/delivery.env", domain.env_text());
    upload(buckets, &domain.folder().join("config"), "config");
    upload(buckets, &domain.folder().join("contracts"), "contracts");
    for local in ["config", "contracts"] {
        std::fs::remove_dir_all(domain.folder().join(local)).expect("removed");
    }
    // What the folder's own `.env` says must not count.
    domain.set("BQ_TABLE_DELIVERY", "elsewhere").set("CONSUME_ENV_DELIVERY", "nowhere");
    let [env_file, environments, contracts] =
        ["config/delivery.env", "config/environments.toml", "contracts/"]
            .map(|key| buckets.location(BUCKET, key));
    let stores = buckets.variables();
    let stores = stores.iter().map(|(name, value)| (*name, value.as_str()));
    let variables: Vec<(&str, &str)> = stores
        .chain([
            ("ENV_FILE", env_file.as_str()),
            ("CONTRACTS_DIR", contracts.as_str()),
            ("CLUSTER", "live"),
            ("WRITE_ENV", "live"),
        ])
        .collect();
    let arguments = ["DELIVERY", "--until-caught-up", "--config", &environments];
    let mut run = domain.run(&arguments, &variables);
    assert_eq!(run.wait(WITHIN).code(), Some(0), "{}", run.output());
    let visible = bigquery.rows(TABLE).iter().filter(|row| row.visible).count();
    assert!(visible == rows && rows > 50, "{visible} of {rows} rows");
    for fetched in [&env_file, &environments, &format!("{contracts}delivery/delivery_types.yaml")] {
        assert!(run.output().contains(fetched), "{fetched}: {}", run.output());
    }

    let mut config = domain.run(&["config", "DELIVERY", "--config", &environments], &variables);
    assert_eq!(config.wait(WITHIN).code(), Some(0), "{}", config.output());
    let page = config.output();
    assert!(page.contains(&format!("{env_file}:1")), "{page}");
    assert!(!page.contains("a-secret-key"), "{page}");
    page
}

/// The lines of the page that say what was fetched.
fn fetched(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("fetched ")).collect()
}

/// The same for a whole run: four documents, each with a version.
fn all_fetched(page: &str) -> Vec<&str> {
    let lines = fetched(page);
    assert_eq!(lines.len(), 4, "{page}");
    assert!(
        lines.iter().all(|line| line.contains("(ETag \"") && line.contains(", version ")),
        "{page}"
    );
    lines
}

#[test]
fn an_instance_pulls_its_configuration_from_s3() {
    let buckets = Buckets::s3("s3", &[]);
    buckets.make_bucket(BUCKET);
    buckets.keep_versions(BUCKET);
    let page = whole_run("locations-s3", &buckets);
    let lines = all_fetched(&page);
    assert!(
        lines[2].contains("s3://a-bucket/contracts/delivery/delivery_events_v10.yaml"),
        "{page}"
    );
}

#[test]
fn an_instance_pulls_its_configuration_from_google_cloud_storage() {
    let buckets = Buckets::gcs("gcs");
    buckets.make_bucket(BUCKET);
    let page = whole_run("locations-gcs", &buckets);
    all_fetched(&page);
}

/// Starts the program in the repository's folder, where `DELIVERY` is configured for the embedded
/// peers.
fn start(name: &str, arguments: &[&str], variables: &[(&str, String)]) -> Process {
    let folder = folder::fresh(&format!("locations-{name}"));
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Process::start(&Start {
        name,
        log: &folder.join("log"),
        program: program().as_os_str(),
        arguments: arguments.iter().map(Into::into).collect(),
        variables: variables.chain([("METRICS_ADDR".into(), "127.0.0.1:0".into())]).collect(),
        folder: Some(Path::new(env!("CARGO_MANIFEST_DIR"))),
        input: None,
    })
}

/// The exit code and the output of `config DELIVERY`.
fn config(name: &str, arguments: &[&str], variables: &[(&str, String)]) -> (Option<i32>, String) {
    let arguments: Vec<&str> =
        ["config", "DELIVERY"].into_iter().chain(arguments.iter().copied()).collect();
    let mut process = start(name, &arguments, variables);
    let code = process.wait(WITHIN).code();
    (code, process.output())
}

fn own_env() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env")).expect("the .env")
}

#[test]
fn what_is_wrong_with_a_location_is_said_and_ends_with_1() {
    let s3 = Buckets::s3("wrong", &[]);
    s3.make_bucket(BUCKET);
    s3.put(BUCKET, "latin1.env", b"A=\xe9".to_vec());
    s3.put(BUCKET, "large.env", vec![b' '; (16 << 20) + 1]);
    s3.put(BUCKET, "good.env", own_env());
    for (location, found) in [
        ("s3://a-bucket/absent.env", "no such document"),
        ("s3://no-such-bucket/x.env", "no such bucket"),
        ("s3://a-bucket/latin1.env", "not UTF-8"),
        ("s3://a-bucket/large.env", "more than 16777216 bytes"),
    ] {
        let (code, said) = config("wrong", &["--env-file", location], &s3.variables());
        assert_eq!(code, Some(1), "{said}");
        for part in [location, found, "--env-file (command line)", "ENV_FILE"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("not set in any layer"), "no key is missing: {said}");
    }
    // Contracts: the mistakes of the rest are reported with them.
    let mut variables = s3.variables();
    variables.push(("CONTRACTS_DIR", "s3://no-such-bucket/contracts".to_owned()));
    variables.push(("BATCH_ROWS_DELIVERY", "none".to_owned()));
    let (code, said) =
        config("wrong-contracts", &["--env-file", "s3://a-bucket/good.env"], &variables);
    assert_eq!(code, Some(1), "{said}");
    for part in ["2 mistakes", "CONTRACTS_DIR", "no such bucket", "BATCH_ROWS_DELIVERY"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_denied_document_is_said_to_be_denied() {
    // moto begins to ask who it is after the first request, which finds out whether it is ready, and
    // after those that make the bucket and the document.
    let s3 = Buckets::s3("denied", &[("INITIAL_NO_AUTH_ACTION_COUNT", "3")]);
    s3.make_bucket(BUCKET);
    s3.put(BUCKET, "x.env", own_env());
    let (code, said) = config("denied", &["--env-file", "s3://a-bucket/x.env"], &s3.variables());
    assert_eq!(code, Some(1), "{said}");
    for part in ["access denied", "403 InvalidAccessKeyId", "s3:GetObject"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("a-secret-key"), "{said}");
}

/// moto is a machine's metadata service too, which issues keys for the role of the machine.
#[test]
fn without_keys_the_role_of_the_machine_is_used() {
    let s3 = Buckets::s3("role", &[]);
    s3.make_bucket(BUCKET);
    s3.put(BUCKET, "x.env", own_env());
    let variables = |metadata: &str| {
        // Empty ones do not count, and hide those of whoever runs the tests.
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"]
            .map(|name| (name, String::new()))
            .into_iter()
            .chain([("AWS_ENDPOINT_URL", s3.url()), ("AWS_METADATA_ENDPOINT", metadata.to_owned())])
            .collect::<Vec<_>>()
    };
    let arguments = ["--env-file", "s3://a-bucket/x.env"];
    let (code, said) = config("role", &arguments, &variables(&s3.url()));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fetched(&said).len(), 1, "{said}");
    // Nobody listens on port 1.
    let (code, said) = config("no-role", &arguments, &variables("http://127.0.0.1:1"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no credentials (127.0.0.1:1: "), "{said}");
}

/// Any server of files will do: here Python's own, in the repository's folder.
#[test]
fn https_locations_are_fetched_if_their_server_is_trusted() {
    let port = ports::free();
    let mut server = Process::start(&Start {
        name: "the server of files",
        log: &folder::fresh("locations-https").join("log"),
        program: "python3".as_ref(),
        arguments: ["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]
            .map(Into::into)
            .to_vec(),
        variables: Vec::new(),
        folder: Some(Path::new(env!("CARGO_MANIFEST_DIR"))),
        input: None,
    });
    until_true("the server of files answers", Duration::from_secs(30), || {
        assert!(server.ended().is_none(), "it has ended:\n{}", server.output());
        http::get(port, "/contracts/").is_some_and(|(status, _)| status == 200)
    });
    let front = TlsFront::start("locations", &format!("http://127.0.0.1:{port}"));
    let location = format!("{}/.env?X-Amz-Signature=hunter2", front.url());
    let contracts = format!("{}/contracts", front.url());
    let certificate = front.certificate().to_str().expect("UTF-8").to_owned();
    let mut variables = vec![("CONTRACTS_DIR", contracts)];
    let (code, said) = config("untrusted", &["--env-file", &location], &variables);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not trusted") && said.contains("SSL_CERT_FILE"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");

    variables.push(("SSL_CERT_FILE", certificate));
    let (code, said) = config("trusted", &["--env-file", &location], &variables);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fetched(&said).len(), 3, "{said}");
    assert!(said.contains("/.env?[redacted]:") && !said.contains("hunter2"), "{said}");
    assert_eq!(front.authorizations(), Vec::<String>::new());
}

/// A server that takes connections and never answers. Says when one has asked.
fn silent_server() -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (asked, when_asked) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let _ = asked.send(());
            open.push(client);
        }
    });
    (url, when_asked)
}

#[test]
fn a_signal_ends_a_fetch_at_once() {
    let (url, when_asked) = silent_server();
    let env_file = format!("{url}/x.env");
    for (arguments, variables, code) in [
        (vec!["DELIVERY", "--env-file", &env_file], Vec::new(), 0),
        (vec!["DELIVERY", "--env-file", &env_file, "--until-caught-up"], Vec::new(), 130),
        (vec!["DELIVERY"], vec![("CONTRACTS_DIR", url.clone())], 0),
    ] {
        let mut run = start("signal", &arguments, &variables);
        when_asked.recv_timeout(WITHIN).expect("the document is asked for");
        let (status, took) = run.stop(WITHIN);
        assert_eq!(status.code(), Some(code), "{arguments:?}: {}", run.output());
        // The runtime waits up to two seconds for what blocks.
        assert!(took < Duration::from_secs(5), "{arguments:?}: {took:?}");
    }
}
