//! The arguments of `rules`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Clone, clap::Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    pub command: RulesCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RulesCommand {
    /// Check the documents of a rule set and its samples
    Check(RulesCheck),
    /// Run a rule set on an archive and print the report
    Test(RulesTest),
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Reports every mistake in the documents, each with its place, and each sample in accept/ and reject/
whose outcome is not the expected one. Exits with 1 if there is any.

Example:
  generic-consumer rules check examples/ccx/contracts/rules/ccx_v1")]
pub struct RulesCheck {
    /// Folder of the rule set
    #[arg(value_name = "RULES")]
    pub rules: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The archive is a tar, a tar.gz, a zip, a single file, or a folder with the archive's files. What the
rules find does not change the exit code; an archive that cannot be read does (1).

Examples:
  generic-consumer rules test examples/ccx/contracts/rules/ccx_v1 archive.tar.gz
  generic-consumer rules test contracts/rules/ccx_v1 unpacked/ --event event.json --format json")]
pub struct RulesTest {
    /// Folder of the rule set
    #[arg(value_name = "RULES")]
    pub rules: PathBuf,
    /// The archive, or a folder with its files
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// File with the event's payload, JSON; without it the event is {}
    #[arg(long, value_name = "FILE")]
    pub event: Option<PathBuf>,
    /// How to print the report; by default a table on a terminal and JSON elsewhere
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ReportFormat>,
    /// Path by which rules know the file if it is no archive; by default its name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// The findings, the gravest first, and the rules that were skipped
    Table,
    /// The report as it is published
    Json,
}
