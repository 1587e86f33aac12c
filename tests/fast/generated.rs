//! `completions`, `man` and `schema`: the files that are kept are those that the program makes now, and what
//! is in the repository fits them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command_line::{generic_consumer, text};

const SCHEMAS: [&str; 4] = ["dotenv", "config", "transfers", "contract"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn printed(arguments: &[&str]) -> String {
    let output = generic_consumer(root(), arguments, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn validator(of: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&printed(&["schema", of])).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

/// What the validator says against a value, for messages.
fn problems(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    let line =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(value).map(line).collect()
}

#[test]
fn the_schemas_that_are_kept_are_those_that_are_printed() {
    for of in SCHEMAS {
        let kept = root().join(format!("schemas/{of}.schema.json"));
        let kept = std::fs::read_to_string(&kept).unwrap_or_default();
        assert_eq!(kept, printed(&["schema", of]), "run: make schemas");
    }
}

#[test]
fn the_configuration_of_the_repository_fits_its_schemas() {
    let config = validator("config");
    let text = std::fs::read_to_string(root().join("config/environments.toml")).expect("text");
    let value: Value = toml::from_str(&text).expect("TOML");
    assert_eq!(problems(&config, &value), [""; 0]);
    let wrong = |text: &str| {
        let value: Value = toml::from_str(text).expect("TOML");
        !problems(&config, &value).is_empty()
    };
    assert!(wrong("[consume.prod]\nbootstrap_server = \"prod:9092\""));
    assert!(wrong("[write.prod.postgres]\npasword = \"x\""));
    assert!(wrong("SINK_ORDERS = \"oracle\""));
    assert!(wrong("[consume.Prod]\nbootstrap_servers = \"prod:9092\""));
    assert!(!wrong("[write.prod]\nproject_env = \"PROJECT\"\nproject = \"p\""));
}

#[test]
fn transfers_and_dotenv_files_fit_their_schemas() {
    let transfers = validator("transfers");
    let right = "[transfer.orders]\ntarget = \"orders\"\nkey = [\"id\"]\n\
                 source = { kind = \"files\", files = [\"o-{date}.csv\"], format = \"csv\" }";
    let value = |text: &str| -> Value { toml::from_str(text).expect("TOML") };
    assert_eq!(problems(&transfers, &value(right)), [""; 0]);
    for (from, to) in
        [("target", "tarket"), ("\"csv\" }", "\"xls\" }"), ("\"files\",", "\"query\",")]
    {
        assert!(!problems(&transfers, &value(&right.replace(from, to))).is_empty(), "{to}");
    }
    let dotenv = validator("dotenv");
    let lines = std::fs::read_to_string(root().join(".env")).expect("the .env");
    let pairs = lines.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_owned(), Value::from(value.trim())))
    });
    let pairs: Value = Value::Object(pairs.collect());
    assert_eq!(problems(&dotenv, &pairs), [""; 0]);
    assert!(!problems(&dotenv, &serde_json::json!({ "DISABLE_ORDERS": "maybe" })).is_empty());
}

/// Every contract of the repository in YAML or JSON.
fn contracts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => contracts(&path, found),
            Some("yaml" | "yml" | "json") => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn contracts_fit_the_schema_of_their_extensions() {
    let contract = validator("contract");
    let mut files = Vec::new();
    contracts(&root().join("contracts"), &mut files);
    let mut checked = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let Ok(value) = serde_norway::from_str::<Value>(&text) else { continue };
        if value["asyncapi"].is_null() {
            continue;
        }
        checked += 1;
        assert_eq!(problems(&contract, &value), [""; 0], "{}", file.display());
    }
    assert!(checked > 1, "{checked} contracts");
    let document = |keyword: &str, value: &str| {
        serde_json::json!({ "channels": { "C": { "x-event-type": "only", "messages": { "M": {
            "payload": { "properties": { "a": { "items": { keyword: value } } } }
        } } } } })
    };
    assert!(problems(&contract, &document("x-bigquery-type", "NUMERIC")).is_empty());
    assert!(!problems(&contract, &document("x-bigquery-type", "VARCHAR")).is_empty());
}

#[test]
fn completions_and_pages_name_every_command() {
    let help = printed(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert!(commands.len() > 10, "{help}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = printed(&["completions", shell]);
        for command in &commands {
            assert!(completions.contains(command), "{command} in {shell}");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let man = folder.path().join("man1");
    let man = man.to_str().expect("UTF-8");
    printed(&["man", man]);
    for command in commands.iter().filter(|command| **command != "help") {
        let page = Path::new(man).join(format!("generic-consumer-{command}.1"));
        let page = std::fs::read_to_string(&page).expect(command);
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    let page = printed(&["man"]);
    let header = page.lines().find(|line| line.starts_with(".TH ")).expect("a header");
    let version = env!("CARGO_PKG_VERSION");
    assert!(header.contains(version) && header.trim_end().ends_with('"'), "{header}");
}

/// What bash offers for the last of these words.
fn completed(words: &[&str]) -> String {
    let script = format!(
        "source /dev/stdin; COMP_WORDS=({}); COMP_CWORD={}; \
         _generic__consumer generic-consumer \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1
    );
    let mut bash = Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash runs");
    let completions = printed(&["completions", "bash"]);
    bash.stdin.take().expect("piped").write_all(completions.as_bytes()).expect("written");
    text(&bash.wait_with_output().expect("it ends").stdout)
}

#[test]
fn bash_completes_what_comes_after_a_command() {
    let has = |words: &[&str], offered: &str| {
        let completed = completed(words);
        assert!(completed.lines().any(|line| line == offered), "{words:?}: {completed}");
    };
    has(&["generic-consumer", "re"], "replay");
    has(&["generic-consumer", "replay", "--ga"], "--gaps");
    has(&["generic-consumer", "dlq", "red"], "redrive");
    has(&["generic-consumer", "dlq", "redrive", "--dry"], "--dry-run");
    has(&["generic-consumer", "schema", "con"], "contract");
    has(&["generic-consumer", "completions", "ba"], "bash");
}
