//! The settings as a person reads them on a terminal: grouped by the source they come from, those
//! that win first, long values wrapped below themselves.

use super::page::{pieces, width};
use crate::config::location::Location;
use crate::config::{LayerKind, Place, Resolved};

/// A source of settings: a layer, and the file where the layer has several.
type Source = (LayerKind, Option<Location>);

/// The narrowest column of values next to their keys.
const NARROWEST: usize = 20;

/// The page for a terminal with this many columns.
pub fn page(settings: &[Resolved], columns: usize) -> String {
    let keys = settings.iter().map(|setting| width(&setting.key)).max().unwrap_or(0);
    let lines = settings.iter().map(|setting| width(&line_number(setting))).max().unwrap_or(0);
    // Two spaces before the line number, the key and the value each.
    let beside = 2 + lines + 2 + keys.min(columns / 2) + 2;
    // Where little is left of the line, all values begin on the next one.
    let is_narrow = columns.saturating_sub(beside) < NARROWEST;
    let indent = if is_narrow { 4 } else { beside };
    let mut text = String::new();
    for source in sources(settings) {
        text.push_str(&format!("{}\n", heading(&source)));
        let mut of_source: Vec<&Resolved> =
            settings.iter().filter(|setting| source_of(setting) == source).collect();
        // As they stand in the file.
        of_source.sort_by_key(|setting| match setting.place {
            Place::File { line, .. } | Place::Variables { line, .. } => line,
            Place::BuiltIn | Place::Variable(_) | Place::Flag(_) => None,
        });
        for setting in of_source {
            let line = line_number(setting);
            let begin = match is_narrow {
                true => narrow(&line, &setting.key, columns),
                false => format!("  {line:lines$}  {}", setting.key),
            };
            let gap = indent.checked_sub(width(&begin)).filter(|gap| *gap >= 2 && !is_narrow);
            let values = pieces(&setting.value, columns.saturating_sub(indent));
            let mut values = values.iter();
            match gap {
                Some(gap) => {
                    let first = values.next().map_or("", String::as_str);
                    text.push_str(format!("{begin}{}{first}", " ".repeat(gap)).trim_end());
                }
                // The value of a long key begins on the next line.
                None => text.push_str(&begin),
            }
            text.push('\n');
            for value in values {
                text.push_str(&format!("{}{value}\n", " ".repeat(indent)));
            }
        }
        text.push('\n');
    }
    text
}

/// Line number and key where little is left of the line: a long key has a line of its own.
fn narrow(line: &str, key: &str, columns: usize) -> String {
    match line {
        "" => format!("  {key}"),
        line if 4 + width(line) + width(key) <= columns => format!("  {line}  {key}"),
        line => format!("  {line}\n  {key}"),
    }
}

/// The sources, those that win first.
fn sources(settings: &[Resolved]) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for setting in settings {
        let source = source_of(setting);
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources.sort_by_key(|(layer, _)| std::cmp::Reverse(*layer));
    sources
}

fn source_of(setting: &Resolved) -> Source {
    let file = match &setting.place {
        Place::File { file, .. } | Place::Variables { file, .. } => Some(file.clone()),
        Place::BuiltIn | Place::Variable(_) | Place::Flag(_) => None,
    };
    (setting.layer, file)
}

fn heading((layer, file): &Source) -> String {
    match (layer, file) {
        (_, Some(file)) => file.to_string(),
        (LayerKind::Default, None) => "defaults".to_owned(),
        (layer, None) => layer.to_string(),
    }
}

/// `line 7`, `line 7, variable KAFKA`, or the flag; empty where the key says it all.
fn line_number(setting: &Resolved) -> String {
    match &setting.place {
        Place::File { line: Some(line), .. } => format!("line {line}"),
        Place::Variables { line: Some(line), by, .. } => format!("line {line}, {by}"),
        Place::Variables { line: None, by, .. } => by.clone(),
        Place::Flag(flag) => (*flag).to_owned(),
        Place::File { line: None, .. } | Place::BuiltIn | Place::Variable(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &str, value: &str, layer: LayerKind, place: Place) -> Resolved {
        Resolved { key: key.to_owned(), value: value.to_owned(), layer, place }
    }

    fn in_file(name: &str, line: usize) -> Place {
        Place::File { file: name.into(), line: Some(line) }
    }

    #[test]
    fn settings_are_grouped_by_source_and_fit_the_terminal() {
        let servers = "prod1.example.com:9092,prod2.example.com:9092,prod3.example.com:9092";
        let settings = [
            setting("BQ_TABLE_A", "t", LayerKind::EnvFile, in_file(".env", 3)),
            setting("BATCH_ROWS", "10000", LayerKind::Default, Place::BuiltIn),
            setting(
                "consume.prod.bootstrap_servers",
                servers,
                LayerKind::File,
                in_file("c.toml", 12),
            ),
            setting("GROUP_ID_A", "g", LayerKind::EnvFile, in_file(".env", 1)),
            setting("DISABLE_A", "true", LayerKind::CommandLine, Place::Flag("--disable")),
        ];
        let text = page(&settings, 80);
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        let headings: Vec<&str> =
            text.lines().filter(|line| !line.starts_with(' ') && !line.is_empty()).collect();
        assert_eq!(headings, ["command line", "c.toml", ".env", "defaults"]);
        let env: Vec<&str> =
            text.lines().skip_while(|line| *line != ".env").take(3).map(str::trim).collect();
        assert!(env[1].starts_with("line 1") && env[1].ends_with(" g"), "{text}");
        assert!(env[2].starts_with("line 3") && env[2].ends_with(" t"), "{text}");
        let joined: String = text.split_whitespace().collect();
        assert!(joined.contains(servers), "the whole value is there:\n{text}");
    }

    #[test]
    fn on_a_narrow_terminal_a_value_has_lines_of_its_own() {
        let key = "CONSUME__PROD__BOOTSTRAP_SERVERS";
        let servers = "prod1.example.com:9092,prod2.example.com:9092";
        let settings = [setting(key, servers, LayerKind::EnvFile, in_file(".env", 12))];
        let text = page(&settings, 40);
        let lines: Vec<&str> = text.lines().collect();
        let value = ["    prod1.example.com:9092,prod2.example", "    .com:9092"];
        assert_eq!(lines[1..5], ["  line 12", &format!("  {key}"), value[0], value[1]]);
    }

    #[test]
    fn a_key_longer_than_half_the_terminal_has_a_line_of_its_own() {
        let settings = [setting(
            &"K".repeat(60),
            "value",
            LayerKind::Environment,
            Place::Variable("x".into()),
        )];
        let text = page(&settings, 80);
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        assert!(text.lines().any(|line| line.trim() == "value"), "{text}");
    }
}
