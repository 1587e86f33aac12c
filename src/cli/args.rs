//! The command line's arguments and the text of `--help`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use super::check_args::CheckArgs;
use super::dashboard_args::DashboardArgs;
use super::dlq_args::DlqArgs;
use super::failure::Exit;
use super::generated_args::{CompletionsArgs, ManArgs, SchemaArgs};
use super::import_args::ImportArgs;
use super::layer_args::LayerArgs;
use super::pace::Rate;
use super::replay_args::ReplayArgs;
use super::results_args::ResultsArgs;
use super::rules_args::RulesArgs;
use super::transfer_args::TransferArgs;
use super::verify_args::VerifyArgs;
use super::version;
use crate::app::LOCAL_STORE;
use crate::config::keys::{closest, did_you_mean};
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
  generic-consumer DELIVERY --until-caught-up        stop at the current end, print a summary
  generic-consumer DELIVERY --env-file /etc/consumer/.env --config cluster.toml
  generic-consumer DELIVERY --env-file s3://bucket/config/delivery.env
  generic-consumer check DELIVERY                    look at all that a run needs, change nothing
  generic-consumer config DELIVERY                   show every value and where it comes from
  generic-consumer validate DELIVERY events.ndjson   check events by the contract, alone
  generic-consumer produce DELIVERY events.ndjson    check events by the contract, publish them
  generic-consumer produce DELIVERY --generate       publish made-up events, until it is stopped
  generic-consumer verify DELIVERY                   say what is missing in its table, or twice
  generic-consumer dlq list DELIVERY                 count its dead letters, by reason
  generic-consumer api DELIVERY                      take events over HTTP, publish them
  generic-consumer results REPORTS                   serve the latest report for each cluster
  generic-consumer dashboard --series series.toml    serve a page with charts and the instances
  generic-consumer transfer 20261121 orders truncate transfers.toml
                                                     move the rows of a day into a table
  generic-consumer transfer status orders transfers.toml
  generic-consumer rules test RULES archive.tar.gz   run rules on an archive, print the report
  generic-consumer import-icm config.yaml            settings of Insights Core Messaging
  generic-consumer local rows delivery_events_temp --limit 5

Configuration, later sources win: built-in defaults, .env, config/environments.toml, each --config
file, environment variables, the command line. docs/reference/configuration.md has every key.

Exit codes:
  0    done
  1    the configuration, the contract or the rules are wrong (stderr lists every mistake), or
       `validate` found events that the contract rejects, or `rules test` cannot read the archive
  2    the command line is wrong; or `check` found that a run would alter a table, or send records
       to the dead letters
  3    stopped by an error that no retry can fix; stderr has a hint
  4    a shutdown reached its deadline (DRAIN_SECONDS) before everything that was read was written;
       nothing is lost
  5    `produce` published nothing, because the contract rejects some of the events
  6    `transfer` found another run of the same transfer and date
  7    `transfer` left the target alone: more records were rejected than --max-rejected allows
  64   the command line of `check` is wrong
  130  ended immediately by a second signal, or stopped before --until-caught-up had caught up;
       nothing is lost";

/// Reads one domain's Kafka topic and writes its events to BigQuery, PostgreSQL, InfluxDB or Kafka, once each
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
    /// Domain to run: the name at the end of its configuration keys (BQ_TABLE_DELIVERY)
    #[arg(value_name = "DELIVERY", required = true, value_parser = keys::domain)]
    domain: Option<String>,
    #[command(flatten)]
    flags: RunFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run a domain; `run` may be left out
    Run(RunArgs),
    /// Check events by a domain's contract, without Kafka and BigQuery
    Validate(ValidateArgs),
    /// Publish events to a domain's topic
    Produce(ProduceArgs),
    /// Take events over HTTP and publish them to a domain's topic
    Api(ApiArgs),
    /// Keep the latest report for each cluster, and answer over HTTP
    Results(ResultsArgs),
    /// Serve a page with a chart from PostgreSQL and InfluxDB, and the state of instances
    Dashboard(DashboardArgs),
    /// Say what a run of a domain would find, alter and reject; changes nothing
    Check(CheckArgs),
    /// Say which rows of a domain's table are missing or there twice
    Verify(VerifyArgs),
    /// Read a part of the topic again and insert the rows that the table lacks
    Replay(ReplayArgs),
    /// List, show and redrive a domain's dead letters
    Dlq(DlqArgs),
    /// Move the rows of a day, or of what changed since, into a table, idempotently
    Transfer(TransferArgs),
    /// Check a rule set, or run it on an archive
    Rules(RulesArgs),
    /// Show the settings of a domain and where each comes from
    Config(ConfigArgs),
    /// Turn a configuration file of Insights Core Messaging into a .env and its environments
    ImportIcm(ImportArgs),
    /// Serve the embedded BigQuery, or show its rows
    Local(LocalArgs),
    /// Print what makes a shell complete this program's commands and flags
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
    /// Print a JSON Schema, for editors and for checks before a commit
    Schema(SchemaArgs),
}

#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Domain to run: the name at the end of its configuration keys (BQ_TABLE_DELIVERY)
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    #[command(flatten)]
    pub flags: RunFlags,
}

/// The flags of a run, with or without the subcommand `run`.
#[derive(Debug, Clone, clap::Args)]
pub struct RunFlags {
    /// Stop once all events that the topic had at the start are visible, and print a summary
    #[arg(long)]
    pub until_caught_up: bool,
    /// Stay up and healthy without using Kafka or BigQuery; the same as DISABLE=true
    #[arg(short = 'x', long)]
    pub disable: bool,
    /// Fill the embedded broker with the events of this file (`-`: standard input) instead of
    /// samples: one event per line, or JSON over several lines
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Each line of --events is {"key": …, "headers": {…}, "value": …} instead of the value alone
    /// (docs/reference/outcomes.md)
    #[arg(long, requires = "events")]
    pub envelope: bool,
    #[command(flatten)]
    pub layers: LayerArgs,
}

/// Which events to read.
#[derive(Debug, Clone, clap::Args)]
pub struct EventFileArgs {
    /// File with one event per line, or JSON over several lines; `-` for standard input
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Each line is {"key": …, "headers": {…}, "value": …} instead of the value alone: a header is
    /// text, {"base64": …}, null, or an array of those; key_base64 and value_base64 are bytes
    #[arg(long)]
    pub envelope: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Each event has a line on standard output: its line in the file, what becomes of it, its event type,
and for a rejected one the reason code and the place. With --rows standard output has the rows, and
standard error the lines about the events. Exits with 1 if an event is rejected.

Examples:
  generic-consumer validate DELIVERY events.ndjson
  head -n 1 events.ndjson | generic-consumer validate DELIVERY - --rows --format blocks")]
pub struct ValidateArgs {
    /// Domain by whose contract the events are checked
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    #[command(flatten)]
    pub events: EventFileArgs,
    /// Print the rows that the events become
    #[arg(long)]
    pub rows: bool,
    #[command(flatten)]
    pub page: RowPageArgs,
    #[command(flatten)]
    pub layers: LayerArgs,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  generic-consumer produce DELIVERY events.ndjson
  head -n 1 events.ndjson | generic-consumer produce DELIVERY -
  generic-consumer produce DELIVERY letters.ndjson --envelope --no-validate --to uat
  generic-consumer produce DELIVERY --generate --rate 10/s
  generic-consumer produce DELIVERY --generate --count 1000 --to-api http://127.0.0.1:8080")]
pub struct ProduceArgs {
    /// Domain whose topic the events are published to
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    /// File with one event per line, or JSON over several lines; `-` for standard input
    #[arg(
        value_name = "FILE|-",
        required_unless_present = "generate",
        conflicts_with = "generate"
    )]
    pub file: Option<PathBuf>,
    /// Each line is {"key": …, "headers": {…}, "value": …} instead of the value alone: a header is
    /// text, {"base64": …}, null, or an array of those; key_base64 and value_base64 are bytes
    #[arg(long, conflicts_with = "generate")]
    pub envelope: bool,
    /// Publish without checking the events by the contract
    #[arg(long, conflicts_with = "generate")]
    pub no_validate: bool,
    #[command(flatten)]
    pub generate: GenerateArgs,
    /// Confirm the environment that is written to; required if it is `protected`
    #[arg(long, value_name = "ENV")]
    pub to: Option<String>,
    #[command(flatten)]
    pub layers: LayerArgs,
}

/// Which events to make up, and how fast.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Made-up events")]
pub struct GenerateArgs {
    /// Publish events made from the contract, until it is stopped
    #[arg(long)]
    pub generate: bool,
    /// Events in a second, a minute or an hour: 100/s, 10/min, 5/h
    #[arg(long, value_name = "N/UNIT", default_value = "100/s", conflicts_with = "file")]
    pub rate: Rate,
    /// Stop after this many events
    #[arg(long, value_name = "N", conflicts_with = "file")]
    pub count: Option<u64>,
    /// Make the same events for the same seed, apart from times
    #[arg(long, value_name = "S", conflicts_with = "file")]
    pub seed: Option<u64>,
    /// Send the events to this event API instead of Kafka
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    pub to_api: Option<String>,
    /// File with the bearer token for --to-api; without it the variable GENERIC_CONSUMER_API_TOKEN
    #[arg(long, value_name = "FILE", requires = "to_api")]
    pub token_file: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
POST /v1/events takes one event as JSON, an array, an event a line (application/x-ndjson), and
CloudEvents 1.0. An event is checked by the contract as the domain's consumer checks it. The answer
202 comes after the broker's acknowledgement and has each event's partition and offset; 422 names
every bad event, and then none is published (?partial=true publishes the good ones, 207).
GET /openapi.json describes it. docs/reference/api.md has the rest.

API_ADDR is where it listens (127.0.0.1:8080). Another address than loopback needs
API_TOKENS_FILE, a file with a bearer token a line.

Example:
  generic-consumer api DELIVERY
  curl -i http://127.0.0.1:8080/v1/events -H 'Content-Type: application/json' -d @event.json")]
pub struct ApiArgs {
    /// Domain whose topic the events are published to
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    /// Answer every request with 503 and do not use Kafka; the same as DISABLE=true
    #[arg(short = 'x', long)]
    pub disable: bool,
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
    /// Address of the REST interface; port 0 takes any free port
    #[arg(long, value_name = "ADDR")]
    pub rest: SocketAddr,
    /// Address of the Storage Write interface; port 0 takes any free port
    #[arg(long, value_name = "ADDR")]
    pub grpc: SocketAddr,
    /// SQLite file with the tables, streams and rows; created if it does not exist
    #[arg(long, value_name = "FILE")]
    pub store: PathBuf,
    /// Faults to inject: NAME=PROBABILITY or NAME=PROBABILITY:MILLISECONDS, separated by commas
    #[arg(long, value_name = "SPEC")]
    pub faults: Option<String>,
    /// Expire write streams after this many seconds without traffic, not after 7 days (COMMITTED: 4)
    #[arg(long, value_name = "SECONDS")]
    pub stream_expiry: Option<u64>,
    /// Seed of the random faults; a random seed if none is given
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
Once it listens, it prints the addresses and the seed on one line. The store keeps its rows.

Example:
  generic-consumer local bigquery --rest 127.0.0.1:9050 --grpc 127.0.0.1:9060 \\
    --store rows.sqlite --faults append=0.05,append_lost=0.05,append_late=0.02:300 --seed 7"
    )
}

/// How rows are printed.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Rows")]
pub struct RowPageArgs {
    /// Print these columns only, in this order; names separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// How to print rows; by default a table on a terminal and JSON elsewhere
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<RowFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RowFormat {
    /// A line for each row: on a terminal the columns that fit, elsewhere all with a value
    Table,
    /// A block for each row, with a line for each column that has a value
    Blocks,
    /// A JSON object on each line
    Json,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  generic-consumer local rows delivery_events_temp --limit 5
  generic-consumer local rows delivery_events_temp --columns event_type,order_id
  generic-consumer local rows delivery_events_temp --format table | less -S")]
pub struct LocalRows {
    /// Table: `table`, `dataset.table` or `project.dataset.table`
    pub table: String,
    /// Print at most this many rows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// SQLite file of the embedded BigQuery
    #[arg(long, value_name = "FILE", default_value = LOCAL_STORE)]
    pub store: PathBuf,
    #[command(flatten)]
    pub page: RowPageArgs,
}

impl Args {
    /// Reads the arguments; the first is the program's name. Where two words do not begin with a
    /// command, the error says so, and not that a domain takes no second one.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        Self::try_parse_from(&arguments).map_err(|error| {
            let words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
            let words: Vec<_> = words.take_while(|word| !word.starts_with('-')).take(2).collect();
            let mut command = Self::command();
            let names: Vec<&str> = command.get_subcommands().map(|one| one.get_name()).collect();
            let is_command = |word: &str| names.contains(&word);
            let message = match &words[..] {
                [first, second] if !is_command(first) && is_command(second) => {
                    format!("a command comes before the domain: generic-consumer {second} {first}")
                }
                [first, _] if !is_command(first) => {
                    let suggestion = did_you_mean(closest(first, names.iter().copied()));
                    format!("there is no command {first:?}{suggestion}")
                }
                _ => return error,
            };
            command.error(ErrorKind::InvalidSubcommand, message)
        })
    }

    /// Whether the command is there for the page that it prints: beside it, people on a terminal want to
    /// read of what goes wrong, and of nothing else.
    pub fn prints_a_page(&self) -> bool {
        use Command::{Check, Dlq, Replay, Verify};
        matches!(self.command, Some(Check(_) | Dlq(_) | Replay(_) | Verify(_)))
    }

    /// The exit code for arguments that were refused. Of `check` 2 says something else.
    pub fn refused(arguments: &[OsString], error: &clap::Error) -> u8 {
        let is_check = arguments.get(1).is_some_and(|word| word == "check");
        match (error.use_stderr(), is_check) {
            // `--help`, `--version`.
            (false, _) => 0,
            (true, true) => Exit::CheckUsage.code(),
            (true, false) => Exit::Usage.code(),
        }
    }

    /// The command. A domain without a subcommand means `run`; clap requires one of the two.
    pub fn into_command(self) -> Command {
        let domain = self.domain.unwrap_or_default();
        self.command.unwrap_or(Command::Run(RunArgs { domain, flags: self.flags }))
    }
}

impl ApiArgs {
    /// The sources of the configuration, including the flag that sets a key.
    pub fn inputs(&self) -> Inputs {
        with_disable(self.layers.inputs(), self.disable)
    }
}

/// The inputs, with the flag `--disable` if it is given.
fn with_disable(inputs: Inputs, disable: bool) -> Inputs {
    if disable { inputs.flag("--disable", &keys::DISABLE, "true") } else { inputs }
}

impl RunArgs {
    /// The sources of the configuration, including the flags that set keys.
    pub fn inputs(&self) -> Inputs {
        with_disable(self.flags.layers.inputs(), self.flags.disable)
    }
}
