//! `import-icm`: a configuration file of Insights Core Messaging becomes files that the program loads.

use std::path::Path;

use serde_json::Value;

use crate::command_line::{generic_consumer, text};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pipeline that tests/ccx measures.
fn measured() -> String {
    format!("{ROOT}/tests/ccx/config.yaml")
}

/// The contracts that a person writes after the import: those of the example, as the import names
/// them.
fn write_contracts(folder: &Path) {
    let to = folder.join("contracts/ccx");
    std::fs::create_dir_all(&to).expect("made");
    let from = |name: &str| {
        std::fs::read_to_string(format!("{ROOT}/examples/ccx/contracts/ccx/{name}")).expect("there")
    };
    let events = from("archives_v1.yaml").replace("\n  Archives:\n", "\n  Events:\n");
    std::fs::write(to.join("events_v1.yaml"), events).expect("written");
    std::fs::write(to.join("reports_v1.yaml"), from("reports_v1.yaml")).expect("written");
}

#[test]
fn the_measured_pipeline_loads_once_a_person_has_done_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["import-icm", &measured(), "--domain", "ccx", "--out", "ccx"];
    let output = generic_consumer(folder.path(), &arguments, &[]);
    let (page, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
    let outcome = |entry: &str| {
        let line = page.lines().find(|line| line.starts_with(&format!("{entry} ")));
        let line = line.unwrap_or_else(|| panic!("{entry} is missing in\n{page}"));
        line[entry.len()..].trim().to_owned()
    };
    assert_eq!(outcome("service.consumer.kwargs.incoming_topic"), "-> IN_TOPIC_CCX");
    assert_eq!(outcome("service.watchers[1].kwargs.prometheus_port"), "-> METRICS_ADDR_CCX");
    assert!(outcome("service.logging.root.level").starts_with("left out: "));
    assert!(outcome("plugins.packages[0]").starts_with("to do: "));
    // Every line of a table begins its second column at the same place.
    let columns = page.lines().take_while(|line| !line.is_empty()).map(|line| {
        let found =
            ["-> ", "left out: ", "to do: "].iter().filter_map(|it| line.find(&format!("  {it}")));
        found.min().unwrap_or_else(|| panic!("{line}"))
    });
    assert_eq!(columns.collect::<std::collections::BTreeSet<_>>().len(), 1, "{page}");

    let out = folder.path().join("ccx");
    write_contracts(&out);
    let (contracts, rules) =
        (out.join("contracts"), format!("{ROOT}/examples/ccx/contracts/rules"));
    let mut variables = vec![
        ("CONTRACTS_DIR", contracts.to_str().expect("UTF-8")),
        ("RULE_SETS_DIR", rules.as_str()),
        ("DEAD_LETTER_TOPIC", "dead"),
        ("BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
        ("GROUP", "group"),
        ("OUT_TOPIC", "results"),
        ("METRICS_PORT", "9464"),
    ];
    let config = |variables: &[(&str, &str)]| generic_consumer(&out, &["config", "CCX"], variables);
    let errors = text(&config(&variables).stderr);
    assert!(errors.contains("has 2 mistakes"), "{errors}");
    assert!(errors.contains("\n  FETCH_ALLOW_CCX\n"), "{errors}");
    assert!(errors.contains("the variable IN_TOPIC, which is not set"), "{errors}");
    variables.extend([("FETCH_ALLOW_CCX", "http://127.0.0.1:9000/a"), ("IN_TOPIC", "archives")]);
    let output = config(&variables);
    let page = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(page.contains("config/environments.toml:4, variable GROUP"), "{page}");
    assert!(page.contains("CCX reads archives "), "{page}");
}

#[test]
fn what_is_there_is_not_overwritten_and_a_mistake_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let output = generic_consumer(folder.path(), arguments, &[]);
        (output.status.code(), text(&output.stderr))
    };
    for (name, content) in [("broken.yaml", "service: ["), ("empty.yaml", "")] {
        std::fs::write(folder.path().join(name), content).expect("written");
        let (code, errors) = run(&["import-icm", name, "--out", "out"]);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains("nothing was written"), "{errors}");
        assert!(!folder.path().join("out").exists());
    }
    assert_eq!(run(&["import-icm", "gone.yaml"]).0, Some(2));
    std::fs::create_dir(folder.path().join("out")).expect("made");
    std::fs::write(folder.path().join("out/.env"), "mine").expect("written");
    let (code, errors) = run(&["import-icm", &measured(), "--out", "out"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains(".env exists already"), "{errors}");
    assert_eq!(std::fs::read_to_string(folder.path().join("out/.env")).expect("there"), "mine");
    assert!(!folder.path().join("out/config/environments.toml").exists());
}

#[test]
fn json_has_every_entry() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["import-icm", &measured(), "--format", "json"];
    let output = generic_consumer(folder.path(), &arguments, &[]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["domain"], "ICM");
    let entries = document["entries"].as_array().expect("a list");
    // The file has a scalar on each of these lines.
    let yaml = std::fs::read_to_string(measured()).expect("there");
    let scalars = yaml.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let scalars = scalars.filter(|line| !line.ends_with(':') && !line.is_empty()).count();
    assert_eq!(entries.len(), scalars);
    for file in document["files"].as_array().expect("a list") {
        assert!(folder.path().join(file.as_str().expect("a path")).exists());
    }
}
