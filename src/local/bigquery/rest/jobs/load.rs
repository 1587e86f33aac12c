//! Load jobs from an uploaded file or from objects of Google Cloud Storage.

use serde_json::{Value, json};

use super::configuration::{count, flag, refuse_unknown};
use super::csv::CsvForm;
use super::destination::{Destination, Incoming, Run, WriteDisposition};
use super::failure::{JobError, JobFailure};
use super::objects::{SourceFile, check_uri};
use super::source::{Rows, read_csv, read_json, row_errors, too_many_errors, unzipped};
use crate::local::bigquery::cell::logical_bytes;
use crate::local::bigquery::partition::{partitioning, specification};
use crate::local::bigquery::rest::api::ApiError;

/// The configuration of a load job.
pub struct LoadJob {
    pub destination: Destination,
    /// `sourceUris`; empty if the file is uploaded.
    pub uris: Vec<String>,
    form: SourceForm,
    /// `schema`, `timePartitioning` and `clustering` of the configuration.
    table: Value,
    most_bad_records: u64,
    ignore_unknown: bool,
}

/// The form of the files.
enum SourceForm {
    JsonLines,
    Csv(CsvForm),
}

const KNOWN: &[&str] = &[
    "destinationTable",
    "createDisposition",
    "writeDisposition",
    "sourceFormat",
    "schema",
    "timePartitioning",
    "clustering",
    "maxBadRecords",
    "ignoreUnknownValues",
    "sourceUris",
];

/// Further properties of a load from CSV.
const KNOWN_OF_CSV: &[&str] = &[
    "skipLeadingRows",
    "fieldDelimiter",
    "quote",
    "allowQuotedNewlines",
    "allowJaggedRows",
    "nullMarker",
    "encoding",
];

impl LoadJob {
    pub fn of(project: &str, configuration: &Value) -> Result<Self, ApiError> {
        let unsupported = |what: String| {
            Err(ApiError::unimplemented(format!(
                "The embedded BigQuery does not support {what} of load jobs."
            )))
        };
        let form = match configuration["sourceFormat"].as_str() {
            None | Some("CSV") => {
                let known = [KNOWN, KNOWN_OF_CSV].concat();
                refuse_unknown(configuration, &known, "configuration.load")?;
                let encoding = configuration["encoding"].as_str();
                if let Some(other) = encoding.filter(|encoding| *encoding != "UTF-8") {
                    return unsupported(format!("the encoding {other}"));
                }
                SourceForm::Csv(CsvForm::of(configuration)?)
            }
            Some("NEWLINE_DELIMITED_JSON") => {
                refuse_unknown(configuration, KNOWN, "configuration.load")?;
                SourceForm::JsonLines
            }
            Some(other) => return unsupported(format!("the sourceFormat {other}")),
        };
        let destination = Destination::of(project, configuration, WriteDisposition::Append)?;
        let uris = configuration["sourceUris"].as_array().map(Vec::as_slice).unwrap_or_default();
        let uris: Vec<String> =
            uris.iter().map(|uri| uri.as_str().unwrap_or_default().to_owned()).collect();
        uris.iter().try_for_each(|uri| check_uri(uri))?;
        let mut table = json!({ "schema": configuration["schema"] });
        for name in ["timePartitioning", "clustering"] {
            if !configuration[name].is_null() {
                table[name] = configuration[name].clone();
            }
        }
        Ok(Self {
            destination,
            uris,
            form,
            table,
            most_bad_records: count(configuration, "maxBadRecords")?,
            ignore_unknown: flag(configuration, "ignoreUnknownValues")?,
        })
    }

    /// Loads the rows of the files. Returns `statistics.load`, and the errors of bad rows that the job
    /// allows.
    pub fn run(
        &self,
        run: &Run<'_>,
        files: &[SourceFile],
    ) -> Result<(Value, Vec<Value>), JobError> {
        let incoming = Incoming {
            table: self.table.clone(),
            layout_refusal: &|live, replaces| layout_refusal(live, &self.table, replaces),
        };
        let to = self.destination.open(run, &incoming)?;
        if let SourceForm::Csv(form) = &self.form {
            form.check_columns(&to.columns).map_err(JobError::invalid)?;
        }
        let mut rows = Rows::default();
        for file in files {
            let text = unzipped(&file.bytes).map_err(|error| {
                let message = format!("Error while reading data, error message: {error}");
                JobError::Failed(JobFailure::new("invalid", message))
            })?;
            match &self.form {
                SourceForm::JsonLines => {
                    read_json(&file.name, &text, &to.columns, self.ignore_unknown, &mut rows);
                }
                SourceForm::Csv(form) => {
                    let ignore_unknown = self.ignore_unknown;
                    read_csv(&file.name, &text, form, &to.columns, ignore_unknown, &mut rows);
                }
            }
        }
        let Rows { good, bad } = rows;
        let warnings = row_errors(&bad);
        if bad.len() as u64 > self.most_bad_records {
            let name = match self.form {
                SourceForm::JsonLines => "JSON",
                SourceForm::Csv(_) => "CSV",
            };
            let failure = JobFailure::new("invalid", too_many_errors(name, bad.len(), good.len()));
            return Err(JobError::Failed(failure.with_details(warnings)));
        }
        run.resources.insert_rows(&to.id, &to.columns, to.ingested(), &good)?;
        let bytes: u64 = good.iter().map(|row| logical_bytes(row, &to.columns)).sum();
        to.close(run)?;
        let input_bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
        let statistics = json!({
            "inputFiles": files.len().to_string(),
            "inputFileBytes": input_bytes.to_string(),
            "outputRows": good.len().to_string(),
            "outputBytes": bytes.to_string(),
            "badRecords": bad.len().to_string(),
        });
        Ok((statistics, warnings))
    }
}

/// Why an existing destination does not have the layout that the job names. A table that is replaced as
/// a whole gets the job's clustering.
fn layout_refusal(live: &Value, job: &Value, replaces: bool) -> Option<String> {
    let differs = !job["timePartitioning"].is_null() && partitioning(live) != partitioning(job);
    let reclusters = !job["clustering"].is_null() && live["clustering"] != job["clustering"];
    (differs || (reclusters && !replaces)).then(|| {
        format!(
            "Incompatible table partitioning specification. Expects partitioning specification {}, \
             but input partitioning specification is {}",
            specification(live),
            specification(job)
        )
    })
}
