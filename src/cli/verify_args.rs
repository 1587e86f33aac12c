//! The arguments of `verify`.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::layer_args::LayerArgs;
use crate::config::{Inputs, keys};
use crate::verify::Part;

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Each row names the row before it in its partition (_kafka_previous), so a table says itself what it
lacks:

  repeated   the same position twice
  missing    rows that another row names and that are not there
  tail       the last row of the committed offset is not there
  unproven   offsets before the beginning of a chain: the group's first start, offsets that were
             set by hand, rows of before this column. --deep reads them from Kafka again

On BigQuery it is one query over three columns of integers (and the records' time, for a part).
docs/reference/verify.md has the rest.

Exit codes: 0 complete, 1 something is missing or there twice, 3 it could not be found out.

Example:
  generic-consumer verify DELIVERY
  generic-consumer verify DELIVERY --from 2026-11-20 --to 2026-11-21 --deep")]
pub struct VerifyArgs {
    /// Domain whose table is verified
    #[arg(value_name = "DELIVERY", value_parser = keys::domain)]
    pub domain: String,
    /// Only records from this time on: 2026-11-20 (UTC) or 2026-11-20T06:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<i64>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<i64>,
    /// Read missing and unproven offsets from Kafka again and say what each is
    #[arg(long)]
    pub deep: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Fail if a query on BigQuery would be billed for more bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_bytes: Option<u64>,
    #[command(flatten)]
    pub layers: LayerArgs,
}

impl VerifyArgs {
    pub fn inputs(&self) -> Inputs {
        self.layers.inputs()
    }

    pub fn part(&self) -> Part {
        Part { from_micros: self.from, to_micros: self.to }
    }
}

/// A time in microseconds since the epoch.
pub fn time(text: &str) -> Result<i64, String> {
    let day = || {
        let day: Date = text.parse().ok()?;
        day.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
    };
    let at = if text.len() == 10 { day() } else { text.parse::<Timestamp>().ok() };
    at.map(Timestamp::as_microsecond).ok_or_else(|| {
        "a day (2026-11-20), or a time with its zone (2026-11-20T06:00:00Z)".to_owned()
    })
}
