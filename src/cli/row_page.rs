//! Rows on standard output: a table of the columns that fit the terminal, a block for each row, or
//! a JSON object on each line.

use super::args::{RowFormat, RowPageArgs};
use super::failure::{Exit, Failure};
use super::output;
use super::page::{line, terminal_width, width, wrapped};
use crate::config::on_one_line;
use crate::row::{Cell, NamedRows};

/// The narrowest and the widest cell of a table whose columns nobody chose.
const CELL: (usize, usize) = (16, 48);

/// Prints the rows on standard output. Unless a format was chosen, a terminal gets a table, and
/// anything else a JSON object on each line.
pub fn print(rows: NamedRows, how: &RowPageArgs) -> Result<(), Failure> {
    let terminal = terminal_width();
    let default = if terminal.is_some() { RowFormat::Table } else { RowFormat::Json };
    let chosen = select(rows, &how.columns)?;
    let text = match how.format.unwrap_or(default) {
        RowFormat::Json => chosen.json_lines().map(|line| format!("{line}\n")).collect(),
        RowFormat::Blocks => blocks(&chosen),
        RowFormat::Table => table(&chosen, !how.columns.is_empty(), terminal),
    };
    output::print(&text)
}

/// The rows with only these columns, in this order; with all of them if there are no names.
fn select(rows: NamedRows, names: &[String]) -> Result<NamedRows, Failure> {
    if names.is_empty() {
        return Ok(rows);
    }
    let mut unknown: Vec<&str> = Vec::new();
    let mut chosen = Vec::with_capacity(names.len());
    for name in names {
        match rows.columns.iter().position(|column| column == name) {
            Some(column) => chosen.push(column),
            None => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        let what = format!("the rows have no column {}", unknown.join(", "));
        let hint = format!("the columns are {}", rows.columns.join(", "));
        return Err(Failure::new(Exit::Usage, what).hint(hint));
    }
    let pick = |row: &Vec<Cell>| chosen.iter().map(|column| row[*column].clone()).collect();
    Ok(NamedRows { columns: names.to_vec(), rows: rows.rows.iter().map(pick).collect() })
}

/// Each row as a block, with a line for each column that has a value.
fn blocks(rows: &NamedRows) -> String {
    let mut text = String::new();
    for (index, row) in rows.rows.iter().enumerate() {
        let values: Vec<(&String, &Cell)> =
            rows.columns.iter().zip(row).filter(|(_, cell)| cell.has_value()).collect();
        let names = values.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        text.push_str(&format!("row {}\n", index + 1));
        for (name, value) in values {
            let padding = " ".repeat(names - width(name));
            text.push_str(&format!("  {name}{padding}  {}\n", shown(value)));
        }
        text.push('\n');
    }
    text
}

/// A column of the table: its name, its texts and how wide it is.
struct TableColumn<'a> {
    name: &'a str,
    texts: Vec<String>,
    width: usize,
}

/// The rows as a table. `chosen`: all columns are wanted, and are narrowed until they fit.
/// Otherwise columns without a value are left out, and those that do not fit are named at the end.
/// `terminal` is its width; without one everything fits.
fn table(rows: &NamedRows, chosen: bool, terminal: Option<usize>) -> String {
    if rows.rows.is_empty() {
        return "no rows\n".to_owned();
    }
    let (mut columns, mut empty) = (Vec::new(), Vec::new());
    for (index, name) in rows.columns.iter().enumerate() {
        if !chosen && !rows.rows.iter().any(|row| row[index].has_value()) {
            empty.push(name.as_str());
            continue;
        }
        let texts: Vec<String> = rows.rows.iter().map(|row| shown(&row[index])).collect();
        let widths = texts.iter().map(|text| width(text));
        let width = widths.chain([width(name)]).max().unwrap_or(0);
        columns.push(TableColumn { name, texts, width });
    }
    let (columns, left_out) = match terminal {
        None => (columns, Vec::new()),
        Some(terminal) if chosen => narrowed(columns, terminal),
        Some(terminal) => fitting(columns, terminal),
    };
    let mut text = String::new();
    if !columns.is_empty() {
        text.push_str(&line(columns.iter().map(|column| (column.name, column.width))));
        text.push('\n');
        text.push_str(&"─".repeat(total(&columns)));
        text.push('\n');
        for row in 0..rows.rows.len() {
            text.push_str(&line(columns.iter().map(|it| (it.texts[row].as_str(), it.width))));
            text.push('\n');
        }
    }
    if let Some(terminal) = terminal {
        text.push_str(&footer(rows.rows.len(), &left_out, &empty, terminal));
    }
    text
}

/// As many of the columns as fit, and the names of the others. The payload's columns come before
/// those that begin with an underscore. A cut name could not be given to `--columns`, so no column is
/// narrower than its name.
fn fitting(
    mut columns: Vec<TableColumn<'_>>,
    terminal: usize,
) -> (Vec<TableColumn<'_>>, Vec<&str>) {
    columns.sort_by_key(|column| column.name.starts_with('_'));
    let widest = (terminal / 4).clamp(CELL.0, CELL.1);
    let (mut fit, mut left_out) = (Vec::new(), Vec::new());
    for mut column in columns {
        column.width = column.width.min(widest.max(width(column.name)));
        let gap = if fit.is_empty() { 0 } else { 2 };
        if total(&fit) + gap + column.width <= terminal {
            fit.push(column);
        } else {
            left_out.push(column.name);
        }
    }
    (fit, left_out)
}

/// The columns, the widest of them narrowed until all fit, but none below its name: then the last
/// ones are left out, and named.
fn narrowed(
    mut columns: Vec<TableColumn<'_>>,
    terminal: usize,
) -> (Vec<TableColumn<'_>>, Vec<&str>) {
    /// Narrower cells say nothing.
    const NARROWEST: usize = 4;
    let mut left_out = Vec::new();
    while total(&columns) > terminal {
        let narrowable =
            columns.iter_mut().filter(|column| column.width > NARROWEST.max(width(column.name)));
        match narrowable.max_by_key(|column| column.width) {
            Some(widest) => widest.width -= 1,
            None => left_out.extend(columns.pop().map(|column| column.name)),
        }
    }
    left_out.reverse();
    (columns, left_out)
}

/// The width of a line of these columns.
fn total(columns: &[TableColumn<'_>]) -> usize {
    let gaps = columns.len().saturating_sub(1) * 2;
    columns.iter().map(|column| column.width).sum::<usize>() + gaps
}

/// How many rows there are, what is not shown, and how to see it.
fn footer(rows: usize, left_out: &[&str], empty: &[&str], terminal: usize) -> String {
    let noun = if rows == 1 { "row" } else { "rows" };
    let mut text = format!("\n{rows} {noun}\n");
    if !left_out.is_empty() {
        let noun = if left_out.len() == 1 { "column" } else { "columns" };
        let note = format!("{} more {noun}: {}", left_out.len(), left_out.join(", "));
        text.push_str(&format!("{}\n", wrapped(&note, terminal)));
    }
    if !empty.is_empty() {
        let note = format!("without a value: {}", empty.join(", "));
        text.push_str(&format!("{}\n", wrapped(&note, terminal)));
    }
    if !left_out.is_empty() {
        let note = "--columns NAME,NAME chooses columns; --format blocks prints a line for each";
        text.push_str(&format!("{}\n", wrapped(note, terminal)));
    }
    text
}

/// A value on one line.
fn shown(value: &Cell) -> String {
    match value.as_str() {
        _ if !value.has_value() => String::new(),
        Some(text) => on_one_line(text),
        None => on_one_line(&value.on_one_line()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn named(rows: &[Value]) -> NamedRows {
        let cell = |value: &Value| match value {
            Value::Array(_) | Value::Object(_) => Cell::json(value.to_string()).expect("JSON"),
            scalar => Cell::from(scalar.clone()),
        };
        let objects = rows.iter().map(|row| row.as_object().expect("an object"));
        NamedRows {
            columns: objects.clone().next().expect("a row").keys().cloned().collect(),
            rows: objects.map(|row| row.values().map(cell).collect()).collect(),
        }
    }

    /// Forty columns: three of the store's own, a long one, an empty one, and many short ones.
    fn rows() -> NamedRows {
        let rows = (0..3).map(|n| {
            let mut row = json!({"_kafka_topic": "t", "_event_type": "Paid",
                "id": format!("order-{n}"), "note": "x".repeat(200), "nothing": null, "none": []});
            for column in 0..35 {
                row[format!("column_{column}")] = json!(n * column);
            }
            row
        });
        named(&rows.collect::<Vec<_>>())
    }

    fn lines(text: &str) -> Vec<&str> {
        text.lines().collect()
    }

    #[test]
    fn no_line_of_a_table_is_wider_than_the_terminal_and_every_column_is_named() {
        for terminal in [40, 80, 200] {
            let text = table(&rows(), false, Some(terminal));
            assert!(text.lines().all(|line| width(line) <= terminal), "{terminal}:\n{text}");
            for name in rows().columns {
                assert!(text.contains(name.as_str()), "{name} is not in\n{text}");
            }
            assert!(lines(&text)[0].starts_with("id"), "the payload first:\n{text}");
            assert_eq!(lines(&text).iter().filter(|line| line.starts_with("order-")).count(), 3);
        }
    }

    #[test]
    fn chosen_columns_are_all_in_the_table_and_keep_their_order() {
        let names = ["note", "id", "nothing"].map(str::to_owned);
        let chosen = select(rows(), &names).expect("known columns");
        let text = table(&chosen, true, Some(40));
        assert!(text.lines().all(|line| width(line) <= 40), "{text}");
        let head: Vec<&str> = lines(&text)[0].split_whitespace().collect();
        assert_eq!(head, names);
        assert!(lines(&text)[2].contains("x…") && lines(&text)[2].contains("order-0"), "{text}");
        let text = table(&chosen, true, None);
        assert!(lines(&text)[2].contains(&"x".repeat(200)), "nothing is cut without a terminal");
    }

    /// Whoever reads a cut name cannot type it after `--columns`.
    #[test]
    fn no_column_is_narrower_than_its_name() {
        let names: Vec<String> = (0..40).map(|n| format!("a_name_of_25_letters_{n:04}")).collect();
        let row = names.iter().map(|_| Cell::from("x".repeat(60))).collect();
        let rows = NamedRows { columns: names.clone(), rows: vec![row] };
        for terminal in [20, 40, 80, 200] {
            for chosen in [false, true] {
                let text = table(&rows, chosen, Some(terminal));
                assert!(
                    text.lines().all(|line| width(line) <= terminal.max(26)),
                    "{terminal}:\n{text}"
                );
                let words: Vec<&str> = text.split([' ', '\n', ',']).collect();
                let whole = |name: &&String| words.contains(&name.as_str());
                assert_eq!(names.iter().filter(whole).count(), 40, "{terminal}:\n{text}");
            }
        }
    }

    #[test]
    fn columns_of_an_empty_table_are_checked_too() {
        let rows = NamedRows { columns: vec!["id".to_owned()], rows: Vec::new() };
        assert!(select(rows.clone(), &["nope".to_owned()]).is_err());
        assert!(select(rows, &["id".to_owned()]).is_ok());
    }

    #[test]
    fn an_unknown_column_is_refused_with_those_there_are() {
        let error = select(rows(), &["nope".to_owned()]).expect_err("refused").to_string();
        assert!(error.contains("no column nope") && error.contains("column_34"), "{error}");
    }

    #[test]
    fn a_block_has_every_value_of_its_row_on_a_line_of_its_own() {
        let rows = named(&[json!({"a": 1, "long_name": "two\nlines", "c": null, "d": [{"e": 1}]})]);
        assert_eq!(
            blocks(&rows),
            "row 1\n  a          1\n  long_name  two\\nlines\n  d          [{\"e\":1}]\n\n"
        );
    }

    #[test]
    fn a_table_of_no_rows_says_so() {
        assert_eq!(table(&NamedRows::default(), false, Some(80)), "no rows\n");
    }
}
