//! The documents of a contract, which refer to each other.

use super::*;
use crate::config::ContractSettings;
use crate::contract::{self, Contract, ContractError, Library};
use crate::remote::{Fetching, Next};

const ROOT: &str = r#"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{
    "Paid":{"payload":{"$ref":"../types/paid.json"}},
    "Odd":{"payload":{"$ref":"odd.json"}} } } } }"#;
const PAID: &str = r##"{"type":"object","properties":{"event_type":{"type":"string"},
    "amount":{"$ref":"deeper/money.json#/Money"}}}"##;
const MONEY: &str = r#"{"Money":{"type":"integer"}}"#;

/// A folder of contracts behind `https` and in a bucket, at the same paths.
fn contracts(store: &Store, documents: &[(&str, &str)]) -> [String; 2] {
    for (path, text) in documents {
        store.answer(&format!("/a-bucket/contracts/{path}"), Answer::document(text, "e1"));
    }
    [store.url("/a-bucket/contracts"), "s3://a-bucket/contracts/".to_owned()]
}

struct Loaded {
    contract: Result<Contract, ContractError>,
    fetched: Vec<String>,
}

async fn load(fetcher: &Fetcher, folder: &str, ignored: &[&str]) -> Result<Loaded, FetchError> {
    let folder = Location::folder(folder).expect("a folder");
    let Location::Remote(remote) = &folder else { panic!("{folder}") };
    let ignored: Vec<String> = ignored.iter().map(ToString::to_string).collect();
    let mut fetching = Fetching::new(fetcher);
    loop {
        let documents = fetching.documents().clone();
        let library = Library::Fetched { folder: remote.clone(), documents };
        let contract = contract::load_from(&library, "contracts.delivery.events", "C", &ignored);
        if fetching.next(&folder).await? == Next::Complete {
            let fetched = fetching.fetched().map(|(remote, _)| remote.to_string()).collect();
            return Ok(Loaded { contract, fetched });
        }
    }
}

#[tokio::test]
async fn only_what_the_contract_refers_to_is_fetched() {
    let store = Store::start().await;
    let documents = [
        ("delivery/events.json", ROOT),
        ("types/paid.json", PAID),
        ("types/deeper/money.json", MONEY),
        ("delivery/odd.json", r#"{"type":"object","properties":{"event_type":{"type":"string"}}}"#),
    ];
    for folder in contracts(&store, &documents) {
        let loaded = load(&fetcher_of(&store), &folder, &[]).await.expect("fetched");
        let events = loaded.contract.expect("a contract").events;
        assert_eq!(events.len(), 2);
        assert_eq!(loaded.fetched.len(), 4);
        // An ignored event's documents are not even asked for.
        let loaded = load(&fetcher_of(&store), &folder, &["Odd"]).await.expect("fetched");
        assert_eq!(loaded.contract.expect("a contract").events.len(), 1);
        let folder = folder.trim_end_matches('/');
        let paths = ["delivery/events.json", "types/deeper/money.json", "types/paid.json"];
        assert_eq!(loaded.fetched, paths.map(|path| format!("{folder}/{path}")));
    }
}

#[tokio::test]
async fn a_reference_stays_in_the_folder() {
    let escaping =
        ["../../secret.json", "..%2F..%2Fsecret.json", "/secret.json", "https://h.example/x.json"];
    for reference in escaping {
        let store = Store::start().await;
        let root = ROOT.replace("../types/paid.json", reference);
        for folder in contracts(&store, &[("delivery/events.json", &root)]) {
            let loaded = load(&fetcher_of(&store), &folder, &["Odd"]).await.expect("fetched");
            let problems = loaded.contract.expect_err("refused").to_string();
            assert!(
                problems.contains("outside the contracts folder")
                    || problems.contains("is not fetched:"),
                "{problems}"
            );
        }
        assert!(
            store
                .paths()
                .iter()
                .all(|path| path.starts_with("/a-bucket/contracts/delivery/events."))
        );
    }
}

#[tokio::test]
async fn missing_documents_are_named_with_their_location() {
    let store = Store::start().await;
    for folder in contracts(&store, &[("delivery/events.json", ROOT), ("types/paid.json", PAID)]) {
        let loaded = load(&fetcher_of(&store), &folder, &[]).await.expect("fetched");
        let problems = loaded.contract.expect_err("two are missing").to_string();
        let folder = folder.trim_end_matches('/');
        for path in ["types/deeper/money.json", "delivery/odd.json"] {
            assert!(
                problems.contains(&format!("{folder}/{path}: there is no such document")),
                "{problems}"
            );
        }
    }
    let empty = Store::start().await;
    let loaded = load(&fetcher_of(&empty), "s3://a-bucket/contracts", &[]).await.expect("fetched");
    let problems = loaded.contract.expect_err("nothing is there").to_string();
    assert!(problems.contains("tried s3://a-bucket/contracts/delivery/events.yaml"), "{problems}");
    assert_eq!(empty.paths().len(), 3);
}

#[tokio::test]
async fn a_refused_document_ends_the_attempt() {
    let store = Store::start().await;
    contracts(&store, &[("delivery/events.json", ROOT), ("types/paid.json", PAID)]);
    store.answer("/a-bucket/contracts/delivery/odd.json", Answer::error(403, "AccessDenied"));
    let error = load(&fetcher_of(&store), "s3://a-bucket/contracts", &[]).await.err();
    let error = error.expect("denied");
    assert!(matches!(error.fault, Fault::AccessDenied(_)), "{error}");
    assert!(error.to_string().contains("delivery/odd.json"), "{error}");
}

#[tokio::test]
async fn documents_that_change_meanwhile_are_fetched_again() {
    let store = Store::start().await;
    let at = |path: &str| format!("/a-bucket/contracts/{path}");
    let root = ROOT.replace("\"Odd\":{\"payload\":{\"$ref\":\"odd.json\"}}", "\"Odd\":{\"payload\":{\"type\":\"object\",\"properties\":{\"event_type\":{\"type\":\"string\"}}}}");
    let renamed = root.replace("\"t\"", "\"new\"");
    store
        // Fetched, then another when it is asked for again.
        .answer(&at("delivery/events.json"), Answer::document(&root, "e1"))
        .answer(&at("delivery/events.json"), Answer::document(&renamed, "e2"))
        .answer(&at("types/paid.json"), Answer::document(PAID, "e1"))
        .answer(&at("types/deeper/money.json"), Answer::document(MONEY, "e1"));
    let loaded = load(&fetcher_of(&store), "s3://a-bucket/contracts", &[]).await.expect("fetched");
    assert_eq!(loaded.contract.expect("a contract").topic, "new");

    let store = Store::start().await;
    contracts(&store, &[("types/paid.json", PAID), ("types/deeper/money.json", MONEY)]);
    for etag in ["e1", "e2", "e3", "e4", "e5", "e6", "e7"] {
        let changed = format!("{root}{}", " ".repeat(etag.len() + usize::from(etag > "e4")));
        let changed = changed.replace("\"C\"", &format!("\"{etag}\":{{}},\"C\""));
        store.answer(&at("delivery/events.json"), Answer::document(&changed, etag));
    }
    let error = load(&fetcher_of(&store), "s3://a-bucket/contracts", &[]).await.err();
    let error = error.expect("it never settles");
    assert!(matches!(error.fault, Fault::Changing) && error.fault.is_outage(), "{error}");
}

#[tokio::test]
async fn the_number_of_documents_is_bounded() {
    let store = Store::start().await;
    let messages: Vec<String> = (0..300)
        .map(|number| format!(r#""M{number}":{{"payload":{{"$ref":"m{number}.json"}}}}"#))
        .collect();
    let messages = messages.join(",");
    let root = format!(
        r#"{{"asyncapi":"3.0.0","channels":{{"C":{{"address":"t","messages":{{{messages}}}}}}}}}"#
    );
    contracts(&store, &[("delivery/events.json", &root)]);
    let error = load(&fetcher_of(&store), "s3://a-bucket/contracts", &[]).await.err();
    let error = error.expect("too many");
    assert_eq!(error.fault, Fault::TooMuch("256 documents"));
}

/// The settings' folder on this machine needs no store.
#[tokio::test]
async fn a_folder_on_this_machine_is_complete_at_once() {
    let at = ContractSettings {
        topic: None,
        dir: "contracts".into(),
        import_path: "contracts.delivery.delivery_events_v10".to_owned(),
        import_object: "DeliveryEventsV10Topic".to_owned(),
        ignore_events: Vec::new(),
        filter: None,
    };
    let fetcher = fetcher(&[]);
    let mut fetching = Fetching::new(&fetcher);
    assert_eq!(fetching.next(&at.dir).await.expect("nothing to do"), Next::Complete);
}
