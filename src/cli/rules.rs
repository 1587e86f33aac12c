//! `rules check RULES` and `rules test RULES FILE`: a rule set and its samples, and what it says of
//! an archive.

use std::path::Path;

use super::failure::{Exit, Failure};
use super::output;
use super::page::terminal_width;
use super::report_page;
use super::rules_args::{ReportFormat, RulesArgs, RulesCheck, RulesCommand, RulesTest};
use crate::archive::ArchiveError;
use crate::check::counted;
use crate::error_chain;
use crate::rules::{self, RuleSet, RulesError, samples};

const HINT: &str = "docs/reference/rules.md has the format";

pub fn rules(args: &RulesArgs) -> Result<(), Failure> {
    match &args.command {
        RulesCommand::Check(args) => check(args),
        RulesCommand::Test(args) => test(args),
    }
}

/// Prints what the set has. Fails with everything that is wrong with its documents, or else with its
/// samples.
fn check(args: &RulesCheck) -> Result<(), Failure> {
    let set = load(&args.rules)?;
    let unreadable = |error| Failure::new(Exit::Usage, "read the samples").source(error).hint(HINT);
    let samples = samples::find(&args.rules).map_err(unreadable)?;
    let mut wrong = Vec::new();
    for sample in &samples {
        if let Err(error) = sample.check(&set) {
            let name = sample.path.strip_prefix(&args.rules).unwrap_or(&sample.path);
            let why = error_chain::chain(&error).replace('\n', "\n  ");
            wrong.push(format!("{}: {why}", name.display()));
        }
    }
    if wrong.is_empty() {
        let (rules, samples) = (counted(set.len(), "rule"), counted(samples.len(), "sample"));
        return output::print(&format!("{}  {rules}, {samples}\n", set.version()));
    }
    let samples = counted(samples.len(), "sample");
    let what = format!("{} of {samples} {}", wrong.len(), are_wrong(wrong.len()));
    let what = format!("{what} in {}\n{}", args.rules.display(), wrong.join("\n"));
    Err(Failure::new(Exit::Configuration, what).hint(
        "`generic-consumer rules test RULES FILE --event FILE` prints the report of one archive",
    ))
}

fn test(args: &RulesTest) -> Result<(), Failure> {
    let set = load(&args.rules)?;
    let event = match &args.event {
        None => b"{}".to_vec(),
        Some(path) => std::fs::read(path).map_err(|error| {
            Failure::new(Exit::Usage, format!("read {}", path.display())).source(error)
        })?,
    };
    let own_name = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or(own_name).unwrap_or_default();
    let files = samples::read_archive(&set, &args.file, &name)
        .map_err(|error| unreadable(&args.file, error))?;
    let report = set.evaluate(&files, &event);
    let terminal = terminal_width();
    let default = if terminal.is_some() { ReportFormat::Table } else { ReportFormat::Json };
    output::print(&match args.format.unwrap_or(default) {
        ReportFormat::Json => format!("{:#}\n", report.json()),
        ReportFormat::Table => report_page::page(&report, &set, &files, terminal),
    })
}

fn load(folder: &Path) -> Result<RuleSet, Failure> {
    if let Err(error) = std::fs::read_dir(folder) {
        let what = format!("read the rules of {}", folder.display());
        return Err(Failure::new(Exit::Usage, what).source(error).hint(HINT));
    }
    let wrong = |error: RulesError| {
        let mistakes = counted(error.problems.len(), "mistake");
        let what = format!("{mistakes} in the rules of {}\n{error}", folder.display());
        Failure::new(Exit::Configuration, what).hint(HINT)
    };
    let documents = rules::read_folder(folder).map_err(wrong)?;
    RuleSet::load(&name(folder), &documents).map_err(wrong)
}

/// The folder's own name, also where it is written as `.`.
fn name(folder: &Path) -> String {
    let real = folder.canonicalize();
    let name = real.as_deref().unwrap_or(folder).file_name();
    name.map_or_else(|| "rules".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn unreadable(path: &Path, error: ArchiveError) -> Failure {
    let exit = match &error {
        ArchiveError::Read(_) | ArchiveError::ReadFile { .. } => Exit::Usage,
        _ => Exit::Configuration,
    };
    let code = error.code();
    let failure = Failure::new(exit, format!("read the archive {} ({code})", path.display()));
    let failure = failure.source(error);
    match exit {
        Exit::Configuration => failure.hint("docs/reference/rules.md has the limits of archives"),
        _ => failure,
    }
}

fn are_wrong(count: usize) -> &'static str {
    if count == 1 { "is wrong" } else { "are wrong" }
}
