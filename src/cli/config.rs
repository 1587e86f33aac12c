//! `config DELIVERY`: the resolved settings, each with the layer and place it came from.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};

use super::args::ConfigArgs;
use super::{Exit, Failure};
use crate::config::Resolved;

const HEAD: [&str; 4] = ["key", "value", "layer", "place"];

/// Prints the settings on stdout; a configuration that would not run is a failure that names every
/// mistake.
pub fn config(args: &ConfigArgs) -> Result<(), Failure> {
    let loaded = super::load(&args.domain, &args.layers.inputs())?;
    let mut stdout = std::io::stdout().lock();
    let page = if stdout.is_terminal() { table(&loaded.resolved) } else { text(&loaded.resolved) };
    writeln!(stdout, "{page}")
        .or_else(|error| match error.kind() {
            // `config DELIVERY | head` is no failure.
            std::io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        })
        .map_err(|error| Failure::new(Exit::Stopped, "print the settings").source(error))
}

fn cells(resolved: &Resolved) -> [String; 4] {
    [
        resolved.key.clone(),
        resolved.value.clone(),
        resolved.layer.to_string(),
        resolved.place.to_string(),
    ]
}

fn table(resolved: &[Resolved]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(HEAD)
        .add_rows(resolved.iter().map(cells));
    table.to_string()
}

/// Columns aligned by spaces, for pipes and files.
pub(super) fn text(resolved: &[Resolved]) -> String {
    let rows: Vec<[String; 4]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(resolved.iter().map(cells)).collect();
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines = rows.iter().map(|row| {
        let padded: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
