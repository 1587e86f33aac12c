//! The arguments of `replay`.

use std::time::Duration;

use super::layer_args::LayerArgs;
use super::time_args;
use crate::app::{Edge, ReplayOf};
use crate::config::{DEFAULT_LEASE, keys};
use crate::record::{Offset, Partition};

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Rows whose position the table has are left out, so the same command twice changes nothing. The live
instances go on meanwhile: what they have yet to write is theirs, and replay stops before it.

--gaps reads what `generic-consumer verify` calls missing; --from and --to read a part of the topic.
An offset needs --partition. Rows are staged in a table of their own, and inserted in one step.

docs/reference/replay.md has the rest.

Exit codes: 0 done, 1 wrong configuration, 2 wrong argument, 3 it could not be done, 6 another replay
of the same table goes on.

Example:
  generic-consumer replay DELIVERY --gaps --dry-run
  generic-consumer replay DELIVERY --gaps
  generic-consumer replay DELIVERY --from 2026-11-20 --to 2026-11-21
  generic-consumer replay DELIVERY --partition 3 --from 1200 --to 1300")]
#[command(group(clap::ArgGroup::new("part").args(["gaps", "from", "to"]).required(true).multiple(true)))]
pub struct ReplayArgs {
    /// Domain whose topic is read again
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    /// Only the offsets of rows that are missing between two others
    #[arg(long)]
    pub gaps: bool,
    /// From this time or offset on: 2026-11-20 (UTC), 2026-11-20T06:00:00+01:00, 1200
    #[arg(long, value_name = "TIME|OFFSET", value_parser = edge)]
    pub from: Option<Edge>,
    /// To before this time or offset
    #[arg(long, value_name = "TIME|OFFSET", value_parser = edge)]
    pub to: Option<Edge>,
    /// Only this partition
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// Say what would be read, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for another replay or redrive of the same table
    #[arg(long)]
    pub wait: bool,
    /// Seconds after which a replay that was killed no longer keeps the next one away
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LEASE,
          value_parser = clap::value_parser!(u64).range(2..=3_600))]
    pub lease_seconds: u64,
    /// Fail if a query on BigQuery that looks for rows would be billed for more bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_bytes: Option<u64>,
    #[command(flatten)]
    pub layers: LayerArgs,
}

impl ReplayArgs {
    /// What is to be read. The error says what is wrong with the arguments.
    pub fn part(&self) -> Result<ReplayOf, &'static str> {
        let is_offset = |edge: Option<Edge>| matches!(edge, Some(Edge::Offset(_)));
        if (is_offset(self.from) || is_offset(self.to)) && self.partition.is_none() {
            return Err("an offset is one of a partition: --partition says of which");
        }
        let is_empty = match (self.from, self.to) {
            (Some(Edge::Offset(from)), Some(Edge::Offset(to))) => from >= to,
            (Some(Edge::Time(from)), Some(Edge::Time(to))) => from >= to,
            _ => false,
        };
        if is_empty {
            return Err("--from is not before --to");
        }
        Ok(ReplayOf {
            gaps: self.gaps,
            from: self.from,
            to: self.to,
            partition: self.partition.map(Partition),
            most_bytes: self.max_bytes,
            lease: Duration::from_secs(self.lease_seconds),
            dry_run: self.dry_run,
        })
    }
}

fn edge(text: &str) -> Result<Edge, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let offset = text.parse().map_err(|_| "this offset is too large".to_owned())?;
        return Ok(Edge::Offset(Offset(offset)));
    }
    // Times of records are whole milliseconds.
    let micros = time_args::micros(text).map_err(|error| format!("{error}, or an offset"))?;
    Ok(Edge::Time(micros.div_euclid(1_000)))
}
