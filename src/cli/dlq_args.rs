//! The arguments of `dlq`.

use std::time::Duration;

use clap::Subcommand;

use super::layer_args::LayerArgs;
use super::pace::Rate;
use super::time_args;
use crate::app::RedriveOf;
use crate::config::{DEFAULT_LEASE, keys};
use crate::letters::{Period, Selection};
use crate::record::Position;

#[derive(Debug, Clone, clap::Args)]
pub struct DlqArgs {
    #[command(subcommand)]
    pub command: DlqCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum DlqCommand {
    /// Count dead letters by reason, contract and event type
    List(DlqListArgs),
    /// Print dead letters with key and headers, and with --payload their values
    Show(DlqShowArgs),
    /// Make rows of the dead letters that pass the contract of now
    Redrive(DlqRedriveArgs),
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Letters in a table (BigQuery, PostgreSQL): of each position the latest letter counts, and one whose
record is a row of the domain's table by now is `redriven`. Letters in a topic: those after the
committed offset of the group <GROUP_ID>-dead-letters, whose lag is the backlog.
docs/reference/dlq.md has the rest.

Exit codes: 0 done, also if there are letters, 1 the configuration is wrong, 2 an argument is
wrong, 3 they cannot be read.

Examples:
  generic-consumer dlq list DELIVERY
  generic-consumer dlq list DELIVERY --from 2026-11-20 --json")]
pub struct DlqListArgs {
    /// Domain whose dead letters are counted
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    #[command(flatten)]
    pub which: WhichArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub layers: LayerArgs,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Values are printed only with --payload; without it their size and SHA-256 are. Control characters
are escaped. With --json each letter is an object on a line of its own.

Exit codes: 0 done, 1 the configuration is wrong or there is no such letter, 2 an argument is
wrong, 3 they cannot be read.

Examples:
  generic-consumer dlq show DELIVERY 0/1047
  generic-consumer dlq show DELIVERY --reason wrong_type --limit 3 --payload
  generic-consumer dlq show DELIVERY --event-type OrderPaid --json")]
pub struct DlqShowArgs {
    /// Domain whose dead letters are shown
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// The most letters, the oldest first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub limit: u64,
    /// Print values too
    #[arg(long)]
    pub payload: bool,
    #[command(flatten)]
    pub which: WhichArgs,
    /// Print each letter as a JSON object on a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub layers: LayerArgs,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Each letter is put through the contract, IGNORE_EVENTS and FILTER of now. Those that pass become
rows, once: the same command twice changes nothing, and the live instances go on meanwhile. Letters in
a table stay where they are, and are `redriven` once their row is there; of letters in a topic the
group <GROUP_ID>-dead-letters is committed behind those that are dealt with. Into Kafka and InfluxDB
letters that are not rows now are written again behind the others. --dry-run only says what would
become of them.

docs/reference/dlq.md has the rest.

Exit codes: 0 done, also if letters are dead again, 1 the configuration is wrong, 2 an argument is
wrong, 3 it could not be done, 6 another redrive or replay of the same table goes on, or has taken
the letters over, 130 stopped by a signal.

Examples:
  generic-consumer dlq redrive DELIVERY --reason unknown_event_type --dry-run
  generic-consumer dlq redrive DELIVERY --limit 1000 --rate 100/s")]
pub struct DlqRedriveArgs {
    /// Domain whose dead letters are redriven
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// The most letters that become rows, the oldest first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// The most letters in a time that are tried: 100/s, 10/min
    #[arg(long, value_name = "RATE", conflicts_with = "dry_run")]
    pub rate: Option<Rate>,
    /// Also letters that three redrives have written again
    #[arg(long)]
    pub again: bool,
    /// Write nothing, and say what would become of them
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for another redrive or replay of the same table
    #[arg(long)]
    pub wait: bool,
    /// Seconds after which a redrive that was killed no longer keeps the next one away
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LEASE,
          value_parser = clap::value_parser!(u64).range(2..=3_600))]
    pub lease_seconds: u64,
    #[command(flatten)]
    pub which: WhichArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub layers: LayerArgs,
}

/// Which letters are chosen.
#[derive(Debug, Clone, clap::Args)]
pub struct ChosenArgs {
    /// Positions of their records: partition/offset
    #[arg(value_name = "POSITION", value_parser = position)]
    pub positions: Vec<Position>,
    /// Only letters of this reason: wrong_type
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// Only letters of this event type
    #[arg(long, value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Only letters of this contract, as `dlq list` names it
    #[arg(long, value_name = "CONTRACT")]
    pub contract: Option<String>,
}

impl ChosenArgs {
    fn selection(&self, which: &WhichArgs) -> Selection {
        Selection {
            period: which.period(),
            reason: self.reason.clone(),
            event_type: self.event_type.clone(),
            contract: self.contract.clone(),
            positions: self.positions.clone(),
            limit: None,
            values: false,
            known: false,
        }
    }
}

/// Which letters are looked at.
#[derive(Debug, Clone, clap::Args)]
pub struct WhichArgs {
    /// Only letters that were written from this time on: 2026-11-20 (UTC) or 2026-11-20T06:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = time_args::micros)]
    pub from: Option<i64>,
    /// Only letters that were written before this time
    #[arg(long, value_name = "TIME", value_parser = time_args::micros)]
    pub to: Option<i64>,
    /// In a topic also the letters before the committed offset of their group
    #[arg(long)]
    pub all: bool,
    /// Fail if a query on BigQuery would be billed for more bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_bytes: Option<u64>,
}

impl WhichArgs {
    pub fn period(&self) -> Period {
        Period { from_micros: self.from, to_micros: self.to }
    }

    pub fn is_empty(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if from >= to)
    }
}

impl DlqCommand {
    pub fn which(&self) -> &WhichArgs {
        match self {
            Self::List(args) => &args.which,
            Self::Show(args) => &args.which,
            Self::Redrive(args) => &args.which,
        }
    }
}

impl DlqShowArgs {
    /// The most letters that are printed. Whoever names positions wants all of them.
    pub fn most(&self) -> u64 {
        self.limit.max(self.chosen.positions.len() as u64)
    }

    /// These, and one more, which says that there are more.
    pub fn selection(&self) -> Selection {
        let selection = self.chosen.selection(&self.which);
        Selection { limit: Some(self.most() + 1), values: self.payload, ..selection }
    }
}

impl DlqRedriveArgs {
    pub fn of(&self) -> RedriveOf {
        RedriveOf {
            selection: self.chosen.selection(&self.which),
            limit: self.limit,
            again: self.again,
            lease: Duration::from_secs(self.lease_seconds),
        }
    }
}

/// A position as `dlq list` prints it, or as log messages do.
fn position(text: &str) -> Result<Position, String> {
    let position = || {
        let (partition, offset) = text.split_once(['/', '@'])?;
        let (partition, offset) = (partition.parse::<i32>().ok()?, offset.parse::<i64>().ok()?);
        (partition >= 0 && offset >= 0).then(|| Position::new(partition, offset))
    };
    position().ok_or_else(|| "a partition and an offset: 0/1047".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_partition_and_an_offset() {
        assert_eq!(position("3/1047"), Ok(Position::new(3, 1_047)));
        assert_eq!(position("0@0"), Ok(Position::new(0, 0)));
        for text in ["", "3", "3/", "/3", "-1/3", "3/-1", "3/1/2", "a/1", "3/99999999999999999999"]
        {
            assert!(position(text).is_err(), "{text}");
        }
    }
}
