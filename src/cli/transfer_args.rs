//! The arguments of `transfer`.

use std::ffi::OsString;

use super::layer_args::LayerArgs;
use crate::config::Inputs;
use crate::transfer::MaxRejected;

/// The most days that `--delta-days` takes: BigQuery takes rows of the last five years.
const MOST_DAYS: i64 = 1_825;

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Moves the rows of one day, or in mode delta of several, from a source (a topic, files, a query of
PostgreSQL) into the target, which is as it was before or as it should be after. Running it again with the same input ends the same; a run that
was killed is resumed by running it again.

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

Exit codes beside those of every command: 6, another run of the same transfer and date goes on;
7, more records were rejected than --max-rejected allows, and the target is as it was.")]
pub struct TransferArgs {
    /// The day, or the last one: YYYYMMDD, YYYYMMDD+N (N days later), `today` or `yesterday`
    #[arg(value_name = "EXECUTION_DATE")]
    pub date: String,
    /// The transfer: `orders` is [transfer.orders] of the configuration file
    #[arg(value_name = "TRANSFER_NAME")]
    pub name: String,
    /// What becomes of rows that the target has
    #[arg(value_name = "MODE", value_enum)]
    pub mode: ModeArg,
    /// The file with the table of the transfer
    #[arg(value_name = "CONFIG_LOCATION")]
    pub config_location: OsString,
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

impl TransferArgs {
    /// The sources of the configuration, with the file of the transfer.
    pub fn inputs(&self) -> Inputs {
        self.layers.inputs().transfer_file(&self.config_location)
    }
}
