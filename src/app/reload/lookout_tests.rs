//! When documents count as changed: swaps, half-written files, folders and stores that are away.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::config::{self, Inputs};
use crate::remote::Patience;
use crate::serve::loopback::Server;

/// How long documents have to stay as they are in these tests.
const EVERY: Duration = Duration::from_millis(20);

/// A document and one that it refers to, with these fields.
fn documents(fields: &[&str]) -> [(&'static str, String); 2] {
    let mut properties = serde_json::Map::new();
    properties.insert("event_type".to_owned(), json!({"type": "string"}));
    for field in fields {
        properties.insert((*field).to_owned(), json!({"type": "string"}));
    }
    let event = json!({"type": "object", "properties": properties});
    let root = json!({
        "asyncapi": "3.0.0", "info": {"title": "t", "version": fields.len().to_string()},
        "channels": {"C": {"address": "t", "messages": {"A": {"payload": {"$ref": "event.json"}}}}},
    });
    [("c.json", root.to_string()), ("event.json", event.to_string())]
}

fn write(folder: &Path, documents: &[(&str, String)]) {
    for (name, text) in documents {
        std::fs::write(folder.join(name), text).expect("written");
    }
}

fn settings(contracts: &str) -> Settings {
    let folder = tempfile::tempdir().expect("a folder");
    let variables = [
        ("BQ_TABLE_D", "d"),
        ("IMPORT_PATH_D", "c"),
        ("IMPORT_OBJECT_D", "C"),
        ("CONSUME_ENV_D", "live"),
        ("GROUP_ID_D", "d"),
        ("WRITE_ENV", "live"),
        ("CONSUME__LIVE__BOOTSTRAP_SERVERS", "127.0.0.1:1"),
        ("WRITE__LIVE__PROJECT", "p"),
        ("WRITE__LIVE__DATASET", "d"),
        ("CONTRACTS_DIR", contracts),
    ];
    let inputs = Inputs::at(folder.path());
    let inputs =
        variables.iter().fold(inputs, |inputs, (name, value)| inputs.variable(*name, *value));
    config::load("D", &inputs).expect("settings").settings
}

fn fetcher() -> Fetcher {
    let patience = Patience {
        retry_for: Duration::from_millis(50),
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(10),
    };
    Fetcher::with_patience(Default::default(), patience)
}

/// A lookout that knows the documents as they are.
async fn lookout<'a>(settings: &'a Settings, fetcher: &'a Fetcher) -> Lookout<'a> {
    let (domain, origin) =
        contract::domain_and_origin(settings, fetcher).await.expect("a contract");
    assert_eq!(domain.contract.topic, "t");
    Lookout::new(settings, fetcher, origin, EVERY)
}

/// What a look has found, in one word, or the number of fields of the changed contract.
async fn look(lookout: &mut Lookout<'_>) -> String {
    match lookout.look().await {
        Looked::Unchanged => "unchanged".to_owned(),
        Looked::Unsettled => "unsettled".to_owned(),
        Looked::Unread(why) => format!("unread: {why}"),
        Looked::Changed { domain: Ok(domain), digest } => {
            assert_eq!(digest.len(), 12, "{digest}");
            domain.contract.id
        }
        Looked::Changed { domain: Err(errors), .. } => {
            let errors: Vec<String> =
                errors.iter().map(|one| crate::error_chain::chain(one)).collect();
            format!("refused: {}", errors.join("; "))
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_is_noticed_once_and_other_files_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &documents(&["a"]));
    let (settings, fetcher) = (settings(&folder.path().display().to_string()), fetcher());
    let mut lookout = lookout(&settings, &fetcher).await;
    assert_eq!(look(&mut lookout).await, "unchanged");
    write(folder.path(), &[("other.json", "{".to_owned())]);
    assert_eq!(look(&mut lookout).await, "unchanged", "the contract has nothing to do with it");
    write(folder.path(), &documents(&["a", "b"])[1..]);
    assert_eq!(look(&mut lookout).await, "c#C@1", "a file that is referred to counts");
    assert_eq!(look(&mut lookout).await, "unchanged");
    // An ending that is asked for before the one that was there.
    write(folder.path(), &[("c.yaml", documents(&["a", "b", "c"])[0].1.clone())]);
    assert_eq!(look(&mut lookout).await, "c#C@3");
}

/// As Kubernetes replaces a ConfigMap: files are links into `..data`, which is one itself.
#[tokio::test]
async fn a_config_map_is_seen_before_its_swap_or_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let version = |name: &str, fields: &[&str]| {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
        write(&folder.path().join(name), &documents(fields));
    };
    let swap = |name: &str| {
        symlink(name, folder.path().join("..new")).expect("a link");
        std::fs::rename(folder.path().join("..new"), folder.path().join("..data"))
            .expect("renamed");
    };
    version("..one", &["a"]);
    swap("..one");
    for (name, _) in documents(&[]) {
        symlink(Path::new("..data").join(name), folder.path().join(name)).expect("a link");
    }
    let (settings, fetcher) = (settings(&folder.path().display().to_string()), fetcher());
    let mut lookout = lookout(&settings, &fetcher).await;
    assert_eq!(look(&mut lookout).await, "unchanged");
    version("..two", &["a", "b"]);
    assert_eq!(look(&mut lookout).await, "unchanged", "it is not swapped yet");
    swap("..two");
    std::fs::remove_dir_all(folder.path().join("..one")).expect("removed");
    assert_eq!(look(&mut lookout).await, "c#C@2");

    // Swapped between the reading and the second look: neither of the two counts.
    version("..three", &["a", "b", "c"]);
    version("..four", &["a", "b", "c", "d"]);
    swap("..three");
    let (found, ()) = tokio::join!(look(&mut lookout), async {
        tokio::time::sleep(EVERY / 2).await;
        swap("..four");
    });
    assert_eq!(found, "unsettled");
    assert_eq!(look(&mut lookout).await, "c#C@4");
}

#[tokio::test]
async fn a_file_that_is_half_written_does_not_count_and_a_broken_one_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &documents(&["a"]));
    let (settings, fetcher) = (settings(&folder.path().display().to_string()), fetcher());
    let mut lookout = lookout(&settings, &fetcher).await;
    let event = documents(&["a", "b"])[1].1.clone();
    write(folder.path(), &[("event.json", event[..event.len() / 2].to_owned())]);
    let (found, ()) = tokio::join!(look(&mut lookout), async {
        tokio::time::sleep(EVERY / 2).await;
        write(folder.path(), &[("event.json", event.clone())]);
    });
    assert_eq!(found, "unsettled");
    assert_eq!(look(&mut lookout).await, "c#C@1");

    // Nobody writes on: a mistake, and every one of them is told.
    let broken = event.replace("\"string\"", "\"strong\"");
    write(folder.path(), &[("event.json", broken)]);
    let found = look(&mut lookout).await;
    for place in ["event.json#/properties/a/type", "event.json#/properties/b/type"] {
        assert!(found.starts_with("refused: ") && found.contains(place), "{found}");
    }
    assert_eq!(look(&mut lookout).await, "unchanged", "it is told once");
    write(folder.path(), &[("event.json", event)]);
    assert_eq!(look(&mut lookout).await, "c#C@1", "mended");
}

#[tokio::test]
async fn a_file_that_is_gone_is_a_mistake_and_a_folder_that_is_gone_an_outage() {
    let folder = tempfile::tempdir().expect("a folder");
    let contracts = folder.path().join("contracts");
    std::fs::create_dir(&contracts).expect("a folder");
    write(&contracts, &documents(&["a"]));
    let (settings, fetcher) = (settings(&contracts.display().to_string()), fetcher());
    let mut lookout = lookout(&settings, &fetcher).await;
    std::fs::remove_file(contracts.join("event.json")).expect("removed");
    let found = look(&mut lookout).await;
    assert!(found.starts_with("refused: ") && found.contains("event.json"), "{found}");
    write(&contracts, &documents(&["a"]));
    assert_eq!(look(&mut lookout).await, "c#C@1", "it is there again");

    std::fs::rename(&contracts, folder.path().join("away")).expect("renamed");
    let found = look(&mut lookout).await;
    assert!(found.starts_with("unread: there is no folder "), "{found}");
    std::fs::rename(folder.path().join("away"), &contracts).expect("renamed");
    assert_eq!(look(&mut lookout).await, "unchanged");
}

/// What a store answers, by path.
type Answers = Arc<Mutex<Value>>;

async fn answer(State(answers): State<Answers>, request: Request) -> (StatusCode, String) {
    let answers = answers.lock().expect("no panic elsewhere");
    if answers["away"] == true {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    match answers[request.uri().path()].as_str() {
        Some(text) => (StatusCode::OK, text.to_owned()),
        None => (StatusCode::NOT_FOUND, String::new()),
    }
}

#[tokio::test]
async fn a_store_that_is_away_changes_nothing() {
    let answers = Answers::default();
    let put = |documents: &[(&str, String)]| {
        for (name, text) in documents {
            answers.lock().expect("no panic elsewhere")[format!("/contracts/{name}")] = json!(text);
        }
    };
    let away = |away: bool| answers.lock().expect("no panic elsewhere")["away"] = away.into();
    put(&documents(&["a"]));
    let store =
        Server::start(axum::Router::new().fallback(answer).with_state(answers.clone())).await;
    let (settings, fetcher) = (settings(&store.url("/contracts")), fetcher());
    let mut lookout = lookout(&settings, &fetcher).await;
    assert_eq!(look(&mut lookout).await, "unchanged");
    away(true);
    let found = look(&mut lookout).await;
    assert!(found.starts_with("unread: ") && found.contains("503"), "{found}");
    put(&documents(&["a", "b"]));
    away(false);
    assert_eq!(look(&mut lookout).await, "c#C@2", "what changed meanwhile is seen afterwards");
    assert_eq!(look(&mut lookout).await, "unchanged");
    // What was not there the first time is asked for too: `c.yaml` comes before `c.json`.
    put(&[("c.yaml", documents(&["a", "b", "c"])[0].1.clone())]);
    assert_eq!(look(&mut lookout).await, "c#C@3");
}
