//! Calls about jobs.

use serde_json::{Value, json};

use crate::peer::Peer;

/// The reference of a table in the dataset `d`, with or without a decorator.
pub fn table(name: &str) -> Value {
    json!({ "projectId": "p", "datasetId": "d", "tableId": name })
}

/// The configuration of a copy job between tables of the dataset `d`.
pub fn copy(from: &str, to: &str, write: &str) -> Value {
    json!({ "copy": {
        "sourceTable": table(from),
        "destinationTable": table(to),
        "writeDisposition": write,
    }})
}

/// The reason and the message of a job's error.
pub fn error(job: &Value) -> (&str, &str) {
    let result = &job["status"]["errorResult"];
    assert_eq!(job["status"]["state"], "DONE", "{job}");
    assert_eq!(&job["status"]["errors"][0], result);
    (result["reason"].as_str().unwrap_or_default(), result["message"].as_str().unwrap_or_default())
}

impl Peer {
    /// Inserts a job with this id.
    pub async fn insert_job(&self, id: &str, configuration: Value) -> (u16, Value) {
        let body = json!({ "jobReference": { "jobId": id }, "configuration": configuration });
        self.rest("POST", "jobs", Some(body)).await
    }

    /// Inserts a job with an id of the server's, and returns it.
    pub async fn job(&self, configuration: Value) -> Value {
        let body = json!({ "configuration": configuration });
        let (status, job) = self.rest("POST", "jobs", Some(body)).await;
        assert_eq!(status, 200, "{job}");
        job
    }

    /// Does a job that succeeds.
    pub async fn done(&self, configuration: Value) -> Value {
        let job = self.job(configuration).await;
        assert_eq!(job["status"], json!({ "state": "DONE" }), "{job}");
        job
    }

    /// Polls until the job is done.
    pub async fn wait_for_job(&self, id: &str) -> Value {
        loop {
            let (status, job) = self.rest("GET", &format!("jobs/{id}"), None).await;
            assert_eq!(status, 200, "{job}");
            if job["status"]["state"] == "DONE" {
                return job;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Inserts a load job with a file, as a body of two parts.
    pub async fn load(&self, id: &str, load: Value, file: &[u8]) -> (u16, Value) {
        let url = self.upload_url("multipart");
        let response = multipart(&url, id, load, file).send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    pub fn upload_url(&self, kind: &str) -> String {
        let rest = self.running.urls().0;
        format!("{rest}/upload/bigquery/v2/projects/p/jobs?uploadType={kind}")
    }

    /// How many rows a table or partition of the dataset `d` has.
    pub async fn count(&self, name: &str) -> String {
        let path = format!("datasets/d/tables/{name}");
        let (status, table) = self.rest("GET", &path, None).await;
        assert_eq!(status, 200, "{table}");
        table["numRows"].as_str().expect("a number").to_owned()
    }

    /// The first column of the rows of a table or partition of the dataset `d`, as `tabledata.list` has
    /// them.
    pub async fn listed(&self, name: &str) -> Vec<String> {
        let (status, page) =
            self.rest("GET", &format!("datasets/d/tables/{name}/data"), None).await;
        assert_eq!(status, 200, "{page}");
        let rows = page["rows"].as_array().expect("rows");
        assert_eq!(page["totalRows"], rows.len().to_string());
        rows.iter().map(|row| row["f"][0]["v"].as_str().expect("text").to_owned()).collect()
    }

    /// Inserts rows with `insertAll`.
    pub async fn insert(&self, table: &str, rows: &[Value]) {
        let rows: Vec<Value> = rows.iter().map(|row| json!({ "json": row })).collect();
        let path = format!("datasets/d/tables/{table}/insertAll");
        let (status, answer) = self.rest("POST", &path, Some(json!({ "rows": rows }))).await;
        assert_eq!((status, &answer["insertErrors"]), (200, &Value::Null), "{answer}");
    }
}

/// A request with a load job and its file, as Google's clients send it.
pub fn multipart(url: &str, id: &str, load: Value, file: &[u8]) -> reqwest::RequestBuilder {
    let job = json!({ "jobReference": { "jobId": id }, "configuration": { "load": load } });
    let mut body =
        format!("--==b==\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{job}\r\n");
    body.push_str("--==b==\r\ncontent-type: */*\r\n\r\n");
    let body = [body.as_bytes(), file, b"\r\n--==b==--"].concat();
    reqwest::Client::new()
        .post(url)
        .header("content-type", "multipart/related; boundary=\"==b==\"")
        .body(body)
}
