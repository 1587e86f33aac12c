//! What `transfer status` prints.

use indicatif::{HumanBytes, HumanCount};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::page::{line, terminal_width, width, wrapped};
use crate::config::on_one_line;
use crate::transfer::status::{Held, Left, PastRun, Status};

/// The columns of the table, the ones that matter most first. Those that a terminal has no room for are
/// left out.
const COLUMNS: [&str; 14] = [
    "run",
    "days",
    "mode",
    "ended",
    "took",
    "read",
    "staged",
    "rejected",
    "inserted",
    "updated",
    "deleted",
    "ignored",
    "billed",
    "fingerprint",
];

/// The status for people.
pub fn page(transfer: &str, target: &str, status: &Status, last: u32, now_ms: i64) -> String {
    let mut text = format!("{transfer} into {target}\n");
    let mut say = |said: String| {
        text.push_str(&said);
        text.push('\n');
    };
    for Held { day, by, expires_ms } in &status.held {
        let seconds = (expires_ms - now_ms).max(0) / 1_000;
        let by = on_one_line(by);
        say(format!(
            "a run of {day} goes on: {by}; its lease lasts {seconds} s unless it is renewed"
        ));
    }
    if status.held.is_empty() {
        say("no run goes on".to_owned());
    }
    for Left { day, table, expires_ms } in &status.left {
        let until = expires_ms.map_or(String::new(), |ms| {
            format!(", or it goes by itself at {}", minute(ms * 1_000))
        });
        say(format!(
            "an interrupted run of {day} has left {table}; the next run of this day drops it{until}"
        ));
    }
    if status.runs.is_empty() {
        say("it has never run to its end".to_owned());
        return text;
    }
    say(String::new());
    text.push_str(&table(&status.runs, terminal_width()));
    let count = status.runs.len();
    let more =
        if count == last as usize { "; --last N shows older ones, if there are any" } else { "" };
    let noun = if count == 1 { "run" } else { "runs" };
    text.push_str(&format!("\n{count} {noun}{more}\n"));
    if let Some(billed) = status.bytes_billed {
        text.push_str(&format!("billed for this: {}\n", HumanBytes(billed)));
    }
    text
}

/// The runs as a table that fits a terminal of this width.
fn table(runs: &[PastRun], terminal: Option<usize>) -> String {
    let rows: Vec<[String; 14]> = runs.iter().map(cells).collect();
    let widths = (0..COLUMNS.len()).map(|column| {
        let texts = rows.iter().map(|row| width(&row[column]));
        texts.chain([width(COLUMNS[column])]).max().unwrap_or(0)
    });
    let mut fit: Vec<usize> = Vec::new();
    let mut used = 0;
    for column in widths {
        used += column + if fit.is_empty() { 0 } else { 2 };
        if terminal.is_some_and(|terminal| used > terminal) {
            break;
        }
        fit.push(column);
    }
    let mut text = line(COLUMNS.into_iter().zip(fit.iter().copied()));
    let total = fit.iter().sum::<usize>() + fit.len().saturating_sub(1) * 2;
    text.push_str(&format!("\n{}\n", "─".repeat(total)));
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str).zip(fit.iter().copied())));
        text.push('\n');
    }
    if let Some(terminal) = terminal.filter(|_| fit.len() < COLUMNS.len()) {
        let note = format!("--json shows also {}", COLUMNS[fit.len()..].join(", "));
        text.push_str(&format!("\n{}\n", wrapped(&note, terminal)));
    }
    text
}

/// The cells of a run, in the order of [`COLUMNS`].
fn cells(run: &PastRun) -> [String; 14] {
    let count = |number: u64| HumanCount(number).to_string();
    let days = match run.first_day == run.last_day {
        true => run.last_day.clone(),
        false => format!("{} to {}", run.first_day, run.last_day),
    };
    let seconds = (run.ended_micros - run.started_micros) as f64 / 1e6;
    [
        run.run.to_string(),
        days,
        run.mode.clone(),
        minute(run.ended_micros),
        format!("{seconds:.1} s"),
        count(run.read),
        count(run.staged),
        count(run.rejected),
        count(run.inserted),
        count(run.updated),
        run.deleted.map_or("replaced".to_owned(), count),
        count(run.ignored),
        run.bytes_billed.map_or(String::new(), |bytes| HumanBytes(bytes).to_string()),
        run.fingerprint.get(..8).unwrap_or(&run.fingerprint).to_owned(),
    ]
}

fn minute(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// The status for programs: one object.
pub fn json(transfer: &str, target: &str, status: &Status) -> String {
    let at = |micros: i64| Timestamp::from_microsecond(micros).map(|at| at.to_string()).ok();
    let run = |run: &PastRun| {
        json!({
            "run": run.run,
            "mode": run.mode,
            "first_day": run.first_day,
            "last_day": run.last_day,
            "state": run.state,
            "started_at": at(run.started_micros),
            "ended_at": at(run.ended_micros),
            "seconds": (run.ended_micros - run.started_micros) as f64 / 1e6,
            "records_read": run.read,
            "rows_staged": run.staged,
            "records_rejected": run.rejected,
            "records_ignored": run.ignored,
            "rows_inserted": run.inserted,
            "rows_updated": run.updated,
            "rows_deleted": run.deleted,
            "bytes_billed": run.bytes_billed,
            "fingerprint": run.fingerprint,
            "job": run.job,
            "program": run.program,
        })
    };
    let held = |Held { day, by, expires_ms }: &Held| json!({ "day": day.to_string(), "by": by, "lease_ends_at": at(expires_ms * 1_000) });
    let left = |Left { day, table, expires_ms }: &Left| {
        let expires = expires_ms.and_then(|ms| at(ms * 1_000));
        json!({ "day": day.to_string(), "table": table, "expires_at": expires })
    };
    let object = json!({
        "transfer": transfer,
        "target": target,
        "running": status.held.iter().map(held).collect::<Vec<Value>>(),
        "left": status.left.iter().map(left).collect::<Vec<Value>>(),
        "runs": status.runs.iter().map(run).collect::<Vec<Value>>(),
        "bytes_billed": status.bytes_billed,
    });
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Vec<PastRun> {
        let run = PastRun {
            run: 12,
            mode: "truncate".to_owned(),
            first_day: "2026-11-20".to_owned(),
            last_day: "2026-11-20".to_owned(),
            state: "done".to_owned(),
            started_micros: 1_795_000_000_000_000,
            ended_micros: 1_795_000_012_340_000,
            read: 1_234_567,
            staged: 1_234_560,
            fingerprint: "0123456789abcdef".to_owned(),
            ..PastRun::default()
        };
        let several =
            PastRun { first_day: "2026-11-14".to_owned(), deleted: Some(3), ..run.clone() };
        vec![several, run]
    }

    #[test]
    fn a_table_fits_its_terminal_and_names_what_it_leaves_out() {
        for terminal in [40, 80, 120] {
            let text = table(&runs(), Some(terminal));
            assert!(text.lines().all(|line| width(line) <= terminal), "{terminal}:\n{text}");
            for column in COLUMNS {
                assert!(text.contains(column), "{column}:\n{text}");
            }
        }
        let whole = table(&runs(), None);
        let last = whole.lines().last().expect("a row");
        for cell in ["12", "2026-11-20", "12.3 s", "1,234,567", "replaced", "01234567"] {
            assert!(last.contains(cell), "{cell}: {last}");
        }
        assert!(!whole.contains("89abcdef"), "{whole}");
    }

    #[test]
    fn what_goes_on_and_what_is_left_is_said() {
        let day = jiff::civil::date(2026, 11, 20);
        let status = Status {
            held: vec![Held { day, by: "process 7 of a\u{1b}[2J".to_owned(), expires_ms: 42_000 }],
            left: vec![Left { day, table: "p.d.t__transfer".to_owned(), expires_ms: Some(0) }],
            ..Status::default()
        };
        let text = page("orders", "p.d.t", &status, 10, 2_000);
        assert!(text.contains("a run of 2026-11-20 goes on: process 7 of a\\u{1b}[2J"), "{text}");
        assert!(text.contains("lasts 40 s"), "{text}");
        assert!(text.contains("has left p.d.t__transfer"), "{text}");
        assert!(text.contains("never run"), "{text}");
        let object: Value = serde_json::from_str(&json("orders", "p.d.t", &status)).expect("JSON");
        assert_eq!(object["running"][0]["lease_ends_at"], "1970-01-01T00:00:42Z");
        assert_eq!(object["runs"], json!([]));
    }
}
