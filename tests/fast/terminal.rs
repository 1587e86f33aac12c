//! What people see: commands on a pseudo-terminal.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::first_run::{command, folder};

/// Runs the program on a terminal of this many columns, which has to succeed. Returns all that the
/// terminal gets.
fn on_terminal(folder: &Path, columns: u16, arguments: &str) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let program = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&program, size).unwrap();

    // The command, which owns the program's side, is dropped at the end of this statement.
    let mut child = command(folder, &arguments.split(' ').collect::<Vec<_>>())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TERM", "xterm")
        .stdin(program.try_clone().unwrap())
        .stdout(program.try_clone().unwrap())
        .stderr(program)
        .spawn()
        .unwrap();
    let mut seen = Vec::new();
    // Linux reports the end as an error, after everything that was written.
    let _ = File::from(terminal).read_to_end(&mut seen);
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(child.wait().unwrap().success(), "{arguments}: {seen}");
    seen
}

/// The lines without colours and with nothing that overwrites itself.
fn lines(seen: &str) -> Vec<String> {
    console::strip_ansi_codes(seen).lines().map(|line| line.trim_end().to_owned()).collect()
}

fn widest(lines: &[String]) -> usize {
    lines.iter().map(|line| console::measure_text_width(line)).max().unwrap_or(0)
}

#[test]
fn commands_fit_narrow_and_wide_terminals() {
    // The key of its servers is longer than half of a narrow terminal.
    let folder = folder();
    let run = on_terminal(folder.path(), 100, "DELIVERY --until-caught-up");
    assert!(run.contains("of 400 records"), "no progress line: {run}");
    assert!(run.contains("generic-consumer local rows deliveries"), "{run}");

    for columns in [40, 100] {
        let config = lines(&on_terminal(folder.path(), columns, "config DELIVERY"));
        let key = config
            .iter()
            .position(|line| line.ends_with("CONSUME__LOCAL__BOOTSTRAP_SERVERS"))
            .or_else(|| config.iter().position(|line| line.ends_with("  embedded")))
            .unwrap_or_else(|| panic!("{columns}: {config:#?}"));
        if columns == 40 {
            assert_eq!(config[key + 1], "    embedded", "{config:#?}");
        } else {
            assert!(config[key].contains("CONSUME__LOCAL__BOOTSTRAP_SERVERS"), "{config:#?}");
        }
        let words =
            |line: &String| line.split(' ').all(|word| word.len() < usize::from(columns) / 2);
        let breakable: Vec<String> = config.into_iter().filter(words).collect();
        assert!(widest(&breakable) <= columns.into(), "{columns}: {breakable:#?}");

        let rows = lines(&on_terminal(folder.path(), columns, "local rows deliveries --limit 3"));
        assert!(widest(&rows) <= columns.into(), "{columns}: {rows:#?}");
        assert!(rows[0].starts_with("event_id"), "{rows:#?}");
        let all = rows.join("\n");
        assert!(all.contains("3 rows") && all.contains("more columns: "), "{all}");
        assert!(all.contains("_kafka_offset") && all.contains("--columns NAME,NAME"), "{all}");
    }
    for columns in [40, 80, 200] {
        let seen = on_terminal(folder.path(), columns, "check DELIVERY --accept-changes");
        let check = lines(&seen);
        assert!(widest(&check) <= columns.into(), "{columns}: {check:#?}");
        assert!(check.join("\n").contains("(accepted)"), "{check:#?}");
        assert!(seen.contains("\u{1b}[33mwould alter"), "no colour: {seen}");
    }
    let run = on_terminal(folder.path(), 40, "DELIVERY --until-caught-up");
    assert!(run.contains("of 400 rec"), "no progress line: {run}");
}
