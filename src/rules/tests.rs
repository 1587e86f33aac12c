//! What rules say of archives, and what is wrong with their documents.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::archive::Files;

fn documents(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn set(text: &str) -> RuleSet {
    RuleSet::load("set", &documents(&[("rules.yaml", text)]))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that is wrong with a document.
fn mistakes(text: &str) -> Vec<String> {
    let error = RuleSet::load("set", &documents(&[("rules.yaml", text)])).expect_err(text);
    error.problems.iter().map(RuleProblem::to_string).collect()
}

/// A rule with these lines in it.
fn rule(lines: &str) -> String {
    let lines: Vec<String> = lines.lines().map(|line| format!("    {line}")).collect();
    format!("rules:\n  - id: r\n    description: d\n    severity: low\n{}\n", lines.join("\n"))
}

fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, content)| (*path, *content)).collect()
}

/// The findings' details, and the skips as `reason: detail`.
fn of(text: &str, archive: &[(&str, &str)], event: &str) -> (Vec<Value>, Vec<String>) {
    let report = set(text).evaluate(&files(archive), event.as_bytes());
    let details = report.findings.into_iter().map(|finding| Value::Object(finding.details));
    let skips =
        report.skips.iter().map(|skip| format!("{}: {}", skip.why.reason.code(), skip.why.detail));
    (details.collect(), skips.collect())
}

#[test]
fn every_parser_reads_its_content() {
    let text = rule(
        r#"files:
  json: { path: "*.json", parser: json }
  yaml: { path: "*.yaml", parser: yaml }
  text: { path: id, parser: text }
  lines: { path: "logs/**", parser: lines }
  regex: { path: "logs/**/*.log", parser: regex, pattern: 'user (?P<name>\w+)( (?P<more>x))?' }
  none: { path: missing, parser: text, optional: true }
when: files.none.size() == 0 && files.json[0].content.a == 1
details: >-
  {"json": files.json, "yaml": files.yaml[0].content, "text": files.text[0].content,
   "lines": files.lines.map(it, it.content), "regex": files.regex[0].content}"#,
    );
    let archive = [
        ("a.json", "\u{feff}{\"a\": 1, \"b\": [null, 1.5]}"),
        ("a.yaml", "a: &x [1, yes, \"1\"]\nb: *x\n1: ~\n"),
        ("id", " one \r\n\n"),
        ("logs/x/a.log", "user ann\r\nnobody\n\nuser bob x"),
        ("logs/empty", ""),
        ("sub/b.json", "not read: * does not match /"),
    ];
    let (details, skips) = of(&text, &archive, "{}");
    assert_eq!(skips, Vec::<String>::new());
    let expected = json!({
        "json": [{"path": "a.json", "content": {"a": 1, "b": [null, 1.5]}}],
        "yaml": {"a": [1, "yes", "1"], "b": [1, "yes", "1"], "1": null},
        "text": " one",
        "lines": [[], ["user ann", "nobody", "", "user bob x"]],
        "regex": [{"name": "ann", "more": ""}, {"name": "bob", "more": "x"}],
    });
    assert_eq!(details, [expected]);
}

#[test]
fn a_rule_that_cannot_be_evaluated_takes_no_other_along() {
    let text = "
rules:
  - {id: a_missing, description: d, severity: low, files: {x: {path: x/*, parser: json}}, when: files.x.size() > 0}
  - {id: b_broken, description: d, severity: low, files: {x: {path: bad.json, parser: json}}, when: files.x.size() > 0}
  - {id: c_error, description: d, severity: low, files: {x: {path: a.json, parser: json}}, when: 'files.x[0].content.b > 1'}
  - {id: d_type, description: d, severity: low, files: {x: {path: a.json, parser: json}}, when: 'files.x[0].content.a'}
  - {id: e_endless, description: d, severity: low, files: {x: {path: list.json, parser: json}},
     when: 'files.x[0].content.all(a, files.x[0].content.all(b, files.x[0].content.all(c, a + b + c >= 0)))'}
  - {id: f_fact, description: d, severity: low, when: facts.broken == 1}
  - {id: g_details, description: d, severity: low, when: event.n == 1, details: '[1]'}
  - {id: h_found, description: d, severity: low, when: event.n == 1}
  - {id: i_false, description: d, severity: low, when: event.n == 2}
facts:
  broken: {files: {x: {path: bad.json, parser: json}}, value: 'files.x[0].content.a'}
report:
  number: event.n
  none: event.none
";
    let list = Value::from((0..1_000).collect::<Vec<i32>>()).to_string();
    let archive = [("a.json", r#"{"a": 1}"#), ("bad.json", "{\"a\":\n"), ("list.json", &list)];
    let report = set(text).evaluate(&files(&archive), br#"{"n": 1}"#);
    let skips: Vec<(&str, &str)> =
        report.skips.iter().map(|skip| (skip.name.as_str(), skip.why.reason.code())).collect();
    let expected = [
        ("a_missing", "missing_file"),
        ("b_broken", "unreadable_file"),
        ("c_error", "error"),
        ("d_type", "error"),
        ("e_endless", "budget"),
        ("f_fact", "unreadable_file"),
        ("g_details", "error"),
        ("none", "error"),
    ];
    assert_eq!(skips, expected);
    let json = report.json();
    assert_eq!(json["number"], 1);
    assert_eq!(json["none"], Value::Null);
    assert_eq!(
        json["findings"],
        json!([
            {"rule": "h_found", "key": "H_FOUND", "severity": "low", "details": {}}
        ])
    );
    assert_eq!(json["skips"][7]["member"], "none");
    let details: Vec<&str> = report.skips.iter().map(|skip| skip.why.detail.as_str()).collect();
    assert_eq!(details[0], "no file matches x/*");
    assert!(details[1].starts_with("bad.json: is not JSON: EOF"), "{}", details[1]);
    assert_eq!(details[2], "when: there is no field `b`");
    assert!(details[5].starts_with("fact `broken`: bad.json: "), "{}", details[5]);
}

#[test]
fn texts_of_the_event_are_read_like_files() {
    let text = rule(
        "files:
  who: { event: /identity, encoding: base64, parser: json }
when: files.who[0].content.id == 7",
    );
    let event = |text: &str| json!({ "identity": text }).to_string();
    for encoded in ["eyJpZCI6N30=", "eyJpZCI6N30"] {
        assert_eq!(of(&text, &[], &event(encoded)).0.len(), 1, "{encoded}");
    }
    let skips = |event: &str| of(&text, &[], event).1;
    assert_eq!(skips("{}"), ["missing_file: the event has no /identity"]);
    let unreadable = "unreadable_file: the event's /identity: is";
    assert_eq!(skips(&event("%")), [format!("{unreadable} not base64")]);
    // Decoded by the contract.
    assert_eq!(of(&text, &[], r#"{"identity": {"id": 7}}"#).0.len(), 1);
    assert_eq!(skips(r#"{"identity": {"id": "7"}}"#), Vec::<String>::new());
}

#[test]
fn values_that_share_what_they_are_made_of_do_not_grow_without_end() {
    let mut text = "facts:\n  f0: {value: 'event.list'}\n".to_owned();
    for index in 1..60 {
        let last = index - 1;
        text.push_str(&format!("  f{index}: {{value: '[facts.f{last}, facts.f{last}]'}}\n"));
    }
    let of_rule = "rules:\n  - {id: a, description: d, severity: low, when: event.n == 1, \
                   details: '{\"all\": facts.f59}'}\n";
    let (details, skips) = of(&format!("{text}{of_rule}"), &[], r#"{"n": 1, "list": [1]}"#);
    assert!(details.is_empty() && skips.len() == 1, "{skips:?}");
    assert!(skips[0].starts_with("budget: "), "{skips:?}");
    // Deep, not wide.
    let mut text = "facts:\n  f0: {value: 'event.list'}\n".to_owned();
    for index in 1..300 {
        text.push_str(&format!("  f{index}: {{value: '[facts.f{}]'}}\n", index - 1));
    }
    let of_rule = of_rule.replace("f59", "f299");
    let (_, skips) = of(&format!("{text}{of_rule}"), &[], r#"{"n": 1, "list": [1]}"#);
    assert!(skips.len() == 1 && skips[0].contains("more than 128 levels"), "{skips:?}");
}

#[test]
fn every_mistake_of_the_documents_is_found_at_once() {
    let text = "
rules:
  - id: Bad-Id
    description: d
    severity: grave
    files:
      x: { path: '[', parser: jsn }
      y: { path: a, parser: regex, pattern: '(' }
      z: { parser: text, encoding: base64, more: 1 }
    wen: true
  - id: twice
    description: d
    severity: low
    when: files.x.size() > 0 && facts.degradd
  - id: twice
    description: d
    severity: low
    files:
      operators: { path: a, parser: json }
    when: size(files.operator) > 0 || nothing || files == 1
    details: 1 +
facts:
  degraded:
    value: facts.degraded
report:
  findings: event.a
  cluster: files.x
rule: []
";
    let found = mistakes(text);
    let all = found.join("\n");
    for expected in [
        "rules.yaml:3: rule `Bad-Id`: `id` has up to 100 lower-case letters",
        "rules.yaml:5: rule `Bad-Id`: there is no severity `grave`",
        "files: x: the glob `[` is wrong",
        "files: x: there is no parser `jsn`; there are json, yaml, text, lines, regex; did you mean `json`?",
        "files: y: the pattern is wrong: unclosed group",
        "files: z: there is no key `more`",
        "files: z: it has no `path`",
        "rule `Bad-Id`: there is no key `wen`; there are id, description, severity, files, when, key, details; did you mean `when`?",
        "rule `Bad-Id`: it has no `when`",
        "rules.yaml:14: rule `twice`: when: there is no `files.x`; there is none",
        "rules.yaml:14: rule `twice`: when: there is no `facts.degradd`; there are degraded; did you mean `degraded`?",
        "rules.yaml:15: rule `twice`: rules.yaml:11 has one of the same name",
        "there is no `files.operator`; there are operators; did you mean `operators`?",
        "there is no variable `nothing`; there are files, facts, event",
        "`files` has to have a name behind it",
        "rules.yaml:21: rule `twice`: details: line 1, column 4",
        "rules.yaml:23: fact `degraded`: its value needs itself",
        "every report has a member `findings` already",
        "member `cluster`: its value: there is no variable `files`",
        "there is no key `rule`; there are rules, facts, report; did you mean `rules`?",
    ] {
        assert!(all.contains(expected), "{expected}\nis not in\n{all}");
    }
}

#[test]
fn mistakes_of_the_set_are_found() {
    assert_eq!(mistakes("rules: []"), ["set: there are no rules"]);
    assert_eq!(mistakes("rules: 1"), ["rules.yaml:1: `rules` is a text, not a list of rules"]);
    assert!(mistakes("a: [")[0].contains("invalid YAML"));
    assert_eq!(
        mistakes(&rule("when: true")),
        [
            "rules.yaml:5: rule `r`: when: it is the same for every archive: it reads none of files, \
         facts, event"
        ]
    );
    assert_eq!(
        mistakes(&rule("when: event.a + 1")),
        ["rules.yaml:5: rule `r`: when: the result is the result of a calculation, not a bool"]
    );
    let unused = format!("{}facts:\n  a:\n    value: '1'\n", rule("when: event.a"));
    assert_eq!(mistakes(&unused), ["rules.yaml:7: fact `a`: nothing names it"]);
    let circle = format!(
        "{}facts:\n  a: {{value: facts.b}}\n  b: {{value: facts.a}}\n",
        rule("when: facts.a")
    );
    assert!(mistakes(&circle)[0].contains("facts need one another in a circle: a → b"));
    let documents =
        documents(&[("a.yaml", "report: {x: event.a}"), ("b.yaml", "report: {y: event.a}")]);
    let error = RuleSet::load("set", &documents).expect_err("two reports");
    assert!(error.to_string().contains("b.yaml:1: another document has `report` too"), "{error}");
}

#[test]
fn the_digest_is_another_when_a_document_is() {
    let text = rule("when: event.a");
    let version = set(&text).version();
    assert!(version.starts_with("set@") && version.len() == 16, "{version}");
    assert_eq!(set(&text).version(), version);
    assert_ne!(set(&text.replace("low", "info")).version(), version);
}

#[test]
fn only_the_files_that_are_named_are_wanted() {
    let set = set(&rule(
        "files: {x: {path: 'a/*/b.{json,yaml}', parser: text}}\nwhen: files.x.size() > 0",
    ));
    assert!(set.wants("a/x/b.json") && set.wants("a/y/b.yaml"));
    assert!(!set.wants("a/b.json") && !set.wants("a/x/y/b.json") && !set.wants("b/a/x/b.json"));
}

proptest! {
    #[test]
    fn no_content_of_a_file_makes_a_rule_panic(content in ".{0,200}", event in ".{0,40}") {
        let text = rule(
            "files:
  json: { path: a, parser: json }
  more: { event: /a, parser: yaml, optional: true }
when: files.json[0].content.a == 1",
        );
        let text = text + &rule("files: {y: {path: a, parser: yaml}, l: {path: a, parser: lines}}\nwhen: files.y[0].content.a == files.l[0].content[0]").replace("rules:\n", "").replace("id: r", "id: s");
        let set = set(&text);
        let archive = files(&[("a", &content)]);
        let report = set.evaluate(&archive, event.as_bytes());
        prop_assert_eq!(report.json(), set.evaluate(&archive, event.as_bytes()).json());
    }
}
