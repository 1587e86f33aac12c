//! The arguments, as clap reads them, and the page that `--help` prints.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use super::version;
use crate::app::LOCAL_STORE;
use crate::config::{Inputs, keys};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const USAGE: &str = "generic-consumer [OPTIONS] <DELIVERY>
       generic-consumer <COMMAND>";

const AFTER_HELP: &str = "\
Examples:
  generic-consumer DELIVERY                          read the domain's topic into its table
  generic-consumer DELIVERY --until-caught-up        stop at today's end, print a summary
  generic-consumer DELIVERY --env-file /etc/consumer/.env --config cluster.toml
  generic-consumer config DELIVERY                   every value, and where it comes from
  generic-consumer produce DELIVERY events.ndjson    publish events, checked by the contract
  generic-consumer local rows delivery_events_temp --limit 5

Configuration, later wins: built-in defaults, .env, config/environments.toml, each --config file,
environment variables, the command line. docs/reference/configuration.md has every key.

Exit codes:
  0    done
  1    the configuration is wrong; every mistake is on stderr
  2    the command line is wrong
  3    stopped by an error that no retry can mend; a hint is on stderr
  4    a shutdown passed its deadline (DRAIN_SECONDS) before all was written; nothing is lost
  130  ended at once by a second signal; nothing is lost";

/// Kafka to BigQuery, exactly once: one domain, its topic, its contract, its table.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "generic-consumer",
    version = version::text(),
    styles = STYLES,
    override_usage = USAGE,
    after_help = AFTER_HELP,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub struct Args {
    /// Domain to run: the name behind the keys of its configuration (BQ_TABLE_DELIVERY)
    #[arg(value_name = "DELIVERY", required = true, value_parser = keys::domain)]
    domain: Option<String>,
    #[command(flatten)]
    flags: RunFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run a domain; the word may be left out
    Run(RunArgs),
    /// Publish events to a domain's topic
    Produce(ProduceArgs),
    /// Show a domain's settings and where each comes from
    Config(ConfigArgs),
    /// The embedded BigQuery, by itself
    Local(LocalArgs),
}

/// Where configuration is read from.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub struct LayerArgs {
    /// Read this file in the place of .env
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Read this TOML or YAML file after config/environments.toml; may be repeated, later wins
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Domain to run: the name behind the keys of its configuration (BQ_TABLE_DELIVERY)
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    #[command(flatten)]
    pub flags: RunFlags,
}

/// Flags of a run, with or without the word.
#[derive(Debug, Clone, clap::Args)]
pub struct RunFlags {
    /// Stop once everything that was there at the start is visible; print a summary
    #[arg(long)]
    pub until_caught_up: bool,
    /// Stay up and healthy, touch neither Kafka nor BigQuery; the same as DISABLE=true
    #[arg(short = 'x', long)]
    pub disable: bool,
    #[command(flatten)]
    pub layers: LayerArgs,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  generic-consumer produce DELIVERY events.ndjson
  head -n 1 events.ndjson | generic-consumer produce DELIVERY -
  generic-consumer produce DELIVERY letters.ndjson --envelope --no-validate --to uat")]
pub struct ProduceArgs {
    /// Domain whose topic the events go to
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    /// One event a line; `-` reads standard input
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Each line is {"key": …, "headers": {…}, "value": …} instead of the value alone
    #[arg(long)]
    pub envelope: bool,
    /// Publish what the contract would refuse
    #[arg(long)]
    pub no_validate: bool,
    /// Name the environment written to: needed where its configuration says `protected = true`
    #[arg(long, value_name = "ENV")]
    pub to: Option<String>,
    #[command(flatten)]
    pub layers: LayerArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub struct ConfigArgs {
    /// Domain whose settings are shown
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    #[command(flatten)]
    pub layers: LayerArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub struct LocalArgs {
    #[command(subcommand)]
    pub command: LocalCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum LocalCommand {
    /// Serve the embedded BigQuery's REST and gRPC interfaces
    Bigquery(LocalBigquery),
    /// Print the visible rows of a table of the embedded BigQuery
    Rows(LocalRows),
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = local_bigquery_help())]
pub struct LocalBigquery {
    /// Address of the REST interface; port 0 takes any free one
    #[arg(long, value_name = "ADDR")]
    pub rest: SocketAddr,
    /// Address of the Storage Write interface; port 0 takes any free one
    #[arg(long, value_name = "ADDR")]
    pub grpc: SocketAddr,
    /// SQLite file that holds tables, streams and rows; made where it is missing
    #[arg(long, value_name = "FILE")]
    pub store: PathBuf,
    /// Faults to inject: NAME=PROBABILITY or NAME=PROBABILITY:MILLISECONDS, separated by commas
    #[arg(long, value_name = "SPEC")]
    pub faults: Option<String>,
    /// Seed of the faults' random choices; drawn and printed where none is given
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

fn local_bigquery_help() -> String {
    #[cfg(feature = "local")]
    let faults = crate::local::bigquery::Faults::grammar();
    #[cfg(not(feature = "local"))]
    let faults = "  (this program has no embedded BigQuery)\n";
    format!(
        "Faults:
{faults}
Prints the addresses and the seed in one line once it listens. Rows stay in the store between runs.

Example:
  generic-consumer local bigquery --rest 127.0.0.1:9050 --grpc 127.0.0.1:9060 \\
    --store rows.sqlite --faults append=0.05,append_lost=0.05,append_late=0.02:300 --seed 7"
    )
}

#[derive(Debug, Clone, clap::Args)]
pub struct LocalRows {
    /// Table: `table`, `dataset.table` or `project.dataset.table`
    pub table: String,
    /// Print so many rows at most
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// SQLite file of the embedded BigQuery
    #[arg(long, value_name = "FILE", default_value = LOCAL_STORE)]
    pub store: PathBuf,
}

impl Args {
    /// The job: a bare domain is `run`, and clap lets nobody through without either.
    pub fn into_command(self) -> Command {
        let domain = self.domain.unwrap_or_default();
        self.command.unwrap_or(Command::Run(RunArgs { domain, flags: self.flags }))
    }
}

impl RunArgs {
    /// The sources, with what the flags say.
    pub fn inputs(&self) -> Inputs {
        let inputs = self.flags.layers.inputs();
        if self.flags.disable { inputs.flag("--disable", &keys::DISABLE, "true") } else { inputs }
    }
}
