//! Where files and folders are, and what of a location is shown.

use std::ffi::OsStr;
use std::path::{Component, PathBuf};

use proptest::prelude::*;
use reqwest::Url;

use super::*;
use crate::config::location::{InBucket, Location, Remote, without_query};
use crate::config::{Fetched, NotFetched, Version, keys};

const SECRETS: &str = "X-Amz-Credential=AKIAEXAMPLE&X-Amz-Signature=hunter2";

fn file(text: &str) -> Location {
    Location::file(text.as_ref()).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

fn remote(text: &str) -> Remote {
    match Location::folder(text) {
        Ok(Location::Remote(remote)) => remote,
        other => panic!("{text}: {other:?}"),
    }
}

fn shown(location: &Location) -> (String, Option<&str>) {
    (location.to_string(), location.extension())
}

#[test]
fn locations_are_told_apart_by_their_scheme() {
    for path in [".env", "/etc/consumer/.env", "a:b/c.toml", "s3:/x.env", "://x", "1s://x"] {
        assert_eq!(file(path), Location::Local(path.into()));
    }
    let key = |key: &str| InBucket { bucket: "a-bucket".to_owned(), key: key.to_owned() };
    let in_s3 = |name: &str| Location::Remote(Remote::S3(key(name)));
    assert_eq!(file("s3://a-bucket/config/x.env"), in_s3("config/x.env"));
    assert_eq!(file("S3://a-bucket/a b+ü=(1).env"), in_s3("a b+ü=(1).env"));
    assert_eq!(file("gs://a-bucket/x.toml"), Location::Remote(Remote::Gs(key("x.toml"))));
    assert_eq!(shown(&file("gs://a-bucket/x.toml")), ("gs://a-bucket/x.toml".into(), Some("toml")));
    let signed = file(&format!("https://h.example/a/x.yaml?{SECRETS}"));
    assert_eq!(shown(&signed), ("https://h.example/a/x.yaml?[redacted]".into(), Some("yaml")));
    let Location::Remote(Remote::Https(place)) = &signed else { panic!("{signed:?}") };
    assert_eq!(place.expose(), format!("https://h.example/a/x.yaml?{SECRETS}"));
    assert_eq!(shown(&file("http://127.0.0.1:80/x.env")).0, "http://127.0.0.1/x.env");
}

#[test]
fn what_is_no_location_is_refused_with_the_reason() {
    for (text, reason) in [
        ("ftp://h/x.env", "scheme"),
        ("file:///etc/x.env", "scheme"),
        ("s3://", "bucket"),
        ("s3://ab/x", "bucket"),
        ("s3://A-Bucket/x", "bucket"),
        ("s3://user:hunter2@a-bucket/x", "bucket"),
        ("s3://a-bucket", "object is missing"),
        ("s3://a-bucket/", "object is missing"),
        ("s3://a-bucket/a//b", "empty"),
        ("s3://a-bucket//b", "empty"),
        ("gs://a-bucket/a/../b", "`..`"),
        ("gs://a-bucket/./b", "`.`"),
        ("s3://a-bucket/x?versionId=1", "`?`"),
        ("s3://a-bucket/x#y", "`#`"),
        ("s3://a-bucket/x\n", "control"),
        ("https://user:hunter2@h.example/x", "user"),
        ("https://token@h.example/x", "user"),
        ("https://h.example/x#y", "fragment"),
        ("http://h.example/x", "this machine only"),
        ("http://127.0.0.1.h.example/x", "this machine only"),
        ("https://", "URL"),
    ] {
        let wrong = Location::file(text.as_ref()).expect_err(text);
        assert!(wrong.0.contains(reason), "{text}: {wrong:?}");
        assert!(!wrong.0.contains("hunter2"), "{wrong:?}");
    }
    assert!(Location::file(format!("s3://a-bucket/{}", "x".repeat(1_025)).as_ref()).is_err());
    let folder = Location::folder("https://h.example/contracts?sig=hunter2").expect_err("a query");
    assert!(folder.0.contains("query"), "{folder:?}");
}

#[test]
fn a_slash_at_the_end_of_a_folder_makes_no_difference() {
    for (with, without, document, own) in [
        ("s3://a-bucket/", "s3://a-bucket", "s3://a-bucket/d/e.yaml", None),
        ("s3://a-bucket/p/q/", "s3://a-bucket/p/q", "s3://a-bucket/p/q/d/e.yaml", Some("q")),
        ("gs://a-bucket/p/", "gs://a-bucket/p", "gs://a-bucket/p/d/e.yaml", Some("p")),
        ("https://h.example/p/", "https://h.example/p", "https://h.example/p/d/e.yaml", Some("p")),
    ] {
        for folder in [with, without] {
            let folder = remote(folder);
            let joined = folder.join(Path::new("d/e.yaml")).expect("a document");
            assert_eq!(joined.to_string(), document);
            assert_eq!(folder.own_name(), own, "{folder}");
        }
    }
    let odd = remote("https://h.example/p").join(Path::new("a b/%2e%2e/ü?.yaml")).expect("joins");
    assert_eq!(odd.to_string(), "https://h.example/p/a%20b/%252e%252e/%C3%BC%3F.yaml");
}

/// Names of files that a URL or a bucket could take for something else.
fn path() -> impl Strategy<Value = PathBuf> {
    let part = prop_oneof![
        "[a-z]{1,3}",
        "[.%\\\\?#&; @:a-f0-9/]{1,8}",
        Just("..".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("..\\..".to_owned()),
        any::<String>(),
    ];
    proptest::collection::vec(part, 1..5).prop_map(|parts| parts.iter().collect())
}

proptest! {
    /// Whatever a `$ref` names, only what is below the folder is fetched.
    #[test]
    fn a_joined_document_is_inside_its_folder(path in path()) {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        for folder in ["s3://a-bucket/p/q", "gs://a-bucket/p/q", "https://h.example:8443/p/q"] {
            let Some(joined) = remote(folder).join(&path) else { continue };
            prop_assert!(plain, "{}", joined);
            match joined {
                Remote::S3(at) | Remote::Gs(at) => {
                    prop_assert_eq!(at.bucket, "a-bucket");
                    prop_assert!(at.key.starts_with("p/q/"), "{}", at.key);
                    prop_assert!(at.key.split('/').all(|name| !matches!(name, "" | "." | "..")));
                }
                // As the client reads the address.
                Remote::Https(at) => {
                    let url: Url = at.expose().parse().expect("a URL");
                    prop_assert_eq!(url.host_str(), Some("h.example"));
                    prop_assert!(url.path().starts_with("/p/q/") && url.path() != "/p/q/", "{}", url);
                    prop_assert_eq!((url.query(), url.fragment()), (None, None));
                    prop_assert_eq!(url.path_segments().map(Iterator::count), Some(2 + path.components().count()));
                }
            }
        }
    }

    /// A secret in a user's name, a password or a query is not shown, accepted or not.
    #[test]
    fn no_secret_of_a_url_is_shown(
        scheme in "(https|http|s3|gs|ftp)",
        user in "(|hunter2@|u:hunter2@)",
        host in "(h\\.example|127\\.0\\.0\\.1|a-bucket)",
        path in "(|/|/a/b\\.env)",
        query in "(|\\?hunter2|\\?X-Amz-Signature=hunter2&a=b|\\?a=\\?hunter2)",
    ) {
        let text = format!("{scheme}://{user}{host}{path}{query}");
        let location = Location::file(text.as_ref());
        if let Ok(location) = &location {
            let shown = format!("{location} {location:?}");
            prop_assert!(!shown.contains("hunter2"), "{}", shown);
        }
        let variables = Sources::valid().variable("ENV_FILE", &text).variable("CONTRACTS_DIR", &text);
        let report = match variables.load() {
            Ok(loaded) => format!("{:?}", loaded.resolved),
            Err(mistakes) => mistakes.to_string(),
        };
        prop_assert!(!report.contains("hunter2"), "{}", report);
        let inputs = Inputs::at(Path::new("/nowhere")).env_file(&text).file(&text);
        let report = load("DELIVERY", &inputs).expect_err("nothing was fetched").to_string();
        prop_assert!(!report.contains("hunter2"), "{}", report);
    }
}

#[test]
fn only_the_query_of_a_url_is_left_out() {
    assert_eq!(without_query("a?b"), "a?b");
    assert_eq!(without_query("https://h/a?b://c?d"), "https://h/a?[redacted]");
    assert_eq!(without_query("PLAINTEXT://a:1,b:2"), "PLAINTEXT://a:1,b:2");
}

const ENV: &str = "https://h.example/delivery.env";

fn fetched(text: &str) -> Result<Fetched, NotFetched> {
    Ok(Fetched { text: text.to_owned(), version: Version::default() })
}

/// Inputs with this outcome for everything that has to be fetched.
fn with(mut inputs: Inputs, outcome: &Result<Fetched, NotFetched>) -> Inputs {
    for remote in inputs.to_fetch() {
        inputs.add_fetched(remote, outcome.clone());
    }
    inputs
}

#[test]
fn a_fetched_env_file_is_read_as_one_on_this_machine() {
    let nowhere = Inputs::at(Path::new("/nowhere"));
    let document = fetched(&format!("\u{feff}{VALID}"));
    for (inputs, shown) in [
        (nowhere.clone().env_file(ENV), (ENV, LayerKind::CommandLine, "--env-file".to_owned())),
        (
            nowhere.clone().variable("ENV_FILE", ENV),
            (ENV, LayerKind::Environment, "variable ENV_FILE".to_owned()),
        ),
    ] {
        let loaded = load("DELIVERY", &with(inputs, &document));
        let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(loaded.shown("ENV_FILE"), shown);
        let table = loaded.shown("BQ_TABLE_DELIVERY");
        assert_eq!(table, ("delivery_events_temp", LayerKind::EnvFile, format!("{ENV}:1")));
    }
    // The flag wins over the variable, which is not even fetched.
    let both = nowhere.clone().env_file(ENV).variable("ENV_FILE", "s3://a-bucket/other.env");
    assert_eq!(both.to_fetch(), [remote(ENV)]);
    // The same file twice is fetched once; one on this machine is not fetched.
    let files = nowhere.file("https://h.example/a.toml").file("https://h.example/a.toml").file("b");
    assert_eq!(files.to_fetch(), [remote("https://h.example/a.toml")]);
}

#[test]
fn an_env_file_on_this_machine_may_be_named_by_the_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.env");
    std::fs::write(&path, VALID).expect("written");
    let nowhere = Inputs::at(Path::new("/nowhere"));
    let loaded = load("DELIVERY", &nowhere.clone().variable("ENV_FILE", &path));
    assert!(loaded.is_ok(), "{loaded:?}");
    let absent = folder.path().join("absent.env");
    let mistakes = load("DELIVERY", &nowhere.clone().variable("ENV_FILE", absent));
    let mistakes = mistakes.expect_err("it has to exist").list;
    assert!(mistakes.len() == 1 && mistakes[0].key.ends_with("absent.env"), "{mistakes:?}");
    let empty = load("DELIVERY", &nowhere.variable("ENV_FILE", "")).expect_err("empty");
    assert!(empty.list.iter().any(|mistake| mistake.key == "ENV_FILE"), "{empty}");
}

#[test]
fn a_document_that_was_not_fetched_is_a_mistake_of_what_named_it() {
    let not_fetched =
        NotFetched { found: "no such document".to_owned(), accepted: "another".to_owned() };
    let inputs = Inputs::at(Path::new("/nowhere")).variable("ENV_FILE", ENV);
    let inputs = inputs.file("s3://a-bucket/x.toml");
    let mistakes = load("DELIVERY", &with(inputs, &Err(not_fetched))).expect_err("not fetched");
    let said: Vec<(&str, String, &str)> = mistakes
        .list
        .iter()
        .map(|mistake| {
            let (layer, place) = mistake.at.clone().expect("a place");
            (mistake.key.as_str(), format!("{layer} {place}"), mistake.found.as_str())
        })
        .collect();
    // And no key is reported as missing.
    let expected = [
        ("ENV_FILE", "environment variable ENV_FILE".to_owned(), "no such document"),
        ("--config", "command line --config".to_owned(), "no such document"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn no_file_says_where_the_env_file_is() {
    for sources in [
        Sources::valid().env("ENV_FILE=s3://a-bucket/x.env"),
        Sources::valid().file("more.toml", "ENV_FILE = 's3://a-bucket/x.env'"),
        Sources::valid().env("ENV_FILE_DELIVERY=s3://a-bucket/x.env"),
    ] {
        assert!(sources.mistake().key.starts_with("ENV_FILE"));
    }
}

/// A remote `.env` is an instance's file like one on the machine.
#[test]
fn in_a_cluster_a_fetched_env_file_holds_keys_of_its_domain_only() {
    let document = fetched(&format!("{VALID}CONTRACTS_DIR=https://elsewhere.example/\n"));
    let inputs = Inputs::at(Path::new("/nowhere")).env_file(ENV).variable("CLUSTER", "gke-prod");
    let mut checked = false;
    let mistakes = load_and_check("DELIVERY", &with(inputs, &document), &mut |_, _, _| {
        checked = true;
        Vec::new()
    });
    let mistakes = mistakes.expect_err("keys of the cluster").list;
    for key in ["WRITE_ENV", "CONSUME__PROD__BOOTSTRAP_SERVERS", "CONTRACTS_DIR"] {
        assert!(mistakes.iter().any(|mistake| mistake.key == key), "{key}: {mistakes:#?}");
    }
    assert!(!checked, "nothing is fetched from where an instance's file points");
}

#[test]
fn outside_a_cluster_the_env_file_may_name_the_folder_of_the_contracts() {
    let sources = Sources::valid().env("CONTRACTS_DIR_DELIVERY='s3://a-bucket/contracts/'");
    let dir = sources.settings().contract.dir;
    assert_eq!(dir.to_string(), "s3://a-bucket/contracts");
    let wrong = Sources::valid().variable("CONTRACTS_DIR", "ftp://h/contracts").mistake();
    assert_eq!(wrong.key, keys::CONTRACTS_DIR.base);
    assert!(Location::file(OsStr::new("x")).is_ok());
}
