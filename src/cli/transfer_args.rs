//! The arguments of `transfer`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::layer_args::LayerArgs;
use crate::config::Inputs;
use crate::transfer::{MaxRejected, Mode};

const USAGE: &str = "generic-consumer transfer [OPTIONS] <EXECUTION_DATE> <TRANSFER_NAME> \
                     <truncate|delta> <CONFIG_LOCATION>
       generic-consumer transfer status [OPTIONS] <TRANSFER_NAME> [CONFIG_LOCATION]";

/// The most days that `--delta-days` takes: BigQuery takes rows of the last five years.
const MOST_DAYS: i64 = 1_825;

#[derive(Debug, Clone, clap::Args)]
#[command(
    override_usage = USAGE,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_help = "\
Moves the rows of one day, or in mode delta of several, from a source (a topic, files, a query of
PostgreSQL) into the target, which is as it was before or as it should be after. Running it again
with the same input ends the same; a run that was killed is resumed by running it again.

  truncate   the rows replace those of the day (or, with scope = \"table\", those of the table)
  delta      rows with the same key are updated, the others inserted

CONFIG_LOCATION is a TOML or YAML file: a path, s3://bucket/key, gs://bucket/object or
https://host/path. docs/reference/transfer.md has every key:

  [transfer.orders]
  contract = \"contracts.orders.orders_v1\"
  channel = \"Orders\"
  target = \"orders\"
  date_column = \"placed_at\"
  key = [\"order_id\"]

  [transfer.orders.source]
  kind = \"files\"
  files = [\"exports/orders-{date}.ndjson.gz\"]
  format = \"ndjson\"

WRITE_ENV, also in .env, names the environment [write.<env>] that says where BigQuery or PostgreSQL
is: config/environments.toml has them, or the same file.

Exit codes beside those of every command: 6, another run of the same transfer and date goes on;
7, more records were rejected than --max-rejected allows, and the target is as it was."
)]
pub struct TransferArgs {
    /// The day, or the last one: YYYYMMDD, YYYYMMDD+N (N days later), `today` or `yesterday`
    #[arg(value_name = "EXECUTION_DATE", required = true)]
    date: Option<String>,
    /// The transfer: `orders` is [transfer.orders] of the configuration file
    #[arg(value_name = "TRANSFER_NAME", required = true)]
    name: Option<String>,
    /// What becomes of rows that the target has
    #[arg(value_name = "MODE", value_enum, required = true)]
    mode: Option<ModeArg>,
    /// The file with the table of the transfer
    #[arg(value_name = "CONFIG_LOCATION", required = true)]
    config_location: Option<OsString>,
    #[command(flatten)]
    pub flags: TransferFlags,
    #[command(subcommand)]
    pub command: Option<TransferCommand>,
}

/// The arguments of a run, which clap requires unless there is a subcommand.
#[derive(Debug, Clone)]
pub struct RunOf {
    pub date: String,
    pub name: String,
    pub mode: ModeArg,
    pub config_location: OsString,
}

#[derive(Debug, Clone, clap::Subcommand)]
pub enum TransferCommand {
    /// Show the last runs of a transfer, those that go on, and what interrupted ones have left
    Status(StatusArgs),
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Reads the table generic_consumer_transfers next to the target, which has a row for each run that has
ended well, and the names of the tables there. Nothing is changed. A transfer that has never run is
no error.

Examples:
  generic-consumer transfer status orders transfers.toml
  generic-consumer transfer status orders transfers.toml --last 50 --json")]
pub struct StatusArgs {
    /// The transfer: `orders` is [transfer.orders] of the configuration file
    #[arg(value_name = "TRANSFER_NAME")]
    pub name: String,
    /// The file with the table of the transfer; without it, a file of --config or
    /// config/environments.toml has it
    #[arg(value_name = "CONFIG_LOCATION")]
    pub config_location: Option<OsString>,
    /// Show at most this many runs
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub last: u32,
    /// Print an object of JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub layers: LayerArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub struct TransferFlags {
    /// First day in mode delta: YYYYMMDD
    #[arg(long, alias = "delta_start_date", value_name = "YYYYMMDD")]
    pub delta_start_date: Option<String>,
    /// So many days in mode delta, of which the last is EXECUTION_DATE
    #[arg(long, value_name = "N", conflicts_with = "delta_start_date",
          value_parser = clap::value_parser!(u16).range(1..=MOST_DAYS))]
    pub delta_days: Option<u16>,
    /// The Kubernetes Job of this run: `today` and `yesterday` are seen from the time for which its
    /// CronJob made it, and a Job named after a day (orders-20261121) runs that day
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// Say what would be read and written, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait while another run of the same transfer and date goes on
    #[arg(long)]
    pub wait: bool,
    /// Start this SQL proxy for a source of the kind `query`, and stop it at the end; without a
    /// program's name cloud-sql-proxy
    #[arg(
        long,
        value_name = "PROGRAM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "cloud-sql-proxy"
    )]
    pub sql_proxy: Option<OsString>,
    /// Write the run's metrics to this file when it ends, in Prometheus' text format; also in the
    /// variable TRANSFER_METRICS_FILE
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// Leave the target alone if more records are rejected: a number, or a percentage
    #[arg(long, value_name = "N|N%", default_value = "0")]
    pub max_rejected: MaxRejected,
    #[command(flatten)]
    pub layers: LayerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ModeArg {
    Truncate,
    Delta,
}

impl ModeArg {
    pub fn mode(self) -> Mode {
        match self {
            Self::Truncate => Mode::Truncate,
            Self::Delta => Mode::Delta,
        }
    }
}

impl StatusArgs {
    /// The sources of the configuration, with the file of the transfer.
    pub fn inputs(&self) -> Inputs {
        let inputs = self.layers.inputs();
        match &self.config_location {
            Some(location) => inputs.transfer_file(location),
            None => inputs,
        }
    }
}

impl TransferArgs {
    /// What is to be run; `None` with a subcommand.
    pub fn run_of(&self) -> Option<RunOf> {
        let Self { date, name, mode, config_location, .. } = self.clone();
        let (date, name, mode) = (date?, name?, mode?);
        Some(RunOf { date, name, mode, config_location: config_location? })
    }
}
