//! Query jobs. A statement's changes, its answer and the job's end are one transaction.

use serde_json::{Value, json};

use super::configuration::{count, flag, refuse_unknown};
use super::destination::Run;
use super::failure::JobError;
use crate::local::bigquery::cell::listed;
use crate::local::bigquery::field_schema::{FieldMode, FieldSchema, FieldType};
use crate::local::bigquery::rest::api::ApiError;
use crate::local::bigquery::rest::json_rows::scalar;
use crate::local::bigquery::sql::{self, Answer, Parameter, Parameters, SqlError};
use crate::local::bigquery::store::{Store, StoreError};

/// BigQuery bills whole MiB, and at least ten.
const BILLED_UNIT: u64 = 1 << 20;
const LEAST_BILLED: u64 = 10 << 20;

/// The largest number of rows in a page of an answer.
const LARGEST_PAGE: usize = 100_000;

/// The configuration of a query job (`configuration.query`), and the project in which it runs.
pub struct QueryJob {
    project: String,
    sql: String,
    default_dataset: Option<String>,
    parameters: Parameters,
    /// The job fails if more bytes would be billed; zero is no limit.
    most_billed: u64,
}

impl QueryJob {
    /// Reads the configuration of a query job.
    pub fn of(project: &str, configuration: &Value) -> Result<Self, ApiError> {
        let known = [
            "query",
            "useLegacySql",
            "defaultDataset",
            "parameterMode",
            "queryParameters",
            "maximumBytesBilled",
            // These make no difference here.
            "priority",
            "useQueryCache",
        ];
        refuse_unknown(configuration, &known, "configuration.query")?;
        // Unless a client says otherwise, BigQuery takes a query for one in its older dialect.
        if configuration["useLegacySql"].is_null() || flag(configuration, "useLegacySql")? {
            let message =
                "The embedded BigQuery does not support legacy SQL: set useLegacySql to false.";
            return Err(ApiError::unimplemented(message));
        }
        let Some(sql) = configuration["query"].as_str().filter(|sql| !sql.is_empty()) else {
            return Err(ApiError::new(400, "required", "Required parameter is missing: query"));
        };
        let dataset = &configuration["defaultDataset"];
        let default_dataset = dataset["datasetId"].as_str().map(|id| {
            let project = dataset["projectId"].as_str().unwrap_or(project);
            format!("{project}.{id}")
        });
        let parameters = configuration["queryParameters"].as_array().into_iter().flatten();
        Ok(Self {
            project: project.to_owned(),
            sql: sql.to_owned(),
            default_dataset,
            parameters: parameters.map(parameter).collect::<Result<_, _>>()?,
            most_billed: count(configuration, "maximumBytesBilled")?,
        })
    }

    /// Runs the query within the transaction that ends the job. Returns `statistics.query`.
    pub fn run(&self, run: &Run<'_>) -> Result<Value, JobError> {
        if self.most_billed > 0 {
            let billed = billed(self.answer(run, true)?.bytes_processed);
            if billed > self.most_billed {
                let most = self.most_billed;
                let message = format!(
                    "Query exceeded limit for bytes billed: {most}. {billed} or higher required."
                );
                return Err(JobError::failed("bytesBilledLimitExceeded", message));
            }
        }
        let answer = self.answer(run, false)?;
        let mut statistics = json!({
            "statementType": answer.statement,
            "totalBytesProcessed": answer.bytes_processed.to_string(),
            "totalBytesBilled": billed(answer.bytes_processed).to_string(),
            "cacheHit": false,
        });
        if let Some(affected) = answer.affected {
            let all = affected.inserted + affected.updated + affected.deleted;
            statistics["numDmlAffectedRows"] = json!(all.to_string());
            statistics["dmlStats"] = json!({
                "insertedRowCount": affected.inserted.to_string(),
                "updatedRowCount": affected.updated.to_string(),
                "deletedRowCount": affected.deleted.to_string(),
            });
        }
        run.resources.put_answer(run.job, &stored(&answer)?)?;
        Ok(statistics)
    }

    fn answer(&self, run: &Run<'_>, dry_run: bool) -> Result<Answer, JobError> {
        let query = sql::Query {
            sql: &self.sql,
            project: &self.project,
            default_dataset: self.default_dataset.as_deref(),
            parameters: self.parameters.clone(),
            dry_run,
        };
        sql::run_in(run.resources, &query).map_err(|error| match error {
            SqlError::Store(error) => error.into(),
            SqlError::Unimplemented { .. } => {
                JobError::Refused(ApiError::unimplemented(error.to_string()))
            }
            SqlError::Invalid { .. } | SqlError::NotFound(_) | SqlError::AlreadyExists(_) => {
                JobError::failed(error.reason(), error.to_string())
            }
        })
    }

    /// The answer of `jobs.getQueryResults` and `jobs.query` about a job, which may not be done.
    pub fn results(
        store: &Store,
        job: &Value,
        parameters: &[(String, String)],
    ) -> Result<Value, ApiError> {
        if !job["configuration"]["query"].is_object() {
            let (id, kind) = (&job["id"], &job["configuration"]["jobType"]);
            let message = format!(
                "The embedded BigQuery has results of query jobs only: {id} is a {kind} job."
            );
            return Err(ApiError::unimplemented(message));
        }
        let mut answer = json!({
            "kind": "bigquery#getQueryResultsResponse",
            "jobReference": job["jobReference"],
            "jobComplete": job["status"]["state"] == "DONE",
        });
        if answer["jobComplete"] == false {
            return Ok(answer);
        }
        let error = &job["status"]["errorResult"];
        if !error.is_null() {
            let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
            return Err(match text("reason").as_str() {
                "notFound" => ApiError::not_found(text("message")),
                "invalidQuery" => ApiError::new(400, "invalidQuery", text("message")),
                _ => ApiError::invalid(text("message")),
            });
        }
        let id = job["id"].as_str().unwrap_or_default();
        let statistics = &job["statistics"]["query"];
        let stored = store.change(|resources| resources.answer(id))?.unwrap_or_default();
        let number = |name: &str| {
            let given = parameters.iter().rfind(|(key, value)| key == name && !value.is_empty());
            let invalid = |_| ApiError::invalid(format!("Invalid {name}"));
            given.map(|(_, value)| value.parse::<usize>().map_err(invalid)).transpose()
        };
        let first = number("pageToken")?.or(number("startIndex")?).unwrap_or(0);
        let most = number("maxResults")?.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
        let rows = stored["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let page = rows.get(first..).unwrap_or_default();
        let page = page.get(..most).unwrap_or(page);
        answer["totalBytesProcessed"] = statistics["totalBytesProcessed"].clone();
        answer["cacheHit"] = json!(false);
        answer["totalRows"] = json!(rows.len().to_string());
        answer["schema"] = json!({ "fields": stored["fields"] });
        if !page.is_empty() {
            answer["rows"] = json!(page);
        }
        if first + page.len() < rows.len() {
            answer["pageToken"] = json!((first + page.len()).to_string());
        }
        if !statistics["dmlStats"].is_null() {
            answer["numDmlAffectedRows"] = statistics["numDmlAffectedRows"].clone();
            answer["dmlStats"] = statistics["dmlStats"].clone();
        }
        Ok(answer)
    }
}

/// A named parameter of a scalar type.
fn parameter(given: &Value) -> Result<Parameter, ApiError> {
    let Some(name) = given["name"].as_str().filter(|name| !name.is_empty()) else {
        let message = "The embedded BigQuery does not support positional parameters.";
        return Err(ApiError::unimplemented(message));
    };
    let kind = given["parameterType"]["type"].as_str().unwrap_or_default();
    let Some(kind) = FieldType::parse(kind).filter(|kind| *kind != FieldType::Record) else {
        let message =
            format!("The embedded BigQuery does not support parameters of the type {kind}.");
        return Err(ApiError::unimplemented(message));
    };
    let value = match &given["parameterValue"]["value"] {
        Value::Null => None,
        value => Some(scalar(value, kind).map_err(ApiError::invalid)?),
    };
    let mode = FieldMode::Nullable;
    Ok(Parameter {
        column: FieldSchema { name: name.to_owned(), kind, mode, fields: Vec::new() },
        value,
    })
}

fn billed(processed: u64) -> u64 {
    match processed {
        0 => 0,
        bytes => bytes.next_multiple_of(BILLED_UNIT).max(LEAST_BILLED),
    }
}

/// An answer as the store keeps it: its rows are as REST lists them.
fn stored(answer: &Answer) -> Result<Value, StoreError> {
    let row = |cells: &Vec<Option<crate::row::Cell>>| {
        let cells = cells.iter().zip(&answer.columns).map(|(cell, column)| {
            let listed = listed(cell.as_ref(), column, true)?;
            Ok(json!({ "v": listed }))
        });
        Ok(json!({ "f": cells.collect::<Result<Vec<Value>, StoreError>>()? }))
    };
    let rows = answer.rows.iter().map(row).collect::<Result<Vec<Value>, StoreError>>()?;
    Ok(json!({ "fields": fields(&answer.columns), "rows": rows }))
}

fn fields(columns: &[FieldSchema]) -> Value {
    let field = |column: &FieldSchema| {
        let mut field =
            json!({ "name": column.name, "type": column.kind.name(), "mode": column.mode.name() });
        if !column.fields.is_empty() {
            field["fields"] = fields(&column.fields);
        }
        field
    };
    columns.iter().map(field).collect()
}
