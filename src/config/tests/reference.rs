//! docs/reference/configuration.md agrees with the code.

use crate::config::keys;
use crate::config::section::refused_properties;

const CONFIGURATION: &str = include_str!("../../../docs/reference/configuration.md");

#[test]
fn the_reference_has_the_default_and_the_accepted_values_of_every_key() {
    for key in keys::ALL {
        let name = if key.per_domain { format!("{}_<D>", key.base) } else { key.base.to_owned() };
        let row = CONFIGURATION.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, default, accepted, meaning] = cells[..] else { panic!("{row}") };
        match key.default {
            Some(text) => assert_eq!(default, format!("`{text}`"), "{name}"),
            None => assert!(["has to be set", "none"].contains(&default), "{name}: {default}"),
        }
        assert_eq!(accepted, key.accepted, "{name}");
        assert!(!meaning.is_empty(), "{name}");
    }
}

#[test]
fn the_reference_lists_every_refused_property() {
    let (_, table) = CONFIGURATION.split_once("### Properties that cannot be set").expect("there");
    let (table, _) = table.split_once("\n## ").expect("its end");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let listed: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.split(" | ").next())
        .flat_map(|cell| cell.trim_matches('|').split(','))
        .map(|name| name.trim().trim_matches('`'))
        .collect();
    let mut refused: Vec<&str> = refused_properties().collect();
    let mut sorted = listed.clone();
    refused.sort_unstable();
    sorted.sort_unstable();
    assert_eq!(refused, sorted);
}
