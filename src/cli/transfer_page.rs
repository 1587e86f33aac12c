//! What `transfer` prints: the plan and the summary.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use jiff::Timestamp;

use crate::app::OpenedTransfer;
use crate::config::TransferSettings;
use crate::transfer::source::Size;
use crate::transfer::{Database, Days, Mode, Phase, Planned, Replaced, Request, Summary};

/// The most files or partitions that are listed.
const MOST_LINES: usize = 20;

/// What would be read and written.
pub fn plan(
    settings: &TransferSettings,
    request: &Request,
    opened: &OpenedTransfer,
    planned: &Planned,
) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what:12}{value}");
    };
    let target = &opened.database;
    line("transfer", &format!("{} ({})", settings.name, request.mode.name()));
    if let Some(of) = &request.days {
        line("days", &days(of));
    }
    line("read", &size(opened.source.size()));
    let described = opened.source.describe();
    for one in described.iter().take(MOST_LINES) {
        line("", one);
    }
    if described.len() > MOST_LINES {
        line("", &format!("and {} more", described.len() - MOST_LINES));
    }
    line("stage", &format!("in a table of its own next to {target}"));
    line("write", &planned.method.clone().unwrap_or_else(|| created(settings, target)));
    let verb = if request.mode == Mode::Truncate { "replace" } else { "among" };
    line(verb, &replaced(planned.replaced));
    let limit = request.max_rejected;
    let rejected = format!(
        "into {}; with more than {limit}, the target stays as it is",
        target.dead_letters()
    );
    line("rejected", &rejected);
    text
}

fn created(settings: &TransferSettings, target: &Database) -> String {
    let by = settings.date_column.as_ref().map_or(String::new(), |column| match target {
        Database::BigQuery { .. } => format!(", with a partition for each day of {column}"),
        Database::Postgres { .. } => format!(", with an index by {column}"),
    });
    format!("{target} is created{by}")
}

fn replaced(replaced: Replaced) -> String {
    match replaced {
        Replaced::Counted { rows, bytes_billed: 0 } => counted(rows, "row"),
        Replaced::Counted { rows, bytes_billed } => {
            format!(
                "{}, counted by a query that billed {}",
                counted(rows, "row"),
                HumanBytes(bytes_billed)
            )
        }
        Replaced::TooDear { most_billed } => {
            format!("not counted, which would bill more than {}", HumanBytes(most_billed))
        }
    }
}

/// The days, and when they begin and end where they are not those of UTC.
fn days(days: &Days) -> String {
    let (from, to) = days.micros();
    let hours = (to - from) / 3_600_000_000;
    let zone = days.zone_name();
    if days.are_of_utc() {
        return format!("{days} in {zone}");
    }
    let time = |micros| {
        Timestamp::from_microsecond(micros)
            .unwrap_or_default()
            .strftime("%Y-%m-%d %H:%MZ")
            .to_string()
    };
    format!("{days} in {zone}: {hours} hours, {} to {}", time(from), time(to))
}

fn size(size: Size) -> String {
    match size {
        Size::Records(records) => format!("up to {}", counted(records, "record")),
        Size::About(records) => format!("about {}", counted(records, "record")),
        Size::Bytes(bytes) => HumanBytes(bytes).to_string(),
    }
}

/// `1 row`, `2 rows`.
pub fn counted(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", HumanCount(count))
}

/// What a run has done.
pub fn summary(
    settings: &TransferSettings,
    request: &Request,
    summary: &Summary,
    took: &[(Phase, Duration)],
) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "{what:12}{value}");
    };
    let counts = summary.run.counts;
    line(
        "transfer",
        format!("{} ({}), run {}", settings.name, request.mode.name(), summary.run.number),
    );
    if let Some(of) = &request.days {
        line("days", days(of));
    }
    line("read", counted(counts.read, "record"));
    let mut left_out = Vec::new();
    for (count, what) in [
        (counts.rejected, format!("rejected, in {}", summary.dead_letters)),
        (counts.ignored, "ignored".to_owned()),
        (counts.of_other_days, "of other days".to_owned()),
    ] {
        if count > 0 {
            left_out.push(format!("{} {what}", HumanCount(count)));
        }
    }
    line("staged", counted(counts.rows, "row"));
    if !left_out.is_empty() {
        line("left out", left_out.join("; "));
    }
    if counts.rows == 0 {
        line("", "the days have no rows".to_owned());
    }
    line("write", summary.method.clone());
    let applied = &summary.applied;
    let inserted = HumanCount(applied.inserted);
    line(
        "written",
        match applied.deleted {
            None => format!("{}, in place of those before", counted(applied.inserted, "row")),
            Some(deleted) => format!(
                "{inserted} inserted, {} updated, {} deleted",
                HumanCount(applied.updated),
                HumanCount(deleted)
            ),
        },
    );
    if applied.inserted + applied.updated > counts.rows {
        line("", "several rows of the target have the same key: see `date_column`".to_owned());
    }
    if let Some(bytes) = applied.bytes_billed {
        line("billed", HumanBytes(bytes).to_string());
    }
    let whole: Duration = took.iter().map(|(_, time)| *time).sum();
    line("took", format!("{:.1} s", whole.as_secs_f64()));
    let mut step = "";
    for (phase, time) in took {
        let of = std::mem::replace(&mut step, phase.step());
        let seconds = time.as_secs_f64();
        // A step with one phase has the phase's name.
        match phase {
            Phase::PreExecutionCleansing | Phase::PostExecutionCleanup => {
                line("", format!("{:24}  {seconds:7.1} s", phase.step()));
            }
            Phase::Statement | Phase::Staging | Phase::Checking | Phase::Moving => {
                let step = if of == phase.step() { "" } else { phase.step() };
                line("", format!("{step:9} {:14}  {seconds:7.1} s", phase.name()));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::transfer::execution_date;

    #[test]
    fn days_have_their_zone_and_what_clocks_make_of_them() {
        let date = |text| execution_date(text).expect("a date");
        let shown = |first, last, zone| {
            let zone = TimeZone::get(zone).expect("a zone");
            days(&Days::new(date(first), date(last), zone, Timestamp::MAX).expect("days"))
        };
        assert_eq!(shown("20261120", "20261121", "UTC"), "2026-11-20 to 2026-11-21 in UTC");
        assert_eq!(
            shown("20261025", "20261025", "Europe/Berlin"),
            "2026-10-25 in Europe/Berlin: 25 hours, 2026-10-24 22:00Z to 2026-10-25 23:00Z"
        );
    }

    #[test]
    fn what_is_replaced_is_counted_or_said_to_be_too_dear() {
        let free = Replaced::Counted { rows: 1, bytes_billed: 0 };
        assert_eq!(replaced(free), "1 row");
        let billed = Replaced::Counted { rows: 2_000, bytes_billed: 10 << 20 };
        assert_eq!(replaced(billed), "2,000 rows, counted by a query that billed 10.00 MiB");
        let dear = Replaced::TooDear { most_billed: 1 << 30 };
        assert_eq!(replaced(dear), "not counted, which would bill more than 1.00 GiB");
    }
}
