//! Runs docs/tutorial.md as a newcomer would: each block of commands, one after another in the same
//! shell folder, and compares what it prints with the block that follows.
//!
//! ```` ```sh ```` is a block of commands that end with 0, ```` ```sh exit=N ```` one that ends with
//! N. A ```` ```text ```` right after it has lines of its output, in order; `…` stands for anything,
//! and a line of its own for any number of lines. The amount of white space does not matter.

use std::path::Path;
use std::process::Command;

use crate::first_run::command;

/// Commands and what is expected of them.
#[derive(Debug, PartialEq)]
struct Step {
    /// The line of the document on which the commands begin.
    line: usize,
    commands: String,
    exit: i32,
    output: Vec<String>,
}

/// The steps of a document.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        match language.split_once(' ').unwrap_or((language, "")) {
            ("sh", exit) => {
                let exit =
                    exit.strip_prefix("exit=").map_or(0, |code| code.parse().expect("a code"));
                let commands = block.join("\n");
                steps.push(Step { line: number + 2, commands, exit, output: Vec::new() });
            }
            ("text", "") => {
                let step = steps.last_mut().expect("commands before their output");
                assert!(step.output.is_empty(), "line {number}: a second output");
                step.output = block.into_iter().map(str::to_owned).collect();
            }
            (other, _) => panic!("line {number}: a block in {other}"),
        }
    }
    steps
}

/// Whether the line is the expected one.
fn matches(expected: &str, line: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (expected, line) = (squeezed(expected), squeezed(line));
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.map(str::trim).collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The first expected line that the output lacks after the ones before it.
fn missing<'e>(expected: &'e [String], output: &str) -> Option<&'e str> {
    let mut lines = output.lines();
    expected
        .iter()
        .map(String::as_str)
        .filter(|line| line.trim() != "…")
        .find(|line| !lines.by_ref().any(|printed| matches(line, printed)))
}

#[test]
fn the_tutorial_does_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_generic-consumer"));
    let programs = program.parent().expect("a folder").display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let tutorial = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tutorial.md");
    let steps = steps(&std::fs::read_to_string(tutorial).expect("the tutorial"));
    assert!(steps.len() > 8, "the tutorial has steps");
    // A shell for each step; the folder is where the step before went to.
    let mut here = folder.path().to_owned();
    for step in steps {
        let script = format!("set -euo pipefail\n{}\npwd > \"$HERE\"\n", step.commands);
        let next = folder.path().join("here");
        std::fs::write(&next, "").expect("written");
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{script}")])
            .current_dir(&here)
            .env_clear()
            .env("PATH", &path)
            .env("HERE", &next)
            .env("METRICS_ADDR", "127.0.0.1:0")
            .output()
            .expect("bash starts");
        let printed = String::from_utf8_lossy(&output.stdout);
        let about = format!("line {} of the tutorial:\n{}\n{printed}", step.line, step.commands);
        assert_eq!(output.status.code(), Some(step.exit), "{about}");
        if let Some(line) = missing(&step.output, &printed) {
            panic!("{about}\ndoes not have, in its place, the line\n{line}");
        }
        let went = std::fs::read_to_string(&next).expect("readable");
        if !went.trim().is_empty() {
            here = went.trim().into();
        }
    }
}

#[test]
fn lines_match_with_gaps() {
    assert!(matches("a  b", " a b "));
    assert!(matches("id … x", "id    x"));
    assert!(matches("read 400 …", "read   400  1 bytes"));
    assert!(matches("row … .env:1", "row  webhooks .env file  .env:1"));
    assert!(matches("a … b", "a b c b"));
    assert!(!matches("row … .env:1", "row webhooks .env:12"));
    assert!(!matches("a", "ab"));
    assert!(!matches("b", "ab"));
    let expected = ["a", "…", "c"].map(str::to_owned);
    assert_eq!(missing(&expected, "a\nb\nc\n"), None);
    assert_eq!(missing(&expected, "c\na\n"), Some("c"));
}

#[test]
fn blocks_become_steps() {
    let text = "x\n```sh exit=5\nls\ncd\n```\n```text\nout\n```\n";
    let step =
        Step { line: 3, commands: "ls\ncd".to_owned(), exit: 5, output: vec!["out".to_owned()] };
    assert_eq!(steps(text), [step]);
}

/// The README's summary is that of the first run, but for the time that it took.
#[test]
fn the_readme_shows_what_the_first_run_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    let block = readme.split("```\n").find(|block| block.starts_with("read  "));
    let expected: Vec<String> = block
        .expect("a summary")
        .lines()
        .map(|line| match line.trim() {
            "..." => "…".to_owned(),
            line => line
                .split_once(" bytes in ")
                .map_or(line.to_owned(), |(read, _)| format!("{read} bytes in …")),
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(root.join(".env"), folder.path().join(".env")).expect("copied");
    let output = command(folder.path(), &["DELIVERY", "--until-caught-up", "--config"])
        .arg(root.join("config/environments.toml"))
        .output()
        .expect("the binary starts");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{printed}");
    assert_eq!(missing(&expected, &printed), None, "in\n{printed}");
    assert!(expected.len() > 8, "{expected:?}");
}
