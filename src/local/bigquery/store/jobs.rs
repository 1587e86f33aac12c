//! Jobs: their resources, the uploaded input of those that are not done, and the answers of queries.

use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use super::database::Store;
use super::error::StoreError;
use super::resources::Resources;

/// A job as the store keeps it.
#[derive(Debug, Clone)]
pub struct StoredJob {
    /// `project:location.job`
    pub id: String,
    pub resource: Value,
    /// The uploaded file of a load job that is not done yet.
    pub input: Option<Vec<u8>>,
}

impl Store {
    /// The jobs of a project, the latest first.
    pub fn jobs(&self, project: &str) -> Result<Vec<Value>, StoreError> {
        let connection = self.writer()?;
        let sql =
            "SELECT resource FROM __jobs WHERE project = ?1 ORDER BY created DESC, rowid DESC";
        let mut statement = connection.prepare_cached(sql)?;
        let texts = statement.query_map([project], |row| row.get::<_, String>(0))?;
        texts.map(|text| Ok(serde_json::from_str(&text?)?)).collect()
    }

    /// The ids of the jobs that are not done.
    pub fn unfinished_jobs(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.writer()?;
        let sql = "SELECT id FROM __jobs
                   WHERE json_extract(resource, '$.status.state') <> 'DONE' ORDER BY rowid";
        let mut statement = connection.prepare(sql)?;
        let ids = statement.query_map([], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
}

impl Resources<'_> {
    pub fn job(&self, id: &str) -> Result<Option<StoredJob>, StoreError> {
        let sql = "SELECT id, resource, input FROM __jobs WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = |row: &Row<'_>| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<Vec<u8>>>(2)?,
            ))
        };
        let found = statement.query_row([id], columns).optional()?;
        let parsed = |(id, resource, input): (String, String, Option<Vec<u8>>)| {
            Ok(StoredJob { id, resource: serde_json::from_str(&resource)?, input })
        };
        found.map(parsed).transpose()
    }

    /// Stores a new job. The caller has checked that its id is free.
    pub fn insert_job(
        &self,
        project: &str,
        created: i64,
        job: &StoredJob,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO __jobs (id, project, created, resource, input)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let resource = job.resource.to_string();
        self.connection.execute(sql, params![job.id, project, created, resource, job.input])?;
        Ok(())
    }

    /// Replaces the resource of a job that is done now, and drops its input.
    pub fn end_job(&self, id: &str, resource: &Value) -> Result<(), StoreError> {
        let sql = "UPDATE __jobs SET resource = ?2, input = NULL WHERE id = ?1";
        self.connection.execute(sql, params![id, resource.to_string()])?;
        Ok(())
    }

    /// Keeps the answer of a query job.
    pub fn put_answer(&self, job: &str, answer: &Value) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO __answers (job, answer) VALUES (?1, ?2)";
        self.connection.execute(sql, params![job, answer.to_string()])?;
        Ok(())
    }

    /// The answer of a query job that is done.
    pub fn answer(&self, job: &str) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT answer FROM __answers WHERE job = ?1";
        let answer: Option<String> =
            self.connection.query_row(sql, [job], |row| row.get(0)).optional()?;
        answer.map(|text| Ok(serde_json::from_str(&text)?)).transpose()
    }

    pub fn delete_job(&self, id: &str) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM __answers WHERE job = ?1", [id])?;
        self.connection.execute("DELETE FROM __jobs WHERE id = ?1", [id])?;
        Ok(())
    }
}
