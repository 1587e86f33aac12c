//! `config DELIVERY`: the resolved settings, each with the layer and place it came from.

use super::args::ConfigArgs;
use super::failure::Failure;
use super::load::fetched;
use super::output;
use super::page::{terminal_width, wrapped};
use super::settings_page;
use crate::app::{Domain, DomainError, KeyProblem, Reports, check_settings};
use crate::check::counted;
use crate::config::keys::{
    CONTRACTS_DIR, FILTER, IMPORT_OBJECT, IMPORT_PATH, REPORT_OBJECT, REPORT_PATH, RULES,
};
use crate::config::location::{Location, Remote};
use crate::config::{
    Complaint, ContractSettings, Fetched, Inputs, Loaded, Mistakes, NotFetched, Resolved,
    RowSettings, Settings, StepSettings, load_and_check,
};
use crate::contract::Documents;
use crate::remote::{FetchError, Fetcher, Fetching, Next};

const HEAD: [&str; 4] = ["key", "value", "layer", "place"];

/// Prints the settings on stdout; a configuration that would not run, or a contract that is
/// wrong, is a failure that names every mistake.
pub async fn config(args: &ConfigArgs) -> Result<(), Failure> {
    let inputs = args.layers.inputs();
    let fetcher = Fetcher::new(inputs.variables().clone());
    let inputs = fetched(&fetcher, inputs).await?;
    let Checked { loaded, domain, fetched, outage } =
        checked(&args.domain, &inputs, &fetcher).await;
    if let Some(error) = outage {
        let hint = error.hint();
        return Err(Failure::stopped("fetch the contract", hint).source(error));
    }
    let loaded = loaded.map_err(Failure::configuration)?;
    let Some(domain) = domain else { return Ok(()) };
    check_settings(&domain, &loaded.settings)?;
    let mut sentences: Vec<String> = inputs.fetched().map(fetched_from).chain(fetched).collect();
    sentences.push(type_location(&domain));
    sentences.extend(renamed(&domain));
    sentences.extend(filtered(&domain));
    sentences.extend(applied(&domain));
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

/// A configuration with its contract.
pub struct Checked {
    /// Or every mistake, those of the contract too.
    pub loaded: Result<Loaded, Mistakes>,
    /// `None`: the contract cannot be used.
    pub domain: Option<Domain>,
    /// Which versions of documents were fetched.
    fetched: Vec<String>,
    /// The store of the contracts does not answer.
    pub outage: Option<FetchError>,
}

/// Reads the configuration and the contract that it names.
pub async fn checked(name: &str, inputs: &Inputs, fetcher: &Fetcher) -> Checked {
    let mut fetching = Fetching::new(fetcher);
    let (attempt, outage) = loop {
        let attempt = attempt(name, inputs, &Contract::From(fetching.documents()));
        let Some(folder) = attempt.folder.clone() else { break (attempt, None) };
        match fetching.next(&folder).await {
            Ok(Next::TryAgain) => {}
            Ok(Next::Complete) => break (attempt, None),
            Err(error) if error.fault.is_outage() => break (attempt, Some(error)),
            Err(error) => {
                let contract = Contract::NotFetched(error.into_mistake());
                break (self::attempt(name, inputs, &contract), None);
            }
        }
    };
    let Attempt { loaded, domain, .. } = attempt;
    let fetched = fetching.fetched().map(fetched_from).collect();
    Checked { loaded, domain, fetched, outage }
}

/// What there is of the contract while the configuration is checked.
enum Contract<'a> {
    /// Documents that were fetched so far; those on this machine are read.
    From(&'a Documents),
    NotFetched(NotFetched),
}

/// The result of checking the configuration once.
struct Attempt {
    loaded: Result<Loaded, Mistakes>,
    domain: Option<Domain>,
    /// The folder of the contracts, if the configuration got as far.
    folder: Option<Location>,
}

fn attempt(name: &str, inputs: &Inputs, contract: &Contract<'_>) -> Attempt {
    let (mut domain, mut folder) = (None, None);
    let loaded = load_and_check(name, inputs, &mut |settings, rows, steps| {
        folder = Some(settings.dir.clone());
        let documents = match contract {
            Contract::From(documents) => documents,
            Contract::NotFetched(NotFetched { found, accepted }) => {
                let (found, accepted) = (found.clone(), accepted.clone());
                return vec![Complaint { key: &CONTRACTS_DIR, found, accepted }];
            }
        };
        match check(settings, rows, steps, documents) {
            Ok(checked) => {
                domain = Some(checked);
                Vec::new()
            }
            Err(complaints) => complaints,
        }
    });
    Attempt { loaded, domain, folder }
}

/// Which version of a document was fetched.
fn fetched_from((remote, fetched): (&Remote, &Fetched)) -> String {
    format!("fetched {remote} ({})", fetched.version)
}

/// Where the event type is read.
fn type_location(domain: &Domain) -> String {
    format!("the event type is read from {}", domain.contract.discriminator)
}

/// Where fields become columns of another name.
fn renamed(domain: &Domain) -> Vec<String> {
    let renamed = domain.written().columns.renamed().into_iter();
    renamed
        .map(|(field, column)| format!("the field {field} is written to the column {column}"))
        .collect()
}

/// Which event types lack fields that the filter reads.
fn filtered(domain: &Domain) -> Vec<String> {
    let filter = domain.filter.iter();
    let lacking = filter.flat_map(|filter| filter.undeclared(&domain.contract, domain.ignored()));
    lacking
        .map(|(field, types)| {
            format!(
                "FILTER reads {field}, which is not declared by {}: it has no answer where the field \
                 is missing (FILTER_ON_ERROR), unless it asks `has(…)` or by `.?` first",
                types.join(", ")
            )
        })
        .collect()
}

/// Which rules are applied, and what their reports are.
fn applied(domain: &Domain) -> Option<String> {
    let Reports { rules, domain: reports } = &**domain.reports.as_ref()?;
    let count = counted(rules.len(), "rule");
    let (version, contract) = (rules.version(), &reports.contract.id);
    Some(format!("{count} of {version} are applied, and the reports are rows of {contract}"))
}

/// What the domain reads and writes.
fn outcome(domain: &Domain, settings: &Settings) -> String {
    let (contract, columns) = (&domain.contract, &domain.written().columns);
    format!(
        "{} reads {} ({}, {}) and writes {} to {}",
        settings.domain,
        contract.topic,
        counted(contract.events.len(), "event type"),
        contract.id,
        counted(columns.columns.len(), "column"),
        settings.write.sink.target(),
    )
}

/// The domain, or all that is wrong with its contracts and rules.
fn check(
    settings: &ContractSettings,
    rows: &RowSettings,
    steps: Option<&StepSettings>,
    documents: &Documents,
) -> Result<Domain, Vec<Complaint>> {
    let all =
        |errors: Vec<DomainError>| errors.into_iter().flat_map(complaints).collect::<Vec<_>>();
    let domain = Domain::of_settings(settings, rows.clone(), steps, documents).map_err(all)?;
    domain.plan(&domain.columns).map_err(complaints)?;
    let written = domain.written();
    written.plan(&written.columns).map_err(|error| of_report(complaints(error)))?;
    Ok(domain)
}

fn complaints(error: DomainError) -> Vec<Complaint> {
    let (problems, keys) = match error {
        DomainError::NoFolder(_) => {
            let accepted = "the folder of the contracts, relative to the working directory";
            return vec![Complaint {
                key: &CONTRACTS_DIR,
                found: error.to_string(),
                accepted: accepted.to_owned(),
            }];
        }
        DomainError::Report(error) => return of_report(complaints(*error)),
        DomainError::Rules { source, .. } => {
            let problems = source.problems.iter().map(ToString::to_string);
            return problems.map(about_rules).collect();
        }
        DomainError::Contract { source, .. } => (source.problems, Vec::new()),
        DomainError::Columns { source, .. } => (source.problems, source.keys),
        DomainError::Filter { source, .. } => {
            let problems = source.problems.iter();
            return problems.map(|problem| about_filter(problem.to_string())).collect();
        }
        DomainError::Plan { source, .. } => {
            let mistakes = source.mistakes.iter();
            return mistakes.map(|mistake| about_contract(mistake.to_string())).collect();
        }
    };
    let keys = keys.into_iter().map(about_key);
    let problems = problems.iter().map(|problem| {
        let about: fn(String) -> Complaint =
            if problem.about_channel { about_channel } else { about_contract };
        about(problem.to_string())
    });
    problems.chain(keys).collect()
}

/// Complaints about the contract of the reports, which other keys name.
fn of_report(complaints: Vec<Complaint>) -> Vec<Complaint> {
    let renamed = |complaint: Complaint| match complaint.key {
        key if *key == IMPORT_PATH => Complaint { key: &REPORT_PATH, ..complaint },
        key if *key == IMPORT_OBJECT => Complaint {
            key: &REPORT_OBJECT,
            accepted: REPORT_OBJECT.accepted.to_owned(),
            ..complaint
        },
        _ => complaint,
    };
    complaints.into_iter().map(renamed).collect()
}

fn about_rules(found: String) -> Complaint {
    let accepted = "a folder of rules as docs/reference/rules.md describes them".to_owned();
    Complaint { key: &RULES, found, accepted }
}

fn about_contract(found: String) -> Complaint {
    let accepted = "an AsyncAPI 3 document whose payloads fit the sink's table".to_owned();
    Complaint { key: &IMPORT_PATH, found, accepted }
}

fn about_channel(found: String) -> Complaint {
    Complaint { key: &IMPORT_OBJECT, found, accepted: IMPORT_OBJECT.accepted.to_owned() }
}

fn about_filter(found: String) -> Complaint {
    Complaint { key: &FILTER, found, accepted: FILTER.accepted.to_owned() }
}

fn about_key(KeyProblem { key, found, accepted }: KeyProblem) -> Complaint {
    Complaint { key, found, accepted }
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
