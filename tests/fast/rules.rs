//! Every rule set under `rules/` and `examples/*/rules/` with its samples: adding a set, or a sample
//! in its `accept/` or `reject/`, adds its test (docs/reference/rules.md says what a sample is).

use std::path::{Path, PathBuf};

use generic_consumer::rules::{self, RuleSet, samples};
use serde_json::Value;

use crate::command_line::{generic_consumer, text};

const CCX: &str = "examples/ccx/contracts/rules/ccx_v1";

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// The rule sets of this repository.
fn sets() -> Vec<(RuleSet, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let roots = folders(&root.join("examples")).into_iter().chain([root.to_owned()]);
    let sets = roots.flat_map(|root| folders(&root.join("contracts/rules")));
    sets.map(|folder| {
        let documents = rules::read_folder(&folder).unwrap_or_else(|error| panic!("{error}"));
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let set = RuleSet::load(name, &documents).unwrap_or_else(|error| panic!("{error}"));
        (set, folder)
    })
    .collect()
}

#[test]
fn samples_of_rules_say_what_they_should() {
    let (mut accepted, mut refused) = (0, 0);
    for (set, folder) in sets() {
        for sample in samples::find(&folder).expect("readable") {
            if let Err(error) = sample.check(&set) {
                panic!("{}: {error}", sample.path.display());
            }
            if sample.is_accepted { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted >= 3 && refused >= 5, "{accepted} accepted, {refused} refused");
}

#[test]
fn every_rule_finds_something_in_a_sample_and_nothing_in_another() {
    for (set, folder) in sets() {
        let samples = samples::find(&folder).expect("readable");
        let accepted: Vec<_> = samples.iter().filter(|sample| sample.is_accepted).collect();
        let reports: Vec<_> =
            accepted.iter().map(|sample| sample.report(&set).expect("a report")).collect();
        for id in set.ids() {
            let found = |report: &&rules::Report| report.findings.iter().any(|it| it.rule == id);
            let skipped = |report: &&rules::Report| report.skips.iter().any(|it| it.name == id);
            assert!(reports.iter().any(|it| found(&it)), "no sample in which {id} finds something");
            let finds_nothing = reports.iter().any(|it| !found(&it) && !skipped(&it));
            assert!(finds_nothing, "no sample in which {id} finds nothing");
        }
    }
}

#[test]
fn the_command_prints_a_report_and_says_what_is_wrong() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = |arguments: &[&str]| {
        let output = generic_consumer(root, arguments, &[]);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, page, errors) = run(&["rules", "check", CCX]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(page.starts_with("ccx_v1@") && page.contains("11 rules"), "{page}");

    let troubled = format!("{CCX}/accept/troubled");
    let event = format!("{troubled}/event.json");
    let archive = format!("{troubled}/archive");
    let (code, page, errors) = run(&["rules", "test", CCX, &archive, "--event", &event]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&page).expect("JSON, as this is no terminal");
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(11));
    let (code, page, _) = run(&["rules", "test", CCX, &archive, "--format", "table"]);
    assert_eq!(code, Some(0));
    assert!(page.contains("AUTH_OR_INGRESS_UNAVAILABLE"), "{page}");
    // Without an event there is nobody who sent the archive.
    assert!(page.contains("report: organization  missing_file"), "{page}");

    let cut = format!("{CCX}/reject/archive_truncated.tar.gz");
    let (code, page, errors) = run(&["rules", "test", CCX, &cut]);
    assert_eq!((code, page.as_str()), (Some(1), ""));
    assert!(errors.contains("(archive_truncated)") && errors.contains("because: "), "{errors}");
    assert_eq!(run(&["rules", "test", CCX, "nothing.tar.gz"]).0, Some(2));
    let (code, _, errors) = run(&["rules", "check", "nothing"]);
    assert_eq!(code, Some(2));
    assert!(errors.starts_with("error: read the rules of nothing\n"), "{errors}");
}
