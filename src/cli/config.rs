//! `config DELIVERY`: the resolved settings, each with the layer and place it came from.

use super::args::ConfigArgs;
use super::failure::Failure;
use super::output;
use super::page::{terminal_width, wrapped};
use super::settings_page;
use crate::app::{Domain, DomainError, RowOptions, check_letters};
use crate::config::keys::{CONTRACTS_DIR, IMPORT_OBJECT, IMPORT_PATH, PARTITION_BY};
use crate::config::{Complaint, ContractSettings, Resolved, RowSettings, Settings, load_and_check};

const HEAD: [&str; 4] = ["key", "value", "layer", "place"];

/// Prints the settings on stdout; a configuration that would not run, or a contract that is
/// wrong, is a failure that names every mistake.
pub fn config(args: &ConfigArgs) -> Result<(), Failure> {
    let mut domain = None;
    let loaded =
        load_and_check(&args.domain, &args.layers.inputs(), &mut |settings, rows| match check(
            settings, rows,
        ) {
            Ok(checked) => {
                domain = Some(checked);
                Vec::new()
            }
            Err(complaints) => complaints,
        })
        .map_err(Failure::configuration)?;
    let Some(domain) = domain else { return Ok(()) };
    check_letters(&domain, &loaded.settings.dead_letter)?;
    let mut sentences = vec![type_location(&domain)];
    sentences.extend(renamed(&domain));
    sentences.push(outcome(&domain, &loaded.settings));
    let page = match terminal_width() {
        Some(columns) => {
            let sentences: Vec<String> =
                sentences.iter().map(|sentence| wrapped(sentence, columns)).collect();
            format!("{}{}\n", settings_page::page(&loaded.resolved, columns), sentences.join("\n"))
        }
        None => format!("{}\n\n{}\n", text(&loaded.resolved), sentences.join("\n")),
    };
    output::print(&page)
}

/// Where the event type is read.
fn type_location(domain: &Domain) -> String {
    format!("the event type is read from {}", domain.contract.discriminator)
}

/// Where fields become columns of another name.
fn renamed(domain: &Domain) -> Vec<String> {
    let renamed = domain.columns.renamed().into_iter();
    renamed
        .map(|(field, column)| format!("the field {field} is written to the column {column}"))
        .collect()
}

/// What the domain reads and writes.
fn outcome(Domain { contract, columns, .. }: &Domain, settings: &Settings) -> String {
    format!(
        "{} reads {} ({} event types, {}) and writes {} columns to {}",
        settings.domain,
        contract.topic,
        contract.events.len(),
        contract.id,
        columns.columns.len(),
        settings.write.table,
    )
}

/// The domain, or all that is wrong with its contract.
fn check(settings: &ContractSettings, rows: &RowSettings) -> Result<Domain, Vec<Complaint>> {
    let options = RowOptions::new(settings, rows.layout, &rows.partition_by);
    let domain = Domain::load(settings, options).map_err(complaints)?;
    domain.plan(&domain.columns).map_err(complaints)?;
    Ok(domain)
}

fn complaints(error: DomainError) -> Vec<Complaint> {
    let (problems, partition) = match error {
        DomainError::NoFolder(_) => {
            let accepted = "the folder of the contracts, relative to the working directory";
            return vec![Complaint {
                key: &CONTRACTS_DIR,
                found: error.to_string(),
                accepted: accepted.to_owned(),
            }];
        }
        DomainError::Contract { source, .. } => (source.problems, None),
        DomainError::Columns { source, .. } => (source.problems, source.partition),
        DomainError::Plan { source, .. } => {
            let mistakes = source.mistakes.iter();
            return mistakes.map(|mistake| about_contract(mistake.to_string())).collect();
        }
    };
    let partition = partition.map(|error| about_partition(error.to_string()));
    let problems = problems.iter().map(|problem| {
        let about: fn(String) -> Complaint =
            if problem.about_channel { about_channel } else { about_contract };
        about(problem.to_string())
    });
    problems.chain(partition).collect()
}

fn about_contract(found: String) -> Complaint {
    let accepted = "an AsyncAPI 3 document whose payloads fit a BigQuery table".to_owned();
    Complaint { key: &IMPORT_PATH, found, accepted }
}

fn about_channel(found: String) -> Complaint {
    Complaint { key: &IMPORT_OBJECT, found, accepted: IMPORT_OBJECT.accepted.to_owned() }
}

fn about_partition(found: String) -> Complaint {
    let accepted = "a timestamp or date column of the table".to_owned();
    Complaint { key: &PARTITION_BY, found, accepted }
}

fn cells(resolved: &Resolved) -> [String; 4] {
    [
        resolved.key.clone(),
        resolved.value.clone(),
        resolved.layer.to_string(),
        resolved.place.to_string(),
    ]
}

/// Columns aligned by spaces, for pipes and files.
fn text(resolved: &[Resolved]) -> String {
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
