//! Medians with minimum and maximum, as a table and as JSON.

use std::path::PathBuf;

use comfy_table::Table;
use serde_json::{Map, Value, json};

use crate::support::folder;

/// Median, minimum and maximum of some figures.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (least, most) = (figures[0], figures[figures.len() - 1]);
        let middle = figures.len() / 2;
        let median = if figures.len().is_multiple_of(2) {
            (figures[middle - 1] + figures[middle]) / 2.0
        } else {
            figures[middle]
        };
        Self { median, least, most }
    }

    pub fn json(self) -> Value {
        json!({ "median": self.median, "min": self.least, "max": self.most })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = if self.median < 10.0 { 2 } else { 1 };
        write!(f, "{:.places$} ({:.places$} – {:.places$})", self.median, self.least, self.most)
    }
}

pub fn table(head: &[&str], rows: &[Vec<String>]) {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::ASCII_MARKDOWN).set_header(head);
    table.add_rows(rows);
    println!("\n{table}");
}

/// Writes `target/bench/NAME.json`.
pub fn keep(name: &str, result: &Value) {
    let file = file(name);
    std::fs::create_dir_all(file.parent().expect("the file has a folder")).expect("a folder");
    let text = serde_json::to_string_pretty(result).expect("JSON");
    std::fs::write(&file, text).expect("written");
    println!("\n{}", file.display());
}

/// Reads what an earlier run wrote; empty if there is no such file.
pub fn kept(name: &str) -> Map<String, Value> {
    let text = std::fs::read_to_string(file(name)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn file(name: &str) -> PathBuf {
    folder::target().join("bench").join(format!("{name}.json"))
}

/// Whether `QUICK` is set and not 0: fewer rounds, events and seconds.
pub fn quick() -> bool {
    std::env::var("QUICK").is_ok_and(|value| value != "0")
}
